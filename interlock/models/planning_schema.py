"""The shape in which a model plans: a task graph reduced to what a model can say well.

Pairs instead of free-form objects and bounds everywhere, so that providers can hold a model to it
and small models stay inside their output limit. Left to people and code are a step's retry,
timeout, budget, output schema, effect keys and estimate: they come from the run's policy.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model

from interlock.contracts.ids import STEP_ID_PATTERN
from interlock.contracts.plan import ContextKey

_ID_CHARS: Final = 60
_Word = Annotated[str, Field(min_length=1, max_length=200)]
_Id = Annotated[str, Field(pattern=STEP_ID_PATTERN, max_length=_ID_CHARS)]


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid")


class PlannedInput(_Shape):
    """A name for a part of a needed step's output."""

    name: Annotated[str, Field(min_length=1, max_length=60)]
    path: _Word


class PlannedFact(PlannedInput):
    """A fact of the shared context, and the part of the step's own output that it is."""

    name: ContextKey


class PlannedArgument(_Shape):
    """A fixed value for the worker."""

    name: Annotated[str, Field(min_length=1, max_length=60)]
    value: Annotated[str, Field(max_length=2000)] | int | float | bool | None


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

    id: _Id
    worker: Annotated[str, Field(max_length=128)]
    instruction: Annotated[str, Field(min_length=1, max_length=2000)]
    needs: Annotated[list[_Id], Field(max_length=30)] = []
    inputs: Annotated[list[PlannedInput], Field(max_length=20)] = []
    arguments: Annotated[list[PlannedArgument], Field(max_length=20)] = []
    criteria: Annotated[list[PlannedCriterion], Field(max_length=8)] = []
    fallback: Annotated[list[PlannedFallback], Field(max_length=4)] = []
    publishes: Annotated[list[PlannedFact], Field(max_length=10)] = []
    degraded_will_do: Annotated[list[_Id], Field(max_length=30)] = []
    approval: Annotated[str, Field(max_length=500)] | None = None


class PlannedGraph(_Shape):
    """A plan: the steps that reach the goal."""

    steps: list[PlannedStep]


def build_planning_schema(
    workers: Sequence[str],
    *,
    max_steps: int,
    facts: Sequence[str] = (),
    kept: Sequence[str] = (),
    is_rolling: bool = False,
) -> type[PlannedGraph]:
    """Return the class of plans that these workers can carry out: closed sets of names.

    Args:
        workers: Their names.
        max_steps: Bound of new steps.
        facts: Keys of the shared context that a step may ask for.
        kept: Ids of the last plan's steps, which a new one may keep by naming them.
        is_rolling: Whether a plan may say that more steps follow.
    """
    step: Any = _close_step(workers, facts)
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


def _close_step(workers: Sequence[str], facts: Sequence[str]) -> type[PlannedStep]:
    fields: dict[str, Any] = {"worker": (Literal[tuple(workers)], ...)}
    if facts:
        known: Any = Literal[tuple(facts)]
        fields["context"] = (Annotated[list[known], Field(max_length=len(facts))], [])
    about = PlannedStep.__doc__
    return create_model("PlannedStep", __base__=PlannedStep, __doc__=about, **fields)
