"""A connection to PostgreSQL with named statements (`checkpoints.connection.Connection`)."""

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cache
from typing import Final

from psycopg.pq import TransactionStatus

from interlock.checkpoints.database import LENT
from interlock.checkpoints.named_sql import load_statements, number_parameters
from interlock.checkpoints.postgresql.driver_connection import (
    Driver,
    DriverCursor,
    run_script,
)
from interlock.checkpoints.postgresql.driver_errors import is_connection_lost, starts_again
from interlock.checkpoints.postgresql.lent_transaction import LentTransaction, lend_transaction
from interlock.checkpoints.postgresql.waiting_rows import WaitingRows, parse_insert

DIALECT: Final = "postgresql"


class PostgresConnection:
    """Runs named statements on a connection of the driver's.

    Plain inserts of many rows are held back until something else is sent (`waiting_rows`).

    Attributes:
        changes: Grows with every statement that was run, waits or failed, and may write.
        noted: What the open transaction has found out.
    """

    def __init__(self, driver: Driver, schema: str) -> None:
        """Use a connection, whose transactions are somebody else's matter.

        Args:
            driver: In autocommit mode, with raw cursors.
            schema: Of our tables.
        """
        self._driver = driver
        self._schema = schema
        self._statements = _prepare_statements()
        self.changes = 0
        self.noted: set[object] = set()
        self._waiting = WaitingRows()

    def run(self, name: str, parameters: Sequence[object] = ()) -> DriverCursor:
        """Run a named statement."""
        return self._execute(*self._statements[name], parameters)

    def run_many(self, name: str, rows: Sequence[Sequence[object]]) -> None:
        """Run a named statement once for each row of parameters; inserts in one message."""
        statement, is_write = self._statements[name]
        insert = parse_insert(statement.decode())
        for row in rows:
            if insert is None:
                self._execute(statement, is_write, row)
                continue
            if not self._waiting.may_add(insert, row):
                self.flush()
            self._waiting.add(insert, row)
            self.changes += 1

    def flush(self) -> None:
        """Send what was held back; raises what the server or the driver says to it.

        The driver refuses some rows by itself, which leaves the transaction able to go on without
        them. So a failure counts as a change: whoever met it is not the one who gave the rows.
        """
        try:
            for statement, parameters in self._waiting.take():
                self._driver.cursor(binary=True).execute(statement, parameters)
        except BaseException:
            self.changes += 1
            raise

    def forget_waiting(self) -> None:
        """Send nothing of what was held back: the transaction was undone."""
        self._waiting.forget()

    def execute(self, statement: str, parameters: Sequence[object] = ()) -> DriverCursor:
        """Run a statement by its text."""
        return self._execute(*_prepare(number_parameters(statement)), parameters)

    def lock(self, name: str) -> None:
        """Keep every other writer away from a name until the transaction ends."""
        self.flush()
        key = derive_lock_key(self._schema, name)
        run_script(self._driver, f"SELECT pg_advisory_xact_lock({key:d})")

    def lend(self) -> AbstractContextManager[LentTransaction]:
        """Lend the transaction; what is written in the block is kept only if nothing is raised."""
        self.lock(LENT)
        self.changes += 1
        return lend_transaction(self._driver, schema=self._schema, ended_by=self.ended_by)

    def ended_by(self, error: Exception) -> bool:
        """Return whether an error has ended the transaction: it is run again elsewhere."""
        return self._driver.closed or starts_again(error) or is_connection_lost(error)

    @property
    def is_inside(self) -> bool:
        """Whether a transaction is open and can go on."""
        return self._driver.info.transaction_status == TransactionStatus.INTRANS

    def _execute(
        self,
        statement: bytes,
        is_write: bool,  # noqa: FBT001 - unpacked with the statement
        parameters: Sequence[object],
    ) -> DriverCursor:
        self.flush()
        self.changes += is_write
        return self._driver.cursor(binary=True).execute(statement, parameters)


@cache
def _prepare_statements() -> Mapping[str, tuple[bytes, bool]]:
    return {name: _prepare(text) for name, text in load_statements(DIALECT).items()}


def _prepare(statement: str) -> tuple[bytes, bool]:
    """Return a statement without its comments, as it is sent, and whether it may write."""
    lines = [line for line in statement.splitlines() if not line.startswith("--")]
    text = "\n".join(lines)
    return text.encode(), not text.startswith("SELECT")


def derive_lock_key(schema: str, name: str) -> int:
    """Return the number of an advisory lock; two names that share one only wait more."""
    text = f"interlock/{schema}/{name}".encode(errors="surrogatepass")
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), signed=True)
