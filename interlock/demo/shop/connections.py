"""Connections to the shop's database file, lent to one thread at a time.

Called by `Shop`. Knows files, locks and transactions; nothing of records or tools.
"""

import sqlite3
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from interlock.contracts.errors import StorageBusyError

BUSY_SECONDS: Final = 30.0
"""How long a transaction waits for another one before the call fails as busy."""

_BUSY_CODES: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_PRIMARY_CODE_MASK: Final = 0xFF


class Connections:
    """Idle connections to one file; grows to as many as were ever used at once."""

    def __init__(self, path: Path, *, busy_seconds: float = BUSY_SECONDS) -> None:
        """Lend connections to this file, which must exist."""
        self._path = path
        self._busy_seconds = busy_seconds
        self._idle: list[sqlite3.Connection] = []
        self._lock = threading.Lock()

    @contextmanager
    def lend(self) -> Generator[sqlite3.Connection]:
        """Lend a connection that no other thread uses meanwhile.

        Raises:
            StorageBusyError: Another connection kept the database locked for too long.
        """
        with self._lock:
            connection = self._idle.pop() if self._idle else None
        connection = connection or open_database(self._path, busy_seconds=self._busy_seconds)
        try:
            yield connection
        except sqlite3.OperationalError as exc:
            if exc.sqlite_errorcode & _PRIMARY_CODE_MASK in _BUSY_CODES:
                raise StorageBusyError(
                    f"The shop's database {self._path} was locked for {self._busy_seconds:g} s. "
                    "Try again, or end the process that holds it."
                ) from exc
            raise
        finally:
            with self._lock:
                self._idle.append(connection)

    @contextmanager
    def begin(self) -> Generator[sqlite3.Connection]:
        """Run a write transaction: committed at the end, rolled back if anything is raised."""
        with self.lend() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def close(self) -> None:
        """Close the idle connections; safe to repeat, and lending opens new ones."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()


def open_database(path: Path, *, busy_seconds: float = BUSY_SECONDS) -> sqlite3.Connection:
    """Open an existing database file for reading and writing, in autocommit mode.

    Every commit is on the disk before the call that made it returns.
    """
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw",
        uri=True,
        timeout=busy_seconds,
        isolation_level=None,
        check_same_thread=False,
    )
    connection.execute("PRAGMA synchronous = FULL")
    # SQLite's own lower() knows the letters of ASCII only.
    connection.create_function("fold_case", 1, _fold_case, deterministic=True)
    return connection


def _fold_case(value: str | float | None) -> str | float | None:
    return value.lower() if isinstance(value, str) else value
