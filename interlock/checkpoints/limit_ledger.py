"""Breakers and rates on one database (`contracts.limits.LimitLedger`).

Every change is one transaction under a lock on the name: it reads what is known, decides, and
writes. So of all processes exactly as many get a probe as the breaker allows, and no two get the
same turn. A call of something whose breaker is closed and that has no rate costs one read.
"""

import asyncio
import math
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

from interlock.checkpoints.connection import Connection, Operation
from interlock.checkpoints.database import Database
from interlock.checkpoints.limit_rows import list_records, load_record, load_state, save_state
from interlock.checkpoints.limit_states import (
    LimitState,
    admit,
    count_failure,
    count_success,
    dump_instant,
    find_start,
    free_probe,
    has_slipped,
    hold,
    parse_instant,
    take_start,
)
from interlock.contracts.call_failures import counts_as_failure, find_status, name_failure
from interlock.contracts.clock import Clock
from interlock.contracts.errors import STORAGE_FAILURES
from interlock.contracts.flights import Flights
from interlock.contracts.limit_errors import BreakerOpenError, RateLimitedError
from interlock.contracts.limits import BreakerChange, Limit, LimitRecord, Notice, Turn
from interlock.contracts.retry_after import find_retry_after

_TOO_MANY: Final = frozenset({429, 503})
_SECOND: Final = 1_000_000


class _Reply(NamedTuple):
    """What an operation has found: a turn or an error, and how the breaker has changed."""

    turn: Turn | None = None
    error: BreakerOpenError | RateLimitedError | None = None
    change: BreakerChange | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """One question for a turn.

    Attributes:
        limit: Of what is to be called.
        turn: That was waited for.
        now: When it is decided.
        latest: A turn after it is of no use.
    """

    limit: Limit
    turn: Turn | None
    now: int
    latest: int | None

    def decide(self, connection: Connection, *, can_write: bool) -> _Reply | None:
        """Return what comes of it; None if it takes a write and none is allowed."""
        known = load_state(connection, self.limit.name)
        if self.turn is not None and not self._must_move(known, self.turn):
            return _Reply(self.turn)
        admitted = known
        probe = None if self.turn is None else self.turn.probe
        if self.limit.breaker is not None and probe is None:
            name = secrets.token_hex(8)
            admission = admit(known, self.limit.breaker, probe=name, now=self.now)
            if admission.refused_until is not None:
                return _Reply(error=self._refuse(known, admission.refused_until))
            admitted, probe = admission.after, admission.probe
        start = find_start(admitted, self.limit.rate, now=self.now)
        if self.latest is not None and start > max(self.latest, self.now):
            return _Reply(error=self._turn_away(start))
        after = admitted
        if self.limit.rate is not None:
            after = take_start(admitted, self.limit.rate, start=start)
        turn = Turn(limit=self.limit, starts_at=parse_instant(start), probe=probe)
        if after == known:
            return _Reply(turn)
        if not can_write:
            return None
        save_state(connection, self.limit.name, after)
        return _Reply(turn, change=_find_change(self.limit.name, known, after))

    def _must_move(self, known: LimitState, turn: Turn) -> bool:
        """Return whether a turn is of no use any more: put off meanwhile, or let slip."""
        start = dump_instant(turn.starts_at)
        if (known.held_until or 0) > max(self.now, start):
            return True
        rate = self.limit.rate
        return rate is not None and has_slipped(start, rate, now=self.now)

    def _refuse(self, known: LimitState, until: int) -> BreakerOpenError:
        return BreakerOpenError(
            name=self.limit.name, until=parse_instant(until), last_failure=known.last_failure
        )

    def _turn_away(self, start: int) -> RateLimitedError:
        seconds = (start - self.now) / _SECOND
        return RateLimitedError(name=self.limit.name, retry_after_seconds=seconds)


class SqlLimitLedger:
    """Breakers and rates in a database."""

    def __init__(self, database: Database, clock: Clock, flights: Flights) -> None:
        """Use a storage's database and clock.

        Args:
            database: Where they are kept.
            clock: Decides when windows and turns begin and end.
            flights: Holds what is written down while nobody waits for it.
        """
        self._database = database
        self._clock = clock
        self._flights = flights
        self._telling: dict[str, set[asyncio.Task[None]]] = {}

    async def ask(
        self,
        limit: Limit,
        *,
        turn: Turn | None = None,
        latest: datetime | None = None,
        notice: Notice | None = None,
    ) -> Turn:
        """Return the caller's turn, which is taken; it may begin later.

        Raises:
            BreakerOpenError: Nothing may be called.
            RateLimitedError: There is no turn up to `latest`.
        """
        await self._settle(limit.name)
        look, take = self._derive_asking(limit, turn=turn, latest=latest)
        reply = None
        if limit.rate is None or turn is not None:
            reply = await self._database.read(look)
        if reply is None:
            reply = await self._database.write(take, lane=_name_lane(limit.name))
        return _take(reply, notice)

    def ask_blocking(
        self,
        limit: Limit,
        *,
        turn: Turn | None = None,
        latest: datetime | None = None,
        notice: Notice | None = None,
    ) -> Turn:
        """Do as `ask` does, blocking the calling thread."""
        look, take = self._derive_asking(limit, turn=turn, latest=latest)
        reply = None
        if limit.rate is None or turn is not None:
            reply = self._database.read_blocking(look)
        if reply is None:
            reply = self._database.write_blocking(take, lane=_name_lane(limit.name))
        return _take(reply, notice)

    async def tell(
        self, turn: Turn, error: BaseException | None, *, notice: Notice | None = None
    ) -> None:
        """Take note of how a call came back; nothing is written where nothing changes."""
        operation = self._derive_telling(turn, error)
        if operation is not None:
            name = turn.limit.name
            _take(await self._database.write(operation, lane=_name_lane(name)), notice)

    def tell_blocking(
        self, turn: Turn, error: BaseException | None, *, notice: Notice | None = None
    ) -> None:
        """Do as `tell` does, blocking the calling thread."""
        operation = self._derive_telling(turn, error)
        if operation is not None:
            name = turn.limit.name
            _take(self._database.write_blocking(operation, lane=_name_lane(name)), notice)

    def tell_soon(
        self, turn: Turn, error: BaseException | None, *, notice: Notice | None = None
    ) -> None:
        """Do as `tell` does, without waiting; calls of this event loop that ask later wait for it."""
        if self._derive_telling(turn, error) is None:
            return
        task = asyncio.ensure_future(self.tell(turn, error, notice=notice))
        telling = self._telling.setdefault(turn.limit.name, set())
        telling.add(task)
        task.add_done_callback(telling.discard)
        self._flights.add(task)

    def _derive_asking(
        self, limit: Limit, *, turn: Turn | None, latest: datetime | None
    ) -> tuple[Operation[_Reply | None], Operation[_Reply]]:
        """Return how to look for a turn without taking it, and how to take it.

        The clock is read when it is decided: whoever waited for a busy storage would be given a
        turn that has long begun, at once with all others who waited.
        """

        def build() -> _Asked:
            return _Asked(
                limit=limit,
                turn=turn,
                now=dump_instant(self._clock.now()),
                latest=None if latest is None else dump_instant(latest),
            )

        def look(connection: Connection) -> _Reply | None:
            return build().decide(connection, can_write=False)

        def take(connection: Connection) -> _Reply:
            reply = build().decide(connection, can_write=True)
            assert reply is not None  # noqa: S101 - where it can write, it decides
            return reply

        return look, take

    def _derive_telling(self, turn: Turn, error: BaseException | None) -> Operation[_Reply] | None:
        """Return what is to be written about how a call came back, or None if it is nothing."""
        now = dump_instant(self._clock.now())
        breaker, name = turn.limit.breaker, turn.limit.name
        failure = None
        if error is not None and breaker is not None and counts_as_failure(error, breaker):
            failure = name_failure(error)
        held_until = _find_hold(error, now=now)
        if failure is None and turn.probe is None and held_until is None:
            return None

        def operation(connection: Connection) -> _Reply:
            known = load_state(connection, name)
            after = known
            if breaker is not None and failure is not None:
                after = count_failure(known, breaker, probe=turn.probe, now=now, what=failure)
            elif breaker is not None and turn.probe is not None and _is_over(error):
                after = count_success(known, breaker, probe=turn.probe, now=now)
            elif turn.probe is not None:
                after = free_probe(known, probe=turn.probe)
            if held_until is not None:
                after = hold(after, until=held_until)
            if after != known:
                save_state(connection, name, after)
            return _Reply(turn, change=_find_change(name, known, after))

        return operation

    async def _settle(self, name: str) -> None:
        loop = asyncio.get_running_loop()
        own = [task for task in self._telling.get(name, ()) if task.get_loop() is loop]
        if own:
            await asyncio.wait(own)

    async def find(self, name: str) -> LimitRecord | None:
        """Return what is known of a name, or None."""
        await self._settle(name)
        return await self._database.read(lambda connection: load_record(connection, name))

    async def load(self) -> Sequence[LimitRecord]:
        """Return all that is known, by name."""
        return await self._database.read(list_records)

    async def reset(self, name: str) -> bool:
        """Forget what is known of a name: its breaker is closed, its rate at rest; False if nothing."""

        def operation(connection: Connection) -> bool:
            return connection.run("delete_limit", (name,)).rowcount == 1

        return await self._database.write(operation, lane=_name_lane(name))


def _name_lane(name: str) -> str:
    return f"limit/{name}"


def _take(reply: _Reply, notice: Notice | None) -> Turn:
    """Tell how the breaker has changed, and return the turn or raise why there is none."""
    if reply.change is not None and notice is not None:
        notice(reply.change)
    if reply.error is not None:
        raise reply.error
    assert reply.turn is not None  # noqa: S101 - one of the two is there
    return reply.turn


def _is_over(error: BaseException | None) -> bool:
    """Return whether a call came back: with an answer, or with an error that blames the caller."""
    if isinstance(error, (BreakerOpenError, RateLimitedError, *STORAGE_FAILURES)):
        return False  # something of ours turned it away, or failed around it
    return error is None or isinstance(error, Exception)


def _find_hold(error: BaseException | None, *, now: int) -> int | None:
    """Return until when the other side asks to be left alone, in a Retry-After."""
    if error is None or isinstance(error, (BreakerOpenError, RateLimitedError)):
        return None
    status, seconds = find_status(error), find_retry_after(error)
    if not seconds or (status is not None and status not in _TOO_MANY):
        return None
    return now + math.ceil(seconds * _SECOND)


def _find_change(name: str, known: LimitState, after: LimitState) -> BreakerChange | None:
    if after.state == known.state:
        return None
    reasons = {
        "open": f"{after.last_failure} was one failure too many",
        "half_open": "its time is over, and a probe is let through",
        "closed": "its probes have succeeded",
    }
    until = None if after.open_until is None else parse_instant(after.open_until)
    return BreakerChange(name=name, state=after.state, until=until, reason=reasons[after.state])
