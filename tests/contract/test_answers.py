from collections.abc import Callable

import pytest

from interlock.checkpoints import SqlStorage
from interlock.contracts.errors import (
    InvalidAnswerError,
    StaleAnswerError,
    UnknownQuestionError,
)
from interlock.contracts.question import Question, approve, edit, reject
from interlock.contracts.run_record import RunRecord
from interlock.contracts.storage import Batch, RecordedAnswer, RunUpdate


async def test_open_questions_are_listed_oldest_first(
    storage: SqlStorage, make_question: Callable[..., Question], make_run: Callable[..., RunRecord]
) -> None:
    """What is asked can be read, of one thread or of all, until it is answered."""
    first, second = make_question("q-1"), make_question("q-2")
    elsewhere = make_question("q-3", thread_id="u")
    await storage.commit("t", Batch(questions=[first, second]))
    await storage.commit("u", Batch(questions=[elsewhere]))
    assert await storage.list_questions() == [first, second, elsewhere]
    assert await storage.list_questions("t") == [first, second]
    await storage.record_answers("t", {"q-1": approve()})
    assert await storage.list_questions("t") == [second]


async def test_question_is_asked_once(
    storage: SqlStorage, make_question: Callable[..., Question]
) -> None:
    """A replay that asks the same question again does not open it again."""
    await storage.commit("t", Batch(questions=[make_question()]))
    await storage.record_answers("t", {"q-1": approve()})
    await storage.commit("t", Batch(questions=[make_question()]))
    assert await storage.list_questions("t") == []


async def test_answer_is_recorded_and_then_applied(
    storage: SqlStorage, make_question: Callable[..., Question]
) -> None:
    """An answer is kept with its question, and says whether the graph has taken it."""
    question = make_question()
    await storage.commit("t", Batch(questions=[question]))
    await storage.record_answers("t", {"q-1": reject("no")})
    recorded = RecordedAnswer(question=question, answer=reject("no"), is_applied=False)
    assert await storage.load_answers("t") == {"q-1": recorded}
    await storage.commit("t", Batch(applied=["q-1"]))
    assert (await storage.load_answers("t"))["q-1"].is_applied


async def test_same_answer_twice_is_harmless(
    storage: SqlStorage, make_question: Callable[..., Question]
) -> None:
    """I10: repeating an answer changes nothing, even after it was applied and the run ended."""
    await storage.commit("t", Batch(questions=[make_question()]))
    await storage.record_answers("t", {"q-1": approve()})
    await storage.record_answers("t", {"q-1": approve()})
    await storage.commit("t", Batch(applied=["q-1"]))
    await storage.record_answers("t", {"q-1": approve()})
    assert (await storage.load_answers("t"))["q-1"].is_applied


async def test_another_answer_is_refused(
    storage: SqlStorage, make_question: Callable[..., Question]
) -> None:
    """I10: a question keeps its first answer."""
    await storage.commit("t", Batch(questions=[make_question()]))
    await storage.record_answers("t", {"q-1": approve()})
    with pytest.raises(StaleAnswerError):
        await storage.record_answers("t", {"q-1": reject("second thoughts")})
    assert (await storage.load_answers("t"))["q-1"].answer == approve()


async def test_answers_are_recorded_all_or_none(
    storage: SqlStorage, make_question: Callable[..., Question]
) -> None:
    """One bad answer keeps the others of the call from being recorded."""
    await storage.commit("t", Batch(questions=[make_question("q-1"), make_question("q-2")]))
    with pytest.raises(UnknownQuestionError) as caught:
        await storage.record_answers("t", {"q-1": approve(), "q-9": approve()})
    assert caught.value.open_ids == ("q-1", "q-2")
    assert await storage.load_answers("t") == {}


async def test_decision_that_is_not_allowed_is_refused(
    storage: SqlStorage, make_question: Callable[..., Question]
) -> None:
    """Only the decisions that a question allows are taken."""
    await storage.commit("t", Batch(questions=[make_question()]))
    with pytest.raises(InvalidAnswerError):
        await storage.record_answers("t", {"q-1": edit("x")})


async def test_question_of_another_thread_is_unknown(
    storage: SqlStorage, make_question: Callable[..., Question]
) -> None:
    """I10: an id of another thread's question answers nothing here."""
    await storage.commit("t", Batch(questions=[make_question()]))
    with pytest.raises(UnknownQuestionError):
        await storage.record_answers("u", {"q-1": approve()})


async def test_answer_to_other_content_is_refused(
    storage: SqlStorage, make_question: Callable[..., Question]
) -> None:
    """An answer that names what the person saw is checked against what is asked."""
    question = make_question()
    await storage.commit("t", Batch(questions=[question]))
    seen_otherwise = approve().model_copy(update={"shown_hash": "0" * 64})
    with pytest.raises(StaleAnswerError):
        await storage.record_answers("t", {"q-1": seen_otherwise})
    seen = approve().model_copy(update={"shown_hash": question.shown_hash})
    await storage.record_answers("t", {"q-1": seen})


async def test_closed_question_takes_no_answer(
    storage: SqlStorage, make_question: Callable[..., Question]
) -> None:
    """A superseded question is neither listed nor answered."""
    await storage.commit("t", Batch(questions=[make_question()]))
    await storage.commit("t", Batch(closed=["q-1"]))
    assert await storage.list_questions() == []
    with pytest.raises(StaleAnswerError):
        await storage.record_answers("t", {"q-1": approve()})


async def test_question_of_an_ended_run_is_closed(
    storage: SqlStorage, make_question: Callable[..., Question], make_run: Callable[..., RunRecord]
) -> None:
    """When a run has ended nothing is asked any more."""
    await storage.accept_run(make_run())
    await storage.commit("t", Batch(questions=[make_question()]))
    await storage.commit("t", Batch(run=RunUpdate(status="cancelled")))
    assert await storage.list_questions() == await storage.list_questions("t") == []
    with pytest.raises(StaleAnswerError):
        await storage.record_answers("t", {"q-1": approve()})
