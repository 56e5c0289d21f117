"""The public clock for tests: it moves when told, or when everybody sleeps."""

import asyncio
from datetime import UTC, datetime, timedelta, timezone

import pytest

import interlock as il
from interlock.testing import ManualClock

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


async def start_sleeping(
    clock: ManualClock, *seconds: float
) -> tuple[list[float], "asyncio.Future[object]"]:
    """Return who has woken, in order, and what ends when all have."""
    woken: list[float] = []

    async def sleep(duration: float) -> None:
        await clock.sleep(duration)
        woken.append(duration)

    everybody = asyncio.gather(*(sleep(duration) for duration in seconds))
    await asyncio.sleep(0)
    return woken, everybody


async def run_others() -> None:
    """Let whoever can go on do so."""
    for _ in range(3):
        await asyncio.sleep(0)


async def test_time_stands_still_until_it_is_moved() -> None:
    """A sleeper wakes at its instant, not before; the earliest first."""
    clock = ManualClock()
    woken, everybody = await start_sleeping(clock, 3, 1, 2)
    assert (clock.now(), clock.sleeping) == (NOON, 3)
    clock.advance(0.999)
    await run_others()
    assert woken == []
    clock.advance(0.001)
    await run_others()
    assert (woken, clock.sleeping) == ([1], 2)
    clock.advance(60)
    await everybody
    assert woken == [1, 2, 3]
    assert clock.now() == NOON + timedelta(seconds=61)


async def test_no_time_passes_in_a_sleep_of_nothing() -> None:
    """Zero and less return at once, with nobody moving the clock."""
    clock = ManualClock()
    await clock.sleep(0)
    await clock.sleep(-5)
    assert clock.now() == NOON


async def test_a_cancelled_sleeper_is_forgotten() -> None:
    """It neither wakes nor holds up the rest."""
    clock = ManualClock()
    task = asyncio.ensure_future(clock.sleep(5))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert clock.sleeping == 0
    clock.advance(10)


async def test_an_automatic_clock_jumps_from_sleeper_to_sleeper() -> None:
    """A day of backoffs takes no time, each at its own instant."""
    clock = ManualClock(auto=True)
    seen: list[float] = []

    async def sleep(seconds: float) -> None:
        await clock.sleep(seconds)
        seen.append((clock.now() - NOON).total_seconds())

    async with asyncio.timeout(10):
        await asyncio.gather(sleep(86_400), sleep(1), sleep(3600))
    assert seen == [1, 3600, 86_400]


async def test_an_automatic_clock_waits_for_those_that_still_work() -> None:
    """Whoever asks for the time again and again is at work; the sleeper's instant can wait."""
    clock = ManualClock(auto=True)
    sleeper = asyncio.ensure_future(clock.sleep(1))
    loop = asyncio.get_running_loop()
    until = loop.time() + 0.05
    while loop.time() < until:
        assert clock.now() == NOON
        await asyncio.sleep(0)
    assert not sleeper.done()
    async with asyncio.timeout(10):
        await sleeper


def test_a_clock_cannot_go_back() -> None:
    """Time that ran backwards would undo leases and deadlines."""
    with pytest.raises(ValueError, match="cannot go back by 1"):
        ManualClock().advance(-1)


def test_the_present_is_in_utc() -> None:
    """Whatever zone it was started in, as `Clock` promises."""
    start = datetime(2026, 1, 1, 14, tzinfo=timezone(timedelta(hours=2)))
    assert ManualClock(start).now().isoformat() == "2026-01-01T12:00:00+00:00"


async def test_both_clocks_are_clocks() -> None:
    """The machine's clock gives aware times and sleeps; either may be handed to a team."""
    clock: il.Clock = il.SystemClock()
    assert clock.now().tzinfo is UTC
    await clock.sleep(-1)
    before = clock.now()
    await clock.sleep(0.001)
    assert clock.now() > before
    manual: il.Clock = ManualClock()
    assert manual.now() == NOON
