"""Handoffs and verdicts: what the journal records."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal, TypeAlias

from interlock.contracts.criteria import Finding
from interlock.contracts.frozen_model import FrozenModel
from interlock.contracts.ids import (
    HandoffId,
    PayloadHash,
    QuestionId,
    StepId,
    ThreadId,
    WorkerName,
)
from interlock.contracts.plain import Plain

HandoffKind: TypeAlias = Literal[
    "plan", "brief", "output", "refusal", "settlement", "question", "answer", "effects", "replan"
]
VerdictAction: TypeAlias = Literal["accept", "retry", "fallback", "park", "degrade", "fail"]


class Verdict(FrozenModel):
    """What the supervisor decided about one attempt, and from what.

    Attributes:
        action: What happens next.
        findings: One a criterion; all of them, passed or not.
        reason: In words, when it is not `accept`.
        error: The class name of the worker's exception, if it raised.
    """

    action: VerdictAction
    findings: tuple[Finding, ...] = ()
    reason: str | None = None
    error: str | None = None


class Handoff(FrozenModel):
    """One recorded transfer between supervisor, worker, planner or person.

    Attributes:
        id: Deterministic: a replay writes no second row.
        thread_id: The run's thread.
        superstep: Checkpoint id of the dispatch superstep; tells forks apart.
        kind: What is handed over; a refusal says why a worker gets no attempt now.
        sender: `supervisor`, `planner`, `person`, or a worker's name.
        receiver: The same.
        step_id: Prefixed by the team's scope in nested teams; None for plans.
        attempt: From 1; 0 outside attempts.
        worker: The worker of the attempt.
        payload: In full when read with payloads; stored once, by hash. Of a failed attempt: its
            error, with the places that raised it.
        payload_hash: Of the payload; for a brief, the brief's hash (I4).
        verdict: For outputs and refusals.
        status: The step's status, for settlements; for effects, how many were undone or left.
        queued_at: When the step could first have started.
        started_at: When the attempt, or the question, began.
        ended_at: When it was handed over.
        input_tokens: As reported by models.
        output_tokens: As reported by models.
        trace_id: The run's trace, if tracing.
        turn_at: When the attempt had its turn: a slot, and its worker's limits.
        reviewed_at: When the verdict was reached.
        queue_time: How long the attempt waited for its turn: from when all that it needs had settled,
            or from the verdict on the attempt before it.
        model_time: How long, within the attempt, at least one call of a model was open; stored with
            an output and told when read.
        tool_time: How long, apart from that, a call of a tool was open.
        judge_time: How long, within its review, a call of a judge's model was open.
        money: What the attempt's model calls cost, its judges' too.
        question_id: Of questions and answers.
    """

    id: HandoffId
    thread_id: ThreadId
    superstep: str
    kind: HandoffKind
    sender: str
    receiver: str
    step_id: StepId | None = None
    attempt: int = 0
    worker: WorkerName | None = None
    payload: Plain = None
    payload_hash: PayloadHash
    verdict: Verdict | None = None
    status: str | None = None
    queued_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime
    input_tokens: int = 0
    output_tokens: int = 0
    trace_id: str | None = None
    turn_at: datetime | None = None
    reviewed_at: datetime | None = None
    queue_time: timedelta | None = None
    model_time: timedelta | None = None
    tool_time: timedelta | None = None
    judge_time: timedelta | None = None
    money: Decimal | None = None
    question_id: QuestionId | None = None
