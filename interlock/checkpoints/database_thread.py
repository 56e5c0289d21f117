"""Group commit: one thread that owns one connection and shares its commits.

Callers queue operations, functions of the connection, and wait. The thread takes all
that is queued, runs it in one transaction, commits once, and only then lets the callers
go on: the classic group commit (DeWitt et al., "Implementation Techniques for Main
Memory Database Systems", 1984). Operations run in the order they were queued in. One
that raises fails alone: if it had written nothing the rest is kept as it is, else the
transaction is rolled back and run again with a savepoint around each operation. An
operation may therefore run twice and must have no effect outside the database.

Some operations need no commit of their own: nobody goes on because of them. They are kept
back until the next one that is urgent, which commits them with itself, or for a few
milliseconds. Nothing overtakes: all that was queued before an urgent operation is committed
before or with it.
"""

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from queue import Empty, SimpleQueue
from typing import Any, Final, NamedTuple, TypeAlias, TypeVar
from weakref import WeakSet

from interlock.checkpoints.sqlite_errors import translate_error
from interlock.checkpoints.write_hook import WriteHook
from interlock.contracts.errors import StorageError

T = TypeVar("T")
Operation: TypeAlias = Callable[[sqlite3.Connection], T]
MAX_BATCH: Final = 512
"""Most operations in one transaction, so that the first of them does not wait for ever."""
KEEP_BACK_SECONDS: Final = 0.05
"""Longest that an operation which is not urgent is kept back."""


class WriteKey(NamedTuple):
    """What writes have in common so that one of them fails those after it.

    Attributes:
        name: Of what is written to.
        token: Of the lease under which; None without one.
    """

    name: str
    token: int | None


@dataclass(slots=True, eq=False)
class _Request:
    """One queued operation, who waits for it, and what came of it."""

    operation: Operation[Any]
    is_write: bool
    loop: asyncio.AbstractEventLoop | None
    waiter: Any  # an asyncio or a concurrent future, told apart by `loop`; None if posted
    key: WriteKey | None = None
    value: Any = None
    error: Exception | None = None


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
        self._commits = count(1)
        self._queue: SimpleQueue[_Request | None] = SimpleQueue()
        self._kept_back: list[_Request] = []
        self._kept_since = 0.0
        self._timers: WeakSet[asyncio.AbstractEventLoop] = WeakSet()  # loops in which one runs
        self._failures: dict[WriteKey, Exception] = {}  # of posted operations
        self._fresh: dict[WriteKey, Exception] = {}  # of those in the transaction under way
        self._told: set[WriteKey] = set()
        self._lock = threading.Lock()
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
        request = _Request(operation, is_write, loop, waiter, key)
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
        self._keep_back(_Request(operation, True, loop, None, key), loop)  # noqa: FBT003

    def forget(self, key: WriteKey) -> None:
        """Forget what was posted under a key and failed; nothing more is queued under it."""
        self._failures.pop(key, None)

    def run_blocking(self, operation: Operation[T], *, is_write: bool) -> T:
        """Do as `run` does, blocking the calling thread."""
        if threading.current_thread() is self._thread:
            raise StorageError(
                "A function that runs inside the storage's transaction used the storage, which "
                "waits for that very transaction. Use what it was lent, the open transaction; call "
                "guarded tools before it or after it."
            )
        waiter: Future[T] = Future()
        self._submit(_Request(operation, is_write, None, waiter))
        return waiter.result()

    async def stop(self) -> None:
        """Finish what is queued, close the connection and end the thread."""
        with self._lock:
            was_open, self._is_open = self._is_open, False
            if was_open:
                self._let_go()
                self._queue.put(None)
        if was_open:
            await asyncio.to_thread(self._thread.join)

    def _submit(self, request: _Request) -> None:
        with self._lock:
            self._require_open()
            self._let_go()
            self._queue.put(request)

    def _keep_back(self, request: _Request, loop: asyncio.AbstractEventLoop) -> None:
        with self._lock:
            self._require_open()
            if not self._kept_back:
                self._kept_since = loop.time()
            self._kept_back.append(request)
            if len(self._kept_back) >= MAX_BATCH:
                self._let_go()
            elif loop not in self._timers:
                self._set_timer(loop, KEEP_BACK_SECONDS)

    def _set_timer(self, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        loop.call_later(seconds, self._on_time, loop)
        self._timers.add(loop)

    def _on_time(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let go what has been kept back for long enough; a loop's one timer goes on for the rest.

        Each loop that keeps something back has its own: another loop may close before its time.
        """
        with self._lock:
            self._timers.discard(loop)
            if not self._kept_back:
                return
            left = self._kept_since + KEEP_BACK_SECONDS - loop.time()
            if left <= 0:
                self._let_go()
            else:
                self._set_timer(loop, left)

    def _let_go(self) -> None:
        """Queue what was kept back, in its order; the caller holds the lock."""
        for request in self._kept_back:
            self._queue.put(request)
        self._kept_back.clear()

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
            self._started.set_exception(translate_error(exc, place=self._place))
            return
        self._started.set_result(None)
        try:
            is_going_on = True
            while is_going_on:
                batch, is_going_on = self._take_batch()
                self._run_batch(connection, batch)
                _settle(batch)
        finally:
            connection.close()

    def _take_batch(self) -> tuple[list[_Request], bool]:
        """Wait for a request, then take what else is there; say whether to go on after it."""
        batch: list[_Request] = []
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

    def _run_batch(self, connection: sqlite3.Connection, batch: Sequence[_Request]) -> None:
        """Run a batch: its writes in one transaction, then its reads in another."""
        writes = [request for request in batch if request.is_write]
        reads = [request for request in batch if not request.is_write]
        for part, is_write in ((writes, True), (reads, False)):
            if not part:
                continue
            try:
                self._run_transaction(connection, part, is_write=is_write)
            except Exception as exc:  # noqa: BLE001 - handed to every caller of the batch
                _roll_back(connection)
                for request in part:
                    request.error = translate_error(exc, place=self._place)
            self._note_failures(part)

    def _run_transaction(
        self, connection: sqlite3.Connection, part: Sequence[_Request], *, is_write: bool
    ) -> None:
        begin = "BEGIN IMMEDIATE" if is_write else "BEGIN"
        connection.execute(begin)
        if not self._run_optimistically(connection, part):
            _roll_back(connection)
            connection.execute(begin)
            self._run_with_savepoints(connection, part)
        if is_write:
            self._commit(connection)
        else:
            connection.execute("COMMIT")

    def _run_optimistically(self, connection: sqlite3.Connection, part: Sequence[_Request]) -> bool:
        """Run all; return False when one failed half-way, so that all must be run again."""
        for request in part:
            before = connection.total_changes
            try:
                self._require_no_failure(request)
                request.value = request.operation(connection)
            except Exception as exc:  # noqa: BLE001 - handed to its own caller
                if connection.total_changes != before or not connection.in_transaction:
                    return False
                request.error = translate_error(exc, place=self._place)
                self._note_posted(request)
        return True

    def _run_with_savepoints(
        self, connection: sqlite3.Connection, part: Sequence[_Request]
    ) -> None:
        """Run all, each so that it can be undone alone.

        Raises:
            sqlite3.Error: SQLite gave up the transaction itself.
        """
        self._fresh.clear()
        for request in part:
            request.value = request.error = None
            connection.execute("SAVEPOINT operation")
            try:
                self._require_no_failure(request)
                request.value = request.operation(connection)
            except Exception as exc:
                if not connection.in_transaction:
                    raise
                request.error = translate_error(exc, place=self._place)
                self._note_posted(request)
                connection.execute("ROLLBACK TO operation")
            connection.execute("RELEASE operation")

    def _require_no_failure(self, request: _Request) -> None:
        """Fail a request if one posted before it under its key has failed."""
        if request.key is None:
            return
        failure = self._failures.get(request.key) or self._fresh.get(request.key)
        if failure is None:
            return
        if request.waiter is not None and request.key.token is None:
            self._told.add(request.key)
        raise failure.with_traceback(None)  # or it would grow with everybody who is told

    def _note_posted(self, request: _Request) -> None:
        if request.waiter is None and request.key is not None and request.error is not None:
            self._fresh.setdefault(request.key, request.error)

    def _note_failures(self, part: Sequence[_Request]) -> None:
        """Remember the posted requests that failed; without a lease, until somebody is told."""
        for key in self._told:
            self._failures.pop(key, None)
        self._told.clear()
        for request in part:
            self._note_posted(request)
        for key, failure in self._fresh.items():
            self._failures.setdefault(key, failure)
        self._fresh.clear()

    def _commit(self, connection: sqlite3.Connection) -> None:
        if self._write_hook is None:
            connection.execute("COMMIT")
            return
        index = next(self._commits)
        self._write_hook.before_commit(index)
        connection.execute("COMMIT")
        self._write_hook.after_commit(index)


def _roll_back(connection: sqlite3.Connection) -> None:
    """Undo the open transaction, if one is; a failure here shows at the next BEGIN."""
    if connection.in_transaction:
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")


def _settle(batch: Sequence[_Request]) -> None:
    """Let every caller go on, waking each event loop once."""
    by_loop: dict[asyncio.AbstractEventLoop, list[_Request]] = {}
    for request in batch:
        if request.loop is None:
            _resolve(request)
        elif request.waiter is not None:
            by_loop.setdefault(request.loop, []).append(request)
    for loop, requests in by_loop.items():
        try:
            loop.call_soon_threadsafe(_resolve_all, requests)
        except RuntimeError:  # the loop was closed meanwhile: nobody waits there any more
            continue


def _resolve_all(requests: Sequence[_Request]) -> None:
    for request in requests:
        if not request.waiter.done():
            _resolve(request)


def _resolve(request: _Request) -> None:
    if request.error is None:
        request.waiter.set_result(request.value)
    else:
        request.waiter.set_exception(request.error)
