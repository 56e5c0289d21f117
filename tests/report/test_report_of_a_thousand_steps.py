"""The report of a public workflow of a thousand steps stays a page that one can use."""

from pathlib import Path
from typing import Any, Final

import pytest
from playwright.async_api import Browser, CDPSession

from tests.metrics.known_graphs import load_graph
from tests.report.browsing import visit
from tests.report.page_reading import list_shown, measure_boxes

pytestmark = pytest.mark.asyncio(loop_scope="session")

MOST_BYTES: Final = 8_000_000
LOAD_SECONDS: Final = 4.0
ACT_SECONDS: Final = 0.7
"""Of the page's own processor time: how busy the machine is besides does not count."""


async def measure_work(session: CDPSession) -> float:
    """Return for how many seconds of processor time the page has worked so far."""
    said: Any = await session.send("Performance.getMetrics")
    return float({one["name"]: one["value"] for one in said["metrics"]}["TaskDuration"])


async def test_a_thousand_steps_stay_usable(browser: Browser, thousand: Path) -> None:
    """It is small, loads, filters and opens at once, draws each step on its own, and breaks nothing."""
    assert thousand.stat().st_size < MOST_BYTES
    tasks = load_graph("wf-seismology-1000p-1001").deps
    async with visit(browser, thousand, reduced_motion="reduce") as seen:
        page = seen.page
        boxes = await measure_boxes(page)
        assert {box["step"] for box in boxes} == {f"t{task}" for task in tasks}
        degraded = {box["step"] for box in boxes if box["status"] == "degraded"}
        assert degraded == {f"t{task}" for task in tasks if task % 97 == 0}
        places = {(round(box["x"]), round(box["y"])) for box in boxes}
        assert len(places) == len(boxes)
        assert min(box["width"] for box in boxes) > 10

        session = await page.context.new_cdp_session(page)
        await session.send("Performance.enable", {"timeDomain": "threadTicks"})
        before = await measure_work(session)
        await page.reload(wait_until="load")
        loaded = await measure_work(session)
        assert loaded - before < LOAD_SECONDS
        await page.fill("#filter", "station 97 does")
        await page.locator("details.handoff[hidden]").first.wait_for(state="attached")
        shown = await list_shown(page)
        assert {one["step"] for one in shown} >= {"t97"}
        assert len(shown) < 20
        filtered = await measure_work(session)
        assert filtered - loaded < ACT_SECONDS
        summary = page.locator('details[data-step="t97"][data-kind="output"] > summary').first
        await summary.click()
        assert await page.locator("details[open] pre").first.is_visible()
        assert await measure_work(session) - filtered < ACT_SECONDS
        assert await seen.scroll_over() == 0
        assert await seen.list_misdeeds() == []
