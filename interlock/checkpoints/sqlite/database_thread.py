"""One thread that owns one connection and shares its commits (see `shared_transaction`).

Callers queue operations. The thread takes all that is queued, runs it in one transaction, commits
once, and only then lets the callers go on.
"""

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Final, TypeVar

from interlock.checkpoints.connection import Operation
from interlock.checkpoints.database import WriteKey
from interlock.checkpoints.kept_back import MAX_BATCH, KeptBack
from interlock.checkpoints.queued_requests import PostedFailures, Request, settle
from interlock.checkpoints.shared_transaction import SharedTransaction
from interlock.checkpoints.sqlite.driver_errors import translate_error
from interlock.checkpoints.sqlite.sqlite_transactions import SqliteTransactions
from interlock.checkpoints.write_hook import WriteHook
from interlock.contracts.errors import StorageError

T = TypeVar("T")
_LANE: Final = ""
"""All writes of an SQLite file go in one order."""


class DatabaseThread:
    """One connection and the one thread that may use it."""

    def __init__(
        self,
        place: str,
        open_connection: Callable[[], sqlite3.Connection],
        *,
        write_hook: WriteHook | None = None,
    ) -> None:
        """Prepare; `start` opens the connection.

        Args:
            place: The database's URL, for messages.
            open_connection: Called once, on the thread.
            write_hook: Called around every commit of writes.
        """
        self._place = place
        self._open_connection = open_connection
        self._write_hook = write_hook
        self._queue: SimpleQueue[Request | None] = SimpleQueue()
        self._failures = PostedFailures()
        self._lock = threading.Lock()
        self._kept_back = KeptBack(self._lock, self._put)
        self._is_open = False
        self._thread = threading.Thread(target=self._serve, name=f"storage {place}", daemon=True)
        self._started: Future[None] = Future()

    async def start(self) -> None:
        """Open the connection on the thread.

        Raises:
            StorageError: It could not be opened.
        """
        self._started.set_running_or_notify_cancel()  # from here on nobody can cancel it
        self._thread.start()
        try:
            await asyncio.wrap_future(self._started)
        except asyncio.CancelledError:
            self._queue.put(None)
            raise
        self._is_open = True

    async def run(
        self,
        operation: Operation[T],
        *,
        is_write: bool,
        key: WriteKey | None = None,
        is_urgent: bool = True,
    ) -> T:
        """Queue an operation and wait for its commit.

        A caller that is cancelled leaves its operation queued: it may still be committed.

        Args:
            operation: What to do.
            is_write: Whether it writes.
            key: Fails with what an operation posted under the same key failed with.
            is_urgent: If not, it may be kept back for a few milliseconds.

        Raises:
            StorageError: The storage is closed, or the database failed.
        """
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[T] = loop.create_future()
        request = Request(operation, is_write, loop, waiter, key)
        if is_urgent:
            self._submit(request)
        else:
            self._keep_back(request, loop)
        return await waiter

    def post(self, operation: Operation[None], *, key: WriteKey) -> None:
        """Queue a write without waiting for it.

        It is committed in its place, with or before whatever is queued after it. If it fails,
        all that is queued with its key after it fails with its error, until the key is forgotten;
        without a lease, until somebody who waits has been told.

        Raises:
            StorageError: The storage is closed.
        """
        loop = asyncio.get_running_loop()
        self._keep_back(Request(operation, True, loop, None, key), loop)  # noqa: FBT003

    def forget(self, key: WriteKey) -> None:
        """Forget what was posted under a key and failed; nothing more is written under it."""
        self._failures.forget(key)

    def run_blocking(self, operation: Operation[T], *, is_write: bool) -> T:
        """Do as `run` does, blocking the calling thread."""
        if threading.current_thread() is self._thread:
            raise StorageError(
                "A function that runs inside the storage's transaction used the storage, which "
                "waits for that very transaction. Use what it was lent, the open transaction; call "
                "guarded tools before it or after it."
            )
        waiter: Future[T] = Future()
        self._submit(Request(operation, is_write, None, waiter))
        return waiter.result()

    async def stop(self) -> None:
        """Finish what is queued, close the connection and end the thread."""
        with self._lock:
            was_open, self._is_open = self._is_open, False
            if was_open:
                self._kept_back.let_all_go()
                self._queue.put(None)
        if was_open:
            await asyncio.to_thread(self._thread.join)

    def _submit(self, request: Request) -> None:
        with self._lock:
            self._require_open()
            self._kept_back.let_go(_LANE)
            self._queue.put(request)

    def _keep_back(self, request: Request, loop: asyncio.AbstractEventLoop) -> None:
        with self._lock:
            self._require_open()
            self._kept_back.add(_LANE, request, loop)

    def _put(self, _lane: str, requests: Sequence[Request]) -> None:
        for request in requests:
            self._queue.put(request)

    def _require_open(self) -> None:
        if not self._is_open:
            raise StorageError(
                f"The storage {self._place} is not open. Use it inside "
                "`async with open_storage(...)`, before it is closed."
            )

    def _serve(self) -> None:
        """Be the thread: open, serve batches until told to stop, close."""
        try:
            connection = self._open_connection()
        except Exception as exc:  # noqa: BLE001 - handed to whoever awaits start()
            self._started.set_exception(self._translate(exc))
            return
        self._started.set_result(None)
        driver = SqliteTransactions(connection, self._write_hook)
        try:
            is_going_on = True
            while is_going_on:
                batch, is_going_on = self._take_batch()
                self._run_batch(driver, batch)
                settle(batch)
        finally:
            connection.close()

    def _take_batch(self) -> tuple[list[Request], bool]:
        """Wait for a request, then take what else is there; say whether to go on after it."""
        batch: list[Request] = []
        request = self._queue.get()
        try:
            while request is not None:
                batch.append(request)
                if len(batch) >= MAX_BATCH:
                    return batch, True
                request = self._queue.get_nowait()
        except Empty:
            return batch, True
        return batch, False

    def _run_batch(self, driver: SqliteTransactions, batch: Sequence[Request]) -> None:
        """Run a batch: its writes in one transaction, then its reads in another."""
        writes = [request for request in batch if request.is_write]
        reads = [request for request in batch if not request.is_write]
        for part, is_write in ((writes, True), (reads, False)):
            if not part:
                continue
            shared = SharedTransaction(part, failures=self._failures, translate=self._translate)
            try:
                shared.run(driver, is_write=is_write)
            except Exception as exc:  # noqa: BLE001 - handed to every caller of the batch
                driver.roll_back()
                shared.fail(exc)
            shared.note_failures()

    def _translate(self, error: Exception) -> Exception:
        return translate_error(error, place=self._place)
