"""Workers that stand at a gate."""

import asyncio

import interlock as il


class Gate:
    """A worker that says when it has started and ends when it is told to."""

    def __init__(self) -> None:
        """Stand closed."""
        self.started = asyncio.Event()
        self.opened = asyncio.Event()
        self.starts = 0
        self.was_cut_off = False

    async def __call__(self, brief: il.Brief) -> str:
        """Wait."""
        self.starts += 1
        self.started.set()
        try:
            await self.opened.wait()
        except asyncio.CancelledError:
            self.was_cut_off = True
            raise
        return "through"
