"""Group commit: many queued operations in one transaction, each of which can fail alone.

The classic group commit (DeWitt et al., "Implementation Techniques for Main Memory Database
Systems", 1984). Operations run in the order they were queued in. One that raises fails alone: if
it had written nothing the rest is kept as it is, else the transaction is rolled back and run again
with a savepoint around each operation.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from interlock.checkpoints.connection import Connection
from interlock.checkpoints.database import WriteKey
from interlock.checkpoints.queued_requests import PostedFailures, Request
from interlock.contracts.errors import StorageError


class Transactional(Protocol):
    """A connection of a driver, as far as transactions go."""

    @property
    def connection(self) -> Connection:
        """What operations are given."""
        ...

    @property
    def changes(self) -> int:
        """Grows whenever a statement writes."""
        ...

    @property
    def is_inside(self) -> bool:
        """Whether a transaction is open and can go on."""
        ...

    def begin(self, *, is_write: bool) -> None:
        """Begin a transaction."""
        ...

    def flush(self) -> None:
        """Run what was held back of the operations' statements, and raise what that fails with."""
        ...

    def commit(self, *, is_write: bool) -> None:
        """Make it durable; nothing is held back."""
        ...

    def roll_back(self) -> None:
        """Undo the open transaction, if one is; a failure here shows at the next `begin`."""
        ...

    def save(self) -> None:
        """Set a savepoint."""
        ...

    def undo(self) -> None:
        """Undo what was done since the savepoint."""
        ...

    def release(self) -> None:
        """Give the savepoint up, keeping what was done since."""
        ...

    def is_broken_by(self, error: Exception) -> bool:
        """Return whether the batch must be run again from its beginning, or elsewhere."""
        ...


class SharedTransaction:
    """One batch of requests on its way through one transaction."""

    def __init__(
        self,
        batch: Sequence[Request],
        *,
        failures: PostedFailures,
        translate: Callable[[Exception], Exception],
    ) -> None:
        """Prepare a batch.

        Args:
            batch: All writes, or all reads.
            failures: Of posted operations before it.
            translate: Returns the typed error for one of the driver's.
        """
        self._batch = batch
        self._failures = failures
        self._translate = translate
        self._fresh: dict[WriteKey, Exception] = {}
        self._told: set[WriteKey] = set()

    def run(self, driver: Transactional, *, is_write: bool) -> None:
        """Run and commit the batch; safe to call again after it raised.

        Raises:
            Exception: The driver's; the transaction as a whole has failed.
        """
        self._fresh.clear()
        self._told.clear()
        for request in self._batch:
            request.value = request.error = None
        driver.begin(is_write=is_write)
        if not self._run_optimistically(driver):
            driver.roll_back()
            driver.begin(is_write=is_write)
            self._run_with_savepoints(driver)
        driver.commit(is_write=is_write)

    def fail(self, error: Exception) -> None:
        """Give every request the same error."""
        for request in self._batch:
            request.error = self._translate(error)

    def note_failures(self) -> None:
        """Remember the posted requests that failed; without a lease, until somebody is told."""
        for key in self._told:
            self._failures.forget(key)
        for request in self._batch:
            self._note_posted(request)
        self._failures.keep(self._fresh.items())

    def _run_optimistically(self, driver: Transactional) -> bool:
        """Run all; return False when one failed half-way, so that all must be run again."""
        for request in self._batch:
            before = driver.changes
            try:
                self._require_no_failure(request)
                request.value = _call(request, driver.connection)
            except Exception as exc:
                if driver.is_broken_by(exc):
                    raise
                if driver.changes != before or not driver.is_inside:
                    return False
                request.error = self._translate(exc)
                self._note_posted(request)
        return self._flush(driver)

    def _flush(self, driver: Transactional) -> bool:
        """Run what was held back; return False if it fails, no matter for which request."""
        try:
            driver.flush()
        except Exception as exc:
            if driver.is_broken_by(exc):
                raise
            return False
        return True

    def _run_with_savepoints(self, driver: Transactional) -> None:
        """Run all, each so that it can be undone alone."""
        self._fresh.clear()
        for request in self._batch:
            request.value = request.error = None
            driver.save()
            try:
                self._require_no_failure(request)
                request.value = _call(request, driver.connection)
                driver.flush()
            except Exception as exc:
                if driver.connection.ended_by(exc):
                    raise
                request.error = self._translate(exc)
                self._note_posted(request)
                driver.undo()
            driver.release()

    def _require_no_failure(self, request: Request) -> None:
        """Fail a request if one posted before it under its key has failed."""
        if request.key is None:
            return
        failure = self._failures.find(request.key) or self._fresh.get(request.key)
        if failure is None:
            return
        if request.waiter is not None and request.key.token is None:
            self._told.add(request.key)
        raise failure.with_traceback(None)  # or it would grow with everybody who is told

    def _note_posted(self, request: Request) -> None:
        if request.waiter is None and request.key is not None and request.error is not None:
            self._fresh.setdefault(request.key, request.error)


def _call(request: Request, connection: Connection) -> Any:  # noqa: ANN401 - the operation's own
    """Run an operation, in which a function of the user's may try to end more than itself.

    Raises:
        StorageError: In the place of SystemExit and the like: the thread serves others, too.
    """
    try:
        return request.operation(connection)
    except Exception:
        raise
    except BaseException as exc:
        raise StorageError(
            f"A function that runs inside the storage's transaction raised {type(exc).__name__}, "
            "which is not an Exception. What it wrote was undone. Raise an Exception there, and end "
            "the process or cancel the task outside."
        ) from exc
