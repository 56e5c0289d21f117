"""What the guard needs of a ledger, as requests: one meaning, awaited or waited for.

Each request is one transaction. `EffectLedger.apply` awaits it; `apply_blocking` blocks the
calling thread, for tools that are sync. `checkpoints` implements both on one set of operations.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, Literal, Protocol, TypeAlias, TypeVar

from interlock.contracts.effects import (
    EffectCall,
    EffectRecord,
    EndState,
    RecordedError,
    Settler,
)
from interlock.contracts.flights import Flights
from interlock.contracts.ids import IdempotencyKey, StepId, ThreadId
from interlock.contracts.plain import Plain

Reply = TypeVar("Reply", covariant=True)  # noqa: PLC0105 - as it is called everywhere here


class Request(Generic[Reply]):
    """Something asked of the ledger; its parameter is what comes back."""

    __slots__ = ()


Decision: TypeAlias = Literal["run", "answered", "running", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """What a caller may do.

    Attributes:
        decision: `run`: the caller, and nobody else, is to run the tool now; `answered`: the
            effect has ended and its answer or error is in the record; `running`: somebody else
            runs it; `unknown`: it was started and nobody knows how it ended.
        record: The effect, with its answer.
        did_run: Whether this very request ran the tool, in the storage's own transaction.
    """

    decision: Decision
    record: EffectRecord
    did_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ReserveEffect(Request[Reservation]):
    """Find out whether a call is a duplicate, and take the right to run it if it is not.

    A new effect, or one that is `intended`, becomes `started` in the same transaction, before
    anything is run. One that is started by somebody who can no longer run it becomes `unknown`.
    The call is noted once, so that it has the same ordinal when it is made again. It begins no
    effect beside an equal one of its attempt that may not have happened: it is the retry of that
    one. An effect that has been taken back answers no new call.

    Raises:
        KeyReusedError: The key was used with other arguments.
        LeaseLostError: The call is fenced, and another process took the thread over.

    Attributes:
        call: The call.
    """

    call: EffectCall


@dataclass(frozen=True, slots=True, kw_only=True)
class RunInTransaction(Request[Reservation]):
    """Reserve an effect, run it on the storage's own connection and record it, all in one.

    The function may be run more than once, of which one is kept. If it raises, all that it wrote
    is taken back: an error that `is_final` says is the tool's last word is recorded as failed; of
    any other nothing is recorded but that the effect is intended, and it is raised. The decision
    is `answered` where it ran.

    Raises:
        KeyReusedError, LeaseLostError: As for ReserveEffect.

    Attributes:
        call: The call.
        function: Given the open transaction and the key, returns the plain answer.
        is_final: Whether an error of the function is to be kept.
    """

    call: EffectCall
    function: "Callable[[Transaction, IdempotencyKey], Plain]"
    is_final: Callable[[Exception], RecordedError | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordEnd(Request[EffectRecord]):
    """Record how a try ended; returns the record as it stands then.

    It is a fact about the world, so it needs no lease, and a late one settles an effect that has
    become unknown meanwhile. That the tool has done it also settles one that somebody believed had
    not happened, if no later try was begun. Where the effect has ended, or a later try was begun,
    nothing changes but the moves, which say that it came.

    Attributes:
        thread_id: The effect's thread.
        key: Its key.
        tries: The try.
        state: How it ended.
        answer: For `done`.
        error: For `failed`, or why it is unknown.
        by: Whose word it is.
        note: In words.
    """

    thread_id: ThreadId
    key: IdempotencyKey
    tries: int
    state: EndState
    answer: Plain = None
    error: RecordedError | None = None
    by: Settler = "tool"
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordNothing(Request[EffectRecord]):
    """Record that a try changed nothing, so that the effect is intended again, as its next try.

    Only a try that is `started` or `unknown` is moved.

    Attributes:
        thread_id: The effect's thread.
        key: Its key.
        tries: The try that changed nothing.
        by: Whose word it is.
        note: In words.
    """

    thread_id: ThreadId
    key: IdempotencyKey
    tries: int
    by: Settler = "tool"
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SettleEffect(Request[EffectRecord]):
    """Settle an unknown effect on a person's word; harmless if the same was said before.

    Raises:
        UnknownEffectError: There is no such effect on the thread.
        EffectSettledError: Its outcome is known, and is another; or it is running.

    Attributes:
        thread_id: The effect's thread.
        key: Its key, or the beginning of one that is enough to tell it.
        happened: Whether it happened.
        answer: What duplicates get, if it did.
        why: The person's reason.
    """

    thread_id: ThreadId
    key: IdempotencyKey
    happened: bool
    answer: Plain = None
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadEffect(Request[EffectRecord | None]):
    """Return one effect with its answer, uses and moves; None if there is none."""

    thread_id: ThreadId
    key: IdempotencyKey


@dataclass(frozen=True, slots=True, kw_only=True)
class ListEffects(Request[Sequence[EffectRecord]]):
    """Return the effects of a thread, oldest first, with their uses.

    Attributes:
        thread_id: The thread.
        step_id: Only of this step, by path, and of steps nested below it; of all if None.
        answers: Whether to load the answers and moves too.
    """

    thread_id: ThreadId
    step_id: StepId | None = None
    answers: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgetEffects(Request[int]):
    """Delete effects that ended before an instant, on threads without an unfinished run.

    Effects that are not known to have ended are kept. Returns how many were deleted, or would be.
    A call for a forgotten effect is a new one.

    Attributes:
        before: The instant.
        dry_run: Whether to count only.
        thread_id: Only of this thread; of all if None.
    """

    before: datetime
    dry_run: bool = False
    thread_id: ThreadId | None = None


class Transaction(Protocol):
    """The storage's open transaction, lent to a tool that writes to the same database.

    What it writes is committed together with the ledger's record of it, or not at all. It must
    not be kept: after the tool has returned it refuses every call.
    """

    def execute(self, statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run one SQL statement and return its rows.

        Tables of interlock's own can be read and not written; statements that begin or end
        transactions, attach databases or change settings are refused.

        Raises:
            StorageError: The statement is refused, or the transaction is over.
        """
        ...


class EffectLedger(Protocol):
    """Where effects are recorded."""

    @property
    def flights(self) -> Flights:
        """Tool calls that are under way; landed before the storage closes."""
        ...

    async def apply(self, request: Request[Reply]) -> Reply:
        """Carry out a request; what it writes is durable when this returns."""
        ...

    def apply_blocking(self, request: Request[Reply]) -> Reply:
        """Do as `apply` does, blocking the calling thread."""
        ...
