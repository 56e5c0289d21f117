"""One call at a time on one `--db`: two would copy over each other's shops."""

import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path

import interlock as il

_LOCK = "desk.lock"


@contextmanager
def lock_folder(folder: Path) -> Generator[None]:
    """Hold a folder, made if need be, until the block ends or this process does.

    Raises:
        ConfigurationError: Another process holds it.
        StorageError: It cannot be made or written.
    """
    try:
        folder.mkdir(exist_ok=True)
        connection = sqlite3.connect(folder / _LOCK, timeout=0, isolation_level=None)
    except (OSError, sqlite3.Error) as exc:
        raise il.StorageError(f"{folder} cannot be used ({exc}). Use another path.") from exc
    with closing(connection):
        _take(connection, folder)
        yield


def _take(connection: sqlite3.Connection, folder: Path) -> None:
    """Begin a transaction that nobody else can begin; the system ends it with the process."""
    try:
        connection.execute("BEGIN EXCLUSIVE")
    except sqlite3.Error as exc:
        if exc.sqlite_errorcode == sqlite3.SQLITE_BUSY:
            raise il.ConfigurationError(
                f"Another process answers tickets in {folder}. Wait for it to end, or name "
                "another --db."
            ) from exc
        raise il.StorageError(f"{folder} cannot be used ({exc}). Use another path.") from exc
