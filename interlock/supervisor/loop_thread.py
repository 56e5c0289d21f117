"""The event loop that sync callers share: `app.invoke` from sync code runs there.

One loop for the whole process, so that the clients of models and tools, which belong to the loop
that first used them, serve every call. It lives in a daemon thread from its first use on.
"""

import asyncio
import threading
from collections.abc import Coroutine
from functools import lru_cache
from typing import Any, TypeVar

T = TypeVar("T")


def run_in_loop(call: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in the shared loop, and wait for it in the calling thread.

    If the wait is broken off, by Ctrl-C or the like, the coroutine is cancelled.
    """
    future = asyncio.run_coroutine_threadsafe(call, _start_loop())
    try:
        return future.result()
    except BaseException:
        future.cancel()
        raise


@lru_cache(maxsize=1)
def _start_loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="interlock-supervisor", daemon=True).start()
    return loop
