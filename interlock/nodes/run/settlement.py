"""Settling a step: its outcome, its last handoffs and its question in one durable transaction.

Called by promote, park and degrade, and by dispatch for steps that never start. The stored
outcome is what counts on resume (I6); it is durable before any dependent starts (I8).
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from interlock.contracts.big_values import BIG_BYTES
from interlock.contracts.handoff import Handoff
from interlock.contracts.ids import derive_handoff_id
from interlock.contracts.outcome import StepOutcome
from interlock.contracts.plain import derive_bytes_hash, derive_hash, encode_plain
from interlock.contracts.storage import Batch, Storage
from interlock.nodes.run.asked_questions import record_question
from interlock.nodes.run.place import Place
from interlock.nodes.run.team import Team
from interlock.telemetry.events import HandoffRecorded, QuestionAsked, StepSettled


async def settle_step(
    team: Team,
    storage: Storage,
    outcome: StepOutcome,
    *,
    place: Place,
    beside: Batch | None = None,
) -> StepOutcome:
    """Write an outcome with what goes with it, and return it as it travels in the state.

    Args:
        team: For the clock and the listeners.
        storage: Where to write.
        outcome: With its value inline; a `value_ref` beside it says that it is stored already.
        place: Where the outcome belongs.
        beside: Written in the same transaction: handoffs and their encoded payloads, of which the
            first is the value's own encoding; what the step publishes, decided there too (I2).

    Raises:
        PromotionRefusedError: It may not enter; nothing was written.
    """
    now = team.clock.now()
    batch = beside or Batch()
    payloads = batch.payloads
    travelling, stored = _put_by_reference(outcome, payloads[0] if payloads else None)
    recorded = list(batch.handoffs)
    if outcome.status != "accepted":
        recorded.append(_record_settlement(outcome, place, now))
    if outcome.question is not None:
        recorded.append(record_question(outcome.question, place, attempt=outcome.attempts, now=now))
    scoped = travelling.model_copy(update={"step_id": place.path})
    batch = replace(
        batch,
        superstep=place.superstep,
        handoffs=recorded,
        outcomes=(scoped,),
        questions=(outcome.question,) if outcome.question else (),
        payloads=(*payloads, *stored),
    )
    promoted = await storage.commit(place.thread_id, batch)
    if promoted is not None:
        travelling = promoted.model_copy(update={"step_id": outcome.step_id})
    if team.is_heard(place.thread_id):
        _tell(team, outcome, recorded, place=place, now=now)
    return travelling


def _put_by_reference(
    outcome: StepOutcome, encoded: bytes | None
) -> tuple[StepOutcome, tuple[bytes, ...]]:
    if outcome.value is None:
        return outcome, ()
    if outcome.value_ref is not None:
        return outcome.model_copy(update={"value": None}), ()
    data = encode_plain(outcome.value) if encoded is None else encoded
    if len(data) <= BIG_BYTES:
        return outcome, ()
    reference = derive_bytes_hash(data)
    return outcome.model_copy(update={"value": None, "value_ref": reference}), (data,)


def _record_settlement(outcome: StepOutcome, place: Place, now: datetime) -> Handoff:
    payload = {"reason": outcome.reason, "gap": outcome.gap, "value": outcome.value}
    return Handoff(
        id=derive_handoff_id(
            place.thread_id,
            superstep=place.superstep,
            step_id=place.path,
            attempt=outcome.attempts,
            kind=f"settlement/{outcome.status}",
        ),
        thread_id=place.thread_id,
        superstep=place.superstep,
        kind="settlement",
        sender="supervisor",
        receiver="supervisor",
        step_id=place.path,
        attempt=outcome.attempts,
        worker=outcome.worker,
        payload=payload,
        payload_hash=derive_hash(payload),
        status=outcome.status,
        ended_at=now,
    )


def _tell(
    team: Team,
    outcome: StepOutcome,
    handoffs: Sequence[Handoff],
    *,
    place: Place,
    now: datetime,
) -> None:
    thread_id = place.thread_id
    for handoff in handoffs:
        team.emit(HandoffRecorded(thread_id=thread_id, at=now, handoff=handoff))
    if outcome.question is not None:
        team.emit(QuestionAsked(thread_id=thread_id, at=now, question=outcome.question))
    team.emit(
        StepSettled(
            thread_id=thread_id,
            at=now,
            step_id=place.path,
            status=outcome.status,
            attempts=outcome.attempts,
            reason=outcome.reason,
        )
    )
