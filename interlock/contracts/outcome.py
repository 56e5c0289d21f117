"""How a step ended, and how a run ended."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Final, Literal, TypeAlias

from pydantic import Field

from interlock.contracts.criteria import Finding
from interlock.contracts.frozen_model import FrozenModel
from interlock.contracts.ids import PayloadHash, StepId, ThreadId, WorkerName
from interlock.contracts.plain import Plain
from interlock.contracts.question import Question

StepStatus: TypeAlias = Literal[
    "accepted", "degraded", "skipped", "failed", "blocked", "cancelled", "waiting"
]
RunStatus: TypeAlias = Literal["running", "waiting", "completed", "degraded", "failed", "cancelled"]

TERMINAL_STEP_STATUSES: Final = frozenset(
    {"accepted", "degraded", "skipped", "failed", "blocked", "cancelled"}
)
TERMINAL_RUN_STATUSES: Final = frozenset({"completed", "degraded", "failed", "cancelled"})
"""Statuses that absorb (I9): storage changes no row that has one."""


class Usage(FrozenModel):
    """What something cost.

    Attributes:
        attempts: Worker attempts that were started and reviewed or failed.
        input_tokens: As reported by models.
        output_tokens: As reported by models.
        model_calls: Calls of models that went out.
        money: What they cost by the prices of the run's policy; exact.
    """

    attempts: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    model_calls: int = 0
    money: Decimal = Decimal(0)

    @property
    def tokens(self) -> int:
        """Input and output together."""
        return self.input_tokens + self.output_tokens

    def __add__(self, other: "Usage") -> "Usage":
        """Add field by field."""
        return Usage(
            attempts=self.attempts + other.attempts,
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            model_calls=self.model_calls + other.model_calls,
            money=self.money + other.money,
        )

    def __sub__(self, other: "Usage") -> "Usage":
        """Subtract field by field: what came between."""
        return Usage(
            attempts=self.attempts - other.attempts,
            input_tokens=self.input_tokens - other.input_tokens,
            output_tokens=self.output_tokens - other.output_tokens,
            model_calls=self.model_calls - other.model_calls,
            money=self.money - other.money,
        )


class StepOutcome(FrozenModel):
    """How one step stands or ended.

    Attributes:
        step_id: The step.
        status: Terminal, or `waiting` for a person.
        value: What the step's dependents get; None where there is none.
        value_ref: Where the value lies in storage when it is too big to travel in the state.
        worker: Who produced the value, if a worker did.
        attempts: Attempts used so far.
        reason: Why it is not accepted, in words.
        gap: What is missing because of it, as the plan states it.
        rests_on: Steps, degraded or skipped, that this value was derived from, directly or not.
        findings: Of the last review.
        published: Context keys and values that the accepted output promotes.
        published_refs: Where such values lie in storage that are too big to travel in the state.
        published_versions: Context key to the space and the version in which it stands.
        published_in_vain: Context keys of which another fact stayed as it was; the value of that
            one is in `published`.
        shown_facts: Context key to the space and the version that the last attempt was shown.
        approved_by_person: Whether a person let it pass.
        question: What is asked, while waiting.
        usage: Cost of all attempts.
        fallback: The kind of the fallback that settled it, such as `use_value`; None if none did.
        begun_at: When all that it needs had first settled; stored beside it, and not part of it.
        reviewed_at: When the last verdict on it was reached; stored beside it, as `begun_at`.
        notes: What its team settled for without a gap, each as the path of the step below this
            one whose team it was, empty for its own, and words.
        carry: Where the step goes on after the answer; private to the step graph.
    """

    step_id: StepId
    status: StepStatus
    value: Plain = None
    value_ref: PayloadHash | None = None
    worker: WorkerName | None = None
    attempts: int = 0
    reason: str | None = None
    gap: str | None = None
    rests_on: tuple[StepId, ...] = ()
    findings: tuple[Finding, ...] = ()
    published: dict[str, Plain] = {}
    published_refs: dict[str, PayloadHash] = {}
    published_versions: dict[str, tuple[str, int]] = {}
    published_in_vain: tuple[str, ...] = ()
    shown_facts: dict[str, tuple[str, int]] = {}
    approved_by_person: bool = False
    question: Question | None = None
    usage: Usage = Usage()
    fallback: str | None = None
    begun_at: Annotated[datetime | None, Field(exclude=True)] = None
    reviewed_at: Annotated[datetime | None, Field(exclude=True)] = None
    notes: tuple[tuple[StepId, str], ...] = ()
    carry: dict[str, Plain] | None = None

    @property
    def is_terminal(self) -> bool:
        """Whether the status absorbs (I9)."""
        return self.status in TERMINAL_STEP_STATUSES

    @property
    def is_degraded(self) -> bool:
        """Whether what rests on it must say so."""
        return self.status in {"degraded", "skipped"} or bool(self.rests_on)


class RunResult(FrozenModel):
    """How a run stands or ended, honestly.

    Attributes:
        status: `completed` only if every step was accepted on accepted facts (I7).
        outputs: Step id to value, of accepted and degraded steps.
        outcomes: Step id to outcome.
        gaps: What is missing or rests on degraded facts, in words.
        questions: Open questions, when waiting.
        usage: Cost of all steps.
        thread_id: The run's thread.
        reason: Why the run failed or was cancelled, if no single step says it.
        notes: What was settled for without a gap, in words: a template plan, say. Those of nested
            teams begin with the path of the step whose team it was.
    """

    status: Literal["completed", "degraded", "failed", "waiting", "cancelled"]
    outputs: Mapping[StepId, Plain] = Field(default_factory=dict)
    outcomes: Mapping[StepId, StepOutcome] = Field(default_factory=dict)
    gaps: tuple[str, ...] = ()
    questions: tuple[Question, ...] = ()
    usage: Usage = Usage()
    thread_id: ThreadId
    reason: str | None = None
    notes: tuple[str, ...] = ()
