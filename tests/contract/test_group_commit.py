import asyncio
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from interlock.checkpoints import SqlStorage, open_storage
from interlock.checkpoints.connection import Connection
from interlock.checkpoints.storage_url import DEFAULT_POOL_SIZE
from interlock.contracts.errors import StorageError, StorageFullError
from interlock.contracts.handoff import Handoff
from interlock.contracts.run_record import RunRecord
from interlock.contracts.storage import Batch
from tests.contract.conftest import is_postgres

INSERT = "INSERT INTO payloads (thread_id, hash, size, data) VALUES ('t', ?, 1, ?)"
NO_ROOM = """
CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'no space left on device' USING ERRCODE = '53100'; END $$
"""
"""What PostgreSQL says when its disk is full, said without a full disk."""


async def test_concurrent_writes_share_commits(
    storage: SqlStorage, hook: Any, make_handoff: Callable[..., Handoff]
) -> None:
    """64 writers at once cost far fewer commits than 64."""
    before = hook.commits
    await asyncio.gather(
        *(
            storage.commit("t", Batch(handoffs=[make_handoff(attempt=number)]))
            for number in range(1, 65)
        )
    )
    assert hook.commits - before <= 16
    assert len(await storage.load_handoffs("t")) == 64


async def test_writes_become_durable_in_call_order(
    storage: SqlStorage, make_handoff: Callable[..., Handoff]
) -> None:
    """What one caller queues first stands first."""
    await asyncio.gather(
        *(
            storage.commit("t", Batch(handoffs=[make_handoff(attempt=number)]))
            for number in range(1, 201)
        )
    )
    assert [one.attempt for one in await storage.load_handoffs("t")] == list(range(1, 201))


async def test_write_that_fails_half_way_leaves_the_others_whole(storage: SqlStorage) -> None:
    """An operation that raises after writing is undone alone; its neighbours are kept."""

    def good(number: int) -> Any:
        def operation(connection: Connection) -> Any:
            connection.execute(INSERT, (f"{number:064d}", b"0"))
            return number

        return operation

    def bad(connection: Connection) -> None:
        connection.execute(INSERT, ("half", b"0"))
        raise ValueError("half-way")

    write = partial(storage._database.write, lane="t")
    results = await asyncio.gather(
        write(good(1)), write(bad), write(good(2)), return_exceptions=True
    )
    assert results[0] == 1
    assert results[2] == 2
    assert isinstance(results[1], ValueError)
    stored = await storage._database.read(
        lambda c: c.execute("SELECT count(*) FROM payloads").fetchone()[0]
    )
    assert stored == 2


async def test_failed_commit_fails_its_batch_and_nothing_later(
    storage: SqlStorage, hook: Any, make_handoff: Callable[..., Handoff]
) -> None:
    """A commit that fails reports to each of its writers, and the next one works."""
    hook.failure = OSError("the disk is gone")
    results = await asyncio.gather(
        *(storage.commit("t", Batch(handoffs=[make_handoff()])) for _ in range(3)),
        return_exceptions=True,
    )
    assert [type(result) for result in results] == [OSError] * 3
    hook.failure = None
    assert await storage.load_handoffs("t") == []
    await storage.commit("t", Batch(handoffs=[make_handoff()]))
    assert len(await storage.load_handoffs("t")) == 1


async def test_full_database_is_a_typed_error_and_passes(storage: SqlStorage) -> None:
    """No room fails the writes that do not fit; with room again, writing goes on."""

    def limit(connection: Connection) -> None:
        if is_postgres(storage):
            connection.execute(NO_ROOM)
            connection.execute(
                "CREATE TRIGGER no_room BEFORE INSERT ON payloads EXECUTE FUNCTION no_room()"
            )
            return
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages + 3}")

    await storage._database.write(limit, lane="t")
    with pytest.raises(StorageFullError):
        await storage.commit("t", Batch(payloads=[b"1" * 1_000_000]))
    more = "PRAGMA max_page_count = 100000"
    if is_postgres(storage):
        more = "DROP TRIGGER no_room ON payloads"
    await storage._database.write(lambda c: c.execute(more) and None, lane="t")
    await storage.commit("t", Batch(payloads=[b"2" * 1_000_000]))


async def test_reader_waits_for_no_writer(
    lasting_url: str, make_handoff: Callable[..., Handoff]
) -> None:
    """Reading goes on while a commit hangs, and sees nothing that is not committed."""
    gate, reached = threading.Event(), threading.Event()

    class Hanging:
        def before_commit(self, index: int) -> None:
            reached.set()
            gate.wait(30)

        def after_commit(self, index: int) -> None:
            pass

    async with open_storage(lasting_url, write_hook=Hanging()) as storage:
        writing = asyncio.create_task(storage.commit("t", Batch(handoffs=[make_handoff()])))
        await asyncio.to_thread(reached.wait, 30)
        assert await storage.load_handoffs("t") == []
        assert not writing.done()
        gate.set()
        await writing
        assert len(await storage.load_handoffs("t")) == 1


async def test_closing_writes_what_is_queued(
    lasting_url: str, make_handoff: Callable[..., Handoff]
) -> None:
    """Writes queued before the close are durable after it."""
    storage = SqlStorage(lasting_url)
    await storage.connect()
    queued = [
        asyncio.ensure_future(storage.commit("t", Batch(handoffs=[make_handoff(attempt=number)])))
        for number in range(1, 51)
    ]
    await asyncio.sleep(0)
    await storage.aclose()
    await asyncio.gather(*queued)
    async with open_storage(lasting_url) as again:
        assert len(await again.load_handoffs("t")) == 50


async def test_closed_storage_refuses_in_words(url: str) -> None:
    """A storage that was closed, or not yet opened, says so; closing again is harmless."""
    storage = SqlStorage(url)
    with pytest.raises(StorageError, match="not open"):
        await storage.load_run("t")
    await storage.connect()
    await storage.connect()
    await storage.aclose()
    await storage.aclose()
    with pytest.raises(StorageError, match="not open"):
        await storage.load_run("t")
    with pytest.raises(StorageError, match="not open"):
        await storage.commit("t", Batch())
    with pytest.raises(StorageError, match="closed"):
        await storage.connect()


async def test_lazy_users_may_connect_at_once(url: str) -> None:
    """Whoever needs the storage first opens it; the others wait for that and share it."""
    storage = SqlStorage(url)
    saver = storage.checkpointer
    await asyncio.gather(*(storage.connect() for _ in range(5)))
    names = [thread.name for thread in threading.enumerate() if storage.url in thread.name]
    wanted = {"memory": 1, "sqlite": 2, "postgresql": DEFAULT_POOL_SIZE}
    assert len(names) == wanted[url.partition(":")[0]]
    assert await saver.aget_tuple({"configurable": {"thread_id": "t"}}) is None
    await storage.aclose()


async def test_closing_gives_held_threads_free(lasting_url: str) -> None:
    """A thread held by a storage that was closed can be taken at once."""
    from datetime import timedelta

    async with open_storage(lasting_url) as first:
        await first.acquire_lease("t", ttl=timedelta(hours=1))
    async with open_storage(lasting_url) as second:
        assert (await second.acquire_lease("t", ttl=timedelta(hours=1))).token == 2


def test_storage_survives_several_event_loops(url: str, make_run: Callable[..., RunRecord]) -> None:
    """One storage serves loops that come and go; every future is settled on its own loop."""
    storage = SqlStorage(url)
    asyncio.run(storage.connect())
    asyncio.run(storage.accept_run(make_run("a")))
    loops = [
        threading.Thread(target=lambda name=name: asyncio.run(storage.accept_run(make_run(name))))
        for name in ("b", "c")
    ]
    for loop in loops:
        loop.start()
    for loop in loops:
        loop.join()
    runs = asyncio.run(storage.list_runs())
    assert {run.thread_id for run in runs} == {"a", "b", "c"}
    asyncio.run(storage.aclose())


async def test_cancelled_caller_disturbs_nobody(
    storage: SqlStorage, make_handoff: Callable[..., Handoff]
) -> None:
    """A caller that stops waiting leaves the others' writes alone."""
    tasks = [
        asyncio.create_task(storage.commit("t", Batch(handoffs=[make_handoff(attempt=number)])))
        for number in range(1, 11)
    ]
    await asyncio.sleep(0)
    tasks[4].cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [result for result in results if result is not None] == [results[4]]
    assert len(await storage.load_handoffs("t")) >= 9
