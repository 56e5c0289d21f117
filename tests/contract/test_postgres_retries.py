"""What PostgreSQL asks to be run again is run again, and kept once."""

import asyncio
import threading
from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import psycopg
import pytest

import interlock as il
from interlock.checkpoints import SqlStorage
from interlock.checkpoints.connection import Connection
from interlock.checkpoints.postgresql import postgres_transactions
from interlock.checkpoints.storage_url import parse_storage_url
from tests.postgres.postgres_server import PostgresServer


@pytest.fixture
async def bank(postgres_url: str, postgres: PostgresServer) -> AsyncIterator[SqlStorage]:
    """Return an open storage, with accounts of a user's own beside it."""
    storage = SqlStorage(postgres_url)
    await storage.connect()
    schema = parse_storage_url(postgres_url).schema
    with postgres.connect(schema) as driver:
        driver.execute("CREATE TABLE accounts (name TEXT PRIMARY KEY, cents BIGINT NOT NULL)")
        driver.execute("INSERT INTO accounts VALUES ('a', 0), ('b', 0)")
        driver.execute("GRANT ALL ON accounts TO PUBLIC")
    yield storage
    await storage.aclose()


async def test_the_victim_of_a_deadlock_is_run_again(
    bank: SqlStorage, postgres_url: str, postgres: PostgresServer
) -> None:
    """A function that another program's transaction deadlocks with is run once more, kept once."""
    holds, wants = threading.Event(), threading.Event()
    runs: list[int] = []

    def pay(tx: il.Transaction) -> None:
        runs.append(1)
        tx.execute("UPDATE accounts SET cents = cents + 1 WHERE name = $1", ("a",))
        if len(runs) == 1:
            holds.set()
            wants.wait(10)
        tx.execute("UPDATE accounts SET cents = cents + 1 WHERE name = $1", ("b",))

    def interfere() -> None:
        connection = postgres.connect(parse_storage_url(postgres_url).schema)
        with connection as other, other.transaction():
            other.execute("SET LOCAL deadlock_timeout = '1h'")  # so that it is never the victim
            other.execute("UPDATE accounts SET cents = cents + 10 WHERE name = 'b'")
            holds.wait(10)
            wants.set()
            other.execute("UPDATE accounts SET cents = cents + 10 WHERE name = 'a'")

    await asyncio.gather(bank.transact(pay), asyncio.to_thread(interfere))
    found = await bank._database.read(
        lambda c: c.execute("SELECT name, cents FROM accounts ORDER BY name").fetchall()
    )
    assert found == [("a", 11), ("b", 11)]
    assert len(runs) == 2


async def test_a_statement_that_fails_can_be_caught(bank: SqlStorage) -> None:
    """As on SQLite, a function goes on after a statement that failed, and the rest is kept."""

    def add(tx: il.Transaction) -> str:
        tx.execute("INSERT INTO accounts VALUES ('c', 1)")
        try:
            tx.execute("INSERT INTO accounts VALUES ('a', 1)")
        except psycopg.errors.UniqueViolation:
            tx.execute("INSERT INTO accounts VALUES ('d', 1)")
        return "went on"

    assert await bank.transact(add) == "went on"
    names = await bank._database.read(
        lambda c: [row[0] for row in c.execute("SELECT name FROM accounts ORDER BY name")]
    )
    assert names == ["a", "b", "c", "d"]


async def test_a_function_reads_values_of_every_type(bank: SqlStorage) -> None:
    """A function gets what the driver makes of each type, and of a type it does not know the text."""
    given = ("a\x00b\x1a", b"\x00\xff")

    def read(tx: il.Transaction) -> list[tuple[Any, ...]]:
        tx.execute("CREATE TYPE pg_temp.mood AS ENUM ('glad')")
        return tx.execute(
            "SELECT $1::text, ARRAY[$1::text], $2::bytea, 'glad'::pg_temp.mood, 1.5::numeric, true,"
            """ '{"a": 1}'::jsonb, interval '1 day'""",
            given,
        )

    (row,) = await bank.transact(read)
    assert row == (
        *(given[0], [given[0]], given[1], "glad"),
        *(Decimal("1.5"), True, {"a": 1}, timedelta(days=1)),
    )


async def test_two_functions_never_overwrite_each_other(bank: SqlStorage) -> None:
    """Functions that the transaction is lent to run one at a time, as on SQLite: none is lost."""

    def add_one(connection: Connection) -> None:
        with connection.lend() as tx:
            ((cents,),) = tx.execute("SELECT cents FROM accounts WHERE name = 'a'")
            tx.execute("UPDATE accounts SET cents = $1 WHERE name = 'a'", (cents + 1,))

    writes = [bank._database.write(add_one, lane=f"thread {number}") for number in range(40)]
    await asyncio.gather(*writes)
    rows = await bank.transact(lambda tx: tx.execute("SELECT cents FROM accounts WHERE name = 'a'"))
    assert rows == [(40,)]


async def test_a_constraint_that_waits_for_the_commit_fails_its_own_function(
    bank: SqlStorage,
) -> None:
    """A deferred constraint is asked at the end of the function, not where it would fail others."""
    await bank.transact(
        lambda tx: tx.execute("CREATE TABLE seats (name TEXT UNIQUE DEFERRABLE INITIALLY DEFERRED)")
    )

    def sell_twice(connection: Connection) -> None:
        with connection.lend() as tx:
            tx.execute("INSERT INTO seats VALUES ('1a'), ('1a')")

    def save(connection: Connection) -> str:
        connection.run("insert_blob", ("t", "0", b"0"))
        return "saved"

    write = partial(bank._database.write, lane="t")
    results = await asyncio.gather(
        write(save), write(save), write(sell_twice), write(save), return_exceptions=True
    )
    assert [*results[:2], results[3]] == ["saved"] * 3
    assert isinstance(results[2], il.StorageError)
    assert await bank.transact(lambda tx: tx.execute("SELECT name FROM seats")) == []


async def test_a_function_that_takes_too_long_is_told_so(
    bank: SqlStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A function during which the server ends the transaction is not run for ever, nor blamed on it."""
    monkeypatch.setattr(postgres_transactions, "_IDLE_SECONDS", 1)
    runs: list[int] = []

    def think(tx: il.Transaction) -> None:
        runs.append(1)
        tx.execute("SELECT pg_sleep(0)")
        threading.Event().wait(1.5)
        tx.execute("SELECT 1")

    with pytest.raises(il.StorageBusyError, match="do what takes long before it"):
        await bank.transact(think)
    assert len(runs) == 2
    assert await bank.transact(lambda tx: tx.execute("SELECT 1")) == [(1,)]


@pytest.mark.slow
async def test_a_server_that_was_away_for_long_is_found_soon(
    bank: SqlStorage, postgres: PostgresServer
) -> None:
    """The pauses between attempts to connect do not grow with the time that a server is away."""
    write = partial(bank._database.write, lambda connection: connection.run("list_runs").fetchall())
    await asyncio.gather(*(write(lane=str(number)) for number in range(16)))
    await asyncio.to_thread(postgres.control, "stop", "-m", "immediate")
    writing = asyncio.gather(*(write(lane=str(number)) for number in range(16)))
    await asyncio.sleep(7.5)  # pauses that double would be at 8 seconds, the last of them new
    await asyncio.to_thread(postgres.control, "start")
    assert await asyncio.wait_for(writing, 5) == [[]] * 16


async def test_a_machine_that_vanishes_is_noticed(postgres: PostgresServer) -> None:
    """Connections ask whether the server's machine is there, unless the URL says otherwise."""
    url = postgres.build_url(postgres.name_schema(), connect_timeout="7")
    storage = SqlStorage(url)
    await storage.connect()
    pool = storage._database._pool  # type: ignore[attr-defined]
    with pool.connection() as driver:
        said = driver.info.get_parameters()
    assert (said["connect_timeout"], said["tcp_user_timeout"]) == ("7", "30000")
    assert said["keepalives_idle"] == "15"
    await storage.aclose()
