"""Whose metrics a benchmark counts, and the ways to count them: by SQL, and handoff by handoff."""

import tracemalloc
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from interlock.bench.bulk_rows import BulkRows
from interlock.bench.stopwatch import Stopwatch
from interlock.bench.template_runs import TEAMS
from interlock.checkpoints.measures import derive_scope
from interlock.checkpoints.named_sql import load_statements
from interlock.contracts.handoff import Handoff
from interlock.contracts.ids import ThreadId
from interlock.contracts.measures import MeasureWindow
from interlock.contracts.storage import Storage
from interlock.orchestrator.measuring import load_metrics

THREAD: Final = "one thread"
DAY: Final = "one day"
TEAM: Final = "one team"
ALL: Final = "all"

_PREFIX: Final = "measure_"


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricScope:
    """Whose metrics.

    Attributes:
        name: In words.
        window: As storage is asked.
        holds: How many handoffs are within it.
        threads: On which threads those are.
    """

    name: str
    window: MeasureWindow
    holds: int
    threads: Sequence[str]


def list_scopes(rows: BulkRows) -> list[MetricScope]:
    """Return one thread in the middle, the last day, one of the teams, and all."""
    _, threads = rows.read("SELECT thread_id, accepted_at FROM runs ORDER BY accepted_at")
    last = datetime.fromisoformat(threads[-1][1])
    windows = {
        THREAD: MeasureWindow(thread_id=ThreadId(threads[len(threads) // 2][0])),
        DAY: MeasureWindow(since=last - timedelta(days=1)),
        TEAM: MeasureWindow(team=TEAMS[0]),
        ALL: MeasureWindow(),
    }
    return [_build_scope(rows, name, window) for name, window in windows.items()]


def _build_scope(rows: BulkRows, name: str, window: MeasureWindow) -> MetricScope:
    _, which = derive_scope(window)
    _, found = rows.read(
        "SELECT h.thread_id, count(*) FROM handoffs AS h JOIN runs AS r ON r.thread_id = h.thread_id "
        "WHERE (CAST(?1 AS TEXT) = '' OR CAST(?1 AS TEXT) IN (h.thread_id, r.team)) "
        "AND h.ended_at >= ?2 AND h.ended_at < ?3 GROUP BY h.thread_id",
        which[:3],
    )
    return MetricScope(
        name=name,
        window=window,
        holds=sum(number for _, number in found),
        threads=[thread for thread, _ in found],
    )


async def count_by_metrics(storage: Storage, scope: MetricScope) -> int:
    """Load what `desk.ametrics` returns, and say how many attempts it found."""
    window = scope.window
    metrics = await load_metrics(
        storage, thread_id=window.thread_id, team=window.team, since=window.since
    )
    return sum(worker.attempts for worker in metrics.workers)


async def count_by_reading(storage: Storage, scope: MetricScope) -> int:
    """Read the handoffs of every thread, without payloads, and say how many attempts there are."""
    number = 0
    for thread in scope.threads:
        handoffs = await storage.load_handoffs(ThreadId(thread), step_id=None, payloads=False)
        number += sum(_is_attempt_since(handoff, scope.window.since) for handoff in handoffs)
    return number


def _is_attempt_since(handoff: Handoff, since: datetime | None) -> bool:
    is_attempt = handoff.kind == "output" and handoff.turn_at is not None
    return is_attempt and (since is None or handoff.ended_at >= since)


def time_queries(rows: BulkRows, scope: MetricScope, *, dialect: str) -> dict[str, float]:
    """Run each statement by itself, and return milliseconds by its name."""
    form, which = derive_scope(scope.window)
    taken: dict[str, float] = {}
    for name, statement in load_statements(dialect).items():
        if name.startswith(_PREFIX) and name.endswith(f"_of_{form}"):
            stopwatch = Stopwatch()
            rows.read(statement, which)
            short = name.removeprefix(_PREFIX).removesuffix(f"_of_{form}")
            taken[short] = stopwatch.read().wall_seconds * 1000
    return taken


Count = Callable[[Storage, MetricScope], Awaitable[int]]


async def weigh(count: Count, storage: Storage, scope: MetricScope) -> float:
    """Count once more, and return how many KB of Python memory that took at most."""
    tracemalloc.start()
    try:
        await count(storage, scope)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return most / 1000
