"""I12: every metric equals a slow recount from raw rows, on every storage, for every window."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import interlock as il
from interlock.testing.manual_clock import NOON
from tests.contract.conftest import build_url
from tests.integration.cli.shell import Shell
from tests.invariants.example_settings import draw_examples
from tests.metrics.recount import Recount
from tests.metrics.recount_calls import CALL_PLAYS, play_effects, play_faults, play_models
from tests.metrics.recount_columns import find_standstills, find_wrong
from tests.metrics.recount_compare import compare, measure
from tests.metrics.recount_difference import list_differences
from tests.metrics.recount_random import Life, live, lives
from tests.metrics.recount_rows import Rows, read_rows, read_url
from tests.metrics.recount_runs import (
    PLAYS,
    forget,
    play_fork,
    play_nested,
    play_people,
    play_pruned,
)
from tests.metrics.recount_scope import Window
from tests.metrics.recount_stage import Stage, build_stage

KEYS = il.Encryption(keys={"2026-11": bytes(range(32))}, active="2026-11")
FOUND = {"rejected", "corrected", "retracted", "reported", "final_check"}
PRUNED = ("handoffs", "outcomes", "findings", "criteria", "step_needs", "tool_calls", "faults")


STORAGES = [
    "memory",
    pytest.param("sqlite", marks=pytest.mark.slow),
    "postgresql",
    "sealed",
    pytest.param("postgresql, whole", marks=pytest.mark.slow),
    pytest.param("sealed, whole", marks=pytest.mark.slow),
]
PART = (play_people, play_nested, play_fork, play_effects, play_models, play_faults)
"""What is played on the slower storages, unless there is time for all."""


@pytest.fixture(params=STORAGES)
async def played(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Stage]:
    """Return a stage on which runs of every kind have been, on each storage, and on a sealed file."""
    kind, _, is_whole = request.param.partition(", ")
    url = build_url("sqlite" if kind == "sealed" else kind, request, tmp_path)
    stage = build_stage(url, encryption=KEYS if kind == "sealed" else None)
    await stage.storage.connect()
    is_part = kind in {"postgresql", "sealed"} and not is_whole
    for play in (*(PART if is_part else (*PLAYS, *CALL_PLAYS)), play_pruned, forget):
        await play(stage)
    yield stage
    await stage.storage.aclose()


def list_windows(rows: Rows) -> Iterator[Window]:
    """Yield the whole, each thread, each team, times that cut through runs, and steps within teams."""
    yield Window()
    yield from (Window(thread_id=run["thread_id"]) for run in rows["runs"])
    yield from (Window(team=team) for team in sorted({run["team"] for run in rows["runs"]}))
    cuts = [NOON + timedelta(seconds=n) for n in (0.03, 1.2, 2.7, 100, 200, 243.1, 320, 600)]
    yield from (Window(since=since, until=until) for since, until in pairwise(cuts))
    yield Window(since=cuts[3])
    yield Window(until=cuts[4], team="people")
    yield Window(step_prefix="top/")
    yield Window(step_prefix="team", since=cuts[4])


async def test_i12_metrics_equal_a_recount(played: Stage) -> None:
    """Of runs of every kind, for the storage, each thread, each team, times and parts of plans.

    What columns say that both count from is told anew from the journal's own records.
    """
    rows = await read_rows(played.storage)
    assert {row["how"] for row in rows["faults"]} == FOUND
    assert not any(rows.where(table, thread_id="pruned-old") for table in PRUNED)
    assert rows.where("handoffs", thread_id="pruned-not")
    assert not list(find_standstills(rows))
    if not rows.is_sealed:
        assert not find_wrong(rows)
    for window in list_windows(rows):
        assert (window, await compare(played.storage, rows, window)) == (window, [])


def test_i12_what_the_command_prints_equals_a_recount(tmp_path: Path) -> None:
    """`interlock metrics --json` says what a recount of the same file says, for a thread as well."""
    url = f"sqlite:///{tmp_path}/metrics.db"
    asyncio.run(_play(url))
    rows = asyncio.run(read_url(url))
    shell = Shell(tmp_path)
    for arguments, window in (((), Window()), (("people",), Window(thread_id="people"))):
        said = shell.call("metrics", *arguments, "--storage", url, "--json")
        assert said.code == 0
        counted = Recount(rows, window).count()
        printed = {name: said.data[name] for name in counted}
        assert not list_differences(printed, counted)


async def _play(url: str) -> None:
    stage = build_stage(url)
    await stage.storage.connect()
    try:
        for play in (play_people, play_models, play_faults):
            await play(stage)
    finally:
        await stage.storage.aclose()


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
        assert not find_wrong(rows)
        middle = NOON + timedelta(seconds=seconds)
        for window in (
            Window(),
            Window(thread_id="t1"),
            Window(since=middle),
            Window(until=middle),
        ):
            assert (window, await compare(stage.storage, rows, window)) == (window, [])
        for edge in (await measure(stage.storage, Window()))["edges"]:
            assert sum(edge["stages"].values()) == 2 * edge["stages"]["life_us"]
    finally:
        await stage.storage.aclose()
