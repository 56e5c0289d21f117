"""What is written down stays: no SQL by hand deletes or replaces it (I8, I9, I10)."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from interlock.checkpoints import SqlStorage, open_storage
from interlock.contracts.outcome import StepOutcome
from interlock.contracts.storage import Batch, RunUpdate
from tests.raw_database import REFUSED, RawDatabase, open_raw

TABLES = ("runs", "handoffs", "outcomes", "questions")
VERBS = {
    "sqlite": ("INSERT OR REPLACE INTO", "REPLACE INTO", "INSERT OR IGNORE INTO"),
    "postgresql": ("INSERT INTO",),
}


@pytest.fixture
def raw(lasting_url: str) -> Iterator[RawDatabase]:
    """Return a connection of somebody else to the database."""
    with open_raw(lasting_url) as opened:
        yield opened


@pytest.fixture
async def filled(
    lasting_url: str,
    make_run: Callable[..., Any],
    make_handoff: Callable[..., Any],
    make_question: Callable[..., Any],
) -> None:
    """Write a finished run down, with a row in every table."""
    async with open_storage(lasting_url) as storage:
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


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.usefixtures("filled")
def test_no_row_can_be_deleted(table: str, raw: RawDatabase) -> None:
    """A DELETE or TRUNCATE by hand is refused, of all rows or of one."""
    before = raw.dump(*TABLES)
    statements = [f"DELETE FROM {table}", f"DELETE FROM {table} WHERE thread_id = 't'"]
    if raw.is_postgres:
        statements.append(f"TRUNCATE {table} CASCADE")
    for statement in statements:
        with pytest.raises(REFUSED):
            raw.execute(statement)
    assert raw.dump(*TABLES) == before


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
def test_no_row_can_be_replaced(table: str, changed: dict[str, Any], raw: RawDatabase) -> None:
    """Another row of the same name does not take the place of the first, whatever the verb."""
    before = raw.dump(*TABLES)
    names = raw.list_columns(table)
    ways = [(verb, "") for verb in VERBS["postgresql" if raw.is_postgres else "sqlite"]]
    ways.append(("INSERT INTO", "ON CONFLICT DO NOTHING"))
    for verb, end in ways:
        for row in raw.execute(f"SELECT * FROM {table}"):
            fields = {**dict(zip(names, row, strict=True)), **changed}
            marks = ", ".join("?" * len(fields))
            with suppress(*REFUSED):
                raw.execute(f"{verb} {table} VALUES ({marks}) {end}", list(fields.values()))
    assert raw.dump(*TABLES) == before


@pytest.mark.usefixtures("filled")
async def test_checkpoints_can_still_be_deleted(lasting_url: str) -> None:
    """Retention deletes a thread's checkpoints, and leaves what was written down."""
    async with open_storage(lasting_url) as storage:
        assert isinstance(storage, SqlStorage)
        await storage.checkpointer.adelete_thread("t")
        assert len(await storage.load_handoffs("t")) == 1
        assert (await storage.load_run("t")).status == "completed"  # type: ignore[union-attr]
