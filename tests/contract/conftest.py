"""One suite for every storage: in memory, in a file and on PostgreSQL."""

import os

os.environ.setdefault("LANGGRAPH_STRICT_MSGPACK", "true")  # read when langgraph is imported

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from interlock.checkpoints import SqlStorage
from interlock.contracts.handoff import Handoff
from interlock.contracts.ids import derive_handoff_id
from interlock.contracts.plain import derive_hash
from interlock.contracts.question import Question
from interlock.contracts.run_record import RunRecord

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


class ManualClock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.instant = NOON

    def now(self) -> datetime:
        return self.instant

    async def sleep(self, seconds: float) -> None:
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        self.instant += timedelta(seconds=seconds)


class CountingHook:
    """Counts commits, and can be told to fail them."""

    def __init__(self) -> None:
        self.commits = 0
        self.failure: Exception | None = None

    def before_commit(self, index: int) -> None:
        if self.failure is not None:
            raise self.failure

    def after_commit(self, index: int) -> None:
        self.commits += 1


@pytest.fixture
def clock() -> ManualClock:
    """Return a clock at noon."""
    return ManualClock()


@pytest.fixture
def hook() -> CountingHook:
    """Return a hook that counts commits."""
    return CountingHook()


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the URL of a fresh storage, of each kind."""
    return build_url(request.param, request, tmp_path)


@pytest.fixture(params=["sqlite", "postgresql"])
def lasting_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the URL of a fresh storage that outlives whoever opens it, of each such kind."""
    return build_url(request.param, request, tmp_path)


@pytest.fixture
def file_url(tmp_path: Path) -> str:
    """Return the URL of a fresh storage in a file."""
    return f"sqlite:///{tmp_path}/storage.db"


def is_postgres(storage: SqlStorage) -> bool:
    """Return whether a storage lies on PostgreSQL."""
    return storage.url.startswith("postgresql://")


def build_url(kind: str, request: pytest.FixtureRequest, folder: Path) -> str:
    """Return the URL of a fresh storage of a kind; a server is started for the first of its kind."""
    if kind == "postgresql":
        found: str = request.getfixturevalue("postgres_url")
        return found
    return "memory://" if kind == "memory" else f"sqlite:///{folder}/storage.db"


@pytest.fixture
async def storage(url: str, clock: ManualClock, hook: CountingHook) -> AsyncIterator[SqlStorage]:
    """Return an open storage of each kind."""
    opened = SqlStorage(url, clock=clock, write_hook=hook)
    await opened.connect()
    yield opened
    await opened.aclose()


@pytest.fixture
def make_run() -> Callable[..., RunRecord]:
    """Return a function that makes runs."""

    def make(thread_id: str = "t", **changes: Any) -> RunRecord:
        fields: dict[str, Any] = {
            "thread_id": thread_id,
            "goal": "report",
            "context": {"tenant": "é"},
            "accepted_at": NOON,
            "updated_at": NOON,
        }
        return RunRecord(**{**fields, **changes})

    return make


@pytest.fixture
def make_handoff() -> Callable[..., Handoff]:
    """Return a function that makes handoffs."""

    def make(
        kind: str = "brief", step_id: str = "read", attempt: int = 1, **changes: Any
    ) -> Handoff:
        payload = changes.pop("payload", {"step": step_id, "kind": kind})
        fields: dict[str, Any] = {
            "id": derive_handoff_id(
                "t", superstep="c1", step_id=step_id, attempt=attempt, kind=kind
            ),
            "thread_id": "t",
            "superstep": "c1",
            "kind": kind,
            "sender": "supervisor",
            "receiver": "reader",
            "step_id": step_id,
            "attempt": attempt,
            "worker": "reader",
            "payload": payload,
            "payload_hash": derive_hash(payload),
            "started_at": NOON,
            "ended_at": NOON,
        }
        return Handoff(**{**fields, **changes})

    return make


@pytest.fixture
def make_question() -> Callable[..., Question]:
    """Return a function that makes questions."""

    def make(identifier: str = "q-1", thread_id: str = "t", **changes: Any) -> Question:
        fields: dict[str, Any] = {
            "id": identifier,
            "thread_id": thread_id,
            "kind": "output",
            "step_id": "read",
            "name": "reader",
            "args": {"text": "draft"},
            "description": "May this pass?",
            "allowed": ("approve", "reject"),
            "shown_hash": derive_hash({"text": "draft"}),
            "asked_at": NOON,
        }
        return Question(**{**fields, **changes})

    return make
