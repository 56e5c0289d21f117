"""A clock that stands still until a test moves it.

Hand it to `Orchestrator(clock=...)`: backoffs, deadlines and leases then follow the test and
cost no real time. Time limits that asyncio itself keeps, such as a step's timeout, do not.
"""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Final

NOON: Final = datetime(2026, 1, 1, 12, tzinfo=UTC)
"""Where a manual clock starts unless told otherwise."""

_QUIET_SECONDS: Final = 0.001
"""How long nobody may have asked for the time before an automatic clock moves on."""


class ManualClock:
    """Time for tests; implements `interlock.Clock`.

    Moved by `advance`. With `auto=True` it moves by itself: once every coroutine that asks for
    the time sleeps, and none has asked for a millisecond, it jumps to the earliest sleeper's
    instant. Sleepers of one clock belong to one event loop; `now` may be called anywhere.
    """

    def __init__(self, start: datetime = NOON, *, auto: bool = False) -> None:
        """Stand at an instant.

        Args:
            start: Aware; the first instant.
            auto: Whether sleepers are woken without anybody calling `advance`.
        """
        self._instant = start
        self._is_automatic = auto
        self._sleepers: dict[asyncio.Future[None], datetime] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._asked = 0

    def now(self) -> datetime:
        """Return the present instant, in UTC."""
        self._asked += 1
        return self._instant.astimezone(UTC)

    @property
    def sleeping(self) -> int:
        """How many coroutines sleep now."""
        return len(self._sleepers)

    async def sleep(self, seconds: float) -> None:
        """Return once the clock has been moved that far; at once for zero or less."""
        if seconds <= 0:
            return
        loop = asyncio.get_running_loop()
        woken: asyncio.Future[None] = loop.create_future()
        self._sleepers[woken] = self._instant + timedelta(seconds=seconds)
        self._watch(loop)
        try:
            await woken
        finally:
            self._sleepers.pop(woken, None)

    def advance(self, seconds: float) -> None:
        """Move on, and wake whoever's time has come, the earliest first.

        Args:
            seconds: How far; zero or more.
        """
        if seconds < 0:
            raise ValueError(f"A clock cannot go back by {-seconds!r} s. Give zero or more.")
        self._move_to(self._instant + timedelta(seconds=seconds))

    def _move_to(self, instant: datetime) -> None:
        self._instant = instant
        due = [woken for woken, until in self._sleepers.items() if until <= instant]
        for woken in sorted(due, key=self._sleepers.__getitem__):
            del self._sleepers[woken]
            if not woken.done():
                woken.set_result(None)

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._is_automatic and self._timer is None:
            self._timer = loop.call_later(_QUIET_SECONDS, self._look, loop, self._asked)

    def _look(self, loop: asyncio.AbstractEventLoop, asked_before: int) -> None:
        """Jump if nobody has asked for the time since the last look."""
        self._timer = None
        if not self._sleepers:
            return
        if self._asked == asked_before:
            self._move_to(min(self._sleepers.values()))
        if self._sleepers:
            self._watch(loop)
