"""PostgreSQL's transactions (`checkpoints.shared_transaction.Transactional`).

A COMMIT whose answer is lost with the connection is the one thing that a client cannot know by
itself. So a transaction that writes also counts up a mark of its own connection thread. Whoever has
lost an answer takes the lane's lock again, behind which the old transaction is over in one way or the
other, and reads the mark.
"""

import itertools
import threading
from contextlib import suppress
from typing import Final

import psycopg
from psycopg.pq import TransactionStatus

from interlock.checkpoints.postgresql.driver_connection import Driver, run_script
from interlock.checkpoints.postgresql.driver_errors import is_connection_lost
from interlock.checkpoints.postgresql.postgres_connection import (
    PostgresConnection,
    derive_lock_key,
)
from interlock.checkpoints.write_hook import WriteHook

_LOCK_SECONDS: Final = 30
"""How long a transaction waits for a lock."""
_IDLE_SECONDS: Final = 15
"""How long one of a frozen process keeps its locks: then the server ends it.

Shorter than others wait for them, so that these go on."""


_DURABLE: Final = (
    "SELECT set_config('synchronous_commit', 'on', true) "
    "WHERE current_setting('synchronous_commit') = 'off'"
)
"""A role or a database may have been told to acknowledge what a crash still loses: not to us."""


class CommitMark:
    """Counts the transactions that one connection thread has committed.

    Attributes:
        writer: Its name in the database.
        number: Of the transaction that is under way or was the last.
        is_in_doubt: Whether that one's COMMIT was sent and its answer lost.
    """

    def __init__(self, writer: str) -> None:
        """Count from 0.

        Args:
            writer: Unique; of letters, digits and slashes.
        """
        self.writer = writer
        self.number = 0
        self.is_in_doubt = False


class CountedHook:
    """A storage's write hook, with one count over all its connections."""

    def __init__(self, hook: WriteHook | None) -> None:
        """Wrap a hook, if there is one."""
        self._hook = hook
        self._lock = threading.Lock()
        self._commits = itertools.count(1)

    def before_commit(self) -> int:
        """Tell the hook that a commit is next; returns its number."""
        with self._lock:
            index = next(self._commits)
        if self._hook is not None:
            self._hook.before_commit(index)
        return index

    def after_commit(self, index: int) -> None:
        """Tell the hook that a commit is durable."""
        if self._hook is not None:
            self._hook.after_commit(index)


class PostgresTransactions:
    """Transactions of one lane, or reads, on one connection."""

    def __init__(
        self, driver: Driver, *, schema: str, lane: str, mark: CommitMark, hook: CountedHook
    ) -> None:
        """Use a connection in autocommit mode.

        Args:
            driver: The connection.
            schema: Of our tables.
            lane: What is written to.
            mark: Of the thread that uses the connection.
            hook: Called around every commit of writes.
        """
        self._driver = driver
        self._schema = schema
        self._lock_key = derive_lock_key(schema, lane)
        self._mark = mark
        self._hook = hook
        self._changes_before = 0
        self.connection = PostgresConnection(driver, schema)

    @property
    def changes(self) -> int:
        """Grows whenever a statement writes."""
        return self.connection.changes

    @property
    def is_inside(self) -> bool:
        """Whether a transaction is open and can go on."""
        return self.connection.is_inside

    def begin(self, *, is_write: bool) -> None:
        """Begin a transaction; one that writes waits until it has the lane for itself."""
        self._changes_before = self.changes
        self.connection.noted.clear()
        self.connection.forget_waiting()
        path = f'SET LOCAL search_path TO "{self._schema}"'
        if not is_write:
            run_script(self._driver, f"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; {path}")
            return
        run_script(
            self._driver,
            f"BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; {path}; "
            f"SET LOCAL lock_timeout TO '{_LOCK_SECONDS}s'; "
            f"SET LOCAL idle_in_transaction_session_timeout TO '{_IDLE_SECONDS}s'; "
            f"{_DURABLE}; "
            f"SELECT pg_advisory_xact_lock({self._lock_key:d})",
        )

    def flush(self) -> None:
        """Send what the operations' inserts have held back."""
        self.connection.flush()

    def commit(self, *, is_write: bool) -> None:
        """Make it durable."""
        if not is_write:
            self._driver.execute("COMMIT")
            return
        index = self._hook.before_commit()
        if self.changes == self._changes_before:
            self._driver.execute("COMMIT")
        else:
            self._commit_with_mark()
        self._hook.after_commit(index)

    def roll_back(self) -> None:
        """Undo the open transaction, if one is."""
        if self._driver.closed or (self._driver.info.transaction_status == TransactionStatus.IDLE):
            return
        with suppress(psycopg.Error):
            self._driver.execute("ROLLBACK")

    def save(self) -> None:
        """Set a savepoint."""
        self._driver.execute("SAVEPOINT operation")

    def undo(self) -> None:
        """Undo what was done since the savepoint."""
        self.connection.noted.clear()
        self.connection.forget_waiting()
        self._driver.execute("ROLLBACK TO SAVEPOINT operation")

    def release(self) -> None:
        """Give the savepoint up, keeping what was done since."""
        self._driver.execute("RELEASE SAVEPOINT operation")

    def is_broken_by(self, error: Exception) -> bool:
        """Return whether the batch must be run again from its beginning, or elsewhere."""
        return self.connection.ended_by(error)

    def is_committed_after_all(self) -> bool:
        """Return whether the transaction whose COMMIT went unanswered is in; ends the doubt.

        Raises:
            psycopg.Error: That could not be found out; the doubt stays.
        """
        self.begin(is_write=True)
        row = self.connection.execute(
            "SELECT number FROM commit_marks WHERE writer = ?", (self._mark.writer,)
        ).fetchone()
        self._driver.execute("ROLLBACK")
        self._mark.is_in_doubt = False
        return row is not None and row[0] >= self._mark.number

    def _commit_with_mark(self) -> None:
        mark = self._mark
        mark.number += 1
        try:
            # One message, so that it costs no turn of its own; the name is hexadecimal digits.
            run_script(
                self._driver,
                "INSERT INTO commit_marks (writer, number, at) "  # noqa: S608
                f"VALUES ('{mark.writer}', {mark.number:d}, now()) ON CONFLICT (writer) "
                "DO UPDATE SET number = excluded.number, at = excluded.at; COMMIT",
            )
        except psycopg.Error as exc:
            mark.is_in_doubt = self._driver.closed or is_connection_lost(exc)
            raise
