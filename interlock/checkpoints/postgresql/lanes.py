"""Lanes: each is served by one thread at a time, in order; different lanes side by side."""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from typing import TypeAlias

from interlock.checkpoints.kept_back import MAX_BATCH
from interlock.checkpoints.queued_requests import Request

ServeBatch: TypeAlias = Callable[[int, str | None, Sequence[Request]], None]
"""Given the number of the thread, the lane (None for reads) and its requests."""


class Lanes:
    """Threads that take what lanes have queued, a lane's all at once."""

    def __init__(self, name: str, serve: ServeBatch, *, threads: int) -> None:
        """Prepare; `start` starts the threads.

        Args:
            name: Of the threads.
            serve: Runs a batch; never raises.
            threads: How many.
        """
        self._serve = serve
        self._lock = threading.Lock()
        self._is_idle = threading.Condition(self._lock)
        self._reads = 0
        self._queued: dict[str, deque[Request]] = {}
        self._ready: SimpleQueue[str | Request | None] = SimpleQueue()
        self._threads = [
            threading.Thread(target=self._work, args=(index,), name=f"{name} {index}", daemon=True)
            for index in range(threads)
        ]

    def start(self) -> None:
        """Start the threads."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Finish what is queued and end the threads; nothing may be queued any more."""
        with self._is_idle:
            self._is_idle.wait_for(lambda: not self._queued and not self._reads)
        for _ in self._threads:
            self._ready.put(None)
        for thread in self._threads:
            thread.join()

    def is_own(self, thread: threading.Thread) -> bool:
        """Return whether a thread is one of these."""
        return thread in self._threads

    def put(self, lane: str, requests: Sequence[Request]) -> None:
        """Queue writes of a lane, in their order."""
        with self._lock:
            queued = self._queued.get(lane)
            if queued is not None:
                queued.extend(requests)
                return
            self._queued[lane] = deque(requests)
        self._ready.put(lane)

    def put_read(self, request: Request) -> None:
        """Queue a read."""
        with self._lock:
            self._reads += 1
        self._ready.put(request)

    def _work(self, index: int) -> None:
        while (ready := self._ready.get()) is not None:
            if isinstance(ready, Request):
                self._serve(index, None, (ready,))
                with self._is_idle:
                    self._reads -= 1
                    self._is_idle.notify_all()
            else:
                self._serve_lane(index, ready)

    def _serve_lane(self, index: int, lane: str) -> None:
        with self._lock:
            queued = self._queued[lane]
            batch = [queued.popleft() for _ in range(min(len(queued), MAX_BATCH))]
        self._serve(index, lane, batch)
        with self._is_idle:
            if not self._queued[lane]:
                del self._queued[lane]
                self._is_idle.notify_all()
                return
        self._ready.put(lane)
