"""A plan on its way to run: journalled, told to who listens, put to a person if one must approve."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from langgraph.runtime import Runtime

from interlock.contracts.criteria import Finding
from interlock.contracts.handoff import Handoff, Verdict
from interlock.contracts.ids import StepId, ThreadId, derive_handoff_id, derive_question_id
from interlock.contracts.plain import Plain, derive_hash
from interlock.contracts.plan import TaskGraph
from interlock.contracts.plan_version import PLAN_IS_VALID
from interlock.contracts.question import Decision, Question
from interlock.contracts.storage import Batch
from interlock.nodes.planning.replanning import compare_plans, take_replan, word_reason
from interlock.nodes.planning.rolling_plan import keep_settled
from interlock.nodes.run.asked_questions import put_questions
from interlock.nodes.run.place import Place, get_superstep, get_thread_id
from interlock.nodes.run.plan_stream import word_part
from interlock.nodes.run.run_state import RunContext, RunState, as_plain
from interlock.nodes.run.team import Team
from interlock.telemetry.events import PlanAccepted

_SOME_PLAN: Final[tuple[Decision, ...]] = ("approve", "edit", "reject", "respond")
_NO_PLAN: Final[tuple[Decision, ...]] = ("edit", "respond", "reject")


async def propose_plan(
    team: Team,
    state: RunState,
    runtime: Runtime[RunContext],
    *,
    plan: TaskGraph,
    note: str | None = None,
    planned_by: Mapping[str, str] | None = None,
) -> RunState:
    """Put a valid plan into the journal, and to a person if the policy says so.

    Args:
        team: At work.
        state: The run's.
        runtime: Of the planner node.
        plan: Validated.
        note: Why it is not the planner's own, if it is not.
        planned_by: What the planner says of itself, if it does.
    """
    place = find_planning_place(state, runtime)
    verdict = _build_verdict(state, plan, note, planned_by)
    handoff = record_plan(plan, place, now=team.clock.now(), sender="planner", verdict=verdict)
    question = None
    if team.spec.policy.approve_plan:
        question = build_plan_question(
            team,
            state,
            place,
            args=as_plain(plan),
            version=plan.version,
            text=f"May this plan of {len(plan.steps)} steps run for the goal {state['goal']!r}?",
        )
    await put_questions(
        team,
        await team.open_storage(),
        (question,) if question else (),
        place=place,
        attempt=plan.version,
        beside=Batch(handoffs=(handoff,)),
    )
    if question is None:
        tell_plan(team, place.thread_id, plan, scope=state["scope"])
    update = RunState(
        plan=as_plain(plan),
        plan_attempts=state["plan_attempts"] + 1,
        plan_rounds=state.get("plan_rounds", 0) + 1,
        plan_top=plan.version,
        plan_problems=[],
        plan_status="proposed" if question else "accepted",
        plan_question=as_plain(question) if question else None,
    )
    return {**update, **(accept_plan(state, plan) if question is None else RunState())}


def record_plan(
    plan: TaskGraph, place: Place, *, now: datetime, sender: str, verdict: Verdict | None = None
) -> Handoff:
    """Return the journal's record of a plan.

    Args:
        plan: Validated.
        place: Thread and superstep, and the path of the step whose team plans.
        now: The present instant.
        sender: `planner` or `person`.
        verdict: Why it is not the planner's first, if it is not.
    """
    dumped = as_plain(plan)
    plan_hash = derive_hash(dumped)
    return Handoff(
        id=derive_handoff_id(
            place.thread_id,
            superstep=place.superstep,
            step_id=place.path,
            attempt=plan.version,
            kind=f"plan/{plan_hash}",  # asked again after a crash, a planner may plan otherwise
        ),
        thread_id=place.thread_id,
        superstep=place.superstep,
        kind="plan",
        sender=sender,
        receiver="supervisor",
        step_id=place.path or None,
        attempt=plan.version,
        payload=dumped,
        payload_hash=plan_hash,
        verdict=verdict,
        ended_at=now,
    )


def accept_plan(state: RunState, plan: TaskGraph) -> RunState:
    """Return what changes when a plan is to run: what it adds, and what has run that still counts."""
    update = RunState(
        plan_before=None,
        replan_reason=None,
        replan_why=None,
        plan_added=_list_added(state, plan),
    )
    if state.get("replan_reason") is not None:
        before = TaskGraph.model_validate(state["plan_before"])
        update.update(take_replan(state, before, plan))
    return update


def _build_verdict(
    state: RunState, plan: TaskGraph, note: str | None, planned_by: Mapping[str, str] | None
) -> Verdict | None:
    """Return for the journal who planned, and why a plan is a template or another version."""
    if note is not None:
        return Verdict(action="fallback", reason=note)
    if state.get("replan_reason") is not None:
        diff = compare_plans(keep_settled(state), plan)
        return build_verdict(f"replanned ({word_reason(state)}): {diff.describe()}", planned_by)
    if state.get("plan_streamed_in"):
        return build_verdict(word_part(plan), planned_by)
    return build_verdict(None, planned_by) if planned_by else None


def build_verdict(reason: str | None, planned_by: Mapping[str, str] | None) -> Verdict:
    """Return what the journal says of a plan that may run.

    Args:
        reason: Why it is not the planner's first, or not the whole.
        planned_by: What the planner says of itself, if it does.
    """
    evidence: dict[str, Plain] = {**(planned_by or {})}
    finding = Finding(criterion=PLAN_IS_VALID, passed=True, evidence=evidence)
    return Verdict(action="accept", findings=(finding,) if planned_by else (), reason=reason)


def _list_added(state: RunState, plan: TaskGraph) -> list[str]:
    return [step.id for step in plan.steps if step.id not in state["outcomes"]]


def find_planning_place(state: RunState, runtime: Runtime[RunContext]) -> Place:
    """Return where a planner's handoffs and questions belong."""
    return Place(
        thread_id=get_thread_id(runtime), superstep=get_superstep(runtime), path=name_owner(state)
    )


def name_owner(state: RunState) -> StepId:
    """Return the path of the step whose team plans; empty for the run itself."""
    return StepId(state["scope"].removesuffix("/"))


def tell_plan(team: Team, thread_id: ThreadId, plan: TaskGraph, *, scope: str) -> None:
    """Tell listeners that a plan will run; a nested team's is part of one step of theirs."""
    if scope:
        return
    team.emit(
        PlanAccepted(
            thread_id=thread_id,
            at=team.clock.now(),
            version=plan.version,
            total=len(plan.steps),
        )
    )


def build_plan_question(
    team: Team,
    state: RunState,
    place: Place,
    *,
    args: dict[str, Plain],
    version: int | None,
    text: str,
) -> Question:
    """Return the question about a plan: whether it may run, or which one may.

    Args:
        team: At work.
        state: The run's.
        place: Where it is asked.
        args: What is shown.
        version: Of the plan that may be approved; None if there is none.
        text: The question in words.
    """
    shown = derive_hash({"kind": "plan", "args": args, "text": text})
    return Question(
        id=derive_question_id(
            place.thread_id,
            superstep=place.superstep,
            step_id=state["scope"],
            kind=f"plan/{'none' if version is None else version}",
            shown_hash=shown,
        ),
        thread_id=place.thread_id,
        kind="plan",
        step_id=name_owner(state) or None,
        name="plan",
        args=args,
        description=text,
        allowed=_NO_PLAN if version is None else _SOME_PLAN,
        shown_hash=shown,
        asked_at=team.clock.now(),
    )
