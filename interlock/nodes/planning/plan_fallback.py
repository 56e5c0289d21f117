"""What becomes of a run whose planner brought no valid plan: its declared second ways, in order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from langgraph.runtime import Runtime

from interlock.contracts.fallback import AskPerson
from interlock.contracts.outcome import Usage
from interlock.contracts.plain import Plain
from interlock.contracts.plan import TaskGraph
from interlock.contracts.plan_fallback import PlanFallback, UsePlan
from interlock.nodes.planning.plan_asking import ask_planner
from interlock.nodes.planning.plan_checks import validate_next_plan
from interlock.nodes.planning.plan_proposal import (
    build_plan_question,
    find_planning_place,
    propose_plan,
)
from interlock.nodes.planning.plan_requests import build_request, name_version
from interlock.nodes.planning.planner_errors import is_from_outside, word_problems
from interlock.nodes.planning.replanning import give_up_replan
from interlock.nodes.planning.rolling_plan import cut_short
from interlock.nodes.run.asked_questions import put_questions
from interlock.nodes.run.place import get_thread_id
from interlock.nodes.run.run_state import RunContext, RunState, as_plain
from interlock.nodes.run.team import Team

_SHOWN_PROBLEMS = 20


@dataclass(slots=True, kw_only=True)
class PlanTry:
    """One time a planner was asked.

    Attributes:
        plan: What it gave, as far as that is a task graph.
        planned_by: What the planner says of itself.
        problems: What is wrong with it, in words.
        usage: What models used for it.
    """

    plan: TaskGraph | None = None
    planned_by: Mapping[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    usage: Usage = field(default_factory=Usage)


def is_given_up(team: Team, state: RunState) -> bool:
    """Return whether a planner has used up its attempts, and only its second ways are left."""
    has_used_up = state["plan_attempts"] >= team.spec.policy.max_plan_attempts
    return has_used_up and state["plan_status"] == "invalid" and bool(list_fallbacks(team))


def end_planning(state: RunState, reason: str) -> RunState:
    """Return where a run stands that gets no (further) plan: with what has run, or failed."""
    if state.get("replan_reason") is not None:
        return give_up_replan(state, [reason])
    if state.get("plan_base", 0):
        return cut_short(state, reason)
    return RunState(plan_status="failed", failure=reason)


def list_fallbacks(team: Team) -> Sequence[PlanFallback]:
    """Return the declared second ways of a team's planner."""
    ways: Sequence[PlanFallback] = getattr(team.spec.planner, "fallback", ())
    return ways


async def fall_back(
    team: Team, state: RunState, runtime: Runtime[RunContext], *, tried: PlanTry
) -> RunState | None:
    """Return where a run goes on whose planner is given up; None if no way is left.

    A template plan that is no good itself adds its problems, and the next way is taken. A person
    is asked again and again, as long as they answer.
    """
    for position, way in enumerate(list_fallbacks(team)):
        if position < state.get("plan_chain", 0):
            continue
        match way:
            case UsePlan():
                update = await _use_template(team, state, runtime, way=way, tried=tried)
                if update is not None:
                    return {**update, **RunState(plan_chain=position + 1)}
            case AskPerson():
                asked = await ask_for_plan(team, state, runtime, prompt=way.prompt, tried=tried)
                return {**asked, **RunState(plan_chain=position)}
    return None


async def _use_template(
    team: Team,
    state: RunState,
    runtime: Runtime[RunContext],
    *,
    way: UsePlan,
    tried: PlanTry,
) -> RunState | None:
    version, thread_id = name_version(state), get_thread_id(runtime)
    request = await build_request(team, state, thread_id)
    try:
        plan = await ask_planner(way.plan, request)
        plan = plan.model_copy(update={"version": version})
        await validate_next_plan(team, plan, state, thread_id=thread_id)
    except BaseException as exc:  # a user's function; what is the run's own goes on
        if is_from_outside(exc):
            raise
        problems = word_problems(exc, whose="template")
        tried.problems.extend(f"The template plan: {problem}" for problem in problems)
        return None
    note = (
        f"Version {version} of the plan is the declared template, since the planner brought no "
        f"valid one: {'; '.join(tried.problems[:_SHOWN_PROBLEMS])}"
    )
    proposed = await propose_plan(team, state, runtime, plan=plan, note=note)
    return {**proposed, **RunState(plan_notes=[*state.get("plan_notes", ()), note])}


async def ask_for_plan(
    team: Team,
    state: RunState,
    runtime: Runtime[RunContext],
    *,
    prompt: str | None,
    tried: PlanTry,
) -> RunState:
    """Ask a person for a plan; theirs is validated like any other."""
    place = find_planning_place(state, runtime)
    args: dict[str, Plain] = {
        **(as_plain(tried.plan) if tried.plan is not None else {}),
        "problems": list(tried.problems[:_SHOWN_PROBLEMS]),
    }
    text = prompt or f"There is no valid plan for the goal {state['goal']!r}. Write or mend one?"
    question = build_plan_question(team, state, place, args=args, version=None, text=text)
    await put_questions(
        team,
        await team.open_storage(),
        (question,),
        place=place,
        attempt=state["plan_attempts"] + 1,
    )
    return RunState(plan_status="proposed", plan_question=as_plain(question))
