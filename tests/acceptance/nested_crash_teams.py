"""Teams three deep for the crash kit: effects, facts and questions below two other teams."""

from datetime import timedelta
from typing import Any

from langgraph.types import interrupt

import interlock as il
from tests.acceptance.crash_teams import list_refunds, refund

__all__ = ["list_refunds"]


async def pay(brief: il.Brief) -> dict[str, str]:
    """Refund the order that the step's arguments name, by the guarded tool."""
    paid: dict[str, str] = await refund(str(brief.inputs["order"]))
    return paid


async def look_up(brief: il.Brief) -> str:
    """Return something that depends on the step alone."""
    return f"seen in {brief.step_id}"


def _step(step_id: str, worker: str, **fields: object) -> il.Step:
    return il.Step.model_validate(
        {"id": step_id, "worker": worker, "instruction": f"Do {step_id}", **fields}
    )


def _team(
    agents: dict[str, object], *steps: il.Step, planner: object = None, replan: bool = False
) -> il.Orchestrator:
    return il.Orchestrator(
        workers=[il.Worker(name=name, agent=agent) for name, agent in agents.items()],
        planner=planner or il.TaskGraph(goal="Refund", steps=steps),
        policy=il.RunPolicy(replan=il.Replan()) if replan else None,
        storage="memory://",
    )


def _build_inmost() -> il.Orchestrator:
    """Return a team that looks, refunds twice side by side, and publishes one refund."""
    return _team(
        {"look": look_up, "clerk": pay},
        _step("look", "look"),
        _step(
            "first",
            "clerk",
            needs=["look"],
            inputs={},
            arguments={"order": "17"},
            publishes={"paid": "output.paid"},
        ),
        _step("second", "clerk", needs=["look"], inputs={}, arguments={"order": "18"}),
    )


def build_nested() -> il.Orchestrator:
    """Return a team whose step is a team whose step is a team, each with work of its own."""
    middle = _team(
        {"desk": _build_inmost(), "look": look_up},
        _step("desk", "desk"),
        _step("look", "look", needs=["desk"], inputs={}),
    )
    return _team(
        {"office": middle, "look": look_up},
        _step("office", "office", publishes={"result": "output.look"}),
        _step("look", "look", needs=["office"], inputs={}),
    )


async def give_up(_: il.Brief) -> str:
    """Have no answer, ever."""
    raise ValueError("not known")


def ask(_: il.Brief) -> Any:
    """Ask a person in the middle of the work."""
    return interrupt("Which colour?")


def answer(question: il.Question) -> il.Answer:
    """Answer every question by where it comes from."""
    return il.edit(f"told to {question.step_id}")


def build_asking() -> il.Orchestrator:
    """Return a team within which three steps at two depths ask at once, each in its own way."""
    inmost = _team(
        {"lost": give_up, "clerk": pay},
        _step("lost", "lost", fallback=[il.ask_person()]),
        _step("pay", "clerk", needs=["lost"], inputs={}, arguments={"order": "17"}),
    )
    middle = _team(
        {"desk": inmost, "lost": give_up, "ask": ask},
        _step("desk", "desk"),
        _step("lost", "lost", fallback=[il.ask_person()]),
        _step("ask", "ask"),
    )
    return _team({"office": middle}, _step("office", "office"))


def plan_again(request: il.PlanRequest) -> il.TaskGraph:
    """Plan step by step, and another way around the step that failed."""
    known = set(request.outcomes)
    steps = [_step("look", "look")]
    if "look" in known:
        steps.append(_step("pay", "clerk", needs=["look"], inputs={}, arguments={"order": "17"}))
        steps.append(_step("lost", "lost"))
    if "lost" in known:
        steps[-1] = _step("found", "look", needs=["pay"], inputs={})
    return il.TaskGraph.model_validate(
        {"goal": request.goal, "steps": steps, "is_open": "look" not in known}
    )


def plan_by_feedback(request: il.PlanRequest) -> il.TaskGraph:
    """Plan with what the step above was told of its first attempt."""
    number = 2 if request.context.get("feedback") else 1
    steps = [_step("desk", "desk"), _step("count", "count", arguments={"number": number})]
    return il.TaskGraph.model_validate({"goal": request.goal, "steps": steps})


async def count(brief: il.Brief) -> int:
    """Return which attempt of the step above it is."""
    number: int = brief.inputs["number"]
    return number


def build_replanning() -> il.Orchestrator:
    """Return a team whose inmost planner goes on, replans, and starts anew with a second attempt."""
    agents: dict[str, object] = {"look": look_up, "clerk": pay, "lost": give_up}
    inmost = _team(agents, planner=plan_again, replan=True)
    strict = _step(
        "try",
        "middle",
        criteria=[il.expr("output.count == 2")],
        retry=il.Retry(max_attempts=2, backoff=timedelta(0)),
    )
    middle = _team({"desk": inmost, "count": count}, planner=plan_by_feedback)
    return _team({"middle": middle}, strict)
