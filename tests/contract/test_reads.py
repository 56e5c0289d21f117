"""Reads: on one snapshot of what is committed, and only reads."""

import asyncio
import threading

import pytest

import interlock as il
from interlock.checkpoints import SqlStorage
from interlock.checkpoints.connection import Connection

INSERT = "INSERT INTO blobs (thread_id, hash, data) VALUES ('t', ?, ?)"


def count(connection: Connection) -> int:
    """Return how many blobs there are."""
    return int(connection.execute("SELECT count(*) FROM blobs").fetchone()[0])


async def test_a_read_sees_one_snapshot(lasting_url: str) -> None:
    """What is committed while a read is under way does not show in the rest of it."""
    has_begun, may_go_on = threading.Event(), threading.Event()

    def look_twice(connection: Connection) -> tuple[int, int]:
        before = count(connection)
        has_begun.set()
        assert may_go_on.wait(10)
        return before, count(connection)

    async with il.open_storage(lasting_url) as storage:
        assert isinstance(storage, SqlStorage)
        reading = asyncio.ensure_future(storage._database.read(look_twice))
        await asyncio.to_thread(has_begun.wait, 10)
        await storage._database.write(lambda c: c.execute(INSERT, ("h", b"x")) and None, lane="t")
        may_go_on.set()
        assert await reading == (0, 0)
        assert await storage._database.read(count) == 1


async def test_a_read_cannot_write(lasting_url: str) -> None:
    """An operation that was queued as a read is kept from writing by the database itself."""
    async with il.open_storage(lasting_url) as storage:
        assert isinstance(storage, SqlStorage)
        with pytest.raises(il.StorageReadOnlyError):
            await storage._database.read(lambda c: c.execute(INSERT, ("h", b"x")) and None)
        assert await storage._database.read(count) == 0


async def test_lanes_keep_each_other_out_across_storages(lasting_url: str) -> None:
    """Two processes' writes to one lane are never in a transaction at the same time."""
    inside: list[str] = []
    overlaps: list[str] = []

    def enter(connection: Connection, name: str) -> None:
        if inside:
            overlaps.append(name)
        inside.append(name)
        connection.execute(INSERT, (name, b"x"))
        connection.execute("SELECT count(*) FROM blobs").fetchone()
        inside.clear()

    async with il.open_storage(lasting_url) as one, il.open_storage(lasting_url) as other:
        assert isinstance(one, SqlStorage)
        assert isinstance(other, SqlStorage)
        writes = [
            storage._database.write(lambda c, name=f"{kind}{number}": enter(c, name), lane="t")
            for number in range(25)
            for kind, storage in (("a", one), ("b", other))
        ]
        await asyncio.gather(*writes)
        assert overlaps == []
        assert await one._database.read(count) == 50
