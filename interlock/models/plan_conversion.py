"""From what a model has planned to the task graph that it means, or to all that makes it none."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from interlock.contracts.criteria import Criterion, check, expr, rubric
from interlock.contracts.errors import PlanError, PlanProblem
from interlock.contracts.fallback import Fallback, abandon, ask_person, skip, use_worker
from interlock.contracts.plan import Step, TaskGraph
from interlock.models.answer_parsing import word_problems
from interlock.models.planning_schema import (
    PlannedArgument,
    PlannedCriterion,
    PlannedFallback,
    PlannedGraph,
    PlannedInput,
    PlannedStep,
)


def convert_graph(
    planned: PlannedGraph, *, goal: str, previous: TaskGraph | None = None, keep_all: bool = False
) -> TaskGraph:
    """Return the task graph that a model has planned.

    Args:
        planned: Its answer.
        goal: Of the run.
        previous: The last plan, whose steps it may have kept by id.
        keep_all: Whether it could only add steps.

    Raises:
        PlanError: A step cannot be one; lists all problems of all steps.
    """
    old = () if previous is None else previous.steps
    added = _convert_steps(planned.steps)
    replaced = {step.id for step in added} if not keep_all else set()
    named = {step.id for step in old} if keep_all else set(getattr(planned, "keep", ()))
    kept = tuple(step for step in old if step.id in named and step.id not in replaced)
    is_open = bool(getattr(planned, "is_open", False))
    return TaskGraph(goal=goal, steps=(*kept, *added), is_open=is_open)


def _convert_steps(planned: Iterable[PlannedStep]) -> tuple[Step, ...]:
    steps: list[Step] = []
    problems: list[PlanProblem] = []
    for item in planned:
        try:
            steps.append(convert_step(item))
        except PlanError as exc:
            problems += exc.problems
    if problems:
        raise PlanError(problems)
    return tuple(steps)


def convert_step(planned: PlannedStep) -> Step:
    """Return the step that a model has planned.

    Raises:
        PlanError: It cannot be one; lists all its problems.
    """
    problems = _list_doubles(planned)
    values: dict[str, Any] = {
        "id": planned.id,
        "worker": planned.worker,
        "instruction": planned.instruction,
        "needs": _convert_needs(planned),
        "inputs": _name_paths(planned.inputs) or None,
        "arguments": {item.name: item.value for item in planned.arguments},
        "context": tuple(getattr(planned, "context", ())),
        "criteria": tuple(_convert_criterion(item) for item in planned.criteria),
        "fallback": tuple(_convert_fallback(item) for item in planned.fallback),
        "publishes": _name_paths(planned.publishes),
        "approval": planned.approval or None,
    }
    try:
        step = Step.model_validate(values)
    except ValidationError as exc:
        problems += word_problems(exc)
    else:
        if not problems:
            return step
    raise PlanError([PlanProblem("bad_step", f"Step {planned.id!r}: {text}") for text in problems])


def _list_doubles(planned: PlannedStep) -> list[str]:
    """Return which names stand twice where each can stand for one thing only."""
    lists: Mapping[str, Sequence[PlannedInput | PlannedArgument]] = {
        "inputs": planned.inputs,
        "arguments": planned.arguments,
        "publishes": planned.publishes,
    }
    problems: list[str] = []
    for place, items in lists.items():
        names = [item.name for item in items]
        double = sorted({name for name in names if names.count(name) > 1})
        problems += [f"{place} has the name {name!r} twice. Give each its own." for name in double]
    return problems


def _name_paths(items: Sequence[PlannedInput]) -> dict[str, str]:
    return {item.name: item.path for item in items}


def _convert_needs(planned: PlannedStep) -> list[dict[str, Any]]:
    lenient = set(planned.degraded_will_do)
    return [{"step": name, "accept_degraded": name in lenient} for name in planned.needs]


def _convert_criterion(planned: PlannedCriterion) -> Criterion:
    match planned.kind:
        case "expr":
            return expr(planned.text)
        case "check":
            return check(planned.text)
        case "rubric":
            return rubric(planned.text)


def _convert_fallback(planned: PlannedFallback) -> Fallback:
    match planned.kind:
        case "use_worker":
            return use_worker(planned.detail)
        case "skip":
            return skip(gap=planned.detail or "left out")
        case "ask_person":
            return ask_person(planned.detail or None)
        case "abandon":
            return abandon()
