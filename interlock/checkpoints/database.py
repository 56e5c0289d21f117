"""One database, whichever it is: runs operations in transactions, never on the event loop."""

from typing import Final, NamedTuple, Protocol, TypeVar

from interlock.checkpoints.connection import Operation

T = TypeVar("T")
MANY: Final = ""
"""The lane of writes that touch many threads; they lock each of them."""
LENT: Final = "lent"
"""Locked while a transaction is lent to a function of the user's: one at a time, as on SQLite."""


class WriteKey(NamedTuple):
    """What writes have in common so that one of them fails those after it.

    Attributes:
        name: Of what is written to; its lane.
        token: Of the lease under which; None without one.
    """

    name: str
    token: int | None


class Database(Protocol):
    """Runs operations; `checkpoints.sqlite` and `checkpoints.postgresql` implement it.

    Writes of one lane become durable in the order in which they were queued, and share
    transactions. Lanes are names, mostly thread ids.
    """

    async def connect(self) -> None:
        """Open the database and bring its schema up to date; safe to repeat.

        Raises:
            StorageError: It cannot be used, or was closed before.
        """
        ...

    async def aclose(self) -> None:
        """Write what is queued, then close; safe to repeat."""
        ...

    @property
    def is_open(self) -> bool:
        """Whether it can be used."""
        ...

    async def write(
        self,
        operation: Operation[T],
        *,
        lane: str = MANY,
        key: WriteKey | None = None,
        is_urgent: bool = True,
    ) -> T:
        """Run an operation in a transaction that others may share; return once it is durable.

        Args:
            operation: What to write.
            lane: What it writes to; nobody else writes there meanwhile.
            key: A failed post under the same key fails it too.
            is_urgent: If not, it may wait some milliseconds for one that is.
        """
        ...

    def post(self, operation: Operation[None], *, key: WriteKey) -> None:
        """Queue a write that nobody waits for; durable before or with what is queued after it.

        Args:
            operation: What to write, to the lane that the key names.
            key: If it fails, what is written under this key after it fails too.
        """
        ...

    def forget(self, key: WriteKey) -> None:
        """Forget what was posted under a key and failed; nothing more is written under it."""
        ...

    async def read(self, operation: Operation[T]) -> T:
        """Run an operation that only reads, on one snapshot of what is committed."""
        ...

    def write_blocking(self, operation: Operation[T], *, lane: str = MANY) -> T:
        """Do as `write` does, blocking the calling thread."""
        ...

    def read_blocking(self, operation: Operation[T]) -> T:
        """Do as `read` does, blocking the calling thread."""
        ...
