"""Writes that need no commit of their own: nobody goes on because of them.

They are kept back until the next one of their lane that is urgent, which commits them with itself,
or for a few milliseconds. Nothing overtakes: all that a lane was given before an urgent operation is
committed before or with it.
"""

import asyncio
import threading
from collections.abc import Callable, Sequence
from typing import Final
from weakref import WeakSet

from interlock.checkpoints.queued_requests import Request

KEEP_BACK_SECONDS: Final = 0.05
"""Longest that an operation which is not urgent is kept back."""
MAX_BATCH: Final = 512
"""Most operations in one transaction, so that the first of them does not wait for ever."""


class KeptBack:
    """What is kept back, by lane; every method but the timer's is called with the lock held."""

    def __init__(
        self, lock: threading.Lock, let_go: Callable[[str, Sequence[Request]], None]
    ) -> None:
        """Keep back nothing.

        Args:
            lock: Of the queue; held around each call.
            let_go: Queues requests of a lane; called with the lock held.
        """
        self._lock = lock
        self._let_go = let_go
        self._requests: dict[str, list[Request]] = {}
        self._since = 0.0
        self._timers: WeakSet[asyncio.AbstractEventLoop] = WeakSet()  # loops in which one runs

    def add(self, lane: str, request: Request, loop: asyncio.AbstractEventLoop) -> None:
        """Keep a request back."""
        if not self._requests:
            self._since = loop.time()
        kept = self._requests.setdefault(lane, [])
        kept.append(request)
        if len(kept) >= MAX_BATCH:
            self.let_go(lane)
        elif loop not in self._timers:
            self._set_timer(loop, KEEP_BACK_SECONDS)

    def let_go(self, lane: str) -> None:
        """Queue what a lane has kept back, in its order."""
        kept = self._requests.pop(lane, None)
        if kept:
            self._let_go(lane, kept)

    def let_all_go(self) -> None:
        """Queue all that is kept back."""
        for lane in list(self._requests):
            self.let_go(lane)

    def _set_timer(self, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        loop.call_later(seconds, self._on_time, loop)
        self._timers.add(loop)

    def _on_time(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let go what has been kept back for long enough; a loop's one timer goes on for the rest.

        Each loop that keeps something back has its own: another loop may close before its time.
        """
        with self._lock:
            self._timers.discard(loop)
            if not self._requests:
                return
            left = self._since + KEEP_BACK_SECONDS - loop.time()
            if left <= 0:
                self.let_all_go()
            else:
                self._set_timer(loop, left)
