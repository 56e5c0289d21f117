"""SQLite's transactions (`checkpoints.shared_transaction.Transactional`)."""

import sqlite3
from contextlib import suppress
from itertools import count

from interlock.checkpoints.sqlite.sqlite_connection import SqliteConnection
from interlock.checkpoints.write_hook import WriteHook


class SqliteTransactions:
    """Transactions on one connection; its thread's own."""

    def __init__(self, driver: sqlite3.Connection, write_hook: WriteHook | None) -> None:
        """Use a connection in autocommit mode.

        Args:
            driver: The connection.
            write_hook: Called around every commit of writes.
        """
        self._driver = driver
        self._write_hook = write_hook
        self._commits = count(1)
        self.connection = SqliteConnection(driver)

    @property
    def changes(self) -> int:
        """Grows whenever a statement writes."""
        return self._driver.total_changes

    @property
    def is_inside(self) -> bool:
        """Whether a transaction is open and can go on."""
        return self._driver.in_transaction

    def begin(self, *, is_write: bool) -> None:
        """Begin a transaction; one that writes has the whole database for itself."""
        self.connection.noted.clear()
        self._driver.execute("BEGIN IMMEDIATE" if is_write else "BEGIN")

    def flush(self) -> None:
        """Do nothing: every statement is run at once."""

    def commit(self, *, is_write: bool) -> None:
        """Make it durable."""
        if not is_write or self._write_hook is None:
            self._driver.execute("COMMIT")
            return
        index = next(self._commits)
        self._write_hook.before_commit(index)
        self._driver.execute("COMMIT")
        self._write_hook.after_commit(index)

    def roll_back(self) -> None:
        """Undo the open transaction, if one is; a failure here shows at the next `begin`."""
        if self._driver.in_transaction:
            with suppress(sqlite3.Error):
                self._driver.execute("ROLLBACK")

    def save(self) -> None:
        """Set a savepoint."""
        self._driver.execute("SAVEPOINT operation")

    def undo(self) -> None:
        """Undo what was done since the savepoint."""
        self.connection.noted.clear()
        self._driver.execute("ROLLBACK TO operation")

    def release(self) -> None:
        """Give the savepoint up, keeping what was done since."""
        self._driver.execute("RELEASE operation")

    def is_broken_by(self, error: Exception) -> bool:  # noqa: ARG002 - it is looked at
        """Return False: what SQLite has given up can be begun again."""
        return False
