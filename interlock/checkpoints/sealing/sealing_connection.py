"""A connection that seals parameters before they are bound and opens results when they are read.

The one place where values are encrypted: everything above it reads and writes plain values, and
everything below it, the database with its indexes and logs, sees sealed ones.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from interlock.checkpoints.connection import Connection, Cursor
from interlock.checkpoints.sealing.annotations import SealedUse, StatementSeals
from interlock.checkpoints.sealing.envelope import Sealer
from interlock.contracts.effect_ledger import Transaction


class SealingConnection:
    """Runs named statements on a connection, sealing and opening what they are annotated with."""

    def __init__(
        self, connection: Connection, sealer: Sealer, *, seals: Mapping[str, StatementSeals]
    ) -> None:
        """Wrap a connection.

        Args:
            connection: Of a driver.
            sealer: Of its database.
            seals: What the statements of its database say of sealed columns.
        """
        self._connection = connection
        self._sealer = sealer
        self._seals = seals

    @property
    def noted(self) -> set[object]:
        """What the open transaction has found out."""
        return self._connection.noted

    def run(self, name: str, parameters: Sequence[object] = ()) -> Cursor:
        """Run a named statement."""
        seals = self._seals.get(name)
        if seals is None:
            return self._connection.run(name, parameters)
        cursor = self._connection.run(name, self._seal(seals.sealed, parameters))
        if not seals.opened:
            return cursor
        return OpeningCursor(cursor, self._sealer, uses=seals.opened, parameters=parameters)

    def run_many(self, name: str, rows: Sequence[Sequence[object]]) -> None:
        """Run a named statement once for each row of parameters."""
        seals = self._seals.get(name)
        if seals is not None:
            rows = [self._seal(seals.sealed, row) for row in rows]
        self._connection.run_many(name, rows)

    def execute(self, statement: str, parameters: Sequence[object] = ()) -> Cursor:
        """Run a statement by its text; nothing is sealed."""
        return self._connection.execute(statement, parameters)

    def lock(self, name: str) -> None:
        """Keep every other writer away from a name until the transaction ends."""
        self._connection.lock(name)

    def lend(self) -> AbstractContextManager[Transaction]:
        """Lend the transaction for tables of the user's own, which are not sealed."""
        return self._connection.lend()

    def ended_by(self, error: Exception) -> bool:
        """Return whether an error has ended the transaction."""
        return self._connection.ended_by(error)

    def _seal(self, uses: Sequence[SealedUse], parameters: Sequence[object]) -> Sequence[object]:
        if not uses:
            return parameters
        sealed = list(parameters)
        for use in uses:
            value = parameters[use.value.index]
            if value is not None:
                assert isinstance(value, (str, bytes))  # noqa: S101 - columns of text or bytes
                sealed[use.value.index] = self._sealer.seal(value, use.find_place(parameters, ()))
        return sealed


class OpeningCursor:
    """The rows of one statement, opened one by one."""

    def __init__(
        self,
        cursor: Cursor,
        sealer: Sealer,
        *,
        uses: Sequence[SealedUse],
        parameters: Sequence[object],
    ) -> None:
        """Wrap a cursor.

        Args:
            cursor: Gives the rows as they are stored.
            sealer: Opens them.
            uses: Which columns are sealed.
            parameters: The statement was run with.
        """
        self._cursor = cursor
        self._sealer = sealer
        self._uses = uses
        self._parameters = parameters

    @property
    def rowcount(self) -> int:
        """How many rows a writing statement has changed."""
        return self._cursor.rowcount

    def fetchone(self) -> Any:  # noqa: ANN401 - as the protocol has it
        """Return the next row, or None.

        Raises:
            SealedRowError: A value does not open.
        """
        row = self._cursor.fetchone()
        return None if row is None else self._open(row)

    def fetchall(self) -> list[Any]:
        """Return the rows that are left.

        Raises:
            SealedRowError: A value does not open.
        """
        return [self._open(row) for row in self._cursor.fetchall()]

    def __iter__(self) -> Iterator[Any]:
        """Go through the rows that are left."""
        return map(self._open, self._cursor)

    def _open(self, row: Sequence[Any]) -> tuple[Any, ...]:
        opened = list(row)
        for use in self._uses:
            value = row[use.value.index]
            if value is not None:
                place = use.find_place(self._parameters, row)
                opened[use.value.index] = self._sealer.open(value, place)
        return tuple(opened)
