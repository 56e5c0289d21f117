"""A worker that few may use at once goes round the runs that wait for it."""

import asyncio

import interlock as il
from tests.integration.teams import Recorder, build_desk, build_plan, build_step
from tests.integration.waiting import wait_until


def plan(request: il.PlanRequest) -> il.TaskGraph:
    """Return twenty steps of a scarce worker for the goal `big`, and two beside another else."""
    count = 20 if request.goal == "big" else 2
    scarce = [build_step(f"{request.goal}{number}", "scarce") for number in range(count)]
    return build_plan(*scarce, build_step("beside", "free"))


async def test_a_big_run_does_not_hold_up_a_small_one() -> None:
    """The small run's steps come after one more of the big run's each, not after all twenty."""
    order: list[str] = []
    gate = asyncio.Event()

    async def work(brief: il.Brief) -> str:
        order.append(brief.step_id)
        await gate.wait()
        return "done"

    free = Recorder()
    scarce = il.Worker(name="scarce", agent=work, max_parallel=1)
    policy = il.RunPolicy(max_parallel=None)
    async with build_desk({"scarce": scarce, "free": free}, planner=plan, policy=policy) as desk:
        big = asyncio.create_task(desk.ainvoke("big", thread_id="big"))
        await wait_until(lambda: order and free.calls == 1)
        small = asyncio.create_task(desk.ainvoke("small", thread_id="small"))
        await wait_until(lambda: free.calls == 2)  # its other steps wait by now
        gate.set()
        results = await asyncio.gather(big, small)
    assert [result.status for result in results] == ["completed", "completed"]
    assert len(order) == 22
    assert [step.startswith("small") for step in order[:5]].count(True) == 2
