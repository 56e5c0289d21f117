"""SQLite's failures as typed errors, by result code and never by text."""

import sqlite3
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Final

from interlock.checkpoints.refused_texts import refuse_text
from interlock.contracts.errors import (
    InterlockError,
    StorageBusyError,
    StorageCorruptError,
    StorageError,
    StorageFullError,
    StorageReadOnlyError,
)

_PRIMARY_CODE: Final = 0xFF
_KINDS: Final[Mapping[int, tuple[type[InterlockError], str]]] = {
    sqlite3.SQLITE_BUSY: (
        StorageBusyError,
        "was locked by another connection for too long. Try again, or stop what holds it",
    ),
    sqlite3.SQLITE_LOCKED: (
        StorageBusyError,
        "was locked by another connection for too long. Try again, or stop what holds it",
    ),
    sqlite3.SQLITE_FULL: (
        StorageFullError,
        "has no room left; nothing of this write was kept. Free space on its disk and resume",
    ),
    sqlite3.SQLITE_IOERR: (
        StorageError,
        "could not be read or written: is its disk full, over a quota, or failing? See to it, resume",
    ),
    sqlite3.SQLITE_READONLY: (
        StorageReadOnlyError,
        "cannot be written. Make the file and its folder writable, or name another path",
    ),
    sqlite3.SQLITE_PERM: (
        StorageReadOnlyError,
        "may not be opened. Make the file and its folder writable, or name another path",
    ),
    sqlite3.SQLITE_CORRUPT: (
        StorageCorruptError,
        "is damaged. Restore it from a backup, or recover what is left with `sqlite3 .recover`",
    ),
    sqlite3.SQLITE_NOTADB: (
        StorageCorruptError,
        "is not an SQLite database, or its header is damaged. Name another path",
    ),
}


def translate_error(error: Exception, *, place: str) -> Exception:
    """Return the typed error for one of SQLite's, or the error itself if it is another's.

    Args:
        error: What was raised while working on the database.
        place: The database's URL, for the message.
    """
    if isinstance(error, UnicodeEncodeError):
        return refuse_text(error)
    if not isinstance(error, sqlite3.Error):
        return error
    code = getattr(error, "sqlite_errorcode", None)
    kind, words = _KINDS.get(
        (code or 0) & _PRIMARY_CODE, (StorageError, "could not do what was asked of it")
    )
    typed = kind(f"The database {place} {words}. (SQLite: {error})")
    typed.__cause__ = error
    return typed


@contextmanager
def typed_errors(place: str) -> Generator[None]:
    """Raise typed errors in the place of SQLite's and the file system's."""
    try:
        yield
    except sqlite3.Error as exc:
        raise translate_error(exc, place=place) from exc
    except PermissionError as exc:
        raise StorageReadOnlyError(
            f"The database {place} may not be reached by this user: {exc}. "
            "Make the file and its folder writable, or name another path."
        ) from exc
    except OSError as exc:
        raise StorageError(f"The database {place} cannot be reached: {exc}.") from exc
