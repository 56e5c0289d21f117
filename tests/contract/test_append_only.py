"""What is written down stays: no SQL by hand deletes or replaces it (I8, I9, I10)."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from interlock.checkpoints import SqlStorage, open_storage
from interlock.contracts.outcome import StepOutcome
from interlock.contracts.storage import Batch, RunUpdate

TABLES = ("runs", "handoffs", "outcomes", "questions")


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """Return a connection of somebody else to the database file."""
    opened = sqlite3.connect(tmp_path / "storage.db", isolation_level=None)
    yield opened
    opened.close()


@pytest.fixture
async def filled(
    file_url: str,
    make_run: Callable[..., Any],
    make_handoff: Callable[..., Any],
    make_question: Callable[..., Any],
) -> None:
    """Write a finished run down, with a row in every table."""
    async with open_storage(file_url) as storage:
        await storage.accept_run(make_run())
        outcomes = [
            StepOutcome(step_id="read", status="accepted", value=1),
            StepOutcome(step_id="write", status="waiting"),
        ]
        batch = Batch(
            superstep="c1",
            handoffs=[make_handoff()],
            outcomes=outcomes,
            questions=[make_question()],
            run=RunUpdate(status="completed", result={"n": 1}),
        )
        await storage.commit("t", batch)


def read_all(connection: sqlite3.Connection) -> dict[str, list[Any]]:
    """Return all rows of the tables."""
    return {name: connection.execute(f"SELECT * FROM {name}").fetchall() for name in TABLES}


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.usefixtures("filled")
def test_no_row_can_be_deleted(table: str, connection: sqlite3.Connection) -> None:
    """A DELETE by hand is refused, of all rows or of one."""
    before = read_all(connection)
    for statement in (f"DELETE FROM {table}", f"DELETE FROM {table} WHERE thread_id = 't'"):
        with pytest.raises(sqlite3.IntegrityError):
            connection.execute(statement)
    assert read_all(connection) == before


@pytest.mark.parametrize("verb", ["INSERT OR REPLACE", "REPLACE", "INSERT OR IGNORE"])
@pytest.mark.parametrize(
    ("table", "changed"),
    [
        ("runs", {"status": "running"}),
        ("handoffs", {"receiver": "other", "seq": None}),
        ("outcomes", {"status": "failed", "seq": None}),
        ("questions", {"status": "open", "seq": None, "question": "{}"}),
    ],
)
@pytest.mark.usefixtures("filled")
def test_no_row_can_be_replaced(
    table: str, changed: dict[str, Any], verb: str, connection: sqlite3.Connection
) -> None:
    """Another row of the same name does not take the place of the first, whatever the verb."""
    before = read_all(connection)
    names = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
    marks = ", ".join("?" * len(names))
    for row in before[table]:
        fields = {**dict(zip(names, row, strict=True)), **changed}
        with suppress(sqlite3.IntegrityError):
            connection.execute(f"{verb} INTO {table} VALUES ({marks})", list(fields.values()))
    assert read_all(connection) == before


@pytest.mark.usefixtures("filled")
async def test_checkpoints_can_still_be_deleted(file_url: str) -> None:
    """Retention deletes a thread's checkpoints, and leaves what was written down."""
    async with open_storage(file_url) as storage:
        assert isinstance(storage, SqlStorage)
        await storage.checkpointer.adelete_thread("t")
        assert len(await storage.load_handoffs("t")) == 1
        assert (await storage.load_run("t")).status == "completed"  # type: ignore[union-attr]
