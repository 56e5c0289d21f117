"""I12: what is measured of a run is right wherever its process dies."""

import asyncio
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.checkpoints import SqlStorage
from tests.invariants.example_settings import draw_examples
from tests.metrics.recount_columns import find_wrong
from tests.metrics.recount_compare import compare
from tests.metrics.recount_kills import LEASE_SECONDS, go_on, photograph
from tests.metrics.recount_random import Life, live, lives
from tests.metrics.recount_rows import read_rows
from tests.metrics.recount_scope import Window
from tests.metrics.recount_stage import Stage


@pytest.mark.parametrize("every", [4, pytest.param(1, marks=pytest.mark.slow)])
async def test_i12_a_run_is_measured_right_after_a_kill_at_any_commit(
    tmp_path: Path, every: int
) -> None:
    """Wherever a process dies, its successor's rows, joined with its own, say what happened."""
    copies, clock = await photograph(tmp_path / "run.db", go_on)
    assert len(copies) > 30
    for copy in copies[1::every]:
        storage = SqlStorage(f"sqlite:///{copy}", clock=clock)
        await storage.connect()
        before = await read_rows(storage)
        found = [*find_wrong(before), *await compare(storage, before, Window())]
        clock.advance(LEASE_SECONDS)
        result = await go_on(Stage(storage=storage, clock=clock))
        rows = await read_rows(storage)
        found += [*find_wrong(rows), *await compare(storage, rows, Window())]
        await storage.aclose()
        assert (copy.name, result.status, found) == (copy.name, "degraded", [])


@pytest.mark.slow
@draw_examples(40)
@given(life=lives, first=st.integers(0, 8))
def test_i12_random_runs_are_measured_right_after_kills(life: Life, first: int) -> None:
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
