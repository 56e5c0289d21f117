"""How long what a missing server interrupts is tried again."""

import threading
import time
from collections.abc import Callable
from typing import Final

_SAME_OUTAGE_SECONDS: Final = 30.0
"""A server that nobody has missed for so long was there meanwhile, whether or not anybody asked."""


class Patience:
    """Counts from the moment when the server was first missed, for all that wait for it together.

    Otherwise what is queued behind others would begin to wait when they have given up, and the
    last of many would be told half an hour later.
    """

    def __init__(self, seconds: float, *, now: Callable[[], float] = time.monotonic) -> None:
        """Miss nobody yet.

        Args:
            seconds: How long an outage is waited for.
            now: The time in seconds; may stand anywhere.
        """
        self._seconds = seconds
        self._now = now
        self._lock = threading.Lock()
        self._first = self._last = float("-inf")

    def note_answer(self) -> None:
        """Remember that the server is there."""
        with self._lock:
            self._last = float("-inf")

    def may_wait(self) -> bool:
        """Remember that the server was missed; returns whether to try again."""
        with self._lock:
            now = self._now()
            if now - self._last > _SAME_OUTAGE_SECONDS:
                self._first = now
            self._last = now
            return now - self._first < self._seconds
