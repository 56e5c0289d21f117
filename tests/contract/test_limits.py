"""Breakers and rates in every storage: one state for all who use it, changed by one at a time."""

import asyncio
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from email.utils import format_datetime
from types import SimpleNamespace
from typing import Any

import pytest

from interlock.checkpoints import SqlStorage, open_storage
from interlock.checkpoints.connection import Connection
from interlock.contracts.errors import PermanentError, StorageBusyError, StorageError
from interlock.contracts.limit_errors import BreakerOpenError, RateLimitedError
from interlock.contracts.limits import Breaker, BreakerChange, Limit, Rate, Turn
from tests.contract.conftest import NOON, ManualClock

BREAKER = Breaker(failures=3, window=timedelta(seconds=60), cool_down=timedelta(seconds=30))
LIMIT = Limit(name="worker/mailer", breaker=BREAKER)
DOWN = ConnectionError("refused")


class HttpError(Exception):
    """What an HTTP client raises: a status, and a response with headers."""

    def __init__(self, status: int, **headers: str) -> None:
        super().__init__(f"HTTP {status}")
        self.status_code = status
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.response = SimpleNamespace(status_code=status, headers=named)


async def fail(storage: Any, times: int = 3, *, limit: Limit = LIMIT) -> None:
    """Make calls that fail."""
    for _ in range(times):
        await storage.limits.tell(await storage.limits.ask(limit), DOWN)


@asynccontextmanager
async def open_two(url: str, clock: ManualClock) -> AsyncIterator[tuple[Any, Any]]:
    """Open one database twice, as two processes do."""
    async with open_storage(url, clock=clock) as one, open_storage(url, clock=clock) as two:
        yield one, two


async def list_states(storage: Any) -> dict[str, str]:
    """Return the state of each breaker."""
    return {record.name: record.state for record in await storage.limits.load()}


async def test_a_breaker_opens_after_its_failures_and_refuses(
    storage: SqlStorage, clock: ManualClock
) -> None:
    """The third failure within the window opens it; then nothing goes out, and the error says why."""
    changes: list[BreakerChange] = []
    await fail(storage, 2)
    turn = await storage.limits.ask(LIMIT)
    await storage.limits.tell(turn, DOWN, notice=changes.append)
    with pytest.raises(BreakerOpenError) as refused:
        await storage.limits.ask(LIMIT)
    until = NOON + timedelta(seconds=30)
    assert (refused.value.name, refused.value.until) == ("worker/mailer", until)
    assert refused.value.last_failure == "ConnectionError"
    assert [(one.state, one.until) for one in changes] == [("open", until)]
    assert (await storage.limits.ask(Limit(name="worker/other", breaker=BREAKER))).probe is None


async def test_failures_outside_the_window_are_forgotten(
    storage: SqlStorage, clock: ManualClock
) -> None:
    """Failures that lie further apart than the window never open it."""
    for _ in range(6):
        await fail(storage, 1)
        clock.advance(31)  # never three within 60 s
    assert await list_states(storage) == {"worker/mailer": "closed"}


@pytest.mark.parametrize(
    ("error", "is_failure"),
    [
        (HttpError(400), False),
        (HttpError(401), False),
        (HttpError(404), False),
        (HttpError(422), False),
        (HttpError(408), True),
        (HttpError(429), True),
        (HttpError(500), True),
        (HttpError(503), True),
        (TimeoutError(), True),
        (ConnectionResetError(), True),
        (RuntimeError("odd"), True),
        (PermanentError("no"), False),
        (asyncio.CancelledError(), False),
        (BreakerOpenError(name="model/x", until=NOON, last_failure=None), False),
        (KeyError("declared as the other side's"), True),
        (LookupError("declared as the caller's"), False),
    ],
)
async def test_what_counts_as_a_failure(error: BaseException, is_failure: bool) -> None:
    """What says something of the other side counts; what the caller did wrong does not."""
    breaker = Breaker(failures=1, counts=(KeyError,), ignores=(LookupError,))
    limit = Limit(name="tool/x", breaker=breaker)
    async with open_storage("memory://") as storage:
        await storage.limits.tell(await storage.limits.ask(limit), error)
        assert (await list_states(storage)).get("tool/x", "closed") == (
            "open" if is_failure else "closed"
        )


async def test_a_closed_breaker_costs_no_write(storage: SqlStorage, hook: Any) -> None:
    """Calls that succeed while it is closed are asked about and told of without a transaction."""
    before = hook.commits
    for _ in range(5):
        await storage.limits.tell(await storage.limits.ask(LIMIT), None)
    assert hook.commits == before
    assert list(await storage.limits.load()) == []


async def test_exactly_one_of_all_processes_probes(lasting_url: str, clock: ManualClock) -> None:
    """When the time is over, of many who ask at once, in two processes, one call goes out."""
    async with open_two(lasting_url, clock) as (one, two):
        await fail(one)
        with pytest.raises(BreakerOpenError):
            await two.limits.ask(LIMIT)
        clock.advance(30)
        asked = await asyncio.gather(
            *(storage.limits.ask(LIMIT) for storage in (one, two) * 8), return_exceptions=True
        )
        turns = [came for came in asked if isinstance(came, Turn)]
        refusals = [came for came in asked if isinstance(came, BreakerOpenError)]
        assert (len(turns), len(refusals)) == (1, 15)
        await one.limits.tell(turns[0], None)
        assert (await two.limits.ask(LIMIT)).probe is None
        assert await list_states(two) == {"worker/mailer": "closed"}


async def test_a_probe_that_fails_opens_it_again(storage: SqlStorage, clock: ManualClock) -> None:
    """One failed probe is enough: the whole time begins anew."""
    await fail(storage)
    clock.advance(30)
    await fail(storage, 1)
    clock.advance(29)
    with pytest.raises(BreakerOpenError):
        await storage.limits.ask(LIMIT)
    clock.advance(1)
    assert (await storage.limits.ask(LIMIT)).probe is not None


async def test_a_prober_that_dies_blocks_nobody_for_long(
    storage: SqlStorage, clock: ManualClock
) -> None:
    """A probe that never comes back loses its place, and the next one decides."""
    await fail(storage)
    clock.advance(30)
    await storage.limits.ask(LIMIT)
    clock.advance(29)
    with pytest.raises(BreakerOpenError) as refused:
        await storage.limits.ask(LIMIT)
    assert refused.value.until == NOON + timedelta(seconds=60)
    clock.advance(1)
    second = await storage.limits.ask(LIMIT)
    assert await list_states(storage) == {"worker/mailer": "half_open"}
    await storage.limits.tell(second, None)
    assert await list_states(storage) == {"worker/mailer": "closed"}


@pytest.mark.parametrize(("error", "state"), [(None, "closed"), (ConnectionError(), "open")])
async def test_a_probe_that_takes_longer_than_the_cool_down_counts(
    storage: SqlStorage, clock: ManualClock, error: Exception | None, state: str
) -> None:
    """Its place goes to others meanwhile; a slow side that is well, or is not, is seen all the same."""
    await fail(storage)
    clock.advance(30)
    slow = await storage.limits.ask(LIMIT)
    clock.advance(30)
    assert (await storage.limits.ask(LIMIT)).probe is not None
    await storage.limits.tell(slow, error)
    assert await list_states(storage) == {"worker/mailer": state}


async def test_a_probe_of_an_earlier_time_says_nothing(
    storage: SqlStorage, clock: ManualClock
) -> None:
    """Another probe has failed since: what the slow one says is of before that."""
    await fail(storage)
    clock.advance(30)
    slow = await storage.limits.ask(LIMIT)
    clock.advance(30)
    await storage.limits.tell(await storage.limits.ask(LIMIT), ConnectionError())
    clock.advance(30)
    probe = await storage.limits.ask(LIMIT)
    await storage.limits.tell(slow, None)
    assert await list_states(storage) == {"worker/mailer": "half_open"}
    await storage.limits.tell(probe, None)
    assert await list_states(storage) == {"worker/mailer": "closed"}


async def test_a_probe_that_says_nothing_gives_its_place_back(
    storage: SqlStorage, clock: ManualClock
) -> None:
    """A cancelled probe is no success and no failure: the next call is a probe at once."""
    await fail(storage)
    clock.advance(30)
    await storage.limits.tell(await storage.limits.ask(LIMIT), asyncio.CancelledError())
    assert (await storage.limits.ask(LIMIT)).probe is not None
    assert await list_states(storage) == {"worker/mailer": "half_open"}


async def test_several_probes_must_all_succeed(storage: SqlStorage, clock: ManualClock) -> None:
    """With two probes, two go out, and it closes with the second success, not the first."""
    limit = Limit(name="tool/crm", breaker=BREAKER.model_copy(update={"probes": 2}))
    await fail(storage, limit=limit)
    clock.advance(30)
    first, second = await storage.limits.ask(limit), await storage.limits.ask(limit)
    with pytest.raises(BreakerOpenError):
        await storage.limits.ask(limit)
    await storage.limits.tell(first, None)
    with pytest.raises(BreakerOpenError):
        await storage.limits.ask(limit)
    await storage.limits.tell(second, None)
    assert await list_states(storage) == {"tool/crm": "closed"}


async def test_calls_from_before_it_opened_say_nothing(
    storage: SqlStorage, clock: ManualClock
) -> None:
    """A late answer of a call that went out before it opened neither closes nor opens it."""
    early = await storage.limits.ask(LIMIT)
    late = await storage.limits.ask(LIMIT)
    await fail(storage)
    await storage.limits.tell(early, None)
    clock.advance(30)
    probe = await storage.limits.ask(LIMIT)
    await storage.limits.tell(late, DOWN)
    assert await list_states(storage) == {"worker/mailer": "half_open"}
    await storage.limits.tell(probe, None)
    assert await list_states(storage) == {"worker/mailer": "closed"}


@pytest.mark.parametrize(("burst", "most"), [(None, 5), (1, 5), (3, 7)])
async def test_a_rate_is_never_exceeded_by_all_together(
    url: str, clock: ManualClock, burst: int | None, most: int
) -> None:
    """In any stretch of its time, two storages together start no more calls than it allows."""
    limit = Limit(name="x", rate=Rate(calls=5, per=timedelta(seconds=7), burst=burst))
    starts = []
    async with open_two(url, clock) as (one, two):
        users = (one,) if url == "memory://" else (one, two)
        for pause in (0, 0, 3, 0.5, 20, 0):
            clock.advance(pause)
            turns = await asyncio.gather(
                *(user.limits.ask(limit) for user in users for _ in range(4))
            )
            starts += [turn.starts_at for turn in turns]
    counts = [sum(start <= at < start + timedelta(seconds=7) for at in starts) for start in starts]
    assert max(counts) == most
    first = sorted(starts)[: burst or 1]
    assert first == [NOON] * len(first)  # a rested rate lets its burst out at once


async def test_a_turn_that_comes_too_late_is_not_taken(
    storage: SqlStorage, clock: ManualClock
) -> None:
    """Who cannot wait that long is told when it would be, and holds up nobody."""
    limit = Limit(name="x", rate=Rate(calls=1, per=timedelta(seconds=10)))
    await storage.limits.ask(limit)
    for _ in range(3):
        with pytest.raises(RateLimitedError) as refused:
            await storage.limits.ask(limit, latest=NOON + timedelta(seconds=9))
        assert refused.value.retry_after_seconds == pytest.approx(10)
    turn = await storage.limits.ask(limit)
    assert turn.starts_at == NOON + timedelta(seconds=10)


@pytest.mark.parametrize(
    "headers",
    [
        {"retry_after": "90"},
        {
            "retry_after": format_datetime(NOON + timedelta(seconds=90), usegmt=True),
            "date": format_datetime(NOON, usegmt=True),
        },
    ],
)
async def test_retry_after_holds_everybody(
    lasting_url: str, clock: ManualClock, headers: dict[str, str]
) -> None:
    """A 429 that names a time, in seconds or as a date, holds the name, also in other processes."""
    limit = Limit(name="model/gpt", rate=Rate(calls=100, per=timedelta(seconds=1)))
    free = NOON + timedelta(seconds=90)
    async with open_two(lasting_url, clock) as (one, two):
        told = await one.limits.ask(limit)
        waiting = await two.limits.ask(limit)  # has its turn, and has not gone out yet
        await one.limits.tell(told, HttpError(429, **headers))
        assert (await two.limits.ask(limit)).starts_at >= free
        clock.advance(1)
        assert (await two.limits.ask(limit, turn=waiting)).starts_at >= free
        clock.advance(89)
        moved = await two.limits.ask(limit)
        assert await two.limits.ask(limit, turn=moved) == moved


async def test_a_turn_that_was_let_slip_is_taken_anew(
    storage: SqlStorage, clock: ManualClock
) -> None:
    """Whoever comes long after its turn gets another, so that those who are late do not pile up."""
    limit = Limit(name="x", rate=Rate(calls=1, per=timedelta(seconds=2)))
    turns = [await storage.limits.ask(limit) for _ in range(3)]
    clock.advance(60)
    again = [await storage.limits.ask(limit, turn=turn) for turn in turns]
    seconds = [(turn.starts_at - clock.now()).total_seconds() for turn in again]
    assert seconds == [0, 2, 4]


async def test_what_is_told_soon_counts_for_who_asks_next(storage: SqlStorage) -> None:
    """Nobody waits for it, and yet the next call of the same loop knows of it."""
    for turn in [await storage.limits.ask(LIMIT) for _ in range(3)]:
        storage.limits.tell_soon(turn, DOWN)
    with pytest.raises(BreakerOpenError):
        await storage.limits.ask(LIMIT)


async def test_a_thread_asks_and_tells_as_a_coroutine_does(storage: SqlStorage) -> None:
    """Sync tools block their thread, and share what is known with all others."""

    def fail_in_thread() -> None:
        for _ in range(3):
            storage.limits.tell_blocking(storage.limits.ask_blocking(LIMIT), DOWN)

    await asyncio.to_thread(fail_in_thread)
    with pytest.raises(BreakerOpenError):
        await storage.limits.ask(LIMIT)


async def test_reset_closes_at_once_and_only_that_name(storage: SqlStorage) -> None:
    """A person closes one breaker; others stay open; an unknown name is said to be unknown."""
    other = Limit(name="tool/crm", breaker=BREAKER)
    await fail(storage)
    await fail(storage, limit=other)
    assert await storage.limits.reset("worker/mailer")
    assert not await storage.limits.reset("worker/mailer")
    assert (await storage.limits.ask(LIMIT)).probe is None
    assert await list_states(storage) == {"tool/crm": "open"}


_OTHER_PROCESS = """
import asyncio, sys
from datetime import timedelta
from interlock.checkpoints import open_storage
from interlock.contracts.limits import Breaker, Limit

async def main():
    limit = Limit(name="worker/mailer", breaker=Breaker(failures=3))
    async with open_storage(sys.argv[1]) as storage:
        for _ in range(3):
            await storage.limits.tell(await storage.limits.ask(limit), TimeoutError())

asyncio.run(main())
"""


async def test_a_breaker_that_another_process_opened_is_open_here(lasting_url: str) -> None:
    """What a real second process saw fail is not called here either."""
    async with open_storage(lasting_url) as storage:
        await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-c", _OTHER_PROCESS, lasting_url],
            check=True,
            env={"LANGGRAPH_STRICT_MSGPACK": "true"},
        )
        with pytest.raises(BreakerOpenError) as refused:
            await storage.limits.ask(LIMIT)
    assert refused.value.last_failure == "TimeoutError"


@asynccontextmanager
async def keep_busy(storage: SqlStorage, name: str) -> AsyncIterator[None]:
    """Keep whoever writes to a name waiting, as a busy database does."""
    begun, over = threading.Event(), threading.Event()

    def operation(_: Connection) -> None:
        begun.set()
        over.wait(10)

    held = asyncio.create_task(storage._database.write(operation, lane=f"limit/{name}"))
    await asyncio.to_thread(begun.wait, 10)
    try:
        yield
    finally:
        over.set()
        await held


async def ask_while_busy(
    storage: SqlStorage, clock: ManualClock, limit: Limit, *, seconds: float, count: int
) -> list[Turn]:
    """Return the turns of callers who have waited so long for the storage itself."""
    async with keep_busy(storage, limit.name):
        asking = [asyncio.create_task(storage.limits.ask(limit)) for _ in range(count)]
        await asyncio.sleep(0)  # all of them are in its queue
        clock.advance(seconds)
    return list(await asyncio.gather(*asking))


async def test_turns_given_by_a_busy_storage_do_not_pile_up(
    storage: SqlStorage, clock: ManualClock
) -> None:
    """Callers who waited for the storage get turns from then on, not turns that have all begun."""
    limit = Limit(name="x", rate=Rate(calls=1, per=timedelta(seconds=2)))
    turns = await ask_while_busy(storage, clock, limit, seconds=20, count=4)
    seconds = [(turn.starts_at - clock.now()).total_seconds() for turn in turns]
    assert sorted(seconds) == [0, 2, 4, 6]


async def test_a_probe_that_waited_for_the_storage_holds_its_place_whole(
    storage: SqlStorage, clock: ManualClock
) -> None:
    """Its cool-down begins when it is let through, or there would be a probe too many at once."""
    limit = Limit(name="y", breaker=BREAKER, rate=Rate(calls=100, per=timedelta(seconds=1)))
    await fail(storage, limit=limit)
    clock.advance(30)
    (turn,) = await ask_while_busy(storage, clock, limit, seconds=40, count=1)
    assert turn.probe is not None
    clock.advance(29)
    with pytest.raises(BreakerOpenError):
        await storage.limits.ask(limit)
    clock.advance(1)
    assert (await storage.limits.ask(limit)).probe is not None


@pytest.mark.parametrize("error", [StorageBusyError("busy"), StorageError("gone")])
async def test_our_own_storage_says_nothing_of_the_other_side(
    storage: SqlStorage, clock: ManualClock, error: Exception
) -> None:
    """What failed in the storage is no failure of what was called, and no success of a probe."""
    for _ in range(3):
        await storage.limits.tell(await storage.limits.ask(LIMIT), error)
    assert await list_states(storage) == {}
    await fail(storage)
    clock.advance(30)
    probe = await storage.limits.ask(LIMIT)
    await storage.limits.tell(probe, error)
    assert await list_states(storage) == {"worker/mailer": "half_open"}
    assert (await storage.limits.ask(LIMIT)).probe is not None  # its place is free
