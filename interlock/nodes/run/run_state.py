"""The run graph's state: plain JSON in named channels, versioned.

Every channel has one writer a superstep, and no channel has a reducer, so nothing that a
worker or a model returns can be taken for an instruction to LangGraph.
"""

from typing import Any, Final, Literal, TypeAlias

from typing_extensions import TypedDict

from interlock.contracts.errors import SchemaVersionError
from interlock.contracts.ids import PayloadHash
from interlock.contracts.plain import Plain

SCHEMA_VERSION: Final = 1
"""Version of `RunState` and `StepState`; raised when an old checkpoint would be misread."""

RunRoute: TypeAlias = Literal["planner", "dispatch", "escalate", "finish"]
RUN_ROUTES: Final[tuple[RunRoute, ...]] = ("planner", "dispatch", "escalate", "finish")


class RunInput(TypedDict, total=False):
    """What starts a run; Studio draws its form from this.

    Attributes:
        goal: What the run is for.
        context: The shared context that it starts with.
    """

    goal: str
    context: dict[str, Any]


class SpacedRunInput(RunInput, total=False):
    """What starts a run of a team whose facts live in named spaces.

    Attributes:
        spaces: Which named spaces the run works in, by the name that facts declare.
    """

    spaces: dict[str, str]


class StoredRunInput(SpacedRunInput, total=False):
    """What starts a run whose caller has stored the big values of its context.

    Attributes:
        context_refs: Their hashes by key; each is None in `context`.
        seed_version: The version of the run's own space that its context was written down as.
    """

    context_refs: dict[str, PayloadHash]
    seed_version: int


class NestedRunInput(StoredRunInput, total=False):
    """What starts a nested team's run.

    Attributes:
        scope: The path of steps above, `outer/`; names the run's steps apart from others'.
        effect_epoch: The effect epoch of the run above.
        sources: The facts behind what the team is given, each as space, key and version.
    """

    scope: str
    effect_epoch: int
    sources: list[list[Any]]


class RunState(TypedDict, total=False):
    """All that a run remembers between supersteps.

    Attributes:
        schema_version: Of this state.
        goal: What the run is for.
        context: The shared context that it was started with; big values are None in it.
        context_refs: The hashes of these, by key; another value in `context` stands.
        spaces: The named spaces of shared context that the run works in, by role.
        seed_version: The version of the run's own space that holds `context`; 0 if none does.
        sources: In nested teams, the facts behind what the team was given.
        scope: The path of steps above, in nested teams; empty in a run of its own.
        stepwise: Whether dispatch returns after every settled step.
        effect_epoch: Part of every idempotency key. A fork answers from the ledger; one that is to
            make its effects anew is given another number.
        issue_slots: The slots that steps are put in order for: the run's limit when it began.
        started_at: When the run's first node ran, ISO 8601.
        plan: The accepted or proposed task graph, dumped.
        plan_status: Where the plan stands.
        plan_attempts: How often the planner was asked for the version that is wanted now.
        plan_base: The version of the plan that an open plan goes on from; 0 before the first.
        plan_streamed_in: The superstep in which a planner was asked whose plan came in parts, while
            dispatch still takes them up.
        plan_top: The highest version that was handed over, to run or to a person.
        plan_before: The plan that has run, while the next version is wanted.
        replans: How often the planner was asked about a plan that has run.
        replan_seen: The settled steps about which it was asked.
        replan_reason: Why it is asked now, if it is.
        replan_why: What a person wants of the next version, if one asked for it.
        replan_heard: The journal's ids of what people asked, as far as the planner was told.
        plan_added: The steps that the newest version added.
        plan_rounds: How many plans have run, the present one included.
        plan_stalls: How many versions in a row brought no accepted step.
        plan_chain: How many of the planner's second ways are used up.
        plan_notes: What was settled for in planning, in words.
        plan_left_out: What later versions left out with nothing in its place, in words.
        plan_gone: The steps that later versions left out, by id.
        plan_spent: The dumped cost of steps that later versions left out.
        plan_gap: Why an open plan was cut short, if it was.
        plan_usage: The dumped cost of asking the planner.
        plan_problems: Why it has to be asked again.
        plan_question: The open question whether the plan may run, dumped.
        outcomes: Step id to dumped outcome; terminal, or waiting for a person.
        answers: Question id to dumped answer, not yet taken by its step.
        answer_problems: Why answers given to the last interrupt were refused.
        route: Where the supervisor sends the run next.
        failure: Why the run cannot go on, if no single step says it.
        status: How the run ended; None while it has not.
        result: The dumped result.
    """

    schema_version: int
    goal: str
    context: dict[str, Any]
    context_refs: dict[str, PayloadHash]
    spaces: dict[str, str]
    seed_version: int
    sources: list[list[Any]]
    scope: str
    stepwise: bool
    effect_epoch: int
    issue_slots: int | None
    started_at: str
    plan: dict[str, Any] | None
    plan_status: Literal["missing", "invalid", "proposed", "accepted", "failed"]
    plan_attempts: int
    plan_base: int
    plan_streamed_in: str | None
    plan_top: int
    plan_before: dict[str, Any] | None
    replans: int
    replan_seen: list[str]
    replan_reason: Literal["abandoned", "gap", "stall", "person"] | None
    replan_why: str | None
    replan_heard: list[str]
    plan_added: list[str]
    plan_rounds: int
    plan_stalls: int
    plan_chain: int
    plan_notes: list[str]
    plan_left_out: list[str]
    plan_gone: list[str]
    plan_spent: dict[str, Any]
    plan_gap: str | None
    plan_usage: dict[str, Any]
    plan_problems: list[str]
    plan_question: dict[str, Any] | None
    outcomes: dict[str, dict[str, Any]]
    answers: dict[str, dict[str, Any]]
    answer_problems: list[str]
    route: RunRoute
    failure: str | None
    status: str | None
    result: dict[str, Any] | None


class RunContext(TypedDict, total=False):
    """What a caller sets for one run; a form in Studio.

    Attributes:
        stepwise: Return to the supervisor after every settled step, so that each handoff is a
            checkpoint to look at, edit and fork from.
    """

    stepwise: bool


def require_schema_version(state: RunState) -> None:
    """Return if this release can read the state.

    Raises:
        SchemaVersionError: It cannot; the thread stays as it is.
    """
    seen = state.get("schema_version", 0)
    if seen != SCHEMA_VERSION:
        raise SchemaVersionError(seen=seen, known=SCHEMA_VERSION)


def as_plain(model: Any) -> dict[str, Plain]:  # noqa: ANN401 - any contract model
    """Return a contract model as the plain dict that channels hold."""
    dumped: dict[str, Plain] = model.model_dump(mode="json")
    return dumped
