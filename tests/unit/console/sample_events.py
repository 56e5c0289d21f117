"""One event of every kind, about a reply that is refused once and then asked about."""

from datetime import UTC, datetime

import interlock as il
from interlock.contracts.ids import (
    HandoffId,
    IdempotencyKey,
    PayloadHash,
    StepId,
    ThreadId,
    WorkerName,
)
from interlock.telemetry import events

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
T17 = ThreadId("t17")
REPLY = StepId("reply")
CLERK = WorkerName("clerk")

QUESTION = il.Question.model_validate(
    {
        "id": "q-1",
        "thread_id": "t17",
        "kind": "output",
        "step_id": "reply",
        "name": "reply",
        "description": "Let it\npass?",
        "allowed": ["approve"],
        "shown_hash": "h",
        "asked_at": NOON,
    }
)
HANDOFF = il.Handoff(
    id=HandoffId("h-1"),
    thread_id=T17,
    superstep="s",
    kind="brief",
    sender="supervisor",
    receiver="clerk",
    step_id=REPLY,
    attempt=1,
    payload={"inputs": "secret"},
    payload_hash=PayloadHash("p"),
    ended_at=NOON,
)
STARTED = events.RunStarted(thread_id=T17, at=NOON, goal="Answer \x1b[31mticket", is_resumed=False)
PLANNED = events.PlanAccepted(thread_id=T17, at=NOON, version=1, total=3)
PLAN_REFUSED = events.PlanRefused(thread_id=T17, at=NOON, attempt=1, problems=("no steps", "b"))
ATTEMPT = events.AttemptStarted(thread_id=T17, at=NOON, step_id=REPLY, worker=CLERK, attempt=1)
REFUSED = events.AttemptRefused(
    thread_id=T17,
    at=NOON,
    step_id=REPLY,
    worker=CLERK,
    attempt=1,
    action="retry",
    reason="too long",
)
SETTLED = events.StepSettled(
    thread_id=T17, at=NOON, step_id=REPLY, status="accepted", attempts=2, reason=None
)
ASKED = events.QuestionAsked(thread_id=T17, at=NOON, question=QUESTION)
RECORDED = events.HandoffRecorded(thread_id=T17, at=NOON, handoff=HANDOFF)
EFFECT = events.EffectRecorded(
    thread_id=T17,
    at=NOON,
    step_id=REPLY,
    attempt=1,
    tool="pay\nback",
    key=IdempotencyKey("e-1"),
    state="done",
    is_duplicate=False,
)
BREAKER = events.BreakerChanged(
    thread_id=T17,
    at=NOON,
    name="tool/pay\nback",
    state="open",
    until=NOON,
    reason="TimeoutError was one failure too many",
)
STOPPED = events.RunStopped(
    thread_id=T17, at=NOON, result=il.RunResult(status="waiting", thread_id=T17)
)
EVENTS = [
    STARTED,
    PLANNED,
    PLAN_REFUSED,
    ATTEMPT,
    REFUSED,
    SETTLED,
    ASKED,
    RECORDED,
    EFFECT,
    BREAKER,
    STOPPED,
]
