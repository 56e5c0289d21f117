"""Time as something that is handed in, so that tests hold the clock."""

import asyncio
import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What the product needs of time; `SystemClock` in production, a manual one in tests."""

    def now(self) -> datetime:
        """Return the present instant, in UTC."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after that many seconds; at once for zero or less."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the present instant, in UTC."""
        return datetime.fromtimestamp(time.time(), UTC)

    async def sleep(self, seconds: float) -> None:
        """Return after that many seconds; at once for zero or less."""
        if seconds > 0:
            await asyncio.sleep(seconds)
