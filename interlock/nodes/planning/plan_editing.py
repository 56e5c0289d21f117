"""A person's own plan for a run that stands still: what it may change, and what changes with it.

The same rules hold as for a replanning (what is finished stands), and two more, since steps may be
under way: whose effects stand keeps its step, and whose work cannot be begun anew is waited for.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from interlock.contracts.errors import ConfigurationError, PlanError, PlanProblem
from interlock.contracts.handoff import Handoff, Verdict
from interlock.contracts.ids import QuestionId, StepId
from interlock.contracts.outcome import StepOutcome, Usage
from interlock.contracts.plan import Step, TaskGraph
from interlock.contracts.question import Question
from interlock.contracts.spending import ThreadSpending, sum_usage
from interlock.contracts.storage import OpenAttempt, Storage
from interlock.nodes.planning.plan_checks import validate_next_plan
from interlock.nodes.planning.plan_proposal import accept_plan, record_plan
from interlock.nodes.planning.plan_requests import name_version
from interlock.nodes.planning.replanning import begin_replan, compare_plans, list_standing
from interlock.nodes.run.place import Place
from interlock.nodes.run.run_state import RunState, as_plain
from interlock.nodes.run.team import Team


@dataclass(frozen=True, slots=True, kw_only=True)
class Standstill:
    """Where a run stands that nobody drives.

    Attributes:
        place: Thread and superstep.
        state: The run's, with the outcomes of the superstep that was under way.
        questions: Open ones.
        running: Attempts that were begun and have not come back.
    """

    place: Place
    state: RunState
    questions: Sequence[Question]
    running: Sequence[OpenAttempt]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanEdit:
    """A person's plan that may run.

    Attributes:
        plan: With its version.
        update: What changes in the run's state.
        handoff: The journal's record of it.
        withdrawn: Questions of steps that it does not have.
    """

    plan: TaskGraph
    update: RunState
    handoff: Handoff
    withdrawn: Sequence[QuestionId]


async def take_edit(
    team: Team, storage: Storage, stand: Standstill, plan: TaskGraph, *, why: str | None
) -> PlanEdit:
    """Return what a person's plan changes.

    Args:
        team: The run's.
        storage: Where the run lies.
        stand: Where it stands.
        plan: The person's.
        why: In words; for the journal.

    Raises:
        ConfigurationError: The run has no plan that runs; or one that a person is asked about.
        PlanError: It may not run; all problems at once.
    """
    state = _begin(team, stand.state)
    before = TaskGraph.model_validate(state["plan"])
    plan = plan.model_copy(update={"version": name_version(state)})
    standing = await list_standing(storage, stand.place.thread_id, scope="")
    problems = list(_find_problems(team, stand, before, plan, standing=standing))
    try:
        thread_id = stand.place.thread_id
        await validate_next_plan(team, plan, state, thread_id=thread_id, is_by_person=True)
    except PlanError as exc:
        problems.extend(exc.problems)
    if problems:
        raise PlanError(problems)
    words = f"edited by a person{f' ({why})' if why else ''}"
    diff = f"{words}: {compare_plans(before, plan).describe()}"
    accepted = accept_plan(state, plan)
    notes = accepted.get("plan_notes", state.get("plan_notes", []))
    update = RunState(
        plan=as_plain(plan),
        plan_status="accepted",
        plan_top=plan.version,
        plan_attempts=1,
        plan_rounds=state.get("plan_rounds", 0) + 1,
        plan_problems=[],
        plan_gap=None,
        plan_streamed_in=None,
        outcomes=state["outcomes"],
    )
    spent = Usage.model_validate(accepted.get("plan_spent") or {})
    spent += await _count_cut_off(storage, stand, before)
    accepted["plan_spent"] = as_plain(spent)
    begun = RunState(plan_base=state["plan_base"], replan_seen=state["replan_seen"])
    note = RunState(plan_notes=[*notes, f"Version {plan.version} of the plan was {diff}"])
    return PlanEdit(
        plan=plan,
        update={**begun, **update, **accepted, **note},
        handoff=record_plan(
            plan,
            stand.place,
            now=team.clock.now(),
            sender="person",
            verdict=Verdict(action="accept", reason=diff),
        ),
        withdrawn=[one.id for one in stand.questions if _find_step(one) not in plan.index_steps()],
    )


async def _count_cut_off(storage: Storage, stand: Standstill, plan: TaskGraph) -> Usage:
    """Return what the steps under way have cost: all that goes on begins anew (I11)."""
    open_steps = plan.index_steps().keys() - stand.state["outcomes"].keys()
    spending = await storage.load_spending(stand.place.thread_id)
    calls = [
        one
        for one in spending.calls
        if one.caller.superstep == stand.place.superstep
        and StepId(one.caller.path.split("/")[0]) in open_steps
    ]
    return sum_usage(ThreadSpending(calls=calls))


def _begin(team: Team, state: RunState) -> RunState:
    """Return a run's state as a person's request for another plan leaves it."""
    if not state.get("plan") or state["plan_status"] != "accepted":
        raise ConfigurationError(
            "This run has no plan under way that could be edited: it is still being planned, or a "
            "person is asked about its plan. Answer that question with il.edit(plan), or resume it."
        )
    asked = RunState(replan_why="edited by a person")
    return {**state, **asked, **begin_replan({**state, **asked}, team.spec.policy)}


def _find_step(question: Question) -> StepId | None:
    return None if question.step_id is None else StepId(question.step_id.split("/")[0])


def _find_problems(
    team: Team,
    stand: Standstill,
    before: TaskGraph,
    plan: TaskGraph,
    *,
    standing: Collection[StepId],
) -> Iterator[PlanProblem]:
    """Find what a plan may not change of steps that are under way."""
    outcomes: Mapping[str, object] = stand.state["outcomes"]
    new = plan.index_steps()
    asking = {_find_step(one) for one in stand.questions}
    begun = {StepId(one.step_id.split("/")[0]) for one in stand.running} | asking
    for step in before.steps:
        if step.id in outcomes:
            continue  # settled, or put to a person and at rest: the rules of a replanning hold
        after = new.get(step.id)
        if after != step and step.id in standing:
            yield PlanProblem(
                "dropped_step" if after is None else "changed_step",
                f"Step {step.id!r} is under way and has made effects that stand. Keep it as it was.",
                step.id,
            )
        elif after is not None and step.id in begun:
            yield from _find_hold(team, after, is_asking=step.id in asking)


def _find_hold(team: Team, step: Step, *, is_asking: bool) -> Iterator[PlanProblem]:
    """Find why a step that is under way cannot be begun anew."""
    if is_asking:
        words = f"Step {step.id!r} waits within its work for an answer, which would be lost"
    elif team.is_team(step.worker):
        words = f"Step {step.id!r} is under way, and what its team has finished would be done again"
    else:
        return
    yield PlanProblem(
        "step_under_way",
        f"{words}. Go on with the run until it has settled, or leave it out.",
        step.id,
    )


def merge_outcomes(state: RunState, stored: Mapping[StepId, StepOutcome]) -> RunState:
    """Return a run's state with the outcomes of the superstep that was under way."""
    held = {str(step): as_plain(outcome) for step, outcome in stored.items()}
    return {**state, "outcomes": {**state["outcomes"], **held}}
