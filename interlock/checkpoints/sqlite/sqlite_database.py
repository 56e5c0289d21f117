"""One database: a writer thread, and beside a file a reader thread."""

import asyncio
from typing import TypeVar

from interlock.checkpoints.connection import Operation
from interlock.checkpoints.database import MANY, WriteKey
from interlock.checkpoints.sqlite.database_file import SqliteFile
from interlock.checkpoints.sqlite.database_thread import DatabaseThread
from interlock.checkpoints.write_hook import WriteHook
from interlock.contracts.errors import StorageError

T = TypeVar("T")


class SqliteDatabase:
    """Runs operations: writes in groups, reads beside them, never on the event loop.

    A database in memory has one connection: its reads run on the writer thread, after the
    commit of the writes they were queued with.
    """

    def __init__(self, file: SqliteFile, *, write_hook: WriteHook | None = None) -> None:
        """Prepare; `connect` opens."""
        self._file = file
        self._write_hook = write_hook
        self._writer: DatabaseThread | None = None
        self._reader: DatabaseThread | None = None
        self._is_closed = False
        self._opening = asyncio.Lock()

    async def connect(self) -> None:
        """Open the connections and bring the schema up to date; safe to repeat.

        Raises:
            StorageError: The database cannot be used, or was closed before.
        """
        async with self._opening:
            if self._is_closed:
                raise StorageError(f"The storage {self._file.url} was closed. Open a new one.")
            if self._writer is None:
                await self._open()

    async def _open(self) -> None:
        url = self._file.url
        writer = DatabaseThread(url, self._file.open_for_writing, write_hook=self._write_hook)
        await writer.start()
        reader = writer
        if self._file.path is not None:
            reader = DatabaseThread(url, self._file.open_for_reading)
            try:
                await reader.start()
            except BaseException:
                await writer.stop()
                raise
        self._writer, self._reader = writer, reader

    async def aclose(self) -> None:
        """Write what is queued, then close; safe to repeat."""
        self._is_closed = True
        for thread in (self._reader, self._writer):
            if thread is not None:
                await thread.stop()

    @property
    def is_open(self) -> bool:
        """Whether it can be used."""
        return self._writer is not None and not self._is_closed

    async def write(
        self,
        operation: Operation[T],
        *,
        lane: str = MANY,  # noqa: ARG002 - every write has the whole database for itself
        key: WriteKey | None = None,
        is_urgent: bool = True,
    ) -> T:
        """Run an operation in a shared transaction; return once it is durable.

        Args:
            operation: What to write.
            lane: What it writes to.
            key: What it is for; a failed post under the same key fails it too.
            is_urgent: If not, it may wait some milliseconds for one that is.
        """
        writer = self._use(self._writer)
        return await writer.run(operation, is_write=True, key=key, is_urgent=is_urgent)

    def post(self, operation: Operation[None], *, key: WriteKey) -> None:
        """Queue a write that nobody waits for; committed in its place.

        Args:
            operation: What to write.
            key: What it is for; if it fails, what is written under this key after it fails too.
        """
        self._use(self._writer).post(operation, key=key)

    def forget(self, key: WriteKey) -> None:
        """Forget what was posted under a key and failed; nothing more is written under it."""
        self._use(self._writer).forget(key)

    async def read(self, operation: Operation[T]) -> T:
        """Run an operation that only reads, on one snapshot of what is committed."""
        return await self._use(self._reader).run(operation, is_write=False)

    def write_blocking(self, operation: Operation[T], *, lane: str = MANY) -> T:  # noqa: ARG002
        """Do as `write` does, blocking the calling thread."""
        return self._use(self._writer).run_blocking(operation, is_write=True)

    def read_blocking(self, operation: Operation[T]) -> T:
        """Do as `read` does, blocking the calling thread."""
        return self._use(self._reader).run_blocking(operation, is_write=False)

    def _use(self, thread: DatabaseThread | None) -> DatabaseThread:
        if thread is None:
            raise StorageError(
                f"The storage {self._file.url} is not open. Await its connect(), or use it "
                "inside `async with open_storage(...)`."
            )
        return thread
