"""Questions for people, and their answers, in LangChain's human-in-the-loop shapes."""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal, TypeAlias

from pydantic import field_validator

from interlock.contracts.errors import PlainValueError
from interlock.contracts.frozen_model import FrozenModel
from interlock.contracts.ids import PayloadHash, QuestionId, StepId, ThreadId
from interlock.contracts.plain import Plain, parse_plain

Decision: TypeAlias = Literal["approve", "edit", "reject", "respond"]
QuestionKind: TypeAlias = Literal["plan", "before_step", "output", "worker", "effect", "orphans"]


class Question(FrozenModel):
    """Something only a person can decide.

    Attributes:
        id: Names the question; another content is another question (I10).
        thread_id: The run's thread.
        kind: `plan`: may it run; `before_step`: may this worker start; `output`: what to do with
            a step whose attempts are used up; `worker`: raised by a worker's own `interrupt()`;
            `effect`: did an effect of unknown outcome happen; `orphans`: may effects of refused
            attempts stand.
        step_id: The step it is about, prefixed by its team's scope; None for a plan.
        name: What is asked about, in one word: an action request's `name`.
        args: What is shown: an action request's `args`. In it a big value is shortened: to how it
            begins, its size in bytes and its hash.
        args_ref: Where it lies in storage in full, if something in `args` is shortened.
        description: The question in words.
        allowed: The decisions that may be given.
        shown_hash: The hash of what was shown; an answer binds to it.
        asked_at: When it was asked.
        interrupt_id: LangGraph's id, for questions that a worker raised.
        position: Which entry of that interrupt it is, from 0.
    """

    id: QuestionId
    thread_id: ThreadId
    kind: QuestionKind
    step_id: StepId | None = None
    name: str
    args: Plain = None
    args_ref: PayloadHash | None = None
    description: str
    allowed: tuple[Decision, ...]
    shown_hash: PayloadHash
    asked_at: datetime
    interrupt_id: str | None = None
    position: int = 0


class Answer(FrozenModel):
    """What a person decided.

    Attributes:
        type: The decision.
        value: The edited value, for `edit`.
        message: The reason or the text, for `reject` and `respond`.
        shown_hash: Of what the person saw; checked against the question if given.
    """

    type: Decision
    value: Plain = None
    message: str | None = None
    shown_hash: PayloadHash | None = None

    @field_validator("value", "message")
    @classmethod
    def _require_plain(cls, value: Plain) -> Plain:
        try:
            return parse_plain(value, name="it")
        except PlainValueError as exc:
            raise ValueError(str(exc)) from exc


Answers: TypeAlias = Mapping[QuestionId, Answer] | Mapping[str, Answer]
"""Answers by question id."""


def approve() -> Answer:
    """Return the answer that lets it pass as shown."""
    return Answer(type="approve")


def edit(value: object) -> Answer:
    """Return the answer that puts another value in the place of what was shown.

    Raises:
        PlainValueError: The value cannot be stored.
    """
    return Answer(type="edit", value=parse_plain(value, name="the value"))


def reject(why: str) -> Answer:
    """Return the answer that refuses what was shown.

    Raises:
        PlainValueError: The text cannot be stored.
    """
    return Answer(type="reject", message=parse_plain(why, name="the reason"))


def respond(text: str) -> Answer:
    """Return the answer that tells the worker something and lets it try again.

    Raises:
        PlainValueError: The text cannot be stored.
    """
    return Answer(type="respond", message=parse_plain(text, name="the text"))
