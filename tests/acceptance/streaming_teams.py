"""A team whose planner says a step only when the one before has run; for the crash kit."""

import asyncio
from collections.abc import AsyncIterator

import interlock as il
from tests.acceptance.crash_teams import refund

STEPS = [
    il.Step(
        id=f"refund-{order}",
        worker="clerk",
        instruction="Refund",
        arguments={"order": order},
        needs=[f"refund-{order - 1}"] if order > 1 else (),
    )
    for order in (1, 2, 3)
]


class Clerk:
    """Refunds by the guarded tool, and says that it has begun."""

    def __init__(self) -> None:
        self.begun: dict[str, asyncio.Event] = {step.id: asyncio.Event() for step in STEPS}

    async def __call__(self, brief: il.Brief) -> dict[str, str]:
        """Refund an order."""
        order = str(brief.inputs["order"])
        self.begun[f"refund-{order}"].set()
        paid: dict[str, str] = await refund(order)
        return paid


class Patient:
    """Streams; whoever asks again after a crash is given what is left."""

    stream = True

    def __init__(self, clerk: Clerk) -> None:
        self._clerk = clerk

    async def plan(self, request: il.PlanRequest) -> il.TaskGraph:
        """Return what has run, and what has not been said yet."""
        before = request.previous.steps if request.previous else ()
        rest = [step for step in STEPS if step not in before]
        return il.TaskGraph(goal=request.goal, steps=(*before, *rest))

    async def astream_plan(self, request: il.PlanRequest) -> AsyncIterator[il.Step | il.TaskGraph]:
        """Yield each step when the one before has begun."""
        for step in STEPS:
            yield step
            await self._clerk.begun[step.id].wait()
        yield il.TaskGraph(goal=request.goal, steps=STEPS)


def build_streaming() -> il.Orchestrator:
    """Return the team."""
    clerk = Clerk()
    return il.Orchestrator(
        workers=[il.Worker(name="clerk", agent=clerk)],
        planner=Patient(clerk),
        storage="memory://",
    )
