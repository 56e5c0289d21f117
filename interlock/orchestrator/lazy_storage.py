"""A storage that is opened when it is first used, in the event loop that uses it."""

import asyncio

from interlock.checkpoints import SqlStorage
from interlock.contracts.clock import Clock
from interlock.contracts.storage import Storage


class LazyStorage:
    """Holds a URL until a storage is needed; holds an opened storage as it is."""

    def __init__(self, storage: str | Storage, *, clock: Clock | None) -> None:
        """Keep what was declared; nothing is opened.

        Raises:
            ConfigurationError: The URL is unknown.
        """
        self._own = SqlStorage(storage, clock=clock) if isinstance(storage, str) else None
        self._given = None if isinstance(storage, str) else storage
        self._is_open = False
        self._opening: asyncio.Lock | None = None

    async def open(self) -> Storage:
        """Return the storage, opening it if that has not happened.

        Raises:
            StorageError: It cannot be opened; the message says why.
        """
        if self._given is not None:
            return self._given
        assert self._own is not None  # noqa: S101 - one of the two is always there
        if not self._is_open:
            if self._opening is None:
                self._opening = asyncio.Lock()
            async with self._opening:
                await self._own.connect()
                self._is_open = True
        return self._own

    async def aclose(self) -> None:
        """Close what this opened; a storage that was handed in stays open."""
        if self._own is not None and self._is_open:
            self._is_open = False
            self._opening = None
            await self._own.aclose()
