"""A storage that is opened when it is first used, in the event loop that uses it."""

import asyncio

from interlock.checkpoints import SqlStorage
from interlock.contracts.clock import Clock
from interlock.contracts.encryption import Encryption
from interlock.contracts.errors import ConfigurationError
from interlock.contracts.storage import Storage


class LazyStorage:
    """Holds a URL until a storage is needed; holds an opened storage as it is."""

    def __init__(
        self, storage: str | Storage, *, clock: Clock | None, encryption: Encryption | None = None
    ) -> None:
        """Keep what was declared; nothing is opened.

        Raises:
            ConfigurationError: The URL is unknown, or keys were given beside an opened storage.
        """
        if encryption is not None and not isinstance(storage, str):
            raise ConfigurationError(
                "Encryption keys were given beside an opened storage, which has its own. Give "
                "them where it is opened: il.open_storage(url, encryption=...)."
            )
        self._clock = clock
        self._encryption = encryption
        self._declared = storage
        self._given = None if isinstance(storage, str) else storage
        self._next = self._build()
        self._opened: SqlStorage | None = None
        self._opening: asyncio.Lock | None = None

    def _build(self) -> SqlStorage | None:
        url = self._declared
        if not isinstance(url, str):
            return None
        return SqlStorage(url, clock=self._clock, encryption=self._encryption)

    async def open(self) -> Storage:
        """Return the storage, opening it if that has not happened.

        After a close it is opened anew, in whichever event loop asks.

        Raises:
            StorageError: It cannot be opened; the message says why.
        """
        if self._given is not None:
            return self._given
        if self._opened is None:
            if self._opening is None:
                self._opening = asyncio.Lock()
            async with self._opening:
                return await self._connect()
        return self._opened

    async def _connect(self) -> Storage:
        if self._opened is None:
            assert self._next is not None  # noqa: S101 - without one given, there is one to open
            try:
                await self._next.connect()
            except BaseException:
                self._next = self._build()
                raise
            self._opened = self._next
        return self._opened

    async def aclose(self) -> None:
        """Close what this opened; a storage that was handed in stays open."""
        if self._opened is not None:
            closing, self._opened, self._opening = self._opened, None, None
            self._next = self._build()
            await closing.aclose()
