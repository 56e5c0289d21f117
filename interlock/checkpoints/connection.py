"""What the operations of a storage are written against: an open connection in a transaction.

Statements are named: their text lies in `sql/`, once for all databases or once for each where
they differ. An operation is a sync function of a connection; it may be run more than once, of
which one run is kept, so it must have no effect outside the database.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeAlias, TypeVar

from interlock.contracts.effect_ledger import Transaction

T = TypeVar("T")


class Cursor(Protocol):
    """The rows of one statement."""

    @property
    def rowcount(self) -> int:
        """How many rows a writing statement has changed."""
        ...

    def fetchone(self) -> Any:  # noqa: ANN401 - a tuple of whatever the columns hold, or None
        """Return the next row, or None."""
        ...

    def fetchall(self) -> list[Any]:
        """Return the rows that are left."""
        ...

    def __iter__(self) -> Iterator[Any]:
        """Go through the rows that are left."""
        ...


class Connection(Protocol):
    """A connection inside an open transaction."""

    @property
    def noted(self) -> set[object]:
        """What this transaction has found out and nobody else can change until it ends.

        Emptied when it ends or is undone in part.
        """
        ...

    def run(self, name: str, parameters: Sequence[object] = ()) -> Cursor:
        """Run a named statement."""
        ...

    def run_many(self, name: str, rows: Sequence[Sequence[object]]) -> None:
        """Run a named statement once for each row of parameters."""
        ...

    def execute(self, statement: str, parameters: Sequence[object] = ()) -> Cursor:
        """Run a statement by its text, with placeholders as in the files; nothing is sealed."""
        ...

    def lock(self, name: str) -> None:
        """Keep every other writer away from a name until the transaction ends.

        The lane of a write is locked before its operation is called. An operation that touches
        more than its lane locks the rest itself, in sorted order.
        """
        ...

    def lend(self) -> AbstractContextManager[Transaction]:
        """Lend the transaction to a function of the user's, for tables of the user's own.

        What is written inside the block is kept only if nothing is raised in it.
        """
        ...

    def ended_by(self, error: Exception) -> bool:
        """Return whether an error has ended the transaction, so that nothing can go on in it."""
        ...


Operation: TypeAlias = Callable[[Connection], T]
Statements: TypeAlias = Mapping[str, str]
