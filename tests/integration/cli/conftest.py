"""Folders with a team in them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.cli.gate import Gate
from tests.integration.cli.shell import Shell


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    """A folder of its own, with no setting from outside; its processes end with the test."""
    monkeypatch.delenv("INTERLOCK_STORAGE", raising=False)
    monkeypatch.delenv("INTERLOCK_ENCRYPTION_KEYS", raising=False)
    opened = Shell(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def gate() -> Iterator[Gate]:
    """A gate for workers."""
    with Gate() as opened:
        yield opened
