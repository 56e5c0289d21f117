"""Questions for people, and the one answer each may get (I10)."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from interlock.checkpoints.connection import Connection
from interlock.checkpoints.database import Database
from interlock.checkpoints.run_ledger import dump_time
from interlock.contracts.clock import Clock
from interlock.contracts.errors import (
    InvalidAnswerError,
    StaleAnswerError,
    UnknownQuestionError,
)
from interlock.contracts.ids import QuestionId, ThreadId
from interlock.contracts.outcome import TERMINAL_RUN_STATUSES
from interlock.contracts.question import Answer, Question
from interlock.contracts.storage import RecordedAnswer

_MICROSECOND: Final = timedelta(microseconds=1)


class QuestionLedger:
    """Questions and answers."""

    def __init__(self, database: Database, clock: Clock) -> None:
        """Use a database and a clock."""
        self._database = database
        self._clock = clock

    async def record(self, thread_id: ThreadId, answers: Mapping[QuestionId, Answer]) -> None:
        """Record answers durably, all or none, once each; needs no lease.

        Raises:
            UnknownQuestionError: No such question on this thread.
            StaleAnswerError: It has another answer, was closed, or another content was seen.
            InvalidAnswerError: The decision is not allowed for the question.
        """
        now = self._clock.now()

        def operation(connection: Connection) -> None:
            is_over = _is_over(connection, thread_id)
            fresh = [
                (
                    answer.model_dump_json(),
                    dump_time(now),
                    (now - asked_at) // _MICROSECOND,
                    question_id,
                    thread_id,
                )
                for question_id, answer in answers.items()
                if (
                    asked_at := _find_fresh(
                        connection, thread_id, question_id, answer=answer, is_over=is_over
                    )
                )
            ]
            connection.run_many("save_answer", fresh)

        await self._database.write(operation, lane=thread_id)

    async def load_answers(self, thread_id: ThreadId) -> Mapping[QuestionId, RecordedAnswer]:
        """Return the recorded answers of a thread, applied or not."""

        def operation(connection: Connection) -> Mapping[QuestionId, RecordedAnswer]:
            found: dict[QuestionId, RecordedAnswer] = {}
            for row in connection.run("load_answers", (thread_id,)):
                question = Question.model_validate_json(row[0])
                found[question.id] = RecordedAnswer(
                    question=question,
                    answer=Answer.model_validate_json(row[1]),
                    is_applied=row[2] == "applied",
                )
            return found

        return await self._database.read(operation)

    async def list_open(self, thread_id: ThreadId | None) -> Sequence[Question]:
        """Return open, unanswered questions of unfinished runs, oldest first."""
        return await self._database.read(lambda connection: _list_open(connection, thread_id))


def derive_question_rows(questions: Iterable[Question]) -> list[tuple[object, ...]]:
    """Return the rows of questions."""
    return [
        (
            question.id,
            question.thread_id,
            question.model_dump_json(),
            dump_time(question.asked_at),
            question.step_id,
            question.kind,
        )
        for question in questions
    ]


def insert_questions(connection: Connection, rows: Sequence[tuple[object, ...]]) -> None:
    """Store questions; one whose id is stored is ignored."""
    connection.run_many("insert_question", rows)


def close_questions(connection: Connection, thread_id: ThreadId, ids: Iterable[QuestionId]) -> None:
    """Close open questions; an answered one keeps its answer."""
    connection.run_many("close_question", [(one, thread_id) for one in ids])


def apply_answers(connection: Connection, thread_id: ThreadId, ids: Iterable[QuestionId]) -> None:
    """Note that the graph has taken the answers of these questions."""
    connection.run_many("apply_answer", [(one, thread_id) for one in ids])


def _is_over(connection: Connection, thread_id: ThreadId) -> bool:
    row = connection.run("load_run_status", (thread_id,)).fetchone()
    return row is not None and row[0] in TERMINAL_RUN_STATUSES


def _find_fresh(
    connection: Connection,
    thread_id: ThreadId,
    question_id: QuestionId,
    *,
    answer: Answer,
    is_over: bool,
) -> datetime | None:
    """Return when an answer's question was asked; None if the same answer is recorded already.

    Raises:
        AnswerError: It must not be.
    """
    row = connection.run("load_question", (question_id, thread_id)).fetchone()
    if row is None:
        open_ids = [question.id for question in _list_open(connection, thread_id)]
        raise UnknownQuestionError(question_id=question_id, thread_id=thread_id, open_ids=open_ids)
    status, question_text, answer_text = row
    question = Question.model_validate_json(question_text)
    if answer.shown_hash is not None and answer.shown_hash != question.shown_hash:
        raise StaleAnswerError(
            question_id=question_id, reason="what was shown to the person has changed"
        )
    if answer_text is not None:
        if _is_same(Answer.model_validate_json(answer_text), answer):
            return None
        raise StaleAnswerError(question_id=question_id, reason="it was answered otherwise before")
    if status != "open" or is_over:
        raise StaleAnswerError(question_id=question_id, reason="it is closed")
    if answer.type not in question.allowed:
        allowed = ", ".join(question.allowed)
        raise InvalidAnswerError(
            question_id=question_id,
            reason=f"{answer.type!r} is not allowed; the decisions allowed are: {allowed}",
        )
    return question.asked_at


def _is_same(recorded: Answer, given: Answer) -> bool:
    """Compare what was decided; the hash of what was shown was checked by itself."""
    return recorded.model_copy(update={"shown_hash": None}) == given.model_copy(
        update={"shown_hash": None}
    )


def _list_open(connection: Connection, thread_id: ThreadId | None) -> Sequence[Question]:
    if thread_id is None:
        rows = connection.run("list_questions")
    else:
        rows = connection.run("list_thread_questions", (thread_id,))
    return [Question.model_validate_json(row[0]) for row in rows]
