"""A storage in memory with places where a test can stand."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from interlock.checkpoints import SqlStorage
from interlock.contracts.ids import ThreadId
from interlock.contracts.outcome import StepOutcome
from interlock.contracts.storage import Batch, Lease

Wants = Callable[[Batch], bool]
Act = Callable[[], Awaitable[Any]]


class StagedStorage(SqlStorage):
    """Calls what a test has set, once each, at the moment it is named for."""

    def __init__(self) -> None:
        """Do nothing of one's own."""
        super().__init__("memory://")
        self.after_flush: Act | None = None
        self.after_acquire: Act | None = None
        self.after_release: Act | None = None
        self.around_commit: tuple[Wants, Act] | None = None
        self.is_committed_first = False

    async def flush(self, thread_id: ThreadId) -> None:
        """Flush, then act."""
        await super().flush(thread_id)
        await self._act("after_flush")

    async def acquire_lease(self, thread_id: ThreadId, *, ttl: timedelta) -> Lease:
        """Acquire, then act."""
        lease = await super().acquire_lease(thread_id, ttl=ttl)
        await self._act("after_acquire")
        return lease

    async def release_lease(self, lease: Lease) -> None:
        """Release, then act."""
        await super().release_lease(lease)
        await self._act("after_release")

    async def commit(self, thread_id: ThreadId, batch: Batch) -> StepOutcome | None:
        """Act before the wanted commit, or after it if so set."""
        act: Act | None = None
        if self.around_commit is not None and self.around_commit[0](batch):
            act, self.around_commit = self.around_commit[1], None
        if act is not None and not self.is_committed_first:
            await act()
        outcome = await super().commit(thread_id, batch)
        if act is not None and self.is_committed_first:
            await act()
        return outcome

    async def _act(self, moment: str) -> None:
        act: Act | None = getattr(self, moment)
        setattr(self, moment, None)
        if act is not None:
            await act()


@asynccontextmanager
async def open_staged() -> AsyncIterator[StagedStorage]:
    """Open such a storage, and close it at the end of the block."""
    storage = StagedStorage()
    await storage.connect()
    try:
        yield storage
    finally:
        await storage.aclose()


def puts_down(batch: Batch) -> bool:
    """Whether this is the commit with which a run stops and waits."""
    return batch.run is not None and batch.run.status == "waiting"


def settles(step_path: str) -> Wants:
    """Return what tells the commit with which a step settles."""
    return lambda batch: any(outcome.step_id == step_path for outcome in batch.outcomes)
