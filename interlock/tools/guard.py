"""The guard: what happens to one call, from the reservation of its key to its answer (I5).

It does no I/O. It yields what is to be done next and is sent what came of it, so that one logic
serves tools that are awaited and tools that block. `drivers` carry it out.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol, TypeAlias

from langgraph.errors import GraphBubbleUp, is_invalid_resume

from interlock.contracts.effect_errors import (
    EffectBusyError,
    EffectUnknownError,
    NotAppliedError,
)
from interlock.contracts.effect_ledger import (
    LoadEffect,
    RecordEnd,
    RecordNothing,
    Request,
    Reservation,
    ReserveEffect,
)
from interlock.contracts.effects import ENDED, EffectCall, EffectRecord
from interlock.contracts.errors import PlainValueError
from interlock.contracts.ids import IdempotencyKey
from interlock.contracts.limits import Limit, Turn
from interlock.contracts.plain import Plain
from interlock.tools.declaration import EffectDeclaration, Happened
from interlock.tools.recorded_errors import find_final_error, rebuild_error, record_error

_FIRST_POLL_SECONDS: Final = 0.01
_LONGEST_POLL_SECONDS: Final = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTool:
    """Run the tool itself.

    Attributes:
        key: The effect's key.
    """

    key: IdempotencyKey


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeTool:
    """Ask the tool's probe.

    Attributes:
        key: The effect's key.
        arguments: The call's.
    """

    key: IdempotencyKey
    arguments: dict[str, Plain]


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeTurn:
    """Ask the tool's breaker and rate.

    Attributes:
        limit: The tool's.
        turn: That was waited for, if one was.
    """

    limit: Limit
    turn: Turn | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EndTurn:
    """Tell the tool's breaker how running the tool ended.

    Attributes:
        turn: In which it was run.
        error: What it raised, if it did.
    """

    turn: Turn
    error: BaseException | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """Wait.

    Attributes:
        seconds: How long.
    """

    seconds: float


@dataclass(frozen=True, slots=True)
class Ended:
    """What came of running a tool or its probe: a value, or an error."""

    value: Any = None
    error: BaseException | None = None


Step: TypeAlias = Request[Any] | RunTool | ProbeTool | TakeTurn | EndTurn | Pause
Steps: TypeAlias = Generator[Step, Any, Plain]


class AnswerCodec(Protocol):
    """How a tool's answer is recorded, and given back."""

    def encode(self, value: object) -> Plain:
        """Return an answer as a plain value.

        Raises:
            PlainValueError: It cannot be recorded.
        """
        ...

    def decode(self, answer: Plain) -> object:
        """Return a recorded answer as the caller is to get it; must not raise."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """One call under guard.

    Attributes:
        call: The call.
        declaration: The tool's.
        codec: Of its answers.
        now: The time.
        wait_seconds: How long a duplicate waits.
        note: Told the effect as it stands, and whether the call was a duplicate.
    """

    call: EffectCall
    declaration: EffectDeclaration
    codec: AnswerCodec
    now: Callable[[], datetime]
    wait_seconds: float
    note: Callable[[EffectRecord, bool], None]

    def steps(self) -> Steps:
        """Go through the call; returns the recorded answer.

        Raises:
            EffectBusyError: Somebody else runs it, and did not end in time.
            EffectUnknownError: It was begun before, and nobody knows how it ended.
            KeyReusedError: The key was used with other arguments.
            Exception: What the tool raised, now or when it was run.
        """
        began, pause = self.now(), _FIRST_POLL_SECONDS
        turn: Turn | None = None
        while True:
            reservation: Reservation = yield ReserveEffect(call=self.call)
            record = reservation.record
            match reservation.decision:
                case "run":
                    self.note(record, False)  # noqa: FBT003 - not a duplicate
                    turn = yield from self._take_turn(record, turn)
                    if (seconds := self._count_seconds(turn)) <= 0:
                        return (yield from self._run(record, turn))
                    yield Pause(seconds=seconds)
                    began = self.now()
                case "answered":
                    self.note(record, True)  # noqa: FBT003 - a duplicate
                    return self._read(record)
                case "unknown":
                    self.note(record, True)  # noqa: FBT003 - a duplicate
                    yield from self._settle(record)
                case "running":
                    while record.state == "started":
                        waited = (self.now() - began).total_seconds()
                        if waited >= self.wait_seconds:
                            raise EffectBusyError(
                                tool=self.call.tool, key=record.key, seconds=self.wait_seconds
                            )
                        yield Pause(seconds=min(pause, self.wait_seconds - waited))
                        pause = min(pause * 2, _LONGEST_POLL_SECONDS)
                        seen = yield LoadEffect(thread_id=record.thread_id, key=record.key)
                        if seen is None or pause >= _LONGEST_POLL_SECONDS:
                            break  # ask again whether whoever runs it still can
                        record = seen

    def _count_seconds(self, turn: Turn | None) -> float:
        return 0.0 if turn is None else (turn.starts_at - self.now()).total_seconds()

    def _take_turn(
        self, record: EffectRecord, turn: Turn | None
    ) -> Generator[Step, Any, Turn | None]:
        """Return the call's turn, if the tool has limits; until it has come, nothing has begun.

        Raises:
            BreakerOpenError: The tool is left alone.
        """
        limit = self.declaration.derive_limit()
        if limit is None:
            return None
        came: Ended = yield TakeTurn(limit=limit, turn=turn)
        if came.error is not None:
            yield from self._record_nothing(record, note="it was not let through")
            raise came.error
        taken: Turn = came.value
        if self._count_seconds(taken) > 0:
            yield from self._record_nothing(record, note="it waits for its turn")
        return taken

    def _run(self, record: EffectRecord, turn: Turn | None) -> Steps:
        ended: Ended = yield RunTool(key=record.key)
        if turn is not None:
            yield EndTurn(turn=turn, error=ended.error)
        if ended.error is not None:
            return (yield from self._take_error(record, ended.error))
        try:
            answer = self.codec.encode(ended.value)
        except PlainValueError as exc:
            # It happened; what is lost is the answer, for this caller and for every duplicate.
            yield from self._end(record, "done", error=exc, note="the answer could not be recorded")
            raise
        after = yield from self._end(record, "done", answer=answer)
        return self._read(after) if after.state in ENDED else answer

    def _take_error(self, record: EffectRecord, exc: BaseException) -> Steps:
        """Record what an error says of the effect, and raise it, unless it happened all the same."""
        if isinstance(exc, NotAppliedError) or _is_pause(exc):
            note = "paused for a person" if _is_pause(exc) else str(exc)
            yield from self._record_nothing(record, note=note)
        elif (final := find_final_error(exc, self.declaration)) is not None:
            yield from self._end(record, "failed", final=final)
        else:
            found = yield from self._look(record, exc)
            if found is not None:
                return self._read(found)
        raise exc

    def _look(
        self, record: EffectRecord, exc: BaseException
    ) -> Generator[Step, Any, EffectRecord | None]:
        """Find out what became of a try that ended in an error which leaves it open."""
        why = f"it ended with {type(exc).__name__}"
        can_look = self.declaration.probe is not None and isinstance(exc, Exception)
        if can_look and (known := (yield from self._probe(record))) is not None:
            return known if known.state == "done" else None
        if self.declaration.natural and isinstance(exc, Exception):
            yield from self._record_nothing(record, note=f"{why}; running it again does no harm")
            return None
        yield from self._end(record, "unknown", error=exc, note=why)
        return None

    def _settle(self, record: EffectRecord) -> Generator[Step, Any, None]:
        """Settle an effect that an earlier caller left unknown, or refuse to guess.

        Raises:
            EffectUnknownError: Nobody here can tell.
        """
        can_look = self.declaration.probe is not None
        if can_look and (yield from self._probe(record)) is not None:
            return
        if self.declaration.natural:
            yield from self._record_nothing(record, note="running it again does no harm")
            return
        raise refuse_to_guess(record)

    def _probe(self, record: EffectRecord) -> Generator[Step, Any, EffectRecord | None]:
        """Ask the tool's probe; returns the record as it stands then, or None if it cannot tell."""
        ended: Ended = yield ProbeTool(key=record.key, arguments=record.arguments)
        if ended.error is not None:
            if isinstance(ended.error, GraphBubbleUp) or not isinstance(ended.error, Exception):
                raise ended.error
            return None
        if ended.value is None:
            return (yield from self._record_nothing(record, by_probe=True))
        value = ended.value.answer if isinstance(ended.value, Happened) else ended.value
        try:
            answer = self.codec.encode(value)
        except PlainValueError as exc:
            return (yield from self._end(record, "done", error=exc, by_probe=True))
        return (yield from self._end(record, "done", answer=answer, by_probe=True))

    def _end(
        self,
        record: EffectRecord,
        state: Any,  # noqa: ANN401 - an EndState; generators defeat the Literal
        *,
        answer: Plain = None,
        error: BaseException | None = None,
        final: Any = None,  # noqa: ANN401 - a RecordedError or None
        note: str | None = None,
        by_probe: bool = False,
    ) -> Generator[Step, Any, EffectRecord]:
        after: EffectRecord = yield RecordEnd(
            thread_id=record.thread_id,
            key=record.key,
            tries=record.tries,
            state=state,
            answer=answer,
            error=record_error(error) if error is not None else final,
            by="probe" if by_probe else "tool",
            note=note,
        )
        self.note(after, False)  # noqa: FBT003 - not a duplicate
        return after

    def _record_nothing(
        self, record: EffectRecord, *, note: str | None = None, by_probe: bool = False
    ) -> Generator[Step, Any, EffectRecord]:
        after: EffectRecord = yield RecordNothing(
            thread_id=record.thread_id,
            key=record.key,
            tries=record.tries,
            by="probe" if by_probe else "tool",
            note=note,
        )
        self.note(after, False)  # noqa: FBT003 - not a duplicate
        return after

    def _read(self, record: EffectRecord) -> Plain:
        """Return the recorded answer, or raise the recorded error."""
        if record.error is not None:
            raise rebuild_error(record, self.declaration)
        return record.answer


def refuse_to_guess(record: EffectRecord) -> EffectUnknownError:
    """Return the error for a call whose effect was begun before, and nobody knows how it ended."""
    return EffectUnknownError(
        tool=record.tool,
        key=record.key,
        thread_id=record.thread_id,
        reason=record.note or "whoever began it is gone",
    )


def _is_pause(exc: BaseException) -> bool:
    """Return whether a tool asked a person: LangGraph runs what stands before it again."""
    return isinstance(exc, GraphBubbleUp) or is_invalid_resume(exc)
