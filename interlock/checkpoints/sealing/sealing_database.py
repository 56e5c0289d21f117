"""A database whose operations are handed a connection that seals."""

from collections.abc import Mapping
from typing import TypeVar

from interlock.checkpoints.connection import Connection, Operation
from interlock.checkpoints.database import MANY, Database, WriteKey
from interlock.checkpoints.sealing.annotations import parse_annotations
from interlock.checkpoints.sealing.envelope import Sealer
from interlock.checkpoints.sealing.sealing_connection import SealingConnection
from interlock.checkpoints.sealing.unlocking import unlock
from interlock.contracts.encryption import Encryption
from interlock.contracts.errors import StorageError

T = TypeVar("T")


class SealingDatabase:
    """Implements `checkpoints.database.Database` on another one; unlocked when it is opened."""

    def __init__(
        self, database: Database, encryption: Encryption, *, statements: Mapping[str, str]
    ) -> None:
        """Wrap a database.

        Args:
            database: Holds sealed values.
            encryption: The keys.
            statements: The database's named statements, with their annotations.
        """
        self._database = database
        self._encryption = encryption
        self._seals = parse_annotations(statements)
        self._sealer: Sealer | None = None

    async def connect(self) -> None:
        """Open the database and check the keys; a database without rows becomes sealed.

        Raises:
            StorageError: It cannot be used, or was closed before.
            SealedStorageError: It is not sealed, or with other keys.
        """
        await self._database.connect()
        if self._sealer is None:
            try:
                self._sealer = await unlock(self._database, self._encryption)
            except BaseException:
                await self._database.aclose()
                raise

    async def aclose(self) -> None:
        """Write what is queued, then close; safe to repeat."""
        await self._database.aclose()

    @property
    def is_open(self) -> bool:
        """Whether it can be used."""
        return self._sealer is not None and self._database.is_open

    async def write(
        self,
        operation: Operation[T],
        *,
        lane: str = MANY,
        key: WriteKey | None = None,
        is_urgent: bool = True,
    ) -> T:
        """Run an operation in a transaction that others may share; return once it is durable."""
        wrapped = self._wrap(operation)
        return await self._database.write(wrapped, lane=lane, key=key, is_urgent=is_urgent)

    def post(self, operation: Operation[None], *, key: WriteKey) -> None:
        """Queue a write that nobody waits for; durable before or with what is queued after it."""
        self._database.post(self._wrap(operation), key=key)

    def forget(self, key: WriteKey) -> None:
        """Forget what was posted under a key and failed; nothing more is written under it."""
        self._database.forget(key)

    async def read(self, operation: Operation[T]) -> T:
        """Run an operation that only reads, on one snapshot of what is committed."""
        return await self._database.read(self._wrap(operation))

    def write_blocking(self, operation: Operation[T], *, lane: str = MANY) -> T:
        """Do as `write` does, blocking the calling thread."""
        return self._database.write_blocking(self._wrap(operation), lane=lane)

    def read_blocking(self, operation: Operation[T]) -> T:
        """Do as `read` does, blocking the calling thread."""
        return self._database.read_blocking(self._wrap(operation))

    def _wrap(self, operation: Operation[T]) -> Operation[T]:
        sealer = self._sealer
        if sealer is None:
            raise StorageError(
                "The storage is not open. Await its connect(), or use it inside "
                "`async with open_storage(...)`."
            )
        seals = self._seals

        def sealing(connection: Connection) -> T:
            return operation(SealingConnection(connection, sealer, seals=seals))

        return sealing
