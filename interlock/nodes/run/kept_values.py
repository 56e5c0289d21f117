"""Big values by reference: in a state each stands as None, with its hash beside it.

LangGraph copies and stores whole channels, so that a big value would be stored once a step and
once an attempt. Called where values enter a state and where nodes take them up again.
"""

from collections.abc import Awaitable, Callable, Mapping

from interlock.contracts.big_values import is_big
from interlock.contracts.ids import PayloadHash, ThreadId
from interlock.contracts.plain import Plain, derive_bytes_hash, encode_plain
from interlock.contracts.storage import Batch, Storage


class KeptValues:
    """The big values that one step works with: each is stored once, and read once."""

    __slots__ = ("_known", "_storage", "_thread_id")

    def __init__(self, storage: Storage, thread_id: ThreadId) -> None:
        """Keep the values of a thread in its storage."""
        self._storage = storage
        self._thread_id = thread_id
        self._known: dict[PayloadHash, Plain] = {}

    async def keep(self, value: Plain) -> PayloadHash:
        """Store a value durably, before anything refers to it, and return its hash."""
        data = encode_plain(value)
        reference = derive_bytes_hash(data)
        await self._storage.commit(self._thread_id, Batch(payloads=(data,)))
        self._known[reference] = value
        return reference

    async def load(self, reference: PayloadHash) -> Plain:
        """Return a value by its hash.

        Raises:
            StorageError: There is no such value on this thread.
        """
        if reference not in self._known:
            loaded = await self._storage.load_payload(self._thread_id, reference)
            self._known[reference] = loaded
        return self._known[reference]

    def drop(self, reference: PayloadHash) -> None:
        """Hold a value in memory no more; it can be loaded again."""
        self._known.pop(reference, None)


async def fold_values(
    values: Mapping[str, Plain], keep: Callable[[Plain], Awaitable[PayloadHash]]
) -> tuple[dict[str, Plain], dict[str, PayloadHash]]:
    """Return values with None in place of the big ones, and the hashes of these by name."""
    refs = {name: await keep(value) for name, value in values.items() if is_big(value)}
    return {**values, **dict.fromkeys(refs)}, refs


async def unfold_values(
    values: Mapping[str, Plain],
    refs: Mapping[str, PayloadHash],
    load: Callable[[PayloadHash], Awaitable[Plain]],
) -> dict[str, Plain]:
    """Return values with the big ones in their places.

    A name that is gone stays away, and another value in the place of None stands: both are
    somebody's edit of the state.
    """
    return {
        name: await load(refs[name]) if value is None and name in refs else value
        for name, value in values.items()
    }
