"""I12: every metric equals a slow recount from raw rows, on every storage, for every window."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.testing.manual_clock import NOON
from tests.contract.conftest import build_url
from tests.invariants.example_settings import draw_examples
from tests.metrics.recount import Window
from tests.metrics.recount_calls import CALL_PLAYS
from tests.metrics.recount_compare import compare, measure
from tests.metrics.recount_random import Life, live, lives
from tests.metrics.recount_rows import Rows, read_rows
from tests.metrics.recount_runs import PLAYS, forget, play_pruned
from tests.metrics.recount_stage import Stage, build_stage


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
async def stage(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Stage]:
    """Return a stage on a fresh storage, of each kind."""
    stage = build_stage(build_url(request.param, request, tmp_path))
    await stage.storage.connect()
    yield stage
    await stage.storage.aclose()


def list_windows(rows: Rows) -> Iterator[Window]:
    """Yield the whole, each thread, each team, times that cut through runs, and steps within teams."""
    yield Window()
    yield from (Window(thread_id=run["thread_id"]) for run in rows["runs"])
    yield from (Window(team=team) for team in sorted({run["team"] for run in rows["runs"]}))
    cuts = [NOON + timedelta(seconds=n) for n in (0.03, 1.2, 2.7, 100, 200, 243.1, 320, 600)]
    for since, until in pairwise(cuts):
        yield Window(since=since, until=until)
    yield Window(since=cuts[3])
    yield Window(until=cuts[4], team="people")
    yield Window(step_prefix="top/")
    yield Window(step_prefix="team", since=cuts[4])


async def test_i12_metrics_equal_a_recount(stage: Stage) -> None:
    """Of runs of every kind, for the storage, each thread, each team, times and parts of plans."""
    for play in (*PLAYS, *CALL_PLAYS, play_pruned, forget):
        await play(stage)
    rows = await read_rows(stage.storage)
    for window in list_windows(rows):
        assert (window, await compare(stage.storage, rows, window)) == (window, [])


@pytest.mark.parametrize("is_long", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_i12_metrics_of_random_runs_equal_a_recount(is_long: bool) -> None:
    """Random plans with random faults, people and reports; and their stages add up to their lives."""

    @draw_examples(400 if is_long else 16)
    @given(one=lives, other=lives, seconds=st.integers(0, 3_000))
    def check(one: Life, other: Life, seconds: int) -> None:
        asyncio.run(_live_and_compare([one, other], seconds))

    check()


async def _live_and_compare(parts: list[Life], seconds: int) -> None:
    stage = build_stage("memory://")
    await stage.storage.connect()
    try:
        for number, life in enumerate(parts):
            await live(stage, life, thread_id=f"t{number}")
        rows = await read_rows(stage.storage)
        middle = NOON + timedelta(seconds=seconds)
        for window in (
            Window(),
            Window(thread_id="t1"),
            Window(since=middle),
            Window(until=middle),
        ):
            assert (window, await compare(stage.storage, rows, window)) == (window, [])
        for edge in (await measure(stage.storage, Window()))["edges"]:
            parted = dict(edge["stages"])
            assert sum(parted.values()) == 2 * parted["life_us"]
    finally:
        await stage.storage.aclose()
