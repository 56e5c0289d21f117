"""Writes that nobody waits for: what becomes of one that fails, and when they are committed."""

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from interlock.checkpoints import SqlStorage
from interlock.checkpoints.database import WriteKey
from interlock.checkpoints.kept_back import KEEP_BACK_SECONDS
from interlock.checkpoints.sqlite.database_thread import DatabaseThread
from interlock.contracts.errors import StorageError
from interlock.contracts.handoff import Handoff
from interlock.contracts.storage import Batch
from tests.contract.conftest import is_postgres

TTL = timedelta(hours=1)


def fail(connection: sqlite3.Connection) -> None:
    """Be a write that cannot be done."""
    raise ValueError("lost")


def do_nothing(connection: sqlite3.Connection) -> None:
    """Be a write of nothing."""


def fail_half_way(connection: sqlite3.Connection) -> None:
    """Be a write that must be undone."""
    assert connection.execute("UPDATE leases SET owner = 'nobody'").rowcount == 1
    raise KeyError("half-way")


async def test_a_failed_post_fails_every_later_write_under_its_lease(storage: SqlStorage) -> None:
    """I8: whoever waits for what was queued before learns of it, however many others have too."""
    await storage.acquire_lease("t", ttl=TTL)
    storage._database.post(fail, key=storage._leases.derive_key("t"))
    for _ in range(4):
        with pytest.raises(ValueError, match="lost"):
            await storage.flush("t")


async def test_a_failed_post_is_forgotten_with_its_lease(
    storage: SqlStorage, make_handoff: Callable[..., Handoff]
) -> None:
    """Whoever takes the thread again starts anew; nothing is kept of the failure."""
    lease = await storage.acquire_lease("t", ttl=TTL)
    storage._database.post(fail, key=storage._leases.derive_key("t"))
    await storage.release_lease(lease)
    keeper: Any = storage._database if is_postgres(storage) else storage._database._writer
    assert keeper._failures._failures == {}
    await storage.acquire_lease("t", ttl=TTL)
    await storage.commit("t", Batch(handoffs=[make_handoff()]))
    assert len(await storage.load_handoffs("t")) == 1


async def test_a_failed_post_without_a_lease_is_told_and_then_forgotten(
    storage: SqlStorage,
) -> None:
    """A thread that nobody leases can be written to again after somebody has been told."""
    storage._database.post(fail, key=storage._leases.derive_key("t"))
    told = 0
    while True:
        try:
            await storage.flush("t")
        except ValueError:
            told += 1
        else:
            break
    assert told in {1, 2}  # twice if the first flush was in the failed write's own batch


async def test_a_batch_that_is_run_again_forgets_no_earlier_failure(storage: SqlStorage) -> None:
    """A neighbour that fails half-way makes the batch run twice; what failed before stays known."""
    await storage.acquire_lease("t", ttl=TTL)
    key = storage._leases.derive_key("t")
    write = partial(storage._database.write, lane="t")
    storage._database.post(fail, key=key)
    await write(do_nothing)
    storage._database.post(do_nothing, key=key)
    results = await asyncio.gather(
        write(fail_half_way), write(do_nothing, key=key), return_exceptions=True
    )
    assert [type(result) for result in results] == [KeyError, ValueError]


async def test_a_failed_post_of_one_thread_leaves_the_others_alone(storage: SqlStorage) -> None:
    """Only what belongs to the same thread fails with it."""
    for thread_id in ("t", "u"):
        await storage.acquire_lease(thread_id, ttl=TTL)
    storage._database.post(fail, key=storage._leases.derive_key("t"))
    await storage.flush("u")
    with pytest.raises(ValueError, match="lost"):
        await storage.flush("t")


class HandLoop(asyncio.SelectorEventLoop):
    """An event loop whose timers run when a test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.instant = 0.0
        self.timers: list[tuple[float, Callable[..., object], tuple[Any, ...]]] = []

    def time(self) -> float:
        return self.instant

    def call_later(
        self, delay: float, callback: Callable[..., object], *args: Any, **_: Any
    ) -> Any:
        self.timers.append((self.instant + delay, callback, args))

    def move_to(self, instant: float) -> None:
        """Stand at an instant, having run the timers whose time has come."""
        self.instant = instant
        due = [timer for timer in self.timers if timer[0] <= instant]
        self.timers = [timer for timer in self.timers if timer[0] > instant]
        for _, callback, args in due:
            callback(*args)


def build_listing_thread() -> DatabaseThread:
    """Return a thread that is open and only queues."""
    thread = DatabaseThread("memory://", lambda: sqlite3.connect(":memory:"))
    thread._is_open = True
    return thread


def count_queued(thread: DatabaseThread) -> int:
    """Return how many requests have been let go."""
    return thread._queue.qsize()


def keep_back(thread: DatabaseThread, loop: HandLoop) -> None:
    """Post a write from a loop."""

    async def post() -> None:
        thread.post(do_nothing, key=WriteKey("t", None))

    loop.run_until_complete(post())


def test_a_loop_that_closes_takes_no_other_loops_timer_with_it() -> None:
    """What one loop keeps back is let go in time, whatever loops have come and gone meanwhile."""
    thread, lasting, brief = build_listing_thread(), HandLoop(), HandLoop()
    keep_back(thread, lasting)
    thread._kept_back.let_all_go()
    lasting.move_to(0.4 * KEEP_BACK_SECONDS)
    keep_back(thread, lasting)
    brief.move_to(0.5 * KEEP_BACK_SECONDS)
    keep_back(thread, brief)
    brief.close()
    lasting.move_to(KEEP_BACK_SECONDS)  # of what was let go before its time
    assert count_queued(thread) == 1
    lasting.move_to(1.5 * KEEP_BACK_SECONDS)
    assert count_queued(thread) == 3
    lasting.close()


def test_a_loop_has_one_timer_however_much_it_keeps_back() -> None:
    """A thousand posts start one timer, and it waits on for what came later."""
    thread, loop = build_listing_thread(), HandLoop()
    for number in range(100):
        loop.instant = number * KEEP_BACK_SECONDS / 200
        keep_back(thread, loop)
        if number % 10 == 9:
            thread._kept_back.let_all_go()
    assert len(loop.timers) == 1
    keep_back(thread, loop)
    loop.move_to(KEEP_BACK_SECONDS)
    assert (count_queued(thread), len(loop.timers)) == (100, 1)
    loop.move_to(2 * KEEP_BACK_SECONDS)
    assert (count_queued(thread), len(loop.timers)) == (101, 0)
    loop.close()


async def test_stopping_writes_what_is_kept_back(
    lasting_url: str, make_handoff: Callable[..., Handoff]
) -> None:
    """What nobody waits for is durable after the storage has been closed."""
    storage = SqlStorage(lasting_url)
    await storage.connect()
    storage.post("t", Batch(handoffs=[make_handoff()]))
    await storage.aclose()
    with pytest.raises(StorageError, match="not open"):
        storage.post("t", Batch())
    again = SqlStorage(lasting_url)
    await again.connect()
    assert len(await again.load_handoffs("t")) == 1
    await again.aclose()


@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
async def test_a_cancelled_opening_leaves_no_thread_behind(file_url: str) -> None:
    """Whoever stops waiting for a storage to open leaves no thread, and can open it again."""
    before = threading.active_count()
    storage = SqlStorage(file_url)
    for turns in range(4):
        opening = asyncio.ensure_future(storage.connect())
        for _ in range(turns):
            await asyncio.sleep(0)
        opening.cancel()
        await asyncio.gather(opening, return_exceptions=True)
    await storage.connect()
    async with asyncio.timeout(20):
        while threading.active_count() > before + 2:
            await asyncio.sleep(0)
    await storage.aclose()
