"""Which of the calls that a task has begun it still awaits.

LangChain says nothing of a call whose task was cancelled, or left it by a timeout. What a suspended
task is in the middle of can be seen in its coroutines.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import CodeType, CoroutineType, FrameType
from typing import Any, Final

from langchain_core.language_models import BaseChatModel, BaseLLM

_WHOLE: Final[frozenset[CodeType]] = frozenset(
    {BaseChatModel.agenerate.__code__, BaseLLM.agenerate.__code__}
)
"""LangChain's coroutines in which a whole answer is awaited; streams have none."""

_FUTURE: Final = "FutureIter"
"""What a coroutine awaits that awaits a future; anything else, such as a generator, hides more."""


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
