"""Opening an SQLite database: is it ours, can it be used, is its schema the newest?

A file that is not ours is told by its header and left untouched byte for byte. Our mark
(`application_id`) is committed to the main file together with the first migration, before
WAL mode is entered, so the header alone tells even beside a WAL that a crash left.
"""

import os
import sqlite3
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

from interlock.checkpoints.named_sql import load_migrations
from interlock.checkpoints.sqlite.driver_errors import typed_errors
from interlock.checkpoints.sqlite.sqlite_connection import DIALECT
from interlock.contracts.errors import (
    StorageCorruptError,
    StorageError,
    StorageReadOnlyError,
    StorageSchemaError,
)

APPLICATION_ID: Final = 0x494E4C4B
"""`INLK`, in the header of every database of ours."""

BUSY_SECONDS: Final = 30.0
_READ_CACHE_KB: Final = 64_000
"""At most; taken as pages are read. With less, metrics of a big journal sort and search on the disk."""
_MAGIC: Final = b"SQLite format 3\x00"
_HEADER_BYTES: Final = 100
_USER_VERSION: Final = slice(60, 64)
_APPLICATION_ID: Final = slice(68, 72)
_CACHED_STATEMENTS: Final = 256
_RETRY_SECONDS: Final = 0.02


@dataclass(frozen=True, slots=True)
class SqliteFile:
    """A database file, or a database in memory.

    Attributes:
        url: As it was given, for messages.
        path: The file; None for one in memory.
    """

    url: str
    path: Path | None

    def open_for_writing(self) -> sqlite3.Connection:
        """Check the file, open it, and bring its schema up to date.

        Raises:
            StorageError: One of its kinds, saying what is wrong.
            StorageBusyError: Another process held the file for too long.
        """
        with typed_errors(self.url):
            if self.path is not None:
                self._check_place(self.path)
                self._check_header(self.path)
            connection = self._connect("rwc")
            try:
                self._prepare(connection)
            except BaseException:
                connection.close()
                raise
            return connection

    def open_for_reading(self) -> sqlite3.Connection:
        """Open a connection that cannot write; the file was opened for writing before."""
        with typed_errors(self.url):
            connection = self._connect("rw")
            connection.execute("PRAGMA query_only = ON")
            connection.execute(f"PRAGMA cache_size = -{_READ_CACHE_KB:d}")
            return connection

    def _connect(self, mode: str) -> sqlite3.Connection:
        where = ":memory:" if self.path is None else f"file:{quote(str(self.path))}?mode={mode}"
        return sqlite3.connect(
            where,
            uri=self.path is not None,
            timeout=BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=_CACHED_STATEMENTS,
        )

    def _check_place(self, path: Path) -> None:
        """Refuse what cannot hold a database, with a message that says why."""
        folder = path.parent
        if not folder.is_dir():
            raise StorageError(
                f"The folder of {self.url} does not exist: {str(folder)!r}. Create it first."
            )
        if path.is_dir():
            raise StorageError(f"{self.url} names a folder, not a file. Add a file name.")
        writable = os.access(folder, os.W_OK) and (not path.exists() or os.access(path, os.W_OK))
        if not writable:
            raise StorageReadOnlyError(
                f"The database {self.url} or its folder cannot be written. "
                "Make both writable, or name another path."
            )

    def _check_header(self, path: Path) -> None:
        """Refuse a file that is not ours, without opening it as a database."""
        if not path.exists() or path.stat().st_size == 0 or _holds_data(path, "-journal"):
            return
        with path.open("rb") as file:
            header = file.read(_HEADER_BYTES)
        if len(header) < _HEADER_BYTES or not header.startswith(_MAGIC):
            raise StorageCorruptError(
                f"{self.url} is not an SQLite database, or its header is damaged; "
                "it was left untouched. Name another path, or restore it from a backup."
            )
        if int.from_bytes(header[_APPLICATION_ID]) == APPLICATION_ID:
            self._check_version(int.from_bytes(header[_USER_VERSION]))
        elif _holds_data(path, "-wal") or _has_tables(path):
            self._refuse_foreign()

    def _prepare(self, connection: sqlite3.Connection) -> None:
        application_id = _read_number(connection, "PRAGMA application_id")
        if application_id != APPLICATION_ID and _read_number(
            connection, "SELECT count(*) FROM sqlite_master"
        ):
            # Two processes may open a fresh file at once: look again behind the other's commit.
            application_id = _read_number(connection, "PRAGMA application_id")
            if application_id != APPLICATION_ID:
                self._refuse_foreign()
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA synchronous = FULL")
        self._migrate(connection)
        if self.path is not None:
            _enter_wal_mode(connection)

    def _migrate(self, connection: sqlite3.Connection) -> None:
        """Apply what is missing, one transaction a migration; safe beside another process."""
        version = _read_number(connection, "PRAGMA user_version")
        self._check_version(version)
        for migration in load_migrations(DIALECT)[version:]:
            connection.execute("BEGIN IMMEDIATE")
            try:
                if _read_number(connection, "PRAGMA user_version") < migration.version:
                    _run_script(connection, migration.script)
                    connection.execute(f"PRAGMA user_version = {migration.version:d}")
                    connection.execute(f"PRAGMA application_id = {APPLICATION_ID:d}")
                connection.execute("COMMIT")
            except BaseException:
                connection.execute("ROLLBACK")
                raise

    def _check_version(self, seen: int) -> None:
        known = len(load_migrations(DIALECT))
        if seen > known:
            raise StorageSchemaError(
                f"The database {self.url} has schema version {seen}; this release knows "
                f"{known}. It was left untouched. Upgrade interlock, or name another path."
            )

    def _refuse_foreign(self) -> None:
        raise StorageSchemaError(
            f"The database {self.url} belongs to another application: it has tables, but not "
            "interlock's mark. It was left untouched. Name another path."
        )


def _holds_data(path: Path, suffix: str) -> bool:
    beside = path.with_name(path.name + suffix)
    try:
        return beside.stat().st_size > 0
    except FileNotFoundError:  # or another process removed it just now
        return False


def _has_tables(path: Path) -> bool:
    """Look into a database in a way that creates no file beside it and changes nothing."""
    connection = sqlite3.connect(f"file:{quote(str(path))}?mode=ro&immutable=1", uri=True)
    try:
        return _read_number(connection, "SELECT count(*) FROM sqlite_master") > 0
    finally:
        connection.close()


def _read_number(connection: sqlite3.Connection, statement: str) -> int:
    return int(connection.execute(statement).fetchone()[0])


def _run_script(connection: sqlite3.Connection, script: str) -> None:
    """Run a script's statements inside the open transaction (`executescript` would end it)."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            connection.execute(statement)
            statement = ""


def _enter_wal_mode(connection: sqlite3.Connection) -> None:
    """Switch to WAL; SQLite does not wait for others here, so this does."""
    pause = threading.Event()
    for attempt in range(int(BUSY_SECONDS / _RETRY_SECONDS)):
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as exc:
            if exc.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                raise
            pause.wait(_RETRY_SECONDS * (1 + attempt % 3))
        else:
            return
    connection.execute("PRAGMA journal_mode = WAL")
