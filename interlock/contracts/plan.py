"""The task graph: typed steps with dependencies, success criteria and fallbacks.

A plan is data: it is written by a person or a model, validated whole, stored in
the run's state and shown in Studio. `plan_validation` says what is wrong with one.
"""

import operator
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from interlock.contracts.criteria import Criterion
from interlock.contracts.fallback import Fallback
from interlock.contracts.frozen_model import FrozenModel
from interlock.contracts.ids import STEP_ID_PATTERN, StepId, WorkerName
from interlock.contracts.policy import Budget, Duration, PositiveDuration, Retry

ContextKey = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,127}$")]


class Need(FrozenModel):
    """A step whose outcome another step waits for.

    Attributes:
        step: The step waited for.
        accept_degraded: Whether a degraded or skipped outcome will do. If not, the waiting
            step is blocked by one.
    """

    step: StepId
    accept_degraded: bool = False


def _parse_need(value: object) -> object:
    return {"step": value} if isinstance(value, str) else value


_NeedOrId = Annotated[Need, BeforeValidator(_parse_need, json_schema_input_type=Need | StepId)]


class Step(FrozenModel):
    """One unit of work for one worker.

    Attributes:
        id: A word, unique in the plan.
        worker: The name of the worker that tries first.
        instruction: What to do, for the worker.
        needs: Steps that must settle before this one starts (I3).
        inputs: Name to path into the output of a needed step, e.g. `order.status`. Left out,
            the worker gets the whole output of every needed step under the step's id.
        arguments: Fixed values for the worker, beside the inputs, by name.
        context: Keys of the shared context that the worker is shown.
        criteria: What an output must satisfy to be accepted.
        output_schema: A JSON Schema for the output, beside the worker's own output type.
        fallback: Second ways, in order, when attempts are used up; ends in abandon, said or not.
        retry: Attempts and waits; the run policy's if left out.
        timeout: Of one attempt, and of each check on its output; the run policy's if left out.
        budget: Upper bounds of this step.
        approval: A CEL expression over inputs and context; while it is true, a person is
            asked before the worker starts. `true` asks always.
        effect_keys: Whether equal tool calls of all workers of the step's chain are one effect
            (`step`), or each worker has effects of its own (`worker`).
        publishes: Context key to path into the output, e.g. `output.text`.
        estimate: How long the step is thought to take; orders the work, bounds nothing.
    """

    id: Annotated[StepId, Field(pattern=STEP_ID_PATTERN)]
    worker: WorkerName
    instruction: str
    needs: tuple[_NeedOrId, ...] = ()
    inputs: dict[str, str] | None = None
    arguments: dict[str, Any] = {}
    context: tuple[ContextKey, ...] = ()
    criteria: tuple[Criterion, ...] = ()
    output_schema: dict[str, Any] | None = None
    fallback: tuple[Fallback, ...] = ()
    retry: Retry | None = None
    timeout: PositiveDuration | None = None
    budget: Budget | None = None
    approval: str | None = None
    effect_keys: Literal["step", "worker"] = "step"
    publishes: dict[ContextKey, str] = {}
    estimate: Duration | None = None


class TaskGraph(FrozenModel):
    """A plan: a goal and the steps that reach it.

    Attributes:
        goal: What the steps together are for.
        steps: In any order; dependencies order them.
        version: Counts the plans of one run, from 1.
        is_open: Whether more steps may follow: once these have settled, the planner is asked
            again. It returns a plan with all these steps unchanged and new ones, or closes it.
        planner_notes: What the planner keeps with it for the next time; no worker is shown it.
    """

    goal: str
    steps: tuple[Step, ...]
    version: Annotated[int, Field(ge=1)] = 1
    is_open: bool = False
    planner_notes: Annotated[dict[str, Any], Field(exclude_if=operator.not_)] = {}

    def index_steps(self) -> Mapping[StepId, Step]:
        """Return the steps by id."""
        return {step.id: step for step in self.steps}
