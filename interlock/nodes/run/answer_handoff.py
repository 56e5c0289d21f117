"""The journal's record of what a person decided."""

from datetime import datetime

from interlock.contracts.handoff import Handoff
from interlock.contracts.plain import derive_hash
from interlock.contracts.question import Answer, Question
from interlock.nodes.run.forked_questions import derive_answer_handoff_id
from interlock.nodes.run.place import Place
from interlock.nodes.run.run_state import as_plain


def record_answer(question: Question, answer: Answer, *, place: Place, now: datetime) -> Handoff:
    """Return the handoff of an answer on its way from a person to the run."""
    payload = {"question_id": question.id, "answer": as_plain(answer)}
    return Handoff(
        id=derive_answer_handoff_id(question, place),
        thread_id=place.thread_id,
        superstep=place.superstep,
        kind="answer",
        sender="person",
        receiver="supervisor",
        step_id=question.step_id,
        payload=payload,
        payload_hash=derive_hash(payload),
        started_at=question.asked_at,
        ended_at=now,
        question_id=question.id,
    )
