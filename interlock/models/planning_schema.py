"""The shape in which a model plans: a task graph reduced to what a model can say well.

Pairs instead of free-form objects and bounds everywhere, so that providers can hold a model to it
and small models stay inside their output limit. Left to people and code are a step's retry,
timeout, budget, output schema, effect keys and estimate: they come from the run's policy.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model

from interlock.contracts.criteria import Criterion, check, expr, rubric
from interlock.contracts.fallback import Fallback, abandon, ask_person, skip, use_worker
from interlock.contracts.ids import STEP_ID_PATTERN, StepId, WorkerName
from interlock.contracts.plan import Need, Step, TaskGraph

_ID_CHARS: Final = 60
_Word = Annotated[str, Field(min_length=1, max_length=200)]


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid")


class PlannedInput(_Shape):
    """A name for a part of a needed step's output."""

    name: Annotated[str, Field(min_length=1, max_length=60)]
    path: _Word


class PlannedArgument(_Shape):
    """A fixed value for the worker."""

    name: Annotated[str, Field(min_length=1, max_length=60)]
    value: str | int | float | bool | None


class PlannedCriterion(_Shape):
    """What an output must satisfy: a CEL expression, a registered check, or a rubric in words."""

    kind: Literal["expr", "check", "rubric"]
    text: Annotated[str, Field(min_length=1, max_length=500)]


class PlannedFallback(_Shape):
    """What to do when a step fails. `detail`: the worker, the gap, or the question."""

    kind: Literal["use_worker", "skip", "ask_person", "abandon"]
    detail: Annotated[str, Field(max_length=200)] = ""


class PlannedStep(_Shape):
    """One step for one worker."""

    id: Annotated[str, Field(pattern=STEP_ID_PATTERN, max_length=_ID_CHARS)]
    worker: Annotated[str, Field(max_length=128)]
    instruction: Annotated[str, Field(min_length=1, max_length=2000)]
    needs: Annotated[list[_Word], Field(max_length=30)] = []
    inputs: Annotated[list[PlannedInput], Field(max_length=20)] = []
    arguments: Annotated[list[PlannedArgument], Field(max_length=20)] = []
    context: Annotated[list[_Word], Field(max_length=20)] = []
    criteria: Annotated[list[PlannedCriterion], Field(max_length=8)] = []
    fallback: Annotated[list[PlannedFallback], Field(max_length=4)] = []
    publishes: Annotated[list[PlannedInput], Field(max_length=10)] = []
    degraded_will_do: Annotated[list[_Word], Field(max_length=30)] = []
    approval: Annotated[str, Field(max_length=500)] | None = None


class PlannedGraph(_Shape):
    """A plan: the steps that reach the goal."""

    steps: list[PlannedStep]


def build_planning_schema(
    workers: Sequence[str], *, max_steps: int, kept: Sequence[str] = (), is_rolling: bool = False
) -> type[PlannedGraph]:
    """Return the class of plans that these workers can carry out: a closed set of names.

    Args:
        workers: Their names.
        max_steps: Bound of new steps.
        kept: Ids of the last plan's steps, which a new one may keep by naming them.
        is_rolling: Whether a plan may say that more steps follow.
    """
    step: Any = _close_step(workers)
    fewest = 0 if kept else 1
    fields: dict[str, Any] = {
        "steps": (Annotated[list[step], Field(min_length=fewest, max_length=max_steps)], ...)
    }
    if kept:
        known: Any = Literal[tuple(kept)]
        fields["keep"] = (Annotated[list[known], Field(max_length=len(kept))], [])
    if is_rolling:
        fields["is_open"] = (bool, False)
    about = PlannedGraph.__doc__
    return create_model("PlannedGraph", __base__=PlannedGraph, __doc__=about, **fields)


def _close_step(workers: Sequence[str]) -> type[PlannedStep]:
    closed: Any = Literal[tuple(workers)]
    about = PlannedStep.__doc__
    return create_model("PlannedStep", __base__=PlannedStep, __doc__=about, worker=(closed, ...))


def convert_graph(
    planned: PlannedGraph, *, goal: str, previous: TaskGraph | None = None, keep_all: bool = False
) -> TaskGraph:
    """Return the task graph that a model has planned.

    Args:
        planned: Its answer.
        goal: Of the run.
        previous: The last plan, whose steps it may have kept by id.
        keep_all: Whether it could only add steps.
    """
    old = () if previous is None else previous.steps
    added = tuple(convert_step(step) for step in planned.steps)
    replaced = {step.id for step in added} if not keep_all else set()
    named = {step.id for step in old} if keep_all else set(getattr(planned, "keep", ()))
    kept = tuple(step for step in old if step.id in named and step.id not in replaced)
    is_open = bool(getattr(planned, "is_open", False))
    return TaskGraph(goal=goal, steps=(*kept, *added), is_open=is_open)


def convert_step(planned: PlannedStep) -> Step:
    """Return the step that a model has planned."""
    named = {item.name: item.path for item in planned.inputs}
    lenient = set(planned.degraded_will_do)
    return Step(
        id=StepId(planned.id),
        worker=WorkerName(planned.worker),
        instruction=planned.instruction,
        needs=tuple(
            Need(step=StepId(name), accept_degraded=name in lenient) for name in planned.needs
        ),
        inputs=named or None,
        arguments={item.name: item.value for item in planned.arguments},
        context=tuple(planned.context),
        criteria=tuple(_convert_criterion(item) for item in planned.criteria),
        fallback=tuple(_convert_fallback(item) for item in planned.fallback),
        publishes={item.name: item.path for item in planned.publishes},
        approval=planned.approval or None,
    )


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
