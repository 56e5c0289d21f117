"""The open transaction, lent to a tool: its own tables, and nothing of ours."""

import re
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from interlock.contracts.errors import StorageError

_MADE: Final = re.compile(
    r"^\s*CREATE (?:UNIQUE )?(?:TABLE|INDEX|TRIGGER|VIEW) (?:IF NOT EXISTS )?(\w+)",
    re.IGNORECASE | re.MULTILINE,
)
"""What a migration makes; a comment in it names nothing."""
_READING: Final = frozenset(
    {
        sqlite3.SQLITE_SELECT,
        sqlite3.SQLITE_READ,
        sqlite3.SQLITE_FUNCTION,
        sqlite3.SQLITE_RECURSIVE,
    }
)
_REFUSED: Final = frozenset(
    {
        sqlite3.SQLITE_ATTACH,
        sqlite3.SQLITE_DETACH,
        sqlite3.SQLITE_PRAGMA,
        sqlite3.SQLITE_SAVEPOINT,
        sqlite3.SQLITE_TRANSACTION,
    }
)


class LentTransaction:
    """Implements `contracts.effect_ledger.Transaction` on a connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Lend a connection that is inside a transaction."""
        self._connection: sqlite3.Connection | None = connection

    def execute(self, statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run one SQL statement and return its rows.

        Raises:
            StorageError: The statement is refused, or the transaction is over.
            sqlite3.Error: What SQLite says of the statement itself.
        """
        if self._connection is None:
            raise StorageError(
                "The transaction is over: it is lent only while the tool's function runs. Do all "
                "writing inside it."
            )
        try:
            return self._connection.execute(statement, parameters).fetchall()
        except sqlite3.DatabaseError as exc:
            if exc.sqlite_errorcode == sqlite3.SQLITE_AUTH:
                raise StorageError(
                    f"{statement.strip()[:80]!r} is refused inside a tool: interlock's own tables "
                    "can be read and not written, and the transaction, attached databases and "
                    "settings are not the tool's. Write to tables of your own."
                ) from exc
            raise

    def end(self) -> None:
        """Refuse every further call."""
        self._connection = None


@contextmanager
def lend_transaction(
    connection: sqlite3.Connection, *, own_tables: frozenset[str]
) -> Iterator[LentTransaction]:
    """Lend an open transaction; what is written inside the block is kept only if nothing is raised.

    Args:
        connection: Inside a transaction.
        own_tables: The names of interlock's own tables and indexes.
    """
    connection.execute("SAVEPOINT lent")
    lent = LentTransaction(connection)
    connection.set_authorizer(_build_authorizer(own_tables))
    try:
        yield lent
    except BaseException:
        connection.set_authorizer(None)
        lent.end()
        if connection.in_transaction:
            connection.execute("ROLLBACK TO lent")
            connection.execute("RELEASE lent")
        raise
    connection.set_authorizer(None)
    lent.end()
    connection.execute("RELEASE lent")


def list_own_tables(connection: sqlite3.Connection, scripts: Sequence[str]) -> frozenset[str]:
    """Return the names of all tables, indexes and triggers that interlock's migrations make."""
    made = {name.lower() for script in scripts for name in _MADE.findall(script)}
    names = (name.lower() for (name,) in connection.execute("SELECT name FROM sqlite_master"))
    return frozenset(made.intersection(names))


def _build_authorizer(own: frozenset[str]) -> Callable[..., int]:
    def authorize(
        action: int, first: str | None, second: str | None, database: str | None, _by: str | None
    ) -> int:
        if action in _READING:
            return sqlite3.SQLITE_OK
        if action in _REFUSED or (database is not None and database not in {"main", "temp"}):
            return sqlite3.SQLITE_DENY
        named = {word.lower() for word in (first, second) if word}
        if named & own:
            return sqlite3.SQLITE_DENY
        return sqlite3.SQLITE_OK

    return authorize
