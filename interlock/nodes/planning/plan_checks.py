"""Whether a plan may run: by itself, with this team, and after what has run already."""

from collections.abc import Mapping
from typing import Any

from interlock.contracts.errors import PlanError
from interlock.contracts.ids import ThreadId
from interlock.contracts.plan import TaskGraph
from interlock.contracts.plan_validation import validate_task_graph
from interlock.nodes.planning.plan_outcomes import parse_outcomes
from interlock.nodes.planning.replanning import find_used_ids, list_standing, require_replan
from interlock.nodes.planning.rolling_plan import keep_settled, require_continuation
from interlock.nodes.run.run_state import RunState
from interlock.nodes.run.team import Team


def validate_plan(team: Team, plan: TaskGraph, *, context: Mapping[str, Any]) -> None:
    """Return if a plan may run with this team and this context.

    Raises:
        PlanError: It may not.
    """
    validate_task_graph(
        plan,
        team.spec.workers,
        inspector=team.criteria,
        context_keys=context,
        shared=team.spec.context,
    )


async def validate_next_plan(
    team: Team,
    plan: TaskGraph,
    state: RunState,
    *,
    thread_id: ThreadId,
    is_by_person: bool = False,
) -> None:
    """Return if a plan may run after what has run already.

    Args:
        team: At work.
        plan: To be run.
        state: The run's.
        thread_id: The run's thread.
        is_by_person: Whether a person wrote it, who may do without a result.

    Raises:
        PlanError: It may not; all problems at once.
    """
    problems = list(find_used_ids(plan, state.get("plan_gone", ())))
    try:
        validate_plan(team, plan, context=state["context"])
    except PlanError as exc:
        problems.extend(exc.problems)
    try:
        await _validate_change(team, plan, state, thread_id=thread_id, is_by_person=is_by_person)
    except PlanError as exc:
        problems.extend(exc.problems)
    if problems:
        raise PlanError(problems)


async def _validate_change(
    team: Team, plan: TaskGraph, state: RunState, *, thread_id: ThreadId, is_by_person: bool
) -> None:
    if not state.get("plan_base", 0):
        return
    outcomes = parse_outcomes(state)
    if state.get("replan_reason") is None:
        require_continuation(keep_settled(state), plan, outcomes)
        return
    before = TaskGraph.model_validate(state["plan_before"])
    storage = await team.open_storage()
    standing = await list_standing(storage, thread_id, scope=state["scope"])
    require_replan(before, plan, outcomes, standing=standing, is_by_person=is_by_person)
