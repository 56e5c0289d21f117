"""A connection to PostgreSQL with named statements (`checkpoints.connection.Connection`)."""

import hashlib
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, Final, TypeAlias

import psycopg
from psycopg.pq import TransactionStatus

from interlock.checkpoints.database import LENT
from interlock.checkpoints.named_sql import load_statements, number_parameters
from interlock.checkpoints.postgresql.driver_errors import is_connection_lost, starts_again
from interlock.checkpoints.postgresql.lent_transaction import LentTransaction, lend_transaction

DIALECT: Final = "postgresql"
Driver: TypeAlias = psycopg.Connection[tuple[Any, ...]]
DriverCursor: TypeAlias = psycopg.Cursor[tuple[Any, ...]]


class PostgresConnection:
    """Runs named statements on a connection of the driver's.

    Attributes:
        changes: How many statements were run that may write.
    """

    def __init__(self, driver: Driver, schema: str) -> None:
        """Use a connection, whose transactions are somebody else's matter.

        Args:
            driver: In autocommit mode, with raw cursors.
            schema: Of our tables.
        """
        self._driver = driver
        self._schema = schema
        self._statements = load_statements(DIALECT)
        self.changes = 0

    def run(self, name: str, parameters: Sequence[object] = ()) -> DriverCursor:
        """Run a named statement."""
        return self._execute(self._statements[name], parameters)

    def run_many(self, name: str, rows: Sequence[Sequence[object]]) -> None:
        """Run a named statement once for each row of parameters."""
        statement = self._statements[name]
        for row in rows:
            self._execute(statement, row)

    def execute(self, statement: str, parameters: Sequence[object] = ()) -> DriverCursor:
        """Run a statement by its text."""
        return self._execute(number_parameters(statement), parameters)

    def lock(self, name: str) -> None:
        """Keep every other writer away from a name until the transaction ends."""
        key = derive_lock_key(self._schema, name)
        self._driver.execute(f"SELECT pg_advisory_xact_lock({key:d})")

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

    def _execute(self, statement: str, parameters: Sequence[object]) -> DriverCursor:
        if not statement.startswith("SELECT"):
            self.changes += 1
        cursor = self._driver.cursor(binary=True)
        return cursor.execute(statement.encode(), parameters)


def derive_lock_key(schema: str, name: str) -> int:
    """Return the number of an advisory lock; two names that share one only wait more."""
    text = f"interlock/{schema}/{name}".encode(errors="surrogatepass")
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), signed=True)
