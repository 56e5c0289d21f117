"""What passes through checks and judges: nothing of theirs, only what comes from outside."""

import asyncio
from collections.abc import Callable

from langgraph.errors import GraphDrained


def is_from_outside(error: BaseException, is_draining: Callable[[], bool] | None) -> bool:
    """Return whether an error is a cancellation from outside, or the drain of the run itself.

    Args:
        error: That a check or a judge ended with.
        is_draining: Says whether the run is asked to stop.
    """
    if isinstance(error, asyncio.CancelledError):
        task = asyncio.current_task()
        return task is None or task.cancelling() > 0
    return isinstance(error, GraphDrained) and is_draining is not None and is_draining()
