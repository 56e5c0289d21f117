"""What a person's answer about a plan changes: it runs, it runs otherwise, or the planner hears why not.

Called by the escalate node.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from interlock.contracts.errors import PlanError
from interlock.contracts.ids import QuestionId, ThreadId
from interlock.contracts.plan import TaskGraph
from interlock.contracts.question import Answer
from interlock.contracts.storage import Batch
from interlock.nodes.planning.plan_checks import validate_next_plan
from interlock.nodes.planning.plan_fallback import end_planning, list_fallbacks
from interlock.nodes.planning.plan_proposal import accept_plan, name_owner, record_plan, tell_plan
from interlock.nodes.planning.replanning import compare_plans
from interlock.nodes.planning.rolling_plan import keep_settled
from interlock.nodes.run.place import Place
from interlock.nodes.run.run_state import RunState, as_plain
from interlock.nodes.run.team import Team


async def answer_plan(
    team: Team, state: RunState, place: Place, answers: Mapping[QuestionId, Answer]
) -> RunState:
    """Return what an answer about the plan changes; nothing if there is none."""
    asked: Mapping[str, Any] | None = state.get("plan_question")
    if asked is None or asked["id"] not in answers:
        return RunState()
    answer = answers[QuestionId(asked["id"])]
    closed = RunState(plan_question=None, answers=state["answers"])
    match answer.type:
        case "approve":
            plan = TaskGraph.model_validate(state["plan"])
            return {**closed, **_accept(team, state, place.thread_id, plan)}
        case "edit":
            return {**closed, **await _take_edited_plan(team, state, place, answer)}
        case "reject" | "respond":
            if "approve" not in asked["allowed"]:  # there was none to refuse
                return {**closed, **_hear_person(team, state, answer)}
            problems = [f"A person refused the plan{_word_refused(state)}: {answer.message}"]
            return {**closed, **_ask_again(team, state, problems)}


def _word_refused(state: RunState) -> str:
    """Return what a refused plan would have changed; nothing of a first one, which is shown whole."""
    if state.get("plan_before") is None:
        return ""
    refused = TaskGraph.model_validate(state["plan"])
    return f" ({compare_plans(keep_settled(state), refused).describe()})"


def _accept(team: Team, state: RunState, thread_id: ThreadId, plan: TaskGraph) -> RunState:
    tell_plan(team, thread_id, plan, scope=state["scope"])
    accepted = RunState(plan=as_plain(plan), plan_status="accepted", plan_top=plan.version)
    return {**accepted, **accept_plan(state, plan)}


def _hear_person(team: Team, state: RunState, answer: Answer) -> RunState:
    """Return what follows when a person was asked for a plan and gave none."""
    if answer.type == "reject":
        return end_planning(state, f"A person gave the run up: {answer.message}")
    once_more = team.spec.policy.max_plan_attempts - 1
    words = f"A person answered: {answer.message}"
    return RunState(plan_status="invalid", plan_attempts=once_more, plan_problems=[words])


async def _take_edited_plan(team: Team, state: RunState, place: Place, answer: Answer) -> RunState:
    try:
        edited = {key: item for key, item in (answer.value or {}).items() if key != "problems"}
        plan = TaskGraph.model_validate({"goal": state["goal"], **edited})
        await validate_next_plan(team, plan, state, thread_id=place.thread_id, is_by_person=True)
    except (ValueError, PlanError) as exc:
        return _ask_again(team, state, [f"A person's edited plan was refused: {exc}"])
    version = _name_edited(state)
    plan = plan.model_copy(update={"version": version})
    owned = replace(place, path=name_owner(state))
    handoff = record_plan(plan, owned, now=team.clock.now(), sender="person")
    storage = await team.open_storage()
    await storage.commit(place.thread_id, Batch(handoffs=(handoff,)))
    return _accept(team, state, place.thread_id, plan)


def _name_edited(state: RunState) -> int:
    """Return the version of a plan that a person wrote: of the one that they were shown, if any."""
    asked: Mapping[str, Any] = state["plan_question"] or {}
    if "approve" in asked["allowed"]:
        return int((state["plan"] or {})["version"])
    return max(state.get("plan_base", 0) + state["plan_attempts"], state.get("plan_top", 0) + 1)


def _ask_again(team: Team, state: RunState, problems: list[str]) -> RunState:
    is_fixed = isinstance(team.spec.planner, TaskGraph)
    has_used_up = state["plan_attempts"] >= team.spec.policy.max_plan_attempts
    if (is_fixed or has_used_up) and not list_fallbacks(team):
        return end_planning(state, "; ".join(problems))
    return RunState(plan_status="invalid", plan_problems=problems)
