"""The report of a run, opened in a real Chromium: drawn, read by mouse, by keyboard, without scripts."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.async_api import Browser, Locator, Page

from tests.report.browsing import Visit, visit
from tests.report.eventful_runs import LONG_STEP, build_steps
from tests.report.page_reading import list_shown, measure_boxes, read_ring, switch_theme

pytestmark = pytest.mark.asyncio(loop_scope="session")

ENDS: Final = {
    "read": "accepted",
    "mend": "accepted",
    "flake": "accepted",
    "write": "accepted",
    "pay": "accepted",
    "other": "accepted",
    "settled": "degraded",
    "left_out": "skipped",
    "asked": "accepted",
    "gated": "accepted",
    "dead": "failed",
    "below": "blocked",
    "wrong": "failed",
    LONG_STEP: "accepted",
}
"""How each step of the eventful run ends."""
NEEDS: Final = {str(step.id): [str(need.step) for need in step.needs] for step in build_steps()}
SECTIONS: Final = [
    "summary",
    "graph",
    "timeline",
    "faults",
    "gates",
    "handoffs",
    "questions",
    "effects",
    "cost",
    "plans",
]
FIRST_OUTPUT: Final = 'details[data-step="mend"][data-kind="output"]'


def first(page: Page, selector: str) -> Locator:
    """Return the first of what a selector finds."""
    return page.locator(selector).first


async def test_every_section_is_there_and_the_way_to_it(
    browser: Browser, pages: Mapping[str, Path]
) -> None:
    """A run in which all happened has all sections; each is reached by a click on its name."""
    async with visit(browser, pages["everything"], reduced_motion="reduce") as seen:
        for section in SECTIONS:
            await seen.page.click(f'nav a[href="#{section}"]')
            heading = first(seen.page, f"#{section} :is(h1, h2)")
            top = (await heading.bounding_box() or {"y": -1})["y"]
            assert 0 <= top < 900, section
        assert await seen.list_misdeeds() == []


async def test_a_section_with_nothing_to_show_is_not_there(
    browser: Browser, pages: Mapping[str, Path]
) -> None:
    """A run without faults and effects has neither the sections nor the ways to them."""
    async with visit(browser, pages["waiting"]) as seen:
        for section in ("faults", "effects"):
            assert await seen.page.locator(f"#{section}").count() == 0
            assert await seen.page.locator(f'nav a[href="#{section}"]').count() == 0
        assert "Open for" in await seen.page.inner_text("#questions")


async def test_the_graph_is_drawn_as_the_run_ended(
    browser: Browser, pages: Mapping[str, Path]
) -> None:
    """Each step is a visible box with its end and its name, right of what it needs, on no other."""
    async with visit(browser, pages["everything"]) as seen:
        boxes = await measure_boxes(seen.page)
        assert {box["step"]: box["status"] for box in boxes} == ENDS
        at = {box["step"]: box for box in boxes}
        for step, needs in NEEDS.items():
            assert at[step]["width"] > 15
            assert at[step]["height"] > 15
            assert all(at[need]["right"] < at[step]["x"] for need in needs), step
        for one in boxes:
            overlaps = [
                other["step"]
                for other in boxes
                if other is not one
                and one["x"] < other["right"]
                and other["x"] < one["right"]
                and one["y"] < other["bottom"]
                and other["y"] < one["bottom"]
            ]
            assert overlaps == []
        lines = await seen.page.locator("#graph .edges path").count()
        assert lines >= sum(map(len, NEEDS.values()))
        for step, end in ENDS.items():
            named = seen.page.get_by_role("link", name=re.compile(rf"^{step}\b.*\b{end}\b"))
            assert await named.count() >= 1, step


async def test_a_handoff_opens_by_mouse(browser: Browser, pages: Mapping[str, Path]) -> None:
    """A click opens a handoff with all that was handed over and found, and closes it again."""
    async with visit(browser, pages["everything"]) as seen:
        handoff = first(seen.page, FIRST_OUTPUT)
        assert not await handoff.locator("pre").is_visible()
        await handoff.locator("summary").click()
        assert await handoff.locator("pre").is_visible()
        assert '"ok": false' in await handoff.locator("pre").inner_text()
        assert "is not ok" in await handoff.inner_text()
        await handoff.locator("summary").click()
        assert not await handoff.locator("pre").is_visible()


async def test_from_a_step_of_the_graph_to_its_handoffs(
    browser: Browser, pages: Mapping[str, Path]
) -> None:
    """A click on a step in the graph leads to its row, a click there to its handoffs alone."""
    async with visit(browser, pages["everything"], reduced_motion="reduce") as seen:
        await seen.page.click('a.step[data-step="mend"]')
        row = first(seen.page, ":target")
        assert "mend" in await row.inner_text()
        await row.locator("a").first.click()
        shown = await list_shown(seen.page)
        assert {one["step"] for one in shown} == {"mend"}
        assert [one["kind"] for one in shown].count("output") == 2


async def press(seen: Visit, *keys: str) -> dict[str, Any]:
    """Press keys one after the other; return what has the focus then."""
    for key in keys:
        await seen.page.keyboard.press(key)
    return await seen.see_focus()


async def tab_to(seen: Visit, selector: str, *, most: int = 200) -> None:
    """Press Tab until something has the focus; every stop on the way shows that it has it."""
    for _ in range(most):
        focus = await press(seen, "Tab")
        assert await read_ring(seen.page), f"no ring around {focus}"
        if await seen.page.evaluate("s => document.activeElement.matches(s)", selector):
            return
    pytest.fail(f"{selector} was not reached by Tab")


async def test_all_is_reached_by_keyboard_alone(
    browser: Browser, pages: Mapping[str, Path]
) -> None:
    """Skip link, graph by arrows, a step's row, a handoff by Enter, Space and Escape: no mouse."""
    async with visit(browser, pages["everything"], reduced_motion="reduce") as seen:
        skip = await press(seen, "Tab")
        assert skip["href"] == "#main"
        assert (await seen.page.locator(":focus").bounding_box() or {"x": -1})["x"] >= 0
        assert (await press(seen, "Enter"))["id"] == "main"
        await tab_to(seen, 'a.step[data-step="read"]')
        await seen.page.keyboard.press("ArrowRight")
        arrived = await seen.page.evaluate("document.activeElement.dataset.step")
        assert NEEDS[arrived] == ["read"]
        await seen.page.keyboard.press("ArrowLeft")
        assert await seen.page.evaluate("document.activeElement.dataset.step") == "read"
        await press(seen, "Enter")
        assert "read" in await first(seen.page, ":target").inner_text()
        await tab_to(seen, f"{FIRST_OUTPUT} > summary")
        handoff = seen.page.locator("details:has(> summary:focus)")
        for key, is_open in (("Enter", True), ("Space", False), ("Space", True), ("Escape", False)):
            await seen.page.keyboard.press(key)
            assert await handoff.evaluate("at => at.open") is is_open, key
        await press(seen, "Enter")
        await tab_to(seen, f"{FIRST_OUTPUT} pre", most=3)
        await press(seen, "Escape")
        assert (await seen.see_focus())["tag"] == "summary"
        await tab_to(seen, f'details[data-step="{LONG_STEP}"] > summary')
        assert await seen.list_misdeeds() == []


async def test_no_script_is_needed_for_what_matters(
    browser: Browser, pages: Mapping[str, Path]
) -> None:
    """Without scripts the graph leads to the steps, handoffs open, and no dead control is shown."""
    async with visit(
        browser, pages["everything"], java_script_enabled=False, reduced_motion="reduce"
    ) as seen:
        assert await seen.page.locator("a.step").count() == len(ENDS)
        await seen.page.locator('a.step[data-step="mend"]').click()
        assert seen.page.url.endswith(
            str(await first(seen.page, 'a.step[data-step="mend"]').get_attribute("href"))
        )
        summary = first(seen.page, f"{FIRST_OUTPUT} > summary")
        await summary.press("Enter")
        assert await first(seen.page, f"{FIRST_OUTPUT} pre").is_visible()
        for control in ("#theme", "#filter", "#filter-verdict"):
            assert not await seen.page.locator(control).is_visible()


async def test_the_list_is_filtered_by_words_and_by_verdict(
    browser: Browser, pages: Mapping[str, Path]
) -> None:
    """Words and a verdict leave what fits and say how many; Escape brings all back."""
    async with visit(browser, pages["everything"]) as seen:
        total = len(await list_shown(seen.page))
        await seen.page.fill("#filter", "PAYS")
        await first(seen.page, "details.handoff[hidden]").wait_for(state="attached")
        shown = await list_shown(seen.page)
        assert {one["step"] for one in shown if one["kind"] == "output"} == {"pay"}
        assert 0 < len(shown) < total
        said = seen.page.locator("output#filter-count")
        assert await said.inner_text() == f"{len(shown)} of {total}"
        await seen.page.fill("#filter", "")
        await seen.page.select_option("#filter-verdict", "retry")
        await first(seen.page, "details.handoff[hidden]").wait_for(state="attached")
        kept = {(one["step"], one["verdict"]) for one in await list_shown(seen.page)}
        assert kept == {("mend", "retry"), ("flake", "retry"), ("pay", "retry")}
        await seen.page.focus("#filter")
        await press(seen, "Escape")
        assert len(await list_shown(seen.page)) == total


async def test_it_prints_dark_on_white(browser: Browser, pages: Mapping[str, Path]) -> None:
    """Printed, even while it is dark on screen, it has dark ink, no controls and all sections."""
    async with visit(browser, pages["everything"]) as seen:
        await switch_theme(seen.page, "dark")
        await seen.page.emulate_media(media="print")
        ink, paper = await seen.page.evaluate(
            "[getComputedStyle(document.querySelector('h1')).color,"
            " getComputedStyle(document.body).backgroundColor]"
        )
        assert max(map(int, re.findall(r"\d+", ink)[:3])) < 90
        assert paper == "rgb(255, 255, 255)"
        for control in ("#theme", "#filter", "nav"):
            assert not await seen.page.locator(control).is_visible()
        printed = await seen.page.pdf(print_background=True)
        assert printed.startswith(b"%PDF-")
        assert len(re.findall(rb"/Type\s*/Page\b", printed)) > 3
