"""Questions on their way to a person: durable and in the journal before anybody hears of them (I8).

Called by whoever asks: the planner, a worker's node, escalate on a fork, and the facade.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from interlock.contracts.handoff import Handoff
from interlock.contracts.ids import derive_handoff_id
from interlock.contracts.plain import derive_hash
from interlock.contracts.question import Question
from interlock.contracts.storage import Batch, Storage
from interlock.nodes.run.place import Place
from interlock.nodes.run.team import Team
from interlock.telemetry.events import HandoffRecorded, QuestionAsked


async def put_questions(
    team: Team,
    storage: Storage,
    questions: Sequence[Question],
    *,
    place: Place,
    attempt: int = 0,
    beside: Batch | None = None,
) -> None:
    """Store questions in one transaction with what goes beside them, then tell who listens.

    Args:
        team: For the clock and the listeners.
        storage: Where to write.
        questions: None of them stored before.
        place: Thread and superstep; the path is used for questions that name no step.
        attempt: Of the step that asks; 0 outside attempts.
        beside: Without questions of its own; its handoffs come first.
    """
    now = team.clock.now()
    batch = Batch() if beside is None else beside
    handoffs = [
        *batch.handoffs,
        *(
            record_question(
                question,
                replace(place, path=question.step_id or place.path),
                attempt=attempt,
                now=now,
            )
            for question in questions
        ),
    ]
    batch = replace(batch, handoffs=handoffs, questions=tuple(questions))
    await storage.commit(place.thread_id, batch)
    for handoff in handoffs:
        team.emit(HandoffRecorded(thread_id=place.thread_id, at=now, handoff=handoff))
    for question in questions:
        team.emit(QuestionAsked(thread_id=place.thread_id, at=now, question=question))


def record_question(question: Question, place: Place, *, attempt: int, now: datetime) -> Handoff:
    """Return the journal's record of a question on its way to a person."""
    payload = question.model_dump(mode="json")
    return Handoff(
        id=derive_handoff_id(
            place.thread_id,
            superstep=place.superstep,
            step_id=place.path,
            attempt=0,
            kind=f"question/{question.id}",
        ),
        thread_id=place.thread_id,
        superstep=place.superstep,
        kind="question",
        sender="supervisor",
        receiver="person",
        step_id=place.path or None,
        attempt=attempt,
        payload=payload,
        payload_hash=derive_hash(payload),
        ended_at=now,
        question_id=question.id,
    )
