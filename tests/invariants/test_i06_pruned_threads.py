"""I6: a thread that is pruned at any moment goes on to what it would have come to anyway."""

import asyncio
import shutil
import sqlite3
import tempfile
from collections.abc import Collection, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

import interlock as il
from interlock.checkpoints import SqlStorage
from interlock.testing import ManualClock
from tests.invariants.example_settings import draw_examples
from tests.invariants.outcome_model import PERSON_VALUE, PlannedStep
from tests.invariants.random_plans import Cast, build_clock, build_plan, fates

FAR = datetime(2100, 1, 1, tzinfo=UTC)
"""When every lease has run out, and every checkpoint is old."""

FAULTS = ("ok", "transient", "permanent", "garbage")
"""Those whose words are the same in every run."""

ALL = il.Retention(older_than=timedelta(0))


class Photographer:
    """Copies the database file after some of its commits, as a kill there would leave it."""

    def __init__(self, path: Path, moments: Collection[int]) -> None:
        """Copy after these commits, counted from 1."""
        self._path = path
        self._moments = moments
        self.copies: list[Path] = []

    def before_commit(self, index: int) -> None:
        """Do nothing."""

    def after_commit(self, index: int) -> None:
        """Take a copy, if this is a moment for it."""
        if index in self._moments:
            copy = self._path.with_name(f"killed{index}.db")
            for suffix in ("", "-wal"):
                source = self._path.with_name(f"{self._path.name}{suffix}")
                if source.exists():
                    shutil.copy(source, copy.with_name(f"{copy.name}{suffix}"))
            self.copies.append(copy)


def answer_all(result: il.RunResult) -> dict[str, il.Answer]:
    """Return the one answer that each kind of question gets here."""
    return {
        q.id: il.approve() if q.kind == "before_step" else il.edit(PERSON_VALUE)
        for q in result.questions
    }


def list_done(path: Path) -> tuple[set[str], set[tuple[str, int]]]:
    """Return the settled steps and the attempts that have come back, read without our own code."""
    with closing(sqlite3.connect(path)) as connection:
        settled = connection.execute("SELECT step_id FROM outcomes WHERE status <> 'waiting'")
        outputs = connection.execute("SELECT step_id, attempt FROM handoffs WHERE kind = 'output'")
        return {step for (step,) in settled}, {(step, attempt) for step, attempt in outputs}


async def live(
    steps: Sequence[PlannedStep],
    storage: SqlStorage,
    *,
    clock: ManualClock,
    cast: Cast,
    pruned: bool,
) -> dict[str, Any]:
    """Run a thread to its end, or go on with it; prune at every stop if told to."""
    async with il.Orchestrator(
        workers=cast.build_workers(), planner=build_plan(steps), storage=storage, clock=clock
    ) as desk:
        if await storage.load_run("t") is None:  # type: ignore[arg-type]
            result = await desk.ainvoke("model", thread_id="t")
        else:
            if pruned:
                assert (await desk.aprune(ALL)).busy == ()
            result = await desk.aresume("t")
        while result.status == "waiting":
            if pruned:
                await desk.aprune(ALL)
            result = await desk.aanswer("t", answer_all(result))
        if pruned:
            clock.advance(1)
            await desk.aprune(ALL)
            saver = desk.graph.checkpointer
            assert [one async for one in saver.alist({"configurable": {"thread_id": "t"}})] == []
            assert await desk.aresume("t") == result
        # Versions count promotions in the order in which independent steps happened to settle.
        versions = {"published_versions", "shown_facts"}
        dumped = result.model_dump(exclude={"questions": True, "outcomes": {"__all__": versions}})
        return {**dumped, "gaps": sorted(dumped["gaps"])}  # in whatever order steps settled


async def live_and_die(steps: Sequence[PlannedStep], moments: Collection[int]) -> None:
    """Run a plan whole; then prune and resume what kills on the way would have left."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.db"
        photographer = Photographer(path, moments)
        storage = SqlStorage(f"sqlite:///{path}", write_hook=photographer)
        await storage.connect()
        try:
            fates_by_step = {step.id: step for step in steps}
            wanted = await live(
                steps, storage, clock=build_clock(), cast=Cast(fates_by_step), pruned=False
            )
        finally:
            await storage.aclose()
        for copy in photographer.copies:
            settled, ended = list_done(copy)
            cast = Cast(fates_by_step)
            clock = ManualClock(FAR, auto=True)
            killed = SqlStorage(f"sqlite:///{copy}", clock=clock)
            await killed.connect()
            try:
                assert await live(steps, killed, clock=clock, cast=cast, pruned=True) == wanted
            finally:
                await killed.aclose()
            assert not {step for step, *_ in cast.shown} & settled
            assert not {(step, attempt) for step, attempt, *_ in cast.shown} & ended


@given(
    steps=fates(7, FAULTS),
    moments=st.sets(st.integers(4, 60), min_size=2, max_size=3),
)
@draw_examples(25, derandomize=False)
def test_i06_a_killed_thread_resumes_the_same_after_pruning(
    steps: tuple[PlannedStep, ...], moments: set[int]
) -> None:
    """Killed at any commit and pruned at every stop, it ends alike; what had ended stays ended."""
    asyncio.run(live_and_die(steps, moments))


async def live_under_the_broom(steps: Sequence[PlannedStep]) -> None:
    """Run a plan while another storage, which takes its lease for run out, prunes all the time."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/run.db"
        fates_by_step = {step.id: step for step in steps}
        plain = SqlStorage("memory://")
        await plain.connect()
        wanted = await live(
            steps, plain, clock=build_clock(), cast=Cast(fates_by_step), pruned=False
        )
        await plain.aclose()
        storage, broom = SqlStorage(url), SqlStorage(url, clock=ManualClock(FAR))
        await storage.connect()
        await broom.connect()
        cast = Cast(fates_by_step)
        running = asyncio.ensure_future(
            live(steps, storage, clock=build_clock(), cast=cast, pruned=False)
        )
        rows = 0
        while not running.done():
            report = await broom.prune(ALL)
            assert report.busy == ()
            rows += report.total.rows
            await asyncio.sleep(0)
        got = await running
        await storage.aclose()
        await broom.aclose()
    assert got == wanted
    assert rows > 0
    starts = [(step, attempt) for step, attempt, *_ in cast.shown]
    assert len(starts) == len(set(starts))


@given(steps=fates(7, FAULTS))
@draw_examples(15, derandomize=False)
def test_i06_a_thread_pruned_under_its_runner_ends_the_same(
    steps: tuple[PlannedStep, ...],
) -> None:
    """Even a thread that is pruned while it runs, as one whose lease ran out is, ends the same."""
    asyncio.run(live_under_the_broom(steps))
