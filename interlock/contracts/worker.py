"""Workers and planners as the user declares them."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, Protocol, TypeAlias, runtime_checkable

from pydantic import BaseModel, ConfigDict, Field

from interlock.contracts.brief import Brief
from interlock.contracts.criteria import Finding
from interlock.contracts.frozen_model import FrozenModel
from interlock.contracts.ids import StepId, WorkerName
from interlock.contracts.limits import Breaker, Rate
from interlock.contracts.outcome import StepOutcome
from interlock.contracts.plain import Plain
from interlock.contracts.plan import Step, TaskGraph
from interlock.contracts.policy import PositiveCount

Check: TypeAlias = Callable[[Plain, Brief], bool | Finding | Awaitable[bool | Finding]]
"""A registered check; sync ones run in a thread."""


class Worker(FrozenModel):
    """An agent that executes one step and knows nothing else.

    Attributes:
        name: What plans call it.
        agent: A sync or async function of the brief, a Runnable, a compiled LangGraph graph, or
            another team (an `Orchestrator` or its `graph`).
        description: What it does, for planners and people.
        input: What it wants by name in its brief's `inputs`: a pydantic class, or a JSON Schema of an
            object. A plan that leaves out what it requires, or gives what it forbids, is refused.
        output: What it returns: a pydantic class, or a JSON Schema. Unknown if left out.
        max_parallel: How many steps may use it at once; None is no limit of its own.
        permanent_errors: Exceptions of it that are not worth another attempt.
        tools: The guarded tools that it may call, so that their `undo` is known after a restart and
            the supervisor can ask before an irreversible one. Those of a compiled graph's tool nodes
            are found without it.
        breaker: When it is left alone because it keeps failing; a step then takes its fallbacks at
            once. Shared by all workers of the name in one storage.
        rate: How often attempts of it may start, over all runs; steps wait for their turn.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    name: Annotated[WorkerName, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_-]{0,127}$")]
    agent: Any = Field(repr=False)
    description: str = ""
    input: type[BaseModel] | dict[str, Any] | None = None
    output: type[BaseModel] | dict[str, Any] | None = None
    max_parallel: PositiveCount | None = None
    permanent_errors: tuple[type[Exception], ...] = ()
    tools: tuple[Any, ...] = Field(default=(), repr=False)
    breaker: Breaker | None = None
    rate: Rate | None = None

    def derive_input_schema(self) -> dict[str, Any] | None:
        """Return the JSON Schema of what it wants, or None if it does not say."""
        if self.input is None or isinstance(self.input, dict):
            return self.input
        return self.input.model_json_schema(mode="validation")

    def derive_output_schema(self) -> dict[str, Any] | None:
        """Return the JSON Schema of what it returns, or None if unknown."""
        if self.output is None or isinstance(self.output, dict):
            return self.output
        return self.output.model_json_schema(mode="serialization")


class WorkerCard(FrozenModel):
    """What a planner is told of a worker: never its internals."""

    name: WorkerName
    description: str
    input_schema: dict[str, Any] | None = None
    output_schema: dict[str, Any] | None = None
    max_parallel: int | None = None


PlanReason: TypeAlias = Literal[
    "first", "invalid", "continue", "abandoned", "gap", "stall", "person"
]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRequest:
    """What a planner is asked.

    Attributes:
        goal: What the plan is for.
        workers: Who can be given steps.
        context: The shared context the run was started with.
        attempt: How often the planner has been asked for this version of the plan, from 1.
        problems: What was wrong with the last answer, in words.
        previous: The last plan, if one was made.
        outcomes: What has settled so far, by step id.
        reason: Why it is asked: `first`; `invalid`, the last answer was no good; `continue`, the
            steps of an open plan have all settled; `abandoned`, `gap` or `stall`, the policy's
            `replan` says to; `person`, somebody asked for it.
        trigger: The same, and never `invalid`: it stays while an answer is corrected.
        why: What that person wrote; stays while an answer to it is corrected.
    """

    goal: str
    workers: Sequence[WorkerCard]
    context: Mapping[str, Plain] = field(default_factory=dict)
    attempt: int = 1
    problems: Sequence[str] = ()
    previous: TaskGraph | None = None
    outcomes: Mapping[StepId, StepOutcome] = field(default_factory=dict)
    reason: PlanReason = "first"
    trigger: PlanReason = "first"
    why: str | None = None


@runtime_checkable
class Planner(Protocol):
    """An object that plans, such as a model planner."""

    async def plan(self, request: PlanRequest) -> TaskGraph:
        """Return a task graph for the goal; it is validated whole before anything runs."""
        ...


@runtime_checkable
class StreamingPlanner(Protocol):
    """A planner that says its steps one by one, such as `ModelPlanner(stream=True)`.

    Attributes:
        stream: Whether it is to be asked so; if not, it is a planner like any other.
    """

    stream: bool

    async def plan(self, request: PlanRequest) -> TaskGraph:
        """Return a task graph for the goal; asked where nothing may start early."""
        ...

    def astream_plan(self, request: PlanRequest) -> AsyncIterator[Step | TaskGraph]:
        """Yield steps, each once, and then the whole plan with these steps unchanged.

        A step may start as soon as it and all that it needs have been yielded and validated.
        """
        ...


PlannerLike: TypeAlias = (
    TaskGraph | Planner | Callable[[PlanRequest], TaskGraph | Awaitable[TaskGraph]]
)
"""A fixed plan, a planner, or a function (sync or async) of the request."""
