"""One PostgreSQL database (`checkpoints.database.Database`)."""

import asyncio
import contextlib
import secrets
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from typing import Any, Final, TypeVar

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg_pool import ConnectionPool, PoolTimeout, TooManyRequests

from interlock.checkpoints.connection import Operation
from interlock.checkpoints.database import MANY, WriteKey
from interlock.checkpoints.kept_back import KeptBack
from interlock.checkpoints.postgresql.driver_connection import Driver, run_script
from interlock.checkpoints.postgresql.driver_errors import (
    is_connection_lost,
    starts_again,
    translate_error,
    typed_errors,
    was_idle,
)
from interlock.checkpoints.postgresql.lanes import Lanes
from interlock.checkpoints.postgresql.patience import Patience
from interlock.checkpoints.postgresql.postgres_transactions import (
    CommitMark,
    CountedHook,
    PostgresTransactions,
)
from interlock.checkpoints.postgresql.schema import migrate
from interlock.checkpoints.postgresql.text_adapters import register_adapters
from interlock.checkpoints.queued_requests import PostedFailures, Request, settle
from interlock.checkpoints.shared_transaction import SharedTransaction
from interlock.checkpoints.storage_url import StorageUrl
from interlock.checkpoints.write_hook import WriteHook
from interlock.contracts.errors import StorageError

T = TypeVar("T")
PATIENCE_SECONDS: Final = 60.0
"""How long a write is tried again while the server, or the way to it, is gone."""
_CONNECT_SECONDS: Final = 10.0
_BORROW_SECONDS: Final = 3.0
"""How long a thread waits for a connection, and the pool for the server, before each begins again.

The pool doubles its pauses; if it never began again, a server that is back would wait for minutes."""
_REACHING: Final[dict[str, str]] = {
    "connect_timeout": "10",
    "keepalives_idle": "15",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
}
"""So that a machine that has vanished from the network is noticed, in half a minute and not in hours.

What the URL says of these goes before."""
_OLD_MARKS: Final = "30 days"
"""Marks of storages that were killed go after so long."""
_FIRST_PAUSE_SECONDS: Final = 0.02
_LONGEST_PAUSE_SECONDS: Final = 1.0
_MOST_TIMES_IDLE: Final = 2
"""A process may be frozen once; a function that takes too long does so each time."""
_FRESH_SECONDS: Final = 1.0
"""A connection that was used so short a time ago is taken without being asked whether it lives."""
_CONNECTION_SETTINGS: Final[dict[str, Any]] = {
    "autocommit": True,
    "prepare_threshold": None,  # a transaction pooler may stand in between
    "cursor_factory": psycopg.RawCursor,
    "client_encoding": "utf8",
    "application_name": "interlock",
}


class _PooledConnection(psycopg.Connection[tuple[Any, ...]]):
    """A connection that remembers when it was last used."""

    used_at = 0.0


class PostgresDatabase:
    """Runs operations on a pool of connections: writes by lane, reads beside them.

    A write is acknowledged once PostgreSQL has committed it. One whose connection is lost is run
    again on another; if it was lost in the COMMIT, only after it is known that it is not in.
    """

    def __init__(self, url: StorageUrl, *, write_hook: WriteHook | None = None) -> None:
        """Prepare; `connect` opens.

        Args:
            url: Of a PostgreSQL database.
            write_hook: Called around every commit of writes.
        """
        self._url = url
        self._hook = CountedHook(write_hook)
        self._failures = PostedFailures()
        self._patience = Patience(PATIENCE_SECONDS)
        self._lock = threading.Lock()
        self._lanes = Lanes(f"storage {url.text}", self._serve, threads=url.pool_size)
        self._kept_back = KeptBack(self._lock, self._lanes.put)
        self._name = secrets.token_hex(12)
        self._marks = [CommitMark(f"{self._name}/{index}") for index in range(url.pool_size)]
        self._opening = asyncio.Lock()
        self._is_open = False
        self._is_closed = False
        self._pool: ConnectionPool[_PooledConnection] | None = None

    async def connect(self) -> None:
        """Open connections and bring the schema up to date; safe to repeat.

        Raises:
            StorageError: The database cannot be used, or was closed before.
        """
        async with self._opening:
            if self._is_closed:
                raise StorageError(f"The storage {self._url.text} was closed. Open a new one.")
            if self._is_open:
                return
            given_up = threading.Event()
            try:
                await asyncio.to_thread(self._open, given_up)
            except asyncio.CancelledError:
                given_up.set()
                raise
            self._require_open()  # it may have been closed meanwhile

    def _open(self, given_up: threading.Event) -> None:
        """Open it, unless nobody waits for that any more at the end."""
        url = self._url
        with typed_errors(url.text):
            conninfo = _add_defaults(url.conninfo)
            # Not from the pool: it would try to connect again and again and keep the reason back.
            with psycopg.connect(conninfo, **_CONNECTION_SETTINGS) as driver:
                migrate(driver, url)
            pool = ConnectionPool(
                conninfo,
                connection_class=_PooledConnection,
                kwargs=_CONNECTION_SETTINGS,
                min_size=1,
                max_size=url.pool_size,
                open=False,
                configure=register_adapters,
                check=_check,
                timeout=_BORROW_SECONDS,
                reconnect_timeout=_BORROW_SECONDS,
                name=f"interlock {self._name}",
            )
            try:
                pool.open(wait=True, timeout=_CONNECT_SECONDS)
            except BaseException:
                pool.close()
                raise
        with self._lock:
            is_wanted = not (given_up.is_set() or self._is_open or self._is_closed)
            if is_wanted:
                self._pool = pool
                self._lanes.start()
                self._is_open = True
        if not is_wanted:
            pool.close()

    async def aclose(self) -> None:
        """Write what is queued, then close; safe to repeat."""
        with self._lock:
            was_open, self._is_open, self._is_closed = self._is_open, False, True
            if was_open:
                self._kept_back.let_all_go()
        if was_open:
            await asyncio.to_thread(self._close)

    def _close(self) -> None:
        self._lanes.stop()
        pool = self._use_pool()
        with contextlib.suppress(psycopg.Error, PoolTimeout), pool.connection() as driver:
            run_script(  # a checked name, and hexadecimal digits
                driver,
                f'DELETE FROM "{self._url.schema}".commit_marks '  # noqa: S608
                f"WHERE writer LIKE '{self._name}/%' OR at < now() - interval '{_OLD_MARKS}'",
            )
        pool.close()

    @property
    def is_open(self) -> bool:
        """Whether it can be used."""
        return self._is_open

    async def write(
        self,
        operation: Operation[T],
        *,
        lane: str = MANY,
        key: WriteKey | None = None,
        is_urgent: bool = True,
    ) -> T:
        """Run an operation in a transaction of its lane; return once it is durable.

        A caller that is cancelled leaves its operation queued: it may still be committed.

        Args:
            operation: What to write.
            lane: What it writes to; nobody else writes there meanwhile.
            key: A failed post under the same key fails it too.
            is_urgent: If not, it may wait some milliseconds for one that is.
        """
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[T] = loop.create_future()
        request = Request(operation, True, loop, waiter, key)  # noqa: FBT003
        if is_urgent:
            self._submit(lane, request)
        else:
            self._keep_back(lane, request, loop)
        return await waiter

    def post(self, operation: Operation[None], *, key: WriteKey) -> None:
        """Queue a write that nobody waits for; durable before or with what is queued after it.

        Args:
            operation: What to write, to the lane that the key names.
            key: If it fails, what is written under this key after it fails too.
        """
        loop = asyncio.get_running_loop()
        self._keep_back(key.name, Request(operation, True, loop, None, key), loop)  # noqa: FBT003

    def forget(self, key: WriteKey) -> None:
        """Forget what was posted under a key and failed; nothing more is written under it."""
        self._failures.forget(key)

    async def read(self, operation: Operation[T]) -> T:
        """Run an operation that only reads, on one snapshot of what is committed."""
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[T] = loop.create_future()
        self._submit_read(Request(operation, False, loop, waiter))  # noqa: FBT003
        return await waiter

    def write_blocking(self, operation: Operation[T], *, lane: str = MANY) -> T:
        """Do as `write` does, blocking the calling thread."""
        self._refuse_own_thread()
        waiter: Future[T] = Future()
        self._submit(lane, Request(operation, True, None, waiter))  # noqa: FBT003
        return waiter.result()

    def read_blocking(self, operation: Operation[T]) -> T:
        """Do as `read` does, blocking the calling thread."""
        self._refuse_own_thread()
        waiter: Future[T] = Future()
        self._submit_read(Request(operation, False, None, waiter))  # noqa: FBT003
        return waiter.result()

    def _submit(self, lane: str, request: Request) -> None:
        with self._lock:
            self._require_open()
            self._kept_back.let_go(lane)
            self._lanes.put(lane, (request,))

    def _submit_read(self, request: Request) -> None:
        with self._lock:
            self._require_open()
            self._lanes.put_read(request)

    def _keep_back(self, lane: str, request: Request, loop: asyncio.AbstractEventLoop) -> None:
        with self._lock:
            self._require_open()
            self._kept_back.add(lane, request, loop)

    def _require_open(self) -> None:
        if not self._is_open:
            raise StorageError(
                f"The storage {self._url.text} is not open. Await its connect(), or use it inside "
                "`async with open_storage(...)`, before it is closed."
            )

    def _refuse_own_thread(self) -> None:
        if self._lanes.is_own(threading.current_thread()):
            raise StorageError(
                "A function that runs inside the storage's transaction used the storage, which "
                "may wait for that very transaction. Use what it was lent, the open transaction; "
                "call guarded tools before it or after it."
            )

    def _serve(self, index: int, lane: str | None, batch: Sequence[Request]) -> None:
        """Run a batch of one lane's writes, or of reads, however often it takes."""
        shared = SharedTransaction(batch, failures=self._failures, translate=self._translate)
        deadline = time.monotonic() + PATIENCE_SECONDS
        pause_seconds = _FIRST_PAUSE_SECONDS
        times_idle = 0
        while True:
            try:
                self._try(index, lane, shared)
                self._patience.note_answer()
            except Exception as exc:  # noqa: BLE001 - handed to every caller of the batch
                times_idle += was_idle(exc)
                is_over = times_idle >= _MOST_TIMES_IDLE or time.monotonic() >= deadline
                if self._is_worth_it(exc) and not is_over:
                    time_out = threading.Event()
                    time_out.wait(pause_seconds * (0.5 + secrets.randbelow(1000) / 1000))
                    pause_seconds = min(_LONGEST_PAUSE_SECONDS, pause_seconds * 2)
                    continue
                self._marks[index].is_in_doubt = False
                shared.fail(exc)
            break
        shared.note_failures()
        settle(batch)

    def _is_worth_it(self, error: Exception) -> bool:
        """Return whether what has failed so is to be run again."""
        if self._is_away(error):
            return self._patience.may_wait()
        return starts_again(error)

    def _try(self, index: int, lane: str | None, shared: SharedTransaction) -> None:
        mark = self._marks[index]
        with self._borrow() as driver:
            transactions = PostgresTransactions(
                driver, schema=self._url.schema, lane=lane or MANY, mark=mark, hook=self._hook
            )
            try:
                if mark.is_in_doubt and transactions.is_committed_after_all():
                    return
                shared.run(transactions, is_write=lane is not None)
            except Exception as exc:
                transactions.roll_back()
                if driver.closed and not isinstance(exc, psycopg.Error):
                    raise _LostError from exc  # a function of the user's has wrapped the driver's error
                raise

    @contextlib.contextmanager
    def _borrow(self) -> Iterator[Driver]:
        pool = self._use_pool()
        driver = pool.getconn()
        try:
            yield driver
        finally:
            driver.used_at = time.monotonic()
            pool.putconn(driver)

    def _use_pool(self) -> "ConnectionPool[_PooledConnection]":
        assert self._pool is not None  # noqa: S101 - its threads run only while it is open
        return self._pool

    def _is_away(self, error: Exception) -> bool:
        return isinstance(error, (_LostError, TooManyRequests)) or is_connection_lost(error)

    def _translate(self, error: Exception) -> Exception:
        return translate_error(error, place=self._url.text)


class _LostError(StorageError):
    """The connection was lost inside a function that hid the driver's own error."""


def _add_defaults(conninfo: str) -> str:
    """Return what the client library is given, with our defaults for what it does not say."""
    said = conninfo_to_dict(conninfo)
    return make_conninfo(conninfo, **{key: _REACHING[key] for key in _REACHING if key not in said})


def _check(driver: _PooledConnection) -> None:
    """Ask a connection whether it lives, unless it did a moment ago: a lost write is run again."""
    if time.monotonic() - driver.used_at > _FRESH_SECONDS:
        ConnectionPool.check_connection(driver)
