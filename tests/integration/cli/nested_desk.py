"""Three teams, each a step of the next, as a user's `app.py` declares them.

The inmost one shares a fact of its own, notes something, plans by a template, and asks a person;
the first attempt of the step above it is refused.
"""

from typing import Any

import interlock as il


def _step(step_id: str, **fields: Any) -> il.Step:
    return il.Step(id=step_id, worker=step_id, instruction=f"Do {step_id}", **fields)


def _team(agents: dict[str, Any], planner: Any, storage: str = "memory://") -> il.Orchestrator:
    workers = [il.Worker(name=name, agent=agent) for name, agent in agents.items()]
    return il.Orchestrator(workers=workers, planner=planner, storage=storage)


async def price(brief: il.Brief) -> int:
    """Give another price when there is feedback."""
    brief.scratchpad.append("looked at the list")
    return 2 if "feedback" in brief.context else 1


async def send(brief: il.Brief) -> str:
    """Fail, so that a person is asked."""
    raise ValueError("no address")


class Clueless:
    """A planner that is never valid, and has a template."""

    fallback = (
        il.use_plan(
            il.TaskGraph(
                goal="Sell",
                steps=[
                    _step("price", publishes={"price": "output"}),
                    _step("send", needs=["price"], fallback=[il.ask_person()]),
                ],
            )
        ),
    )

    async def plan(self, request: il.PlanRequest) -> il.TaskGraph:
        """Name a worker that nobody has."""
        return il.TaskGraph(goal="Sell", steps=[_step("ghost")])


inmost = _team({"price": price, "send": send}, Clueless())
strict = _step(
    "shop",
    criteria=[il.expr("output.send == 'sent to Ada'")],
    retry=il.Retry(max_attempts=2),
)
middle = _team({"shop": inmost}, il.TaskGraph(goal="Sell", steps=[strict]))
desk = _team(
    {"office": middle}, il.TaskGraph(goal="Sell", steps=[_step("office")]), "sqlite:///desk.db"
)

approved = il.Orchestrator(
    workers=[il.Worker(name="send", agent=lambda brief: "sent")],
    planner=il.TaskGraph(goal="Sell", steps=[_step("send")]),
    policy=il.RunPolicy(approve_plan=True),
    storage="memory://",
)
asking = _team(
    {"left": approved, "right": approved},
    il.TaskGraph(goal="Sell", steps=[_step("left"), _step("right")]),
    "sqlite:///desk.db",
)
