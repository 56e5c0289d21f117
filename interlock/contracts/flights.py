"""Tool calls in flight: tasks that go on when whoever asked for them has gone.

A timed-out attempt does not stop a tool that has begun; its answer is recorded when it comes. Whoever
closes the ledger waits for these first.
"""

import asyncio
from typing import Any, Final

LANDING_SECONDS: Final = 10.0
"""How long a closing storage waits for tool calls before it cuts them off."""


class Flights:
    """The tasks in flight of one ledger; holds them, as asyncio itself does not."""

    def __init__(self) -> None:
        """Hold nothing yet."""
        self._tasks: set[asyncio.Task[Any]] = set()

    @property
    def count(self) -> int:
        """How many are in flight."""
        return len(self._tasks)

    def add(self, task: "asyncio.Task[Any]") -> None:
        """Hold a task until it ends; nobody need ask for its exception."""
        self._tasks.add(task)
        task.add_done_callback(self._forget)

    def _forget(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()

    async def land(self, *, seconds: float = LANDING_SECONDS) -> None:
        """Wait for the tasks of this event loop to end, then cancel those that have not.

        One that is cancelled still records that its outcome is unknown.
        """
        loop = asyncio.get_running_loop()
        for is_last in (False, True):
            own = {task for task in self._tasks if task.get_loop() is loop}
            if not own:
                return
            if is_last:
                for task in own:
                    task.cancel()
            await asyncio.wait(own, timeout=seconds)
