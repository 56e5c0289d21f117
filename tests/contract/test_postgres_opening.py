"""Opening a PostgreSQL database: ours or not, reachable or not, never half migrated."""

import asyncio
import socket
import threading
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

import interlock as il
from interlock.checkpoints import SqlStorage
from interlock.checkpoints.named_sql import load_migrations
from interlock.checkpoints.postgresql import schema as opening
from interlock.checkpoints.storage_url import StorageUrl, parse_storage_url
from interlock.contracts.ids import PayloadHash, ThreadId
from interlock.contracts.storage import Batch
from tests.postgres.postgres_server import PostgresServer


def run(url: str, *statements: str) -> list[tuple[object, ...]]:
    """Run statements on the database of a URL; returns the rows of the last."""
    parsed = parse_storage_url(url)
    with psycopg.connect(parsed.conninfo, autocommit=True) as driver:
        for statement in statements:
            cursor = driver.execute(statement.format(schema=parsed.schema).encode())
        return cursor.fetchall() if cursor.description else []


def find_dead_port() -> int:
    """Return a port on which nothing listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


async def test_a_server_that_is_not_there_is_a_typed_error_without_the_password() -> None:
    """The error says what cannot be reached, and shows no password."""
    url = f"postgresql://me:hush@127.0.0.1:{find_dead_port()}/db"
    storage = SqlStorage(url)
    for _ in range(2):  # and it may be tried again
        with pytest.raises(il.StorageError, match="cannot be reached") as caught:
            await storage.connect()
        assert "hush" not in str(caught.value)
    assert "hush" not in storage.url
    await storage.aclose()


async def test_many_that_open_an_empty_database_at_once_all_succeed(postgres_url: str) -> None:
    """Replicas that start together migrate one after another, once."""
    storages = [SqlStorage(postgres_url) for _ in range(6)]
    await asyncio.gather(*(storage.connect() for storage in storages))
    for storage in storages:
        assert await storage.list_runs() == []
        await storage.aclose()
    rows = run(postgres_url, "SELECT version FROM {schema}.interlock_schema_version")
    assert rows == [(len(load_migrations("postgresql")),)]


async def test_a_schema_of_somebody_elses_is_left_untouched(postgres_url: str) -> None:
    """Tables without our mark are not ours: nothing is added to them."""
    run(postgres_url, "CREATE SCHEMA {schema}", "CREATE TABLE {schema}.runs (theirs INTEGER)")
    with pytest.raises(il.StorageSchemaError, match="belongs to another application"):
        await SqlStorage(postgres_url).connect()
    tables = "SELECT tablename FROM pg_tables WHERE schemaname = '{schema}'"
    assert run(postgres_url, tables) == [("runs",)]


async def test_a_schema_of_a_newer_release_is_left_untouched(postgres_url: str) -> None:
    """What this release does not know it does not write to."""
    storage = SqlStorage(postgres_url)
    await storage.connect()
    await storage.aclose()
    run(postgres_url, "UPDATE {schema}.interlock_schema_version SET version = 99")
    with pytest.raises(il.StorageSchemaError, match="version 99"):
        await SqlStorage(postgres_url).connect()


async def test_an_older_schema_is_brought_up_to_date_and_keeps_its_rows(postgres_url: str) -> None:
    """The migrations that are missing are applied, each once, in order."""
    schema = parse_storage_url(postgres_url).schema
    run(
        postgres_url,
        "CREATE SCHEMA {schema}",
        "CREATE TABLE {schema}.interlock_schema_version (version BIGINT NOT NULL)",
        "INSERT INTO {schema}.interlock_schema_version VALUES (1)",
    )
    first = load_migrations("postgresql")[0].script
    with psycopg.connect(parse_storage_url(postgres_url).conninfo) as driver:
        driver.execute(f'SET LOCAL search_path TO "{schema}"'.encode())
        driver.execute(first.encode())
        driver.execute("INSERT INTO payloads VALUES ('t', 'h', 1, '1', NULL)")
    storage = SqlStorage(postgres_url)
    await storage.connect()
    assert await storage.load_payload(ThreadId("t"), PayloadHash("h")) == 1
    await storage.aclose()
    rows = run(postgres_url, "SELECT version FROM {schema}.interlock_schema_version")
    assert rows == [(len(load_migrations("postgresql")),)]


async def test_a_database_with_another_encoding_is_refused(postgres: PostgresServer) -> None:
    """Texts of any language must fit."""
    name = f"ascii_{postgres.name_schema()}"
    url = postgres.build_url("t_encoding")
    database = parse_storage_url(url).conninfo.partition("?")[0].rpartition("/")[2]
    with postgres.connect() as driver:
        made = f"CREATE DATABASE {name} ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0"
        driver.execute(made.encode())
    with pytest.raises(il.StorageSchemaError, match="SQL_ASCII"):
        await SqlStorage(url.replace(f"/{database}", f"/{name}", 1)).connect()
    with postgres.connect() as driver:
        driver.execute(f"DROP DATABASE {name}".encode())


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("postgresql://h/d?interlock_schema=Bad-Name", "no name for a schema"),
        ("postgresql://h/d?interlock_pool_size=0", "no number of connections"),
        ("postgresql://h/d?interlock_pool_size=many", "no number of connections"),
        ("postgresql://[h/d", "cannot be read"),
    ],
)
def test_a_url_that_cannot_be_meant_is_refused(url: str, words: str) -> None:
    """Each part of the URL is checked before anything is opened."""
    with pytest.raises(il.ConfigurationError, match=words):
        SqlStorage(url)


async def test_a_role_that_may_only_read_can_read(
    postgres_url: str, postgres: PostgresServer
) -> None:
    """People look into the runs with a role of their own, which is refused every write."""
    writer = SqlStorage(postgres_url)
    await writer.connect()
    schema = parse_storage_url(postgres_url).schema
    with postgres.connect() as driver:
        driver.execute(f"DROP ROLE IF EXISTS reader_{schema}".encode())
        driver.execute(f"CREATE ROLE reader_{schema} LOGIN PASSWORD 'looks'".encode())
        driver.execute(f'GRANT USAGE ON SCHEMA "{schema}" TO reader_{schema}'.encode())
        driver.execute(
            f'GRANT SELECT ON ALL TABLES IN SCHEMA "{schema}" TO reader_{schema}'.encode()
        )
    parts = urlsplit(postgres_url)
    place = f"reader_{schema}:looks@{parts.hostname}:{parts.port}"
    reader = SqlStorage(urlunsplit(parts._replace(netloc=place)))
    await reader.connect()
    assert await reader.list_runs() == []
    with pytest.raises(il.StorageReadOnlyError):
        await reader.commit(ThreadId("t"), Batch(payloads=[b"1"]))
    await reader.aclose()
    await writer.aclose()
    with postgres.connect() as driver:
        driver.execute(f"DROP OWNED BY reader_{schema}".encode())
        driver.execute(f"DROP ROLE reader_{schema}".encode())


async def test_a_process_that_freezes_while_it_opens_keeps_nobody_out(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server ends the transaction of a migration that stands still, and the next one goes on."""
    monkeypatch.setattr(opening, "_IDLE_SECONDS", 1)
    load_version, is_frozen = opening._load_version, threading.Event()

    def freeze_once(driver: Any, url: StorageUrl) -> int:
        if not is_frozen.is_set():
            is_frozen.set()
            threading.Event().wait(2)
        return load_version(driver, url)

    monkeypatch.setattr(opening, "_load_version", freeze_once)
    frozen, second = SqlStorage(postgres_url), SqlStorage(postgres_url)
    waking = asyncio.create_task(frozen.connect())
    await asyncio.to_thread(is_frozen.wait, 10)
    await asyncio.wait_for(second.connect(), 10)
    with pytest.raises(il.StorageBusyError):
        await waking
    await frozen.connect()
    for storage in (frozen, second):
        assert await storage.list_runs() == []
        await storage.aclose()


async def test_an_opening_that_nobody_waits_for_leaves_nothing_open(
    postgres_url: str, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After `connect` was cancelled it can be called again; after `aclose` nothing is open."""
    has_begun, may_go_on, threads = threading.Event(), threading.Event(), threading.active_count()
    load_version = opening._load_version

    def wait(driver: Any, url: StorageUrl) -> int:
        has_begun.set()
        may_go_on.wait(10)
        return load_version(driver, url)

    monkeypatch.setattr(opening, "_load_version", wait)
    again, closed = SqlStorage(postgres_url), SqlStorage(postgres_url)
    cancelled = asyncio.create_task(again.connect())
    late = asyncio.create_task(closed.connect())
    await asyncio.to_thread(has_begun.wait, 10)
    cancelled.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cancelled
    await closed._database.aclose()
    may_go_on.set()
    with pytest.raises(il.StorageError, match="not open"):
        await late
    await again.connect()
    assert await again.list_runs() == []
    await again.aclose()
    await asyncio.get_running_loop().shutdown_default_executor()
    assert postgres.count_connections() == 0
    assert threading.active_count() <= threads


@pytest.mark.parametrize(
    ("told", "done"),
    [("off", "on"), ("on", "on"), ("local", "local"), ("remote_apply", "remote_apply")],
)
async def test_what_is_acknowledged_is_durable(
    postgres: PostgresServer, postgres_url: str, told: str, done: str
) -> None:
    """A role that is told not to wait for the disk waits for it; one that waits for more does so."""
    storage = SqlStorage(f"{postgres_url}&options=-c%20synchronous_commit%3D{told}")
    await storage.connect()
    (found,) = await storage._database.write(
        lambda connection: connection.execute(
            "SELECT current_setting('synchronous_commit')"
        ).fetchone()
    )
    assert found == done
    await storage.aclose()
