"""Keys of a database: which open it, how they are changed, and what a crash in between leaves."""

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from interlock.checkpoints import SqlStorage, open_storage
from interlock.checkpoints.connection import Connection
from interlock.checkpoints.sealing import resealing
from interlock.checkpoints.sealing.envelope import find_key_id
from interlock.checkpoints.sealing.key_changes import rotate_storage, seal_storage
from interlock.checkpoints.sealing.sealed_columns import list_sealed_columns
from interlock.checkpoints.storage_url import parse_storage_url
from interlock.contracts.encryption import Encryption
from interlock.contracts.errors import (
    ConfigurationError,
    StorageBusyError,
    StorageError,
    StorageReadOnlyError,
)
from interlock.contracts.sealing_errors import SealedRowError, SealedStorageError
from tests.contract.conftest import ManualClock
from tests.contract.sealed_rows import CANARY, READS, list_all_writes
from tests.postgres.postgres_server import PASSWORD, USER, PostgresServer

OLD, NEW, WRONG = (bytes([number]) * 32 for number in (1, 2, 3))
FIRST = Encryption(keys={"old": OLD}, active="old")
BOTH = Encryption(keys={"old": OLD, "new": NEW}, active="new")
LAST = Encryption(keys={"new": NEW}, active="new")


async def fill(url: str, encryption: Encryption | None) -> None:
    """Write rows into every sealed table."""
    async with SqlContext(url, encryption) as storage:
        await storage._database.write(write_all)


def write_all(connection: Connection) -> None:
    """Write every row on a connection."""
    for name, parameters in list_all_writes():
        connection.run(name, parameters)


class SqlContext:
    """An open storage with its database within reach."""

    def __init__(self, url: str, encryption: Encryption | None) -> None:
        self.storage = SqlStorage(url, encryption=encryption)

    async def __aenter__(self) -> Any:
        await self.storage.connect()
        return self.storage

    async def __aexit__(self, *exc_info: object) -> None:
        await self.storage.aclose()


async def read_all(url: str, encryption: Encryption | None) -> dict[str, list[Any]]:
    """Return the rows of every statement that opens something, in one order."""
    async with SqlContext(url, encryption) as storage:
        found = {
            name: await storage._database.read(
                lambda connection, call=(name, parameters): connection.run(*call).fetchall()
            )
            for name, parameters in READS.items()
        }
    return {name: sorted(rows, key=repr) for name, rows in found.items()}


async def find_key_ids(url: str, encryption: Encryption) -> set[str | None]:
    """Return the ids of all keys that stored values are sealed with."""
    async with SqlContext(url, encryption) as storage:

        def look(connection: Connection) -> set[str | None]:
            return {
                find_key_id(row[0])
                for table, column in list_sealed_columns()
                for row in connection.execute(f"SELECT {column} FROM {table.name}")
                if row[0] is not None
            }

        found: set[str | None] = await storage._database.read(look)
        return found


async def rotate(url: str, encryption: Encryption) -> int:
    """Rotate to the active key; return how many values were sealed."""
    return sum([page.count async for page in rotate_storage(url, encryption)])


async def seal(url: str, encryption: Encryption, **options: Any) -> int:
    """Seal a plain database; return how many values were sealed."""
    return sum([page.count async for page in seal_storage(url, encryption, **options)])


async def test_a_sealed_database_wants_its_keys(lasting_url: str) -> None:
    """Without keys, with a wrong one, or with too few, a sealed database is refused and says why."""
    await fill(lasting_url, FIRST)
    before = await read_all(lasting_url, FIRST)
    for encryption, words in (
        (None, "no keys were given"),
        (Encryption(keys={"old": WRONG}, active="old"), "not the one"),
        (LAST, "'old' was not given"),
        (Encryption(keys={"old": WRONG, "new": NEW}, active="new"), "not the one"),
    ):
        with pytest.raises(SealedStorageError, match=words):
            await read_all(lasting_url, encryption)
    assert await read_all(lasting_url, FIRST) == before


async def test_a_plain_database_with_rows_refuses_keys(lasting_url: str) -> None:
    """Keys for a database that has plain rows are refused, and nothing is changed."""
    await fill(lasting_url, None)
    before = await read_all(lasting_url, None)
    with pytest.raises(SealedStorageError, match="interlock keys seal"):
        await read_all(lasting_url, FIRST)
    assert await read_all(lasting_url, None) == before


@pytest.mark.parametrize(("owner", "other"), [(None, FIRST), (FIRST, None), (FIRST, LAST)])
async def test_a_refused_file_is_not_touched(
    file_url: str, tmp_path: Path, owner: Encryption | None, other: Encryption | None
) -> None:
    """Keys that do not fit leave every byte of the folder as it was."""
    await fill(file_url, owner)
    before = {one.name: one.read_bytes() for one in tmp_path.iterdir()}
    with pytest.raises(SealedStorageError):
        await read_all(file_url, other)
    assert {one.name: one.read_bytes() for one in tmp_path.iterdir()} == before


async def test_a_fresh_database_becomes_sealed(lasting_url: str) -> None:
    """The first to open a database without rows decides: with keys it is sealed from then on."""
    async with open_storage(lasting_url):
        pass
    async with open_storage(lasting_url, encryption=FIRST):
        pass
    with pytest.raises(SealedStorageError):
        await read_all(lasting_url, None)


async def test_many_that_open_a_fresh_database_agree(lasting_url: str) -> None:
    """Storages that open a fresh database at once all use it, with one salt."""

    async def use(number: int) -> None:
        async with SqlContext(lasting_url, FIRST) as storage:
            await storage._database.write(
                lambda connection: connection.run("insert_blob", (f"t{number}", "h", b"x"))
            )

    await asyncio.gather(*(use(number) for number in range(6)))
    async with SqlContext(lasting_url, FIRST) as storage:
        for number in range(6):
            (row,) = await storage._database.read(
                lambda connection, at=f"t{number}": connection.run(
                    "read_thread_blobs", (at,)
                ).fetchall()
            )
            assert row[2] == b"x"


async def test_a_process_that_opened_it_plain_cannot_write(lasting_url: str) -> None:
    """Who opened a database before it was sealed gets an error, and no plain value gets in."""
    async with SqlContext(lasting_url, None) as early:
        async with open_storage(lasting_url, encryption=FIRST):
            pass
        with pytest.raises(StorageError, match="sealed"):
            await early._database.write(write_all)


async def test_rotation_reads_old_rows_and_writes_new_ones(lasting_url: str) -> None:
    """With a new active key old rows are read; after the rotation the old key can be dropped."""
    await fill(lasting_url, FIRST)
    before = await read_all(lasting_url, FIRST)
    assert await read_all(lasting_url, BOTH) == before
    assert await find_key_ids(lasting_url, BOTH) == {"old"}
    with pytest.raises(SealedStorageError, match="'new' was not given"):
        await read_all(lasting_url, FIRST)  # a row may be sealed with it by now
    assert await rotate(lasting_url, BOTH) > 0
    assert await find_key_ids(lasting_url, LAST) == {"new"}
    assert await read_all(lasting_url, LAST) == before
    assert await rotate(lasting_url, LAST) == 0


async def test_rotation_goes_on_beside_writers(lasting_url: str) -> None:
    """What others write during a rotation is neither lost nor left under the old key."""
    await fill(lasting_url, FIRST)
    async with SqlContext(lasting_url, BOTH) as storage:
        pages = rotate_storage(lasting_url, BOTH)
        number = 0
        async for _ in pages:
            number += 1
            await storage._database.write(
                lambda connection, n=number: connection.run(
                    "update_run", ("waiting", f"result {n}", "2026", "t")
                )
            )
    assert await find_key_ids(lasting_url, LAST) == {"new"}
    rows = await read_all(lasting_url, LAST)
    assert f"result {number}" in rows["load_run"][0]


async def test_a_rotation_beside_writers_with_the_old_key_says_so(
    lasting_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While somebody goes on writing with the old key a rotation ends with an error, not never."""
    monkeypatch.setattr(resealing, "_MOST_PASSES", 3)
    await fill(lasting_url, FIRST)
    async with SqlContext(lasting_url, FIRST) as storage:

        async def rotate_beside() -> None:
            async for _ in rotate_storage(lasting_url, BOTH):
                await storage._database.write(
                    lambda connection: connection.run(
                        "update_run", ("waiting", "again", "2026", "t")
                    )
                )

        with pytest.raises(SealedStorageError, match="with another key than 'new'"):
            await rotate_beside()
    assert await rotate(lasting_url, BOTH) > 0


async def test_a_row_that_does_not_open_stops_a_rotation(lasting_url: str) -> None:
    """A rotation stops at a damaged row, names it, and keeps the old key known."""
    await fill(lasting_url, FIRST)
    async with SqlContext(lasting_url, FIRST) as storage:
        await storage._database.write(
            lambda connection: connection.execute(
                "UPDATE payloads SET data = (SELECT data FROM payloads WHERE thread_id = ?1 "
                "AND hash = ?2) WHERE thread_id = ?1 AND hash <> ?2",
                ("t", f"{1:064d}"),
            )
        )
    with pytest.raises(SealedRowError, match=r"payloads\.data") as caught:
        await rotate(lasting_url, BOTH)
    assert caught.value.fault == "altered"
    with pytest.raises(SealedStorageError, match="'old' was not given"):
        await read_all(lasting_url, LAST)


async def test_a_plain_database_is_sealed(lasting_url: str) -> None:
    """Sealing a plain database changes no value that is read, and leaves none in clear."""
    await fill(lasting_url, None)
    before = await read_all(lasting_url, None)
    assert await seal(lasting_url, FIRST) > 0
    assert await read_all(lasting_url, FIRST) == before
    assert await find_key_ids(lasting_url, FIRST) == {"old"}
    assert await seal(lasting_url, FIRST) == 0
    with pytest.raises(SealedStorageError, match="no keys"):
        await read_all(lasting_url, None)


async def test_sealing_leaves_no_plain_byte_in_the_file(file_url: str, tmp_path: Path) -> None:
    """After a database was sealed its files hold no word of what was written before."""
    await fill(file_url, None)
    assert any(CANARY.encode() in file.read_bytes() for file in tmp_path.iterdir())
    await seal(file_url, FIRST)
    for file in tmp_path.iterdir():
        assert CANARY.encode() not in file.read_bytes(), file.name


async def test_sealing_says_when_plain_bytes_are_left(file_url: str, tmp_path: Path) -> None:
    """Somebody who reads keeps old pages in the file: that is an error, and the next time clears."""
    await fill(file_url, None)
    reader = sqlite3.connect(tmp_path / "storage.db")
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM runs").fetchall()
    with pytest.raises(StorageBusyError, match="still lies in the file"):
        await seal(file_url, FIRST)
    reader.close()
    assert await seal(file_url, FIRST) == 0
    for file in tmp_path.iterdir():
        assert CANARY.encode() not in file.read_bytes(), file.name


async def test_sealing_leaves_no_plain_value_among_the_samples_of_the_planner(
    postgres_url: str, postgres: PostgresServer
) -> None:
    """PostgreSQL keeps common values of each column for its estimates: these are sealed, too."""
    schema = parse_storage_url(postgres_url).schema
    samples = (
        "SELECT string_agg(concat(most_common_vals::text, histogram_bounds::text), ' ') "
        f"FROM pg_stats WHERE schemaname = '{schema}'"
    )
    await fill(postgres_url, None)
    with postgres.connect(schema) as driver:
        driver.execute("ANALYZE")
        assert CANARY in driver.execute(samples).fetchone()[0]
        await seal(postgres_url, FIRST)
        assert CANARY not in driver.execute(samples).fetchone()[0]


async def test_a_role_that_may_not_clear_a_table_is_told(
    postgres_url: str, postgres: PostgresServer
) -> None:
    """PostgreSQL leaves plain values where the role does not own the table: that is an error."""
    schema = parse_storage_url(postgres_url).schema
    role = f"sealer_{schema}"
    await fill(postgres_url, None)
    with postgres.connect(schema) as driver:
        driver.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'seals'")
        driver.execute(f"GRANT ALL ON SCHEMA {schema} TO {role}")
        rights = "SELECT, INSERT, UPDATE, DELETE, TRIGGER"
        driver.execute(f"GRANT {rights} ON ALL TABLES IN SCHEMA {schema} TO {role}")
        try:
            url = postgres_url.replace(f"//{USER}:{PASSWORD}@", f"//{role}:seals@")
            with pytest.raises(StorageReadOnlyError, match="still lies in its file"):
                await seal(url, FIRST)
        finally:
            driver.execute(f"DROP OWNED BY {role}")
            driver.execute(f"DROP ROLE {role}")
    assert await seal(postgres_url, FIRST) == 0


async def test_a_sealing_that_another_key_finishes_wants_that_key(lasting_url: str) -> None:
    """Whoever finishes a sealing with a new key leaves a database that asks for that key."""
    await fill(lasting_url, None)
    await asyncio.to_thread(run_killed, "seal", lasting_url, 2)
    await seal(lasting_url, BOTH)
    with pytest.raises(SealedStorageError, match="'new' was not given"):
        await read_all(lasting_url, FIRST)
    assert await find_key_ids(lasting_url, BOTH) == {"new"}


async def test_sealing_refuses_while_a_thread_is_run(lasting_url: str, clock: ManualClock) -> None:
    """A database in which a thread is held by a lease is not sealed, and nothing is changed."""
    await fill(lasting_url, None)
    async with SqlContext(lasting_url, None) as storage:
        await storage._database.write(
            lambda connection: connection.run(
                "save_lease",
                ("t", 1, "desk on host", "host", 1, 1.0, clock.now().timestamp() + 5),
            )
        )
    with pytest.raises(SealedStorageError, match="'t' is being run by desk on host"):
        await seal(lasting_url, FIRST, clock=clock)
    assert CANARY in repr(await read_all(lasting_url, None))
    clock.advance(6)
    assert await seal(lasting_url, FIRST, clock=clock) > 0


async def test_a_plain_database_has_no_key_to_rotate(lasting_url: str) -> None:
    """Rotating the keys of a plain database is refused with what to do."""
    await fill(lasting_url, None)
    with pytest.raises(SealedStorageError, match="interlock keys seal"):
        await rotate(lasting_url, FIRST)


async def test_keys_go_with_a_url() -> None:
    """Keys beside an opened storage are refused: it has its own."""
    import interlock as il

    plan = il.TaskGraph(goal="g", steps=[il.Step(id="s", worker="w", instruction="i")])
    worker = il.Worker(name="w", agent=lambda brief: 1)
    async with open_storage("memory://") as storage:
        with pytest.raises(ConfigurationError, match="opened storage"):
            il.Orchestrator(workers=[worker], planner=plan, storage=storage, encryption=FIRST)


KILLED = """
import asyncio, os, sys
from interlock.checkpoints.sealing import resealing
from interlock.checkpoints.sealing.key_changes import rotate_storage, seal_storage
from tests.contract.test_key_changes import BOTH, FIRST
resealing.PAGE = 3

async def main(change, url, count):
    pages = seal_storage(url, FIRST) if change == "seal" else rotate_storage(url, BOTH)
    async for _ in pages:
        count -= 1
        if count == 0:
            print("here", flush=True)
            await asyncio.sleep(60)

asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
"""


def run_killed(change: str, url: str, count: int) -> None:
    """Change the keys in a process of its own, which is killed after so many pages."""
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, change, url, str(count)],
        stdout=subprocess.PIPE,
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"here\n"
        process.send_signal(signal.SIGKILL)


@pytest.mark.parametrize(
    "count", [4, *(pytest.param(count, marks=pytest.mark.slow) for count in (1, 11))]
)
async def test_a_killed_rotation_is_finished_by_the_next(lasting_url: str, count: int) -> None:
    """After kill -9 in the middle of a rotation every row is read, and the next one ends it."""
    await fill(lasting_url, FIRST)
    before = await read_all(lasting_url, FIRST)
    await asyncio.to_thread(run_killed, "rotate", lasting_url, count)
    assert await find_key_ids(lasting_url, BOTH) == {"old", "new"}
    assert await read_all(lasting_url, BOTH) == before
    assert await rotate(lasting_url, BOTH) > 0
    assert await read_all(lasting_url, LAST) == before


@pytest.mark.parametrize(
    "count", [4, *(pytest.param(count, marks=pytest.mark.slow) for count in (1, 11))]
)
async def test_a_killed_sealing_is_finished_by_the_next(lasting_url: str, count: int) -> None:
    """After kill -9 in the middle of a sealing nobody opens the database before it is finished."""
    await fill(lasting_url, None)
    before = await read_all(lasting_url, None)
    await asyncio.to_thread(run_killed, "seal", lasting_url, count)
    for encryption, words in ((FIRST, "not finished"), (None, "no keys")):
        with pytest.raises(SealedStorageError, match=words):
            await read_all(lasting_url, encryption)
    with pytest.raises(SealedStorageError, match="not the one"):
        await seal(lasting_url, Encryption(keys={"old": WRONG}, active="old"))
    assert await seal(lasting_url, FIRST) > 0
    assert await read_all(lasting_url, FIRST) == before


async def test_rows_that_never_change_are_as_fixed_as_before(file_url: str, tmp_path: Path) -> None:
    """After a rotation the journal is append-only again, and ended rows absorb."""
    await fill(file_url, FIRST)
    await rotate(file_url, BOTH)
    connection = sqlite3.connect(tmp_path / "storage.db")
    for statement in (
        "UPDATE handoffs SET verdict = verdict",
        "UPDATE outcomes SET outcome = outcome",
        "UPDATE effects SET note = note WHERE state = 'done'",
        "UPDATE effect_moves SET note = note",
        "UPDATE scratchpad_notes SET note = note",
        "UPDATE context_facts SET value = value",
        "UPDATE context_versions SET why = why",
        "DELETE FROM sealing",
        "UPDATE sealing SET salt = x'00'",
    ):
        with pytest.raises(sqlite3.IntegrityError):
            connection.execute(statement)
    connection.close()
