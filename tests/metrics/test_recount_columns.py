"""I12: columns that metrics are counted from say what the journal's own records say."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.checkpoints import SqlStorage
from tests.contract.conftest import build_url
from tests.invariants.example_settings import draw_examples
from tests.metrics.recount import Window
from tests.metrics.recount_calls import CALL_PLAYS
from tests.metrics.recount_columns import find_wrong
from tests.metrics.recount_compare import compare
from tests.metrics.recount_kills import LEASE_SECONDS, go_on, photograph
from tests.metrics.recount_random import Life, live, lives
from tests.metrics.recount_rows import read_rows
from tests.metrics.recount_runs import PLAYS, forget, play_pruned
from tests.metrics.recount_stage import Stage, build_stage


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
async def stage(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Stage]:
    """Return a stage on a fresh storage, of each kind."""
    stage = build_stage(build_url(request.param, request, tmp_path))
    await stage.storage.connect()
    yield stage
    await stage.storage.aclose()


async def test_i12_columns_say_what_the_records_say(stage: Stage) -> None:
    """In runs of every kind: instants in order, times and money of calls, verdicts, outcomes."""
    for play in (*PLAYS, *CALL_PLAYS, play_pruned, forget):
        await play(stage)
    rows = await read_rows(stage.storage)
    assert len(rows["handoffs"]) > 250
    assert {row["how"] for row in rows["faults"]} == {
        "rejected",
        "corrected",
        "retracted",
        "reported",
        "final_check",
    }
    assert not find_wrong(rows)
    assert not rows.where("handoffs", thread_id="pruned-old")
    assert not any(
        rows.where(table, thread_id="pruned-old")
        for table in ("outcomes", "findings", "criteria", "step_needs", "tool_calls", "faults")
    )


async def test_i12_columns_are_right_after_a_kill_at_any_commit(tmp_path: Path) -> None:
    """Wherever a process dies, its successor's rows, joined with its own, say what happened."""
    copies, clock = await photograph(tmp_path / "run.db", go_on)
    assert len(copies) > 30
    for copy in copies:
        storage = SqlStorage(f"sqlite:///{copy}", clock=clock)
        await storage.connect()
        found = find_wrong(await read_rows(storage))
        clock.advance(LEASE_SECONDS)
        result = await go_on(Stage(storage=storage, clock=clock))
        rows = await read_rows(storage)
        found += [*find_wrong(rows), *await compare(storage, rows, Window())]
        await storage.aclose()
        assert (copy.name, result.status, found) == (copy.name, "degraded", [])


@pytest.mark.slow
@draw_examples(40)
@given(life=lives, first=st.integers(0, 8))
def test_i12_columns_are_right_after_kills_of_random_runs(life: Life, first: int) -> None:
    """Random plans with random faults, killed at every ninth commit."""
    asyncio.run(_live_killed(life, first))


async def _live_killed(life: Life, first: int) -> None:
    async def act(stage: Stage) -> None:
        await live(stage, life, thread_id="t")

    with tempfile.TemporaryDirectory() as folder:
        copies, clock = await photograph(Path(folder) / "run.db", act)
        for copy in copies[first::9]:
            storage = SqlStorage(f"sqlite:///{copy}", clock=clock)
            await storage.connect()
            clock.advance(LEASE_SECONDS)
            await act(Stage(storage=storage, clock=clock))
            rows = await read_rows(storage)
            found = [*find_wrong(rows), *await compare(storage, rows, Window())]
            await storage.aclose()
            assert not found
