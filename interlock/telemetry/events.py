"""Frozen events: one per handoff and per change of a step or a run.

Sent by nodes as things happen, read by `Orchestrator.astream` and the command line. They
are for looking; what counts is in the journal.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from interlock.contracts.effects import EffectState
from interlock.contracts.handoff import Handoff
from interlock.contracts.ids import IdempotencyKey, StepId, ThreadId, WorkerName
from interlock.contracts.limits import BreakerState
from interlock.contracts.outcome import RunResult, StepStatus
from interlock.contracts.question import Question


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted:
    """A run was written down, or taken up again."""

    thread_id: ThreadId
    at: datetime
    goal: str
    is_resumed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanAccepted:
    """A task graph passed validation; `total` steps will be settled."""

    thread_id: ThreadId
    at: datetime
    version: int
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRefused:
    """A planner's task graph did not pass; the planner is asked again or the run fails.

    Of a nested team's planner, `step_id` is the path of the step whose team it is.
    """

    thread_id: ThreadId
    at: datetime
    attempt: int
    problems: tuple[str, ...]
    step_id: StepId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptStarted:
    """A worker was given a brief."""

    thread_id: ThreadId
    at: datetime
    step_id: StepId
    worker: WorkerName
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRefused:
    """An attempt was not accepted; says what the supervisor does now."""

    thread_id: ThreadId
    at: datetime
    step_id: StepId
    worker: WorkerName
    attempt: int
    action: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepSettled:
    """A step has an outcome; `waiting` is not its last."""

    thread_id: ThreadId
    at: datetime
    step_id: StepId
    status: StepStatus
    attempts: int
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionAsked:
    """A person is asked something."""

    thread_id: ThreadId
    at: datetime
    question: Question


@dataclass(frozen=True, slots=True, kw_only=True)
class HandoffRecorded:
    """A handoff is durable in the journal."""

    thread_id: ThreadId
    at: datetime
    handoff: Handoff


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectRecorded:
    """A guarded tool call: its effect has changed its state, or a duplicate was answered."""

    thread_id: ThreadId
    at: datetime
    step_id: StepId
    attempt: int
    tool: str
    key: IdempotencyKey
    state: EffectState
    is_duplicate: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerChanged:
    """A call of this run has changed the state of a breaker, for all runs on the storage."""

    thread_id: ThreadId
    at: datetime
    name: str
    state: BreakerState
    until: datetime | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStopped:
    """The call ends: the run is finished or waits for a person."""

    thread_id: ThreadId
    at: datetime
    result: RunResult


Event: TypeAlias = (
    RunStarted
    | PlanAccepted
    | PlanRefused
    | AttemptStarted
    | AttemptRefused
    | StepSettled
    | QuestionAsked
    | HandoffRecorded
    | EffectRecorded
    | BreakerChanged
    | RunStopped
)
