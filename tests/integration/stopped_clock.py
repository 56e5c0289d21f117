"""A clock that moves only when somebody sleeps on it or moves it."""

import asyncio
from datetime import UTC, datetime, timedelta

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


class StoppedClock:
    """Stands at noon; a sleep takes no time and moves it on."""

    def __init__(self) -> None:
        """Stand at noon."""
        self.instant = NOON

    def now(self) -> datetime:
        """Return where it stands."""
        return self.instant

    async def sleep(self, seconds: float) -> None:
        """Move on at once, and let others run."""
        self.advance(seconds)
        await asyncio.sleep(0)

    def advance(self, seconds: float) -> None:
        """Move on."""
        self.instant += timedelta(seconds=seconds)
