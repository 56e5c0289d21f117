"""Whether a plan may run: by itself, with this team, and after what has run already."""

from collections.abc import Mapping
from typing import Any

from interlock.contracts.errors import PlanError, PlanProblem
from interlock.contracts.ids import StepId
from interlock.contracts.outcome import StepOutcome
from interlock.contracts.plan import TaskGraph
from interlock.contracts.plan_validation import validate_task_graph
from interlock.nodes.rolling_plan import keep_settled, require_continuation
from interlock.nodes.run_state import RunState
from interlock.nodes.team import Team


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


def validate_next_plan(team: Team, plan: TaskGraph, state: RunState) -> None:
    """Return if a plan may run after what has run already.

    Raises:
        PlanError: It may not; all problems at once.
    """
    problems: list[PlanProblem] = []
    for validate in (_validate_alone, _validate_continuation):
        try:
            validate(team, plan, state)
        except PlanError as exc:
            problems.extend(exc.problems)
    if problems:
        raise PlanError(problems)


def _validate_alone(team: Team, plan: TaskGraph, state: RunState) -> None:
    validate_plan(team, plan, context=state["context"])


def _validate_continuation(team: Team, plan: TaskGraph, state: RunState) -> None:
    del team
    if state.get("plan_base", 0):
        require_continuation(keep_settled(state), plan, parse_outcomes(state))


def parse_outcomes(state: RunState) -> dict[StepId, StepOutcome]:
    """Return what has settled, by step id."""
    return {
        StepId(step): StepOutcome.model_validate(outcome)
        for step, outcome in state["outcomes"].items()
    }
