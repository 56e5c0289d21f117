"""Teams for the crash kit whose planners plan again: by a trigger, twice, and before a person."""

import interlock as il
from tests.acceptance.crash_teams import list_refunds, refund

__all__ = ["list_refunds"]


async def pay(brief: il.Brief) -> dict[str, str]:
    """Refund the order that the step's arguments name, by the guarded tool."""
    paid: dict[str, str] = await refund(str(brief.inputs["order"]))
    return paid


async def lose(brief: il.Brief) -> str:
    """Fail for good."""
    raise il.PermanentError(f"{brief.step_id} is lost")


async def look(brief: il.Brief) -> str:
    """Return what depends on the step alone."""
    return f"{brief.step_id} has seen {sorted(brief.inputs)}"


def _step(step_id: str, worker: str, **fields: object) -> il.Step:
    return il.Step.model_validate(
        {"id": step_id, "worker": worker, "instruction": f"Do {step_id}", **fields}
    )


async def plan_again(request: il.PlanRequest) -> il.TaskGraph:
    """Plan a step that is lost; put another that is lost in its place; then one that refunds."""
    tried = sum(outcome.status == "failed" for outcome in request.outcomes.values())
    was = {step.id for step in request.previous.steps} if request.previous else set()
    middle = _step("lost", "loser")
    if tried:
        middle = _step("paid", "clerk", arguments={"order": "18"})
        if "lost" in was:
            middle = _step("lost_too", "loser")
    steps = [
        _step("first", "clerk", arguments={"order": "17"}),
        middle,
        _step("last", "looker", needs=["first", middle.id]),
    ]
    return il.TaskGraph(goal=request.goal, steps=steps)


def _build(*, approve_plan: bool) -> il.Orchestrator:
    agents = {"clerk": pay, "loser": lose, "looker": look}
    return il.Orchestrator(
        workers=[il.Worker(name=name, agent=agent) for name, agent in agents.items()],
        planner=plan_again,
        policy=il.RunPolicy(replan=il.Replan(), approve_plan=approve_plan),
        storage="memory://",
    )


def build_mending() -> il.Orchestrator:
    """Return a team that plans three times."""
    return _build(approve_plan=False)


def build_approved() -> il.Orchestrator:
    """Return one whose every version a person sees."""
    return _build(approve_plan=True)


def answer(question: il.Question) -> il.Answer:
    """Refuse the second version, which is asked for again, and approve all others."""
    if isinstance(question.args, dict) and question.args["version"] == 2:
        return il.reject("not so")
    return il.approve()
