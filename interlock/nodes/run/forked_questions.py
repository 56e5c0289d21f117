"""Questions on a fork: what was answered on another branch is asked anew (I10).

Called by escalate before it asks. A fork goes on from an earlier checkpoint of the thread, whose
state can hold a question that has been answered since. One approval must not let the same thing
happen twice, so the fork asks a question of its own.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from interlock.contracts.ids import (
    HandoffId,
    QuestionId,
    derive_handoff_id,
    derive_question_id,
)
from interlock.contracts.question import Question
from interlock.contracts.storage import RecordedAnswer
from interlock.nodes.run.asked_questions import put_questions
from interlock.nodes.run.place import Place
from interlock.nodes.run.run_state import RunState, as_plain
from interlock.nodes.run.team import Team


async def renew_taken_questions(
    team: Team,
    state: RunState,
    questions: Sequence[Question],
    *,
    recorded: Mapping[QuestionId, RecordedAnswer],
    place: Place,
) -> RunState:
    """Return the channels that hold a question, with new ones for those that were taken.

    Safe to repeat: the new ids follow from the old ones and the superstep, and each new question
    is stored once. Empty if no answer was taken in another superstep.

    Args:
        team: At work.
        state: The run's.
        questions: What is open in that state.
        recorded: The thread's answers.
        place: Where escalate asks.
    """
    taken = [q for q in questions if q.id in recorded and recorded[q.id].is_applied]
    if not taken:
        return RunState()
    storage = await team.open_storage()
    written = {handoff.id for handoff in await storage.load_handoffs(place.thread_id)}
    renewed = {
        question.id: _renew(team, question, place)
        for question in taken
        if derive_answer_handoff_id(question, place) not in written
    }
    asked = {question.id for question in await storage.list_questions(place.thread_id)}
    fresh = [q for q in renewed.values() if q.id not in asked and q.id not in recorded]
    if fresh:
        await put_questions(team, storage, fresh, place=place)
    return _replace(state, renewed)


def derive_answer_handoff_id(question: Question, place: Place) -> HandoffId:
    """Return the journal id of the answer that escalate takes in a superstep."""
    return derive_handoff_id(
        place.thread_id,
        superstep=place.superstep,
        step_id=question.step_id or "",
        attempt=0,
        kind=f"answer/{question.id}",
    )


def _renew(team: Team, question: Question, place: Place) -> Question:
    new_id = derive_question_id(
        place.thread_id,
        superstep=place.superstep,
        step_id=question.step_id or "",
        kind=f"again/{question.id}",
        shown_hash=question.shown_hash,
    )
    return question.model_copy(update={"id": new_id, "asked_at": team.clock.now()})


def _replace(state: RunState, renewed: Mapping[QuestionId, Question]) -> RunState:
    update = RunState()
    plan_question: Mapping[str, Any] | None = state.get("plan_question")
    if plan_question is not None and plan_question["id"] in renewed:
        update["plan_question"] = as_plain(renewed[plan_question["id"]])
    elif renewed:
        update["outcomes"] = {
            step_id: _replace_in_outcome(outcome, renewed)
            for step_id, outcome in state["outcomes"].items()
        }
    return update


def _replace_in_outcome(
    outcome: dict[str, Any], renewed: Mapping[QuestionId, Question]
) -> dict[str, Any]:
    question = outcome["question"]
    if question is None or question["id"] not in renewed:
        return outcome
    return {**outcome, "question": as_plain(renewed[question["id"]])}
