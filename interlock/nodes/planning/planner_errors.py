"""What an exception out of a planner is: the run's own, or why there is no plan."""

import asyncio

from langgraph.errors import GraphBubbleUp, ParentCommand

from interlock.contracts.errors import STORAGE_FAILURES, PlanError
from interlock.contracts.safe_words import word_error


def is_from_outside(error: BaseException) -> bool:
    """Return whether an error is no planner's: the run's pause, its drain, its end, or its storage."""
    if isinstance(error, (KeyboardInterrupt, GeneratorExit, *STORAGE_FAILURES)):
        return True
    if isinstance(error, asyncio.CancelledError):
        task = asyncio.current_task()
        return task is None or task.cancelling() > 0
    return isinstance(error, GraphBubbleUp) and not isinstance(error, ParentCommand)


def word_problems(error: BaseException, *, whose: str) -> list[str]:
    """Return what is wrong with an answer, for the next time that one is asked for.

    Args:
        error: No error from outside.
        whose: `planner` or `template`.
    """
    if isinstance(error, PlanError):
        return [problem.message for problem in error.problems]
    if isinstance(error, ParentCommand):
        return [f"The {whose} raised a Command for the parent graph; it must return a task graph."]
    return [f"The {whose} raised {type(error).__name__}: {word_error(error)}"]
