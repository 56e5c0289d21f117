"""Several questions at once; if one fails, the others are cut off and its own error is raised."""

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

T = TypeVar("T")


async def run_side_by_side(work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Return the results in order."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one) for one in work]
    except BaseExceptionGroup as exc:
        raise exc.exceptions[0] from exc
    return [task.result() for task in tasks]
