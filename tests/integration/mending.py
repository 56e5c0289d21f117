"""Planners whose first plan has a step that fails, and who then mend it; and their teams."""

from collections.abc import Callable, Sequence
from typing import Any

import interlock as il

Mend = Callable[[il.PlanRequest], Sequence[il.Step]]


async def echo(brief: il.Brief) -> dict[str, object]:
    """Say the instruction and what it was given."""
    return {"said": brief.instruction, "given": sorted(brief.inputs)}


async def fail(brief: il.Brief) -> dict[str, object]:
    """Fail for good."""
    raise il.PermanentError(f"{brief.instruction}: no such thing")


def step(name: str, *, worker: str = "echo", **details: object) -> il.Step:
    """Return a step."""
    return il.Step.model_validate(
        {"id": name, "worker": worker, "instruction": f"Do {name}", **details}
    )


FIRST = (step("a"), step("b", worker="fail"), step("c", needs=["a", "b"]))


class Mending:
    """A planner whose first plan has a step that fails, and who then mends it."""

    def __init__(self, *mends: Mend, first: Sequence[il.Step] = FIRST) -> None:
        self.first = tuple(first)
        self.mends = list(mends)
        self.requests: list[il.PlanRequest] = []

    async def plan(self, request: il.PlanRequest) -> il.TaskGraph:
        """Give the first plan, then the mends in order."""
        self.requests.append(request)
        steps = self.first if request.previous is None else self.mends.pop(0)(request)
        return il.TaskGraph(goal=request.goal, steps=steps)


def build_desk(planner: Any, *, storage: str = "memory://", **policy: object) -> il.Orchestrator:
    """Return a team of a worker that works and one that fails."""
    return il.Orchestrator(
        workers=[il.Worker(name="echo", agent=echo), il.Worker(name="fail", agent=fail)],
        planner=planner,
        storage=storage,
        policy=il.RunPolicy.model_validate({"replan": {}, "max_plan_attempts": 2, **policy}),
    )


def replace_b(request: il.PlanRequest) -> Sequence[il.Step]:
    """Put a step of another id in the failed one's place."""
    return (step("a"), step("b2"), step("c", needs=["a", "b2"]))
