"""Sealed rows: what opens, what is refused, and that nothing of them lies in clear."""

import re
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from langgraph.checkpoint.conformance import checkpointer_test, validate

from interlock.checkpoints import SqlStorage, open_storage
from interlock.checkpoints.connection import Connection
from interlock.checkpoints.named_sql import load_statements
from interlock.checkpoints.sealing.annotations import parse_annotations
from interlock.checkpoints.sealing.envelope import Place
from interlock.checkpoints.sealing.sealed_columns import SEALED, list_sealed_columns
from interlock.checkpoints.sealing.sealing_connection import OpeningCursor, SealingConnection
from interlock.checkpoints.sealing.sealing_database import SealingDatabase
from interlock.contracts.sealing_errors import SealedRowError
from tests.contract.conftest import is_postgres
from tests.contract.sealed_rows import CANARY, KEYS, READS, list_all_writes

SEALS = parse_annotations(load_statements("sqlite"))
Found = tuple[str, Place]


@pytest.fixture
async def sealed(url: str) -> AsyncIterator[SqlStorage]:
    """Return a sealed storage with rows in every table."""
    storage = SqlStorage(url, encryption=KEYS)
    await storage.connect()

    def write(connection: Connection) -> None:
        for name, parameters in list_all_writes():
            connection.run(name, parameters)

    await storage._database.write(write)
    yield storage
    await storage.aclose()


def get_inner(storage: SqlStorage) -> Any:
    """Return the database below the sealing: what somebody with access to the server has."""
    assert isinstance(storage._database, SealingDatabase)
    return storage._database._database


async def read(storage: SqlStorage, name: str) -> list[tuple[Any, ...]]:
    """Return the rows of a statement, as the storage reads them."""
    found: list[tuple[Any, ...]] = await storage._database.read(
        lambda connection: connection.run(name, READS[name]).fetchall()
    )
    return found


async def find_places(
    storage: SqlStorage, monkeypatch: pytest.MonkeyPatch
) -> dict[tuple[str, str, str], Place]:
    """Return one place for each statement and column that it opens."""
    places: dict[tuple[str, str, str], Place] = {}
    original = OpeningCursor._open

    def record(cursor: OpeningCursor, row: Any) -> Any:
        for use in cursor._uses:
            if row[use.value.index] is not None:
                place = use.find_place(cursor._parameters, row)
                places.setdefault((name, use.table, use.column), place)
        return original(cursor, row)

    with monkeypatch.context() as patch:
        patch.setattr(OpeningCursor, "_open", record)
        for name in READS:
            await read(storage, name)
    return places


def build_where(place: Place, first: int) -> str:
    """Return the condition that finds a place, with its key as parameters from this number on."""
    key = SEALED[place.table].key
    return " AND ".join(f"{column} = ?{first + n}" for n, column in enumerate(key))


def load_raw(connection: Connection, place: Place) -> Any:
    """Return what is stored in a place."""
    statement = f"SELECT {place.column} FROM {place.table} WHERE {build_where(place, 1)}"
    return connection.execute(statement, place.row).fetchone()[0]


def save_raw(connection: Connection, place: Place, value: Any) -> None:
    """Put a value in the place of another, past everything that keeps rows as they are."""
    connection.run("begin_resealing")
    statement = f"UPDATE {place.table} SET {place.column} = ?1 WHERE {build_where(place, 2)}"
    connection.execute(statement, (value, *place.row))
    connection.run("end_resealing")


def find_other(connection: Connection, place: Place, *, is_same_thread: bool) -> Any:
    """Return the sealed value of another row, of the same thread or of another one."""
    scope = SEALED[place.table].key[0]
    sign = "=" if is_same_thread else "<>"
    statement = (
        f"SELECT {place.column} FROM {place.table} WHERE {place.column} IS NOT NULL "
        f"AND {scope} {sign} ?1 AND {place.column} <> ?2"
    )
    raw = load_raw(connection, place)
    row = connection.execute(statement, (place.row[0], raw)).fetchone()
    return None if row is None else row[0]


def flip(value: Any) -> Any:
    """Return a sealed value with one bit of its ciphertext changed."""
    if isinstance(value, bytes):
        return value[:-1] + bytes([value[-1] ^ 1])
    at = -6
    return value[:at] + ("A" if value[at] != "A" else "B") + value[at + 1 :]


async def drop_guards(storage: SqlStorage) -> None:
    """Take away what keeps plain values out, as somebody with access to the server can."""

    def drop(connection: Connection) -> None:
        for table, column in list_sealed_columns():
            name = f"{table.name}_{column}"
            where = f" ON {table.name}" if is_postgres(storage) else ""
            connection.execute(f"DROP TRIGGER {name}_is_sealed{where}")
            connection.execute(f"DROP TRIGGER {name}_stays_sealed{where}")

    await get_inner(storage).write(drop)


def test_every_statement_that_opens_something_is_read_here() -> None:
    """The tests below know every statement that opens a sealed column."""
    assert {name for name, seals in SEALS.items() if seals.opened} == set(READS)


async def test_what_was_written_is_read(
    sealed: SqlStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every statement reads back what was written, and each of its opened columns was met."""
    places = await find_places(sealed, monkeypatch)
    for name in READS:
        assert CANARY in repr(await read(sealed, name)), name
    expected = {
        (name, use.table, use.column) for name, seals in SEALS.items() for use in seals.opened
    }
    assert set(places) == expected


async def test_nothing_lies_in_clear(sealed: SqlStorage) -> None:
    """Below the sealing no column of any table holds a word of what was written."""

    def look(connection: Connection) -> list[str]:
        found = []
        for table, column in list_sealed_columns():
            rows = connection.execute(f"SELECT {column} FROM {table.name}").fetchall()
            values = [row[0] for row in rows if row[0] is not None]
            assert values, (table.name, column)
            found += [table.name for value in values if CANARY in repr(value)]
        return found

    assert await get_inner(sealed).read(look) == []


Tamper = Callable[[Connection, Place], Any]
WAYS: dict[str, tuple[str, Tamper]] = {
    "flipped": ("altered", lambda connection, place: flip(load_raw(connection, place))),
    "swapped": (
        "altered",
        lambda connection, place: find_other(connection, place, is_same_thread=True),
    ),
    "of another thread": (
        "altered",
        lambda connection, place: find_other(connection, place, is_same_thread=False),
    ),
    "plain": (
        "plaintext",
        lambda connection, place: (
            b"plain" if place.column in SEALED[place.table].binaries else "plain"
        ),
    ),
    "with another key": (
        "unknown_key",
        lambda connection, place: (
            b"ILS1\x03old" + b"0" * 40
            if place.column in SEALED[place.table].binaries
            else "ils1:old:AAAA"
        ),
    ),
}


@pytest.mark.parametrize("way", WAYS)
async def test_a_value_that_is_not_the_rows_own_is_refused(
    sealed: SqlStorage, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever statement reads it: a moved, changed or plain value is an error that names it."""
    fault, derive = WAYS[way]
    inner = get_inner(sealed)
    places = await find_places(sealed, monkeypatch)
    await drop_guards(sealed)
    checked = set()
    for (name, table, column), place in places.items():
        original = await inner.read(lambda connection, at=place: load_raw(connection, at))
        forged = await inner.read(lambda connection, at=place: derive(connection, at))
        if forged is None:
            continue  # the one row of its thread
        await inner.write(lambda connection, at=place, new=forged: save_raw(connection, at, new))
        with pytest.raises(SealedRowError) as caught:
            await read(sealed, name)
        await inner.write(lambda connection, at=place, new=original: save_raw(connection, at, new))
        seen = caught.value
        assert (seen.fault, seen.table, seen.column) == (fault, table, column), name
        assert tuple(seen.row) == place.row
        assert CANARY not in str(seen)
        assert "plain" not in str(seen)
        checked.add(f"{table}.{column}")
    alone = {"runs.goal", "runs.context", "runs.cancel_reason", "runs.result"}
    every = {f"{table.name}.{column}" for table, column in list_sealed_columns()}
    assert checked == (every - alone if way == "swapped" else every)


async def test_a_sealed_database_takes_no_plain_row(sealed: SqlStorage) -> None:
    """A process that does not know of the sealing cannot add a row: no plain value gets in."""
    tried = set()
    for name, parameters in list_all_writes():
        uses = SEALS[name].sealed if name in SEALS else ()
        if not name.startswith("insert_") or all(parameters[u.value.index] is None for u in uses):
            continue
        if name == "insert_channel_tail":
            continue  # only beside a value that is there
        fresh = tuple(re.sub("^[tu](-.*)?$", r"v\1", str(one)) for one in parameters[:2])
        fresh += parameters[2:]
        with pytest.raises(Exception, match=r"sealed|I2: a fact enters with"):
            await get_inner(sealed).write(
                lambda connection, call=(name, fresh): connection.run(*call)
            )
        tried.update(use.table for use in uses)
    assert tried == set(SEALED)


async def test_a_sealed_row_takes_no_plain_value(sealed: SqlStorage) -> None:
    """Nor can it put a plain value into a row that is there, in any sealed column."""
    for table, column in list_sealed_columns():
        value = b"plain" if column in table.binaries else "plain"

        def change(connection: Connection, at: Any = (table, column, value)) -> None:
            connection.run("begin_resealing")
            connection.execute(f"UPDATE {at[0].name} SET {at[1]} = ?1", (at[2],))

        with pytest.raises(Exception, match="sealed"):
            await get_inner(sealed).write(change)


async def test_only_a_sealing_connection_opens(sealed: SqlStorage) -> None:
    """The connection that operations are given is the sealing one, in reads and in writes."""
    seen: list[type] = []
    await sealed._database.read(lambda connection: seen.append(type(connection)))
    await sealed._database.write(lambda connection: seen.append(type(connection)))
    assert seen == [SealingConnection, SealingConnection]


async def test_a_sealed_saver_passes_the_conformance_suite(url: str) -> None:
    """LangGraph's own suite for savers finds no failure on a sealed storage."""

    @checkpointer_test(name="interlock sealed")
    async def factory() -> AsyncIterator[Any]:
        async with open_storage(url, encryption=KEYS) as storage:
            yield storage.checkpointer

    report = await validate(factory)
    failures = [line for result in report.results.values() for line in result.failures or ()]
    assert failures == []
    assert all(result.detected and result.passed for result in report.results.values())
