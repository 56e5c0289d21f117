"""A database of before there were times is brought up to date, and says what it does not know."""

import json
import sqlite3
from pathlib import Path
from typing import Any

import interlock as il
from interlock.checkpoints.named_sql import load_migrations
from interlock.checkpoints.sqlite.database_file import APPLICATION_ID
from tests.integration.teams import build_desk, build_step

AT = "2026-01-01T12:00:00.000000+00:00"
BEFORE = 7
"""The last version without times."""


def write_old_run(path: Path) -> None:
    """Write a database of version 7 with one ended run of one step."""
    outcome = {"step_id": "work", "status": "accepted", "value": 1, "worker": "work", "attempts": 1}
    result = {
        "status": "completed",
        "outputs": {"work": 1},
        "outcomes": {"work": outcome},
        "thread_id": "t",
    }
    handoff = ("t", "c1", "output", "work", "supervisor", "work", 1, "work", "0" * 64)
    with sqlite3.connect(path) as connection:
        for migration in load_migrations("sqlite")[:BEFORE]:
            connection.executescript(migration.script)
        connection.execute(f"PRAGMA user_version = {BEFORE:d}")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID:d}")
        insert(
            connection,
            "runs",
            thread_id="t",
            goal="Test",
            context="{}",
            status="completed",
            accepted_at=AT,
            updated_at=AT,
            result=json.dumps(result),
            stepwise=0,
        )
        insert(
            connection,
            "outcomes",
            thread_id="t",
            superstep="c1",
            step_id="work",
            status="accepted",
            outcome=json.dumps(outcome),
        )
        names = (
            "thread_id",
            "superstep",
            "kind",
            "sender",
            "receiver",
            "step_id",
            "attempt",
            "worker",
            "payload_hash",
        )
        insert(
            connection,
            "handoffs",
            id="h",
            **dict(zip(names, handoff, strict=True)),
            verdict=json.dumps({"action": "accept"}),
            ended_at=AT,
            input_tokens=3,
            output_tokens=4,
        )
    connection.close()


def insert(connection: sqlite3.Connection, table: str, **row: Any) -> None:
    """Insert a row."""
    marks = ", ".join("?" for _ in row)
    connection.execute(
        f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", list(row.values())
    )


async def test_runs_of_before_are_read_and_counted_as_unmeasured(tmp_path: Path) -> None:
    """The journal is read as it is, and metrics say that they know nothing of the step."""
    write_old_run(tmp_path / "old.db")
    desk = build_desk(
        {"work": lambda brief: 1}, build_step("work"), storage=f"sqlite:///{tmp_path}/old.db"
    )
    async with desk:
        (handoff,) = await desk.ahandoffs("t")
        assert (handoff.turn_at, handoff.model_time, handoff.money) == (None, None, None)
        old = await desk.ametrics("t")
        assert (old.unmeasured, old.total.settled, old.runs.completed) == (1, 0, 1)
        await desk.ainvoke("Test", thread_id="new")
        both = await desk.ametrics()
        assert (both.unmeasured, both.total.settled, both.total.accepted) == (1, 1, 1)
        assert "old.db" not in await desk.areport("t")
        assert (await desk.aresume("t")).status == "completed"
        with_fault = await desk.areport_fault("t", "work", why="wrong")
    assert isinstance(with_fault, il.Fault)
