"""Waiting for another process: asked again and again, for a bounded time."""

import time
from collections.abc import Callable


def wait_until(is_so: Callable[[], bool], *, seconds: float, what: object) -> None:
    """Return once something is so; fail, naming what was waited for, if it does not become so."""
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, f"still not so after {seconds} s: {what}"
        time.sleep(0.02)
