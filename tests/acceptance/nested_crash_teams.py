"""Teams three deep for the crash kit: effects, facts and questions below two other teams."""

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


def _team(agents: dict[str, object], *steps: il.Step) -> il.Orchestrator:
    return il.Orchestrator(
        workers=[il.Worker(name=name, agent=agent) for name, agent in agents.items()],
        planner=il.TaskGraph(goal="Refund", steps=steps),
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
