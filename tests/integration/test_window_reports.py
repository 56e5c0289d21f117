"""The report on all runs of a time counts each thing on the day on which it was, within the window."""

from datetime import UTC, datetime, timedelta
from typing import Final

import pytest

import interlock as il
from interlock.orchestrator.reporting import load_window_report
from interlock.testing import ManualClock
from tests.integration.teams import Recorder, build_desk, build_step
from tests.unit.telemetry.test_many_runs import Page

EVENING: Final = datetime(2026, 3, 1, 22, tzinfo=UTC)
NOW: Final = datetime(2026, 3, 9, tzinfo=UTC)


async def play(storage: il.Storage, clock: ManualClock) -> None:
    """Run at 22:00, at 23:30 and at 10:00 of the next day, one step each."""
    for number, hours in enumerate((0, 1.5, 10.5)):
        clock.advance(hours * 3600)
        step = build_step("work")
        async with build_desk(
            {"work": Recorder("done")}, step, clock=clock, storage=storage
        ) as desk:
            await desk.ainvoke("Test", thread_id=f"t{number}")


@pytest.mark.parametrize(
    ("since", "until", "days"),
    [
        (None, None, {"2026-03-01": 2, "2026-03-02": 1}),
        ("2026-03-01T23:00+00:00", None, {"2026-03-01": 1, "2026-03-02": 1}),
        ("2026-03-02T04:30+05:30", None, {"2026-03-01": 1, "2026-03-02": 1}),
        (None, "2026-03-02T00:00+00:00", {"2026-03-01": 2}),
        ("2026-03-01T23:00+00:00", "2026-03-02T09:00+00:00", {"2026-03-01": 1}),
        ("2026-03-05T00:00+00:00", None, {}),
    ],
)
async def test_a_day_holds_what_was_on_it_and_in_the_window(
    since: str | None, until: str | None, days: dict[str, int]
) -> None:
    """Days are those of UTC; the first and the last one are cut where the window is."""
    clock = ManualClock(EVENING, auto=True)
    async with il.open_storage("memory://", clock=clock) as storage:
        await play(storage, clock)
        text = await load_window_report(
            storage,
            since=None if since is None else datetime.fromisoformat(since),
            until=None if until is None else datetime.fromisoformat(until),
            now=NOW,
        )
    page = Page(text)
    begin = [place for place, row in enumerate(page.rows) if row[0] == "Day"]
    rows = page.rows[begin[0] + 1 :][: len(days)] if begin else []
    assert {row[0]: int(row[2]) for row in rows} == days
    assert len([row for row in page.rows if row[0].startswith("2026-")]) == len(days)


async def test_a_storage_that_was_left_alone_for_long_still_shows_its_last_days() -> None:
    """Sixty days are those before the last run's end, not those before now."""
    clock = ManualClock(EVENING, auto=True)
    async with il.open_storage("memory://", clock=clock) as storage:
        await play(storage, clock)
        text = await load_window_report(storage, now=NOW + timedelta(days=400))
    assert {"2026-03-01", "2026-03-02"} < {row[0] for row in Page(text).rows}
