"""Which of the calls that a task has begun it still awaits.

LangChain says nothing of a call whose task was cancelled, or left it by a timeout. What a suspended
task is in the middle of can be seen in its coroutines.
"""

import asyncio
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from types import CodeType, CoroutineType, FrameType
from typing import Any, Final

from langchain_core.language_models import BaseChatModel, BaseLLM

_WHOLE: Final[frozenset[CodeType]] = frozenset(
    {BaseChatModel.agenerate.__code__, BaseLLM.agenerate.__code__}
)
"""LangChain's coroutines in which a whole answer is awaited; streams have none."""

_FUTURE: Final = "FutureIter"
"""What a coroutine awaits that awaits a future; anything else, such as a generator, hides more."""

_LOOK_SECONDS: Final = 0.25
"""How often a thread that waits for the event loop looks whether that still turns."""

_STUCK_SECONDS: Final = 3.0
"""How long a loop may stand still that waits for other threads."""

_BUSY_SECONDS: Final = 60.0
"""How long it may stand still in whatever else."""

_WAITING: Final = ("threading", "queue", "concurrent.futures")
"""Modules in which a thread waits for others."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Who awaits a call.

    Attributes:
        task: That began it.
        is_whole: Whether it awaits a whole answer; one that reads a stream may do other things
            between.
    """

    task: "asyncio.Task[Any]"
    is_whole: bool


def find_owner(frame: FrameType | None) -> Owner | None:
    """Return who awaits the call that a handler is told of, from the handler's frame."""
    task = asyncio.current_task()
    return None if task is None else Owner(task, any(_list_callers(frame)))


def _list_callers(frame: FrameType | None) -> Iterator[bool]:
    while frame is not None:
        yield frame.f_code in _WHOLE
        frame = frame.f_back


def count_given_up(task: "asyncio.Task[Any]", owners: Sequence[Owner]) -> int:
    """Return how many of a task's calls nobody awaits any more: the first ones that it began.

    Where it cannot be told, none.

    Args:
        task: That began them.
        owners: Of its calls that have not ended, in the order they began.
    """
    if task.done():
        return len(owners)
    awaited = None if task is asyncio.current_task() else _count_awaited(task)
    if awaited is None or not all(one.is_whole for one in owners):
        return 0
    return max(0, len(owners) - awaited)


def _count_awaited(task: "asyncio.Task[Any]") -> int | None:
    """Return how many whole answers a suspended task awaits, one within another; None if unseen."""
    count = 0
    awaited: Any = task.get_coro()
    while isinstance(awaited, CoroutineType):
        count += awaited.cr_code in _WHOLE
        awaited = awaited.cr_await
    is_seen = awaited is None or type(awaited).__name__ == _FUTURE
    return count if is_seen else None


@dataclass(slots=True)
class LoopWatch:
    """Watches, from another thread, whether an event loop still turns.

    Attributes:
        loop: That is watched.
        thread: Its thread's identifier.
        interval: How often to look, in seconds.
    """

    loop: asyncio.AbstractEventLoop
    thread: int
    interval: float = _LOOK_SECONDS
    _turned: threading.Event = field(default_factory=threading.Event)
    _asked_at: float | None = None

    def is_stuck(self) -> bool:
        """Return whether the loop stands still for so long that it may be for ever."""
        if self._asked_at is None or self._turned.is_set():
            self._turned.clear()
            self._asked_at = time.monotonic()
            self.loop.call_soon_threadsafe(self._turned.set)
            return False
        still = time.monotonic() - self._asked_at
        return still > (_STUCK_SECONDS if self._waits_for_threads() else _BUSY_SECONDS)

    def _waits_for_threads(self) -> bool:
        frames = sys._current_frames()  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        frame = frames.get(self.thread)
        name = "" if frame is None else str(frame.f_globals.get("__name__", ""))
        return name.startswith(_WAITING)
