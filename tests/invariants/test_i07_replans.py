"""I3, I6, I7, I9: random graphs that fail at random and are mended at random, well or badly."""

import asyncio
from collections.abc import Sequence
from itertools import pairwise
from random import Random

from hypothesis import given
from hypothesis import strategies as st

import interlock as il
from interlock.checkpoints import open_storage
from tests.invariants.example_settings import draw_examples
from tests.invariants.random_replans import Diary, RandomPlanner, is_finished

POLICY = il.RunPolicy(
    replan=il.Replan(max_times=3),
    max_plan_attempts=3,
    effects=il.EffectPolicy(orphans="gap"),
)


def list_results(plan: il.TaskGraph) -> set[str]:
    """Return the steps that no other needs."""
    return {s.id for s in plan.steps} - {need.step for s in plan.steps for need in s.needs}


def require_standing(planner: RandomPlanner, versions: Sequence[il.TaskGraph]) -> None:
    """Hold every later version against what was finished when the planner was asked for it."""
    for request in planner.requests:
        if request.previous is None:
            continue
        finished = [s for s in request.previous.steps if is_finished(request, s.id)]
        for version in versions:
            if version.version > request.previous.version:
                assert all(step in version.steps for step in finished)


def require_nothing_lost(versions: Sequence[il.TaskGraph]) -> None:
    """Hold that each result that goes has one in its place, and each need of a step that stays."""
    for old, new in pairwise(versions):
        ids = {step.id for step in new.steps}
        known = {step.id for step in old.steps}
        lost = list_results(old) - ids
        assert len(lost) <= len(list_results(new) - known), (old, new)
        for step in new.steps:
            was = next((s for s in old.steps if s.id == step.id), step)
            had = {need.step for need in was.needs}
            if had - ids:
                assert {need.step for need in step.needs} - had, (old, new)


def require_order(diary: Diary, versions: Sequence[il.TaskGraph]) -> None:
    """I3: a step starts once, after all that it needs in the version that brought it to run."""
    assert len(diary.started) == len(set(diary.started))
    wired = {step.id: step for version in versions for step in version.steps}
    for step_id, before in diary.before.items():
        needs = {need.step for need in wired[step_id].needs}
        assert needs & set(diary.started) <= before, step_id


async def live(random: Random, dies_at: int | None) -> None:
    """Run a random team to its end, by two processes if the first dies while it plans."""
    diary = Diary()
    async with open_storage("memory://") as storage:

        def build(planner: RandomPlanner) -> il.Orchestrator:
            return il.Orchestrator(
                workers=diary.build_workers(), planner=planner, storage=storage, policy=POLICY
            )

        planner = RandomPlanner(random, dies_at=dies_at)
        async with build(planner) as desk:
            running = asyncio.create_task(desk.ainvoke("g", thread_id="t"))
            dying = asyncio.create_task(planner.dead.wait())
            await asyncio.wait({running, dying}, return_when=asyncio.FIRST_COMPLETED)
            died = planner.dead.is_set()
            for one in (dying, *((running,) if died else ())):
                one.cancel()
            await asyncio.wait({running, dying})
        last = RandomPlanner(random)
        async with build(last) as desk:
            result = await desk.aresume("t") if died else running.result()
            told = len(last.requests)
            assert await desk.aresume("t") == result  # I9
            assert len(last.requests) == told
            listed = await desk.aplan("t")
    assert listed is not None
    versions = [version.plan for version in listed]
    assert [version.version for version in versions] == sorted({v.version for v in versions})
    for each in (planner, last):
        require_standing(each, versions)
    require_nothing_lost(versions)
    require_order(diary, versions)
    assert len(diary.paid) == len(set(diary.paid))  # I5
    require_honest(result, versions)


def require_honest(result: il.RunResult, versions: Sequence[il.TaskGraph]) -> None:
    """I7: completed says that all is there, and what went on the way is named."""
    final = {step.id for step in versions[-1].steps}
    assert set(result.outcomes) == final
    if result.status == "completed":
        assert set(result.outputs) == final
        assert not result.gaps
        gone = {step.id for version in versions for step in version.steps} - final
        for step_id in gone:
            assert any(f"{step_id!r}" in note for note in result.notes), step_id
    else:
        assert result.gaps


@draw_examples(24)
@given(seed=st.integers(0, 2**32), dies_at=st.sampled_from([None, None, 1, 2, 3]))
def test_i07_i03_i09_a_run_that_is_planned_again_stays_honest(
    seed: int, dies_at: int | None
) -> None:
    """What is finished stands, each step runs once, nothing is lost in silence, and the end stays."""
    asyncio.run(live(Random(seed), dies_at))
