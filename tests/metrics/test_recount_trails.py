"""I12: where faults went, and what decided a run's end, equal slow recounts from raw rows."""

import asyncio
from typing import Any

import pytest
from hypothesis import given

import interlock as il
from tests.integration.teams import build_desk, give
from tests.invariants.example_settings import draw_examples
from tests.metrics.recount_calls import play_faults
from tests.metrics.recount_columns import count_us
from tests.metrics.recount_random import Life, live, lives
from tests.metrics.recount_rows import read_rows
from tests.metrics.recount_stage import Stage, build_stage
from tests.metrics.recount_trails import recount_path, recount_trails


def describe(trail: il.FaultTrail) -> dict[str, Any]:
    """Return what the product says of a trail."""
    shown = [step for step in trail.affected if step.by != "loss"]
    return {
        "affected": {step.place.step_id: step.status for step in trail.affected},
        "distances": {step.place.step_id: step.distance for step in shown},
        "carriers": sorted(step.place.step_id for step in trail.affected if step.carries),
        "depth": trail.depth,
        "consumers": sorted(one.place.step_id for one in trail.consumers),
        "cascade_size": trail.cascade_size,
        "accepted": trail.accepted,
        "lost": trail.lost,
    }


async def require_same(stage: Stage) -> int:
    """Compare each faulty value's trail, and return how many there are."""
    async with build_desk({"any": give(1)}, storage=stage.storage) as desk:
        trails = await desk.ablame()
    told = {(trail.origin.thread_id, trail.origin.step_id): describe(trail) for trail in trails}
    assert told == recount_trails(await read_rows(stage.storage))
    return len(told)


async def require_same_path(stage: Stage, thread_id: str) -> None:
    """Compare a run's critical path; its stages add up to the run's time, to the microsecond."""
    rows = await read_rows(stage.storage)
    async with build_desk({"any": give(1)}, storage=stage.storage) as desk:
        found = await desk.acritical_path(thread_id)
    assert [step.step_id for step in found.steps] == recount_path(rows, thread_id)
    (run,) = rows.where("runs", thread_id=thread_id)
    if found.steps:
        last = max(
            row["settled_at"]
            for row in rows.where("outcomes", thread_id=thread_id)
            if row["step_id"] == found.steps[-1].step_id
        )
        assert sum(found.stages.values()) == count_us(run["accepted_at"], last)
    for step in found.steps:
        assert min(step.stages[name] for name in ("queue", "brief", "model", "tool", "other")) >= 0


async def test_i12_trails_of_known_faults_equal_a_recount() -> None:
    """Found by a check below, by people, by an evaluation; over outputs and over facts."""
    stage = build_stage("memory://")
    await stage.storage.connect()
    await play_faults(stage)
    assert await require_same(stage) == 4
    await stage.storage.aclose()


@pytest.mark.parametrize("is_long", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_i12_trails_of_random_faults_equal_a_recount(is_long: bool) -> None:
    """Steps that fail, degrade, wait, are edited and approved lie on the way."""
    found: list[int] = []

    @draw_examples(600 if is_long else 24)
    @given(life=lives.filter(lambda life: not life.is_nested and life.blamed))
    def check(life: Life) -> None:
        found.append(asyncio.run(_live_and_compare(life)))

    check()
    assert sum(found) > len(found) // 3


async def _live_and_compare(life: Life) -> int:
    stage = build_stage("memory://")
    await stage.storage.connect()
    try:
        await live(stage, life, thread_id="t")
        await require_same_path(stage, "t")
        return await require_same(stage)
    finally:
        await stage.storage.aclose()
