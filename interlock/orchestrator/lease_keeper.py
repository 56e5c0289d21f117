"""Keeps a thread's lease alive while it is driven, and hears what others ask of it."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Self

from interlock.contracts.errors import LeaseLostError, StorageError, TransientError
from interlock.contracts.storage import Lease, Storage

RENEW_SECONDS = 1.0


class LeaseKeeper:
    """Renews one lease in the background; an async context manager.

    It sleeps on the event loop's own time, not on a clock that is handed in: what it proves is
    that this process is alive.
    """

    def __init__(
        self,
        storage: Storage,
        lease: Lease,
        *,
        ttl: timedelta,
        on_cancel: Callable[[str], None],
        on_lost: Callable[[LeaseLostError], None],
    ) -> None:
        """Keep a lease.

        Args:
            storage: Where the lease is.
            lease: As acquired.
            ttl: For how long each renewal holds.
            on_cancel: Called with the reason once somebody asked to cancel the run.
            on_lost: Called when another process has taken the thread over.
        """
        self._storage = storage
        self._lease = lease
        self._ttl = ttl
        self._on_cancel = on_cancel
        self._on_lost = on_lost
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Begin to renew."""
        self._task = asyncio.create_task(self._renew(), name="interlock-lease")
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        """Stop renewing and give the thread free."""
        try:
            if self._task is not None:
                self._task.cancel()
                await asyncio.gather(self._task, return_exceptions=True)
        finally:
            await self._storage.release_lease(self._lease)

    async def _renew(self) -> None:
        interval = min(RENEW_SECONDS, self._ttl.total_seconds() / 3)
        while True:
            await asyncio.sleep(interval)
            try:
                self._lease = await self._storage.renew_lease(self._lease, ttl=self._ttl)
            except LeaseLostError as exc:
                self._on_lost(exc)
                return
            except (StorageError, TransientError):
                continue  # the run's own writes meet the same failure and report it
            if self._lease.cancel_reason is not None:
                self._on_cancel(self._lease.cancel_reason)
