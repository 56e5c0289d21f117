"""Waiting for something to be so, without guessing how long it takes."""

import asyncio
from collections.abc import Callable


async def wait_until(holds: Callable[[], object]) -> None:
    """Return once it holds, letting everybody else run meanwhile; fail after 20 seconds."""
    async with asyncio.timeout(20):
        while not holds():
            await asyncio.sleep(0)
