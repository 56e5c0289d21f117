"""PostgreSQL's failures as typed errors, by SQLSTATE and never by text."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Final

import psycopg
from psycopg_pool import PoolClosed, PoolTimeout, TooManyRequests

from interlock.checkpoints.refused_texts import refuse_text
from interlock.contracts.errors import (
    InterlockError,
    StorageBusyError,
    StorageCorruptError,
    StorageError,
    StorageFullError,
    StorageReadOnlyError,
)

_IDLE_TRANSACTION: Final = "25P03"
_TOO_LONG: Final = (
    StorageBusyError,
    "was locked by another connection for too long. Try again, or stop what holds it",
)
_READ_ONLY: Final = (
    StorageReadOnlyError,
    "may not be written by this user, or is a read-only replica. Grant the rights, or name another",
)
_FULL: Final = (
    StorageFullError,
    "has no room left; nothing of this write was kept. Free space on its disk and resume",
)
_CORRUPT: Final = (StorageCorruptError, "is damaged. Restore it from a backup")
_IDLE: Final = (
    StorageBusyError,
    (
        "ended a transaction that had stood still for 15 seconds; nothing of it was kept. In a function "
        "that the transaction is lent to, do what takes long before it"
    ),
)
_KINDS: Final[Mapping[str, tuple[type[InterlockError], str]]] = {
    "55P03": _TOO_LONG,
    "40P01": _TOO_LONG,
    "40001": _TOO_LONG,
    _IDLE_TRANSACTION: _IDLE,
    "25006": _READ_ONLY,
    "42501": _READ_ONLY,
    "53100": _FULL,
    "XX001": _CORRUPT,
    "XX002": _CORRUPT,
}
_STARTS_AGAIN: Final = frozenset({"40001", "40P01"})
"""Serialisation failure, deadlock: the same transaction may go through when it is run again."""
_SERVER_AWAY: Final = frozenset(
    {"57P01", "57P02", "57P03", "57P05", _IDLE_TRANSACTION, "53300", "08P01"}
)
_CONNECTION_CLASS: Final = "08"
_UNREACHABLE: Final = (
    "cannot be reached. Is the server up, and are host, port, user and password right? Once it is "
    "back, resume"
)


def starts_again(error: BaseException) -> bool:
    """Return whether a transaction that failed so may go through when it is run again."""
    return isinstance(error, psycopg.Error) and error.sqlstate in _STARTS_AGAIN


def was_idle(error: BaseException) -> bool:
    """Return whether the server has ended a transaction that stood still, say in a frozen process."""
    return isinstance(error, psycopg.Error) and error.sqlstate == _IDLE_TRANSACTION


def is_connection_lost(error: BaseException) -> bool:
    """Return whether the server, or the way to it, is gone."""
    if isinstance(error, (PoolTimeout, TooManyRequests)):
        return True
    if not isinstance(error, psycopg.Error):
        return False
    state = error.sqlstate
    if state is None:
        return isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError))
    return state in _SERVER_AWAY or state.startswith(_CONNECTION_CLASS)


def translate_error(error: Exception, *, place: str) -> Exception:
    """Return the typed error for one of PostgreSQL's, or the error itself if it is another's.

    Args:
        error: What was raised while working on the database.
        place: The database's URL, for the message.
    """
    if isinstance(error, UnicodeEncodeError):
        return refuse_text(error)
    if not isinstance(error, (psycopg.Error, PoolTimeout, PoolClosed, TooManyRequests)):
        return error
    kind: type[InterlockError] = StorageError
    state = getattr(error, "sqlstate", None)
    if is_connection_lost(error) and not was_idle(error):
        words = _UNREACHABLE
    else:
        kind, words = _KINDS.get(state or "", (StorageError, "could not do what was asked of it"))
    typed = kind(f"The database {place} {words}. (PostgreSQL: {_word(error)})")
    typed.__cause__ = error
    return typed


def _word(error: Exception) -> str:
    """Return what PostgreSQL says, without the detail, which may show what a row holds."""
    said = error.diag.message_primary if isinstance(error, psycopg.Error) else None
    return (said or str(error)).strip()


@contextmanager
def typed_errors(place: str) -> Generator[None]:
    """Raise typed errors in the place of PostgreSQL's."""
    try:
        yield
    except (psycopg.Error, PoolTimeout, PoolClosed, TooManyRequests) as exc:
        raise translate_error(exc, place=place) from exc
