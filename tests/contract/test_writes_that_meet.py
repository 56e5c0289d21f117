"""Rows of several operations may be sent together; each still fails, reads and repeats as alone."""

import asyncio
from functools import partial
from typing import Any

from interlock.checkpoints import SqlStorage
from interlock.checkpoints.connection import Connection
from interlock.contracts.errors import PlainValueError


def save_blob(name: str, data: Any = b"0") -> Any:
    """Return an operation that stores a blob."""

    def operation(connection: Connection) -> str:
        connection.run_many("insert_blob", [("t", name, data)])
        return name

    return operation


def save_checkpoint(name: str, document: bytes) -> Any:
    """Return an operation that stores a checkpoint, or another document for it."""

    def operation(connection: Connection) -> None:
        row = ("t", "", name, None, None, "bytes", document)
        connection.run_many("insert_checkpoint", [row])

    return operation


async def list_blobs(storage: SqlStorage) -> list[str]:
    """Return the names of all blobs."""
    found = await storage._database.read(lambda c: c.run("read_thread_blobs", ("t",)).fetchall())
    return sorted(name for _, name, _ in found)


async def test_a_row_that_is_refused_fails_its_own_operation(storage: SqlStorage) -> None:
    """The database refuses one of many rows; the others are stored, and their callers told."""
    write = partial(storage._database.write, lane="t")
    names = [f"b{number}" for number in range(5)]
    results = await asyncio.gather(
        *(write(save_blob(name, None if name == "b2" else b"0")) for name in names),
        return_exceptions=True,
    )
    assert [result for result in results if isinstance(result, str)] == [*names[:2], *names[3:]]
    assert isinstance(results[2], Exception)
    assert await list_blobs(storage) == [*names[:2], *names[3:]]


async def test_a_row_that_the_driver_refuses_fails_its_own_operation(storage: SqlStorage) -> None:
    """What cannot even be sent is told to whoever gave it, and not to a reader after it."""
    write = partial(storage._database.write, lane="t")
    results = await asyncio.gather(
        write(save_blob("before")),
        write(save_blob("half a pair: \ud83d")),
        write(lambda connection: connection.run("load_run_status", ("t",)).fetchone()),
        write(save_blob("after")),
        return_exceptions=True,
    )
    assert isinstance(results[1], PlainValueError)
    assert [results[0], *results[2:]] == ["before", None, "after"]
    assert await list_blobs(storage) == ["after", "before"]


async def test_an_operation_reads_what_it_and_those_before_it_wrote(storage: SqlStorage) -> None:
    """Nothing that was written is invisible for being sent later."""

    def count(connection: Connection) -> int:
        connection.run_many("insert_blob", [("t", "mine", b"1")])
        return len(connection.run("read_thread_blobs", ("t",)).fetchall())

    write = partial(storage._database.write, lane="t")
    results = await asyncio.gather(write(save_blob("first")), write(count))
    assert results == ["first", 2]


async def test_the_last_of_two_that_write_the_same_row_stays(storage: SqlStorage) -> None:
    """Two operations that meet may write one row twice, in their order."""
    write = partial(storage._database.write, lane="t")
    await asyncio.gather(*(write(save_checkpoint("c", str(n).encode())) for n in range(10)))
    row = await storage._database.read(
        lambda c: c.run("load_checkpoint", ("t", "", "c")).fetchone()
    )
    assert bytes(row[3]) == b"9"


async def test_what_an_operation_wrote_before_it_raised_is_not_kept(storage: SqlStorage) -> None:
    """A failure between two writes leaves neither, though others were under way with it."""

    def fail(connection: Connection) -> None:
        connection.run_many("insert_blob", [("t", "half", b"0")])
        raise ValueError("half-way")

    write = partial(storage._database.write, lane="t")
    results = await asyncio.gather(
        write(save_blob("before")), write(fail), write(save_blob("after")), return_exceptions=True
    )
    assert [type(result) for result in results] == [str, ValueError, str]
    assert await list_blobs(storage) == ["after", "before"]


async def test_many_big_rows_are_all_stored(storage: SqlStorage) -> None:
    """More rows than one message holds, and more bytes, arrive whole."""
    rows = [("t", f"b{number:03d}", bytes([number % 256]) * 20_000) for number in range(150)]
    await storage._database.write(lambda c: c.run_many("insert_blob", rows), lane="t")
    found = await storage._database.read(lambda c: c.run("read_thread_blobs", ("t",)).fetchall())
    assert sorted((t, name, bytes(data)) for t, name, data in found) == rows
