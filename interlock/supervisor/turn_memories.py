"""Turns that are kept in memory: opened for a turn, closed once nothing can go on with it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from threading import Lock
from typing import Final

from interlock.checkpoints import SqlStorage
from interlock.contracts.clock import Clock

IN_MEMORY: Final = "memory://"
MAX_KEPT: Final = 256
"""Conversations of one supervisor that wait in memory; beyond it, the one left longest is lost."""


@dataclass(slots=True, eq=False)
class TurnMemory:
    """The memory of one turn.

    Attributes:
        storage: What is open.
        place: The conversation; at most one of its turns can be gone on with.
        users: How many calls work in it now.
        is_over: Whether its run has ended.
    """

    storage: SqlStorage
    place: str
    users: int = 0
    is_over: bool = False


@dataclass(slots=True)
class TurnMemories:
    """The memories of one supervisor's turns; its calls may come from several event loops."""

    clock: Clock | None
    max_kept: int = MAX_KEPT
    _kept: dict[str, TurnMemory] = field(default_factory=dict[str, TurnMemory], init=False)
    _lock: Lock = field(default_factory=Lock, init=False)

    @asynccontextmanager
    async def lend(
        self, thread_id: str, *, place: str, is_resumable: bool
    ) -> AsyncIterator[TurnMemory]:
        """Give the turn's memory, and keep it afterwards if the turn can be gone on with.

        Args:
            thread_id: Of the turn's run.
            place: The conversation that it is a turn of; its earlier turns are superseded.
            is_resumable: Whether a checkpointer knows the turn, so that a later call finds it.
        """
        memory, unused = self._take(thread_id, place=place)
        try:
            await _close_all(unused)
            await memory.storage.connect()
            yield memory
        finally:
            await _close_all(self._give_back(thread_id, is_kept=is_resumable))

    def _take(self, thread_id: str, *, place: str) -> tuple[TurnMemory, list[TurnMemory]]:
        with self._lock:
            memory, unused = self._kept.pop(thread_id, None), list[TurnMemory]()
            if memory is None:
                memory = TurnMemory(SqlStorage(IN_MEMORY, clock=self.clock), place)
                unused = self._drop(lambda other: other.place == place)
            self._kept[thread_id] = memory  # the last one now
            memory.users += 1
            return memory, unused

    def _give_back(self, thread_id: str, *, is_kept: bool) -> list[TurnMemory]:
        with self._lock:
            memory = self._kept[thread_id]
            memory.users -= 1
            memory.is_over = memory.is_over or not is_kept
            unused = self._drop(lambda other: other.is_over)
            excess = len(self._kept) - self.max_kept
            return [*unused, *self._drop(lambda _: True, at_most=excess)]

    def _drop(
        self, is_meant: Callable[[TurnMemory], bool], *, at_most: int | None = None
    ) -> list[TurnMemory]:
        """Take out memories in which no call works, those used longest ago first."""
        idle = [key for key, kept in self._kept.items() if not kept.users and is_meant(kept)]
        chosen = idle if at_most is None else idle[: max(at_most, 0)]
        return [self._kept.pop(key) for key in chosen]


async def _close_all(memories: Collection[TurnMemory]) -> None:
    """Close memories also if the caller is cancelled meanwhile."""
    for memory in memories:
        await asyncio.shield(asyncio.ensure_future(memory.storage.aclose()))
