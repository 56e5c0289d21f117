"""Operations that wait for their turn, who waits for them, and what became of those nobody awaits."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from interlock.checkpoints.connection import Operation
from interlock.checkpoints.database import WriteKey


@dataclass(slots=True, eq=False)
class Request:
    """One queued operation, who waits for it, and what came of it."""

    operation: Operation[Any]
    is_write: bool
    loop: asyncio.AbstractEventLoop | None
    waiter: Any  # an asyncio or a concurrent future, told apart by `loop`; None if posted
    key: WriteKey | None = None
    value: Any = None
    error: Exception | None = None


class PostedFailures:
    """What posted operations failed with: told to whatever is written under their key after them.

    Until the key is forgotten; without a lease, until somebody who waits has been told.
    """

    def __init__(self) -> None:
        """Know of no failure."""
        self._failures: dict[WriteKey, Exception] = {}

    def find(self, key: WriteKey) -> Exception | None:
        """Return what a posted operation under a key has failed with, or None."""
        return self._failures.get(key)

    def keep(self, fresh: Iterable[tuple[WriteKey, Exception]]) -> None:
        """Remember failures; the first of a key stays."""
        for key, failure in fresh:
            self._failures.setdefault(key, failure)

    def forget(self, key: WriteKey) -> None:
        """Forget what failed under a key; nothing more is queued under it."""
        self._failures.pop(key, None)


def settle(batch: Sequence[Request]) -> None:
    """Let every caller go on, waking each event loop once."""
    by_loop: dict[asyncio.AbstractEventLoop, list[Request]] = {}
    for request in batch:
        if request.loop is None:
            _resolve(request)
        elif request.waiter is not None:
            by_loop.setdefault(request.loop, []).append(request)
    for loop, requests in by_loop.items():
        try:
            loop.call_soon_threadsafe(_resolve_all, requests)
        except RuntimeError:  # the loop was closed meanwhile: nobody waits there any more
            continue


def _resolve_all(requests: Sequence[Request]) -> None:
    for request in requests:
        if not request.waiter.done():
            _resolve(request)


def _resolve(request: Request) -> None:
    if request.error is None:
        request.waiter.set_result(request.value)
    else:
        request.waiter.set_exception(request.error)
