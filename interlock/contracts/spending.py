"""What model calls, attempts, tokens and money were used: as it is counted, and as it is stored."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal, TypeAlias

from interlock.contracts.ids import StepId, ThreadId
from interlock.contracts.outcome import Usage
from interlock.contracts.prices import dump_money

CallRole: TypeAlias = Literal["worker", "planner", "judge"]
Dimension: TypeAlias = Literal["attempts", "model_calls", "tokens", "money"]
DIMENSIONS: Final[tuple[Dimension, ...]] = ("attempts", "model_calls", "tokens", "money")


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """Some of everything that a budget bounds and that adds up.

    Attributes:
        attempts: Of workers.
        model_calls: Whether they came back or not.
        tokens: Input and output together.
        money: In money units.
    """

    attempts: int = 0
    model_calls: int = 0
    tokens: int = 0
    money: int = 0

    def get(self, dimension: Dimension) -> int:
        """Return one of the four."""
        amount: int = getattr(self, dimension)
        return amount

    def __add__(self, other: "Amount") -> "Amount":
        """Add field by field."""
        return Amount(
            attempts=self.attempts + other.attempts,
            model_calls=self.model_calls + other.model_calls,
            tokens=self.tokens + other.tokens,
            money=self.money + other.money,
        )

    def __sub__(self, other: "Amount") -> "Amount":
        """Subtract field by field."""
        return Amount(
            attempts=self.attempts - other.attempts,
            model_calls=self.model_calls - other.model_calls,
            tokens=self.tokens - other.tokens,
            money=self.money - other.money,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """On whose behalf a model is called.

    Attributes:
        path: Of the step; of a planner its team's scope, empty for the run's own.
        superstep: Checkpoint id of the superstep; tells forks apart.
        attempt: Of the step, or how often the planner was asked.
        role: What the caller is.
        worker: Its name; of a planner or a judge, that one's.
    """

    path: StepId
    superstep: str
    attempt: int
    role: CallRole
    worker: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRecord:
    """A model call as it is written down before it goes out.

    Attributes:
        id: Unique.
        thread_id: The run's thread.
        caller: On whose behalf.
        model: Its name.
        calls: 1; 0 for tokens that only a worker's messages told of.
        input_bytes: What was sent, in bytes.
        tokens: Reserved; what counts until the call is settled.
        money: The same, in money units.
        started_at: When it went out.
    """

    id: str
    thread_id: ThreadId
    caller: Caller
    model: str
    calls: int = 1
    input_bytes: int = 0
    tokens: int = 0
    money: int = 0
    started_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CallEnd:
    """How a model call came back.

    Attributes:
        id: Of the call.
        calls: 1; 0 if it did not go out after all.
        tokens: What counts from now on.
        money: The same, in money units.
        input_tokens: As the model reported; None if it did not.
        output_tokens: The same.
        cached_tokens: Those of the input that were read from a cache.
        error: The class name of what it raised.
        ended_at: When.
    """

    id: str
    calls: int = 1
    tokens: int
    money: int
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int = 0
    error: str | None = None
    ended_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredCall:
    """A model call as it lies in storage.

    Attributes:
        record: As written before it went out; `tokens` and `money` as reserved.
        end: How it came back; None if nobody knows.
    """

    record: CallRecord
    end: CallEnd | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallSum:
    """The calls of one caller's attempt together.

    Attributes:
        caller: On whose behalf; `worker` is left empty.
        model_calls: How many.
        tokens: What counts.
        money: What counts, in money units.
        input_tokens: As reported.
        output_tokens: As reported.
    """

    caller: Caller
    model_calls: int
    tokens: int
    money: int
    input_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelHabit:
    """What a model was seen to use on a thread.

    Attributes:
        model: Its name.
        output_tokens: The most in one call.
        input_millionths: The most input tokens for a million bytes sent.
        input_beyond: How many more tokens than bytes a call had, at most; 0 if none had more.
    """

    model: str
    output_tokens: int
    input_millionths: int
    input_beyond: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadSpending:
    """All that a thread has used, on all its branches: a fork gets nothing back.

    Attributes:
        calls: By caller and attempt.
        attempts: Path of the step, and how many briefs were handed over for it.
        running: Path and number of attempts that no process has ended; among those counted.
        habits: By model.
    """

    calls: Sequence[CallSum] = ()
    attempts: Sequence[tuple[StepId, int]] = ()
    running: Sequence[tuple[StepId, int]] = ()
    habits: Sequence[ModelHabit] = field(default=())


def sum_usage(spending: ThreadSpending, *, attempts: int = 0) -> Usage:
    """Return what all of a thread's model calls used together, as their models reported it.

    Args:
        spending: Of the thread.
        attempts: To be said beside it.
    """
    return Usage(
        attempts=attempts,
        input_tokens=sum(one.input_tokens for one in spending.calls),
        output_tokens=sum(one.output_tokens for one in spending.calls),
        model_calls=sum(one.model_calls for one in spending.calls),
        money=dump_money(sum(one.money for one in spending.calls)),
    )
