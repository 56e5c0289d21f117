import os
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from interlock.checkpoints import SqlStorage, open_storage
from interlock.checkpoints.named_sql import load_migrations
from interlock.checkpoints.sqlite.database_file import APPLICATION_ID
from interlock.contracts.errors import (
    ConfigurationError,
    StorageCorruptError,
    StorageError,
    StorageReadOnlyError,
    StorageSchemaError,
)
from interlock.contracts.ids import PayloadHash, ThreadId
from interlock.contracts.storage import Batch
from tests.contract.conftest import is_postgres


async def refuse(path: Path, error: type[Exception], match: str) -> None:
    """Expect that opening fails and leaves the folder byte for byte as it was."""
    before = {one.name: one.read_bytes() for one in path.parent.iterdir()}
    with pytest.raises(error, match=match):
        async with open_storage(f"sqlite:///{path}"):
            pass
    assert {one.name: one.read_bytes() for one in path.parent.iterdir()} == before


async def read_everything(url: str) -> None:
    """Open a storage and read its tables."""
    async with open_storage(url) as storage:
        await storage.count_thread(ThreadId("t"))
        await storage.load_payload(ThreadId("t"), PayloadHash("0" * 64))


def make_database(path: Path, script: str) -> None:
    """Make a database with a script."""
    connection = sqlite3.connect(path)
    connection.executescript(script)
    connection.close()


@pytest.mark.parametrize("content", [b"hello", b"x" * 5000, b"SQLite format 3\x00" + b"\x00" * 20])
async def test_file_that_is_no_database_is_refused_untouched(
    tmp_path: Path, content: bytes
) -> None:
    """Any other file is named as such and not changed."""
    path = tmp_path / "notes.db"
    path.write_bytes(content)
    await refuse(path, StorageCorruptError, "not an SQLite database")


@pytest.mark.parametrize("mode", ["DELETE", "WAL"])
async def test_database_of_another_application_is_refused_untouched(
    tmp_path: Path, mode: str
) -> None:
    """A database with tables but without our mark is left alone."""
    path = tmp_path / "theirs.db"
    make_database(path, f"PRAGMA journal_mode={mode}; CREATE TABLE t (x); INSERT INTO t VALUES (1)")
    await refuse(path, StorageSchemaError, "another application")


async def test_newer_schema_is_refused_untouched(tmp_path: Path) -> None:
    """A database of a newer release is left alone."""
    path = tmp_path / "newer.db"
    script = "PRAGMA application_id={}; PRAGMA user_version={}; CREATE TABLE t (x)"
    make_database(path, script.format(APPLICATION_ID, 99))
    await refuse(path, StorageSchemaError, "schema version 99")


async def test_empty_database_is_taken(tmp_path: Path) -> None:
    """An empty file, and a database without tables, are filled."""
    (tmp_path / "empty.db").touch()
    make_database(tmp_path / "bare.db", "PRAGMA journal_mode=DELETE; VACUUM")
    for name in ("empty.db", "bare.db"):
        async with open_storage(f"sqlite:///{tmp_path / name}") as storage:
            await storage.commit("t", Batch(payloads=[b"1"]))


async def test_missing_folder_is_named(tmp_path: Path) -> None:
    """A parent folder that does not exist is not created but named."""
    with pytest.raises(StorageError, match="does not exist"):
        async with open_storage(f"sqlite:///{tmp_path}/none/storage.db"):
            pass
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(StorageError, match="folder, not a file"):
        async with open_storage(f"sqlite:///{tmp_path}"):
            pass


@pytest.mark.parametrize(
    "url", ["mysql://x", "storage.db", "sqlite://storage.db", "sqlite:///", ""]
)
def test_unknown_urls_are_refused_with_the_known_ones(url: str) -> None:
    """A URL that cannot be used is answered with those that can."""
    with pytest.raises(ConfigurationError, match="sqlite:///relative"):
        SqlStorage(url)


async def test_relative_path_is_relative_to_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three slashes name a relative path; percent signs are decoded."""
    monkeypatch.chdir(tmp_path)
    async with open_storage("sqlite:///my%20runs.db"):
        assert (tmp_path / "my runs.db").exists()


_READ_ONLY = """
import asyncio, os, sys
from interlock.checkpoints import open_storage
from interlock.checkpoints.named_sql import load_migrations
from interlock.contracts.errors import StorageReadOnlyError
load_migrations("sqlite")
os.setuid(65534) if os.getuid() == 0 else None
async def main():
    try:
        async with open_storage(sys.argv[1]):
            print("opened")
    except StorageReadOnlyError:
        print("read-only")
asyncio.run(main())
"""


@pytest.fixture
def open_place() -> Iterator[Path]:
    """Return a folder that every user may reach."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)
        for one in (Path(folder), *Path(folder).iterdir()):
            one.chmod(0o755)


@pytest.mark.parametrize("what", ["file", "folder", "parent"])
async def test_read_only_places_are_named(open_place: Path, what: str) -> None:
    """A file or folder that this user cannot write or reach is told apart from other failures."""
    place = open_place / "place"
    place.mkdir()
    place.chmod(0o777)
    if what == "file":
        async with open_storage(f"sqlite:///{place}/storage.db"):
            pass
        (place / "storage.db").chmod(0o444)
    else:
        (place if what == "folder" else open_place).chmod(0o500 if what == "parent" else 0o555)
    found = subprocess.run(
        [sys.executable, "-c", _READ_ONLY, f"sqlite:///{place}/storage.db"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "LANGGRAPH_STRICT_MSGPACK": "true"},
    )
    assert found.stdout == "read-only\n" or os.getuid() != 0, found.stderr


async def test_connection_that_turns_read_only_is_a_typed_error(storage: SqlStorage) -> None:
    """A database that cannot be written any more says so, and reading goes on."""
    await storage._database.read(lambda c: None)
    statement = "PRAGMA query_only = ON"
    if is_postgres(storage):
        statement = "REVOKE INSERT ON payloads FROM current_user"
    await storage._database.write(lambda c: c.execute(statement) and None, lane="t")
    with pytest.raises(StorageReadOnlyError):
        await storage.commit("t", Batch(payloads=[b"1"]))
    assert await storage.list_runs() == []


async def test_damaged_pages_are_a_typed_error(tmp_path: Path) -> None:
    """Damage behind a good header is found when it is read, and named."""
    path = tmp_path / "storage.db"
    async with open_storage(f"sqlite:///{path}") as storage:
        await storage.commit("t", Batch(payloads=[os.urandom(2000) for _ in range(200)]))
    data = bytearray(path.read_bytes())
    data[4096:] = os.urandom(len(data) - 4096)
    path.write_bytes(data)
    with pytest.raises(StorageCorruptError):
        await read_everything(f"sqlite:///{path}")


async def test_truncated_file_is_a_typed_error(tmp_path: Path) -> None:
    """A file cut off behind its first page is found damaged."""
    path = tmp_path / "storage.db"
    async with open_storage(f"sqlite:///{path}") as storage:
        await storage.commit("t", Batch(payloads=[os.urandom(2000) for _ in range(200)]))
    os.truncate(path, 8192)
    with pytest.raises(StorageCorruptError):
        await read_everything(f"sqlite:///{path}")


async def test_database_uses_wal_and_full_sync(file_url: str, tmp_path: Path) -> None:
    """Commits are synced to the disk before anybody is told, and readers do not block."""
    async with open_storage(file_url) as storage:

        def read(connection: sqlite3.Connection) -> Any:
            names = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
            return [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in names]

        assert await storage._database.write(read) == ["wal", 2, 1, 30_000]


async def test_schema_after_migrations_is_the_expected_one(file_url: str, tmp_path: Path) -> None:
    """Migrations lead to the schema that is written down beside this test."""
    async with open_storage(file_url):
        pass
    connection = sqlite3.connect(tmp_path / "storage.db")
    rows = connection.execute(
        "SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY type, name"
    ).fetchall()
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    connection.close()
    lines = [" ".join((kind, name, *sql.split())) for kind, name, sql in rows]
    expected = Path(__file__).with_name("expected_schema.txt").read_text(encoding="utf-8")
    assert lines == expected.splitlines()
    assert version == len(load_migrations("sqlite"))
