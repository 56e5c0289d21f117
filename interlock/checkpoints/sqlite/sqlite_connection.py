"""A connection to SQLite with named statements (`checkpoints.connection.Connection`)."""

import sqlite3
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Final

from interlock.checkpoints.named_sql import load_migrations, load_statements
from interlock.checkpoints.sqlite.lent_transaction import (
    LentTransaction,
    lend_transaction,
    list_own_tables,
)

DIALECT: Final = "sqlite"


class SqliteConnection:
    """Runs named statements on a connection of the driver's.

    Attributes:
        noted: What the open transaction has found out.
    """

    def __init__(self, driver: sqlite3.Connection) -> None:
        """Use a connection, whose transactions are somebody else's matter."""
        self._driver = driver
        self._statements = load_statements(DIALECT)
        self._own_tables: frozenset[str] | None = None
        self.noted: set[object] = set()

    def run(self, name: str, parameters: Sequence[object] = ()) -> sqlite3.Cursor:
        """Run a named statement."""
        return self._driver.execute(self._statements[name], parameters)

    def run_many(self, name: str, rows: Sequence[Sequence[object]]) -> None:
        """Run a named statement once for each row of parameters."""
        if rows:
            self._driver.executemany(self._statements[name], rows)

    def execute(self, statement: str, parameters: Sequence[object] = ()) -> sqlite3.Cursor:
        """Run a statement by its text."""
        return self._driver.execute(statement, parameters)

    def lock(self, name: str) -> None:
        """Do nothing: a transaction that writes has the whole database for itself."""

    def lend(self) -> AbstractContextManager[LentTransaction]:
        """Lend the transaction; what is written in the block is kept only if nothing is raised."""
        if self._own_tables is None:
            scripts = [migration.script for migration in load_migrations(DIALECT)]
            self._own_tables = list_own_tables(self._driver, scripts)
        return lend_transaction(self._driver, own_tables=self._own_tables)

    def ended_by(self, error: Exception) -> bool:  # noqa: ARG002 - SQLite itself says so
        """Return whether the transaction is over: SQLite gives one up on some errors."""
        return not self._driver.in_transaction
