"""A report can be read by everybody: an accessibility checker, dark and light, on a phone."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.async_api import Browser

from tests.report.browsing import PHONE, visit
from tests.report.page_reading import list_faint, measure_paper, open_all, switch_theme

pytestmark = pytest.mark.asyncio(loop_scope="session")

NARROWEST: Final = {"width": 320, "height": 640}
"""To what WCAG 1.4.10 wants a page to reflow: 1280 pixels at 400 %."""


async def test_the_checker_finds_what_keeps_people_out(browser: Browser, tmp_path: Path) -> None:
    """Of a page that is hard to see and to hear, each barrier is named."""
    path = tmp_path / "careless.html"
    page = "<!doctype html><p style='color:#bbb'>faint<p><button></button><input>"
    path.write_text(page, encoding="utf-8")
    async with visit(browser, path) as seen:
        barriers = " ".join(await seen.find_barriers())
    for rule in ("color-contrast", "button-name", "label", "html-has-lang", "document-title"):
        assert f"{rule}:" in barriers


LIGHT: Final = {"color_scheme": "light"}
DARK_PHONE: Final = {"color_scheme": "dark", "viewport": PHONE}


@pytest.mark.parametrize(
    ("name", "options"),
    [
        pytest.param("everything", LIGHT, id="a run, light"),
        pytest.param("many", DARK_PHONE, id="many, dark on a phone"),
        pytest.param("everything", DARK_PHONE, id="a run, dark", marks=pytest.mark.slow),
        pytest.param("many", LIGHT, id="many, light", marks=pytest.mark.slow),
    ],
)
async def test_a_checker_finds_no_barrier(
    browser: Browser, pages: Mapping[str, Path], name: str, options: dict[str, Any]
) -> None:
    """Axe finds nothing against WCAG 2.2 AA, with every handoff open; nor is a drawing too faint."""
    async with visit(browser, pages[name], **options) as seen:
        await open_all(seen.page)
        assert await seen.find_barriers() == []
        assert await list_faint(seen.page) == []


@pytest.mark.parametrize("name", ["everything", pytest.param("many", marks=pytest.mark.slow)])
async def test_it_follows_the_system_and_can_be_switched(
    browser: Browser, pages: Mapping[str, Path], name: str
) -> None:
    """Dark on a dark desktop, light on a light one; the switch turns it, to and fro."""
    for system, is_dark in (("light", False), ("dark", True)):
        async with visit(browser, pages[name], color_scheme=system) as seen:
            assert (await measure_paper(seen.page) < 0.2) is is_dark
            assert (await measure_paper(seen.page) > 0.8) is not is_dark
            other = "light" if is_dark else "dark"
            await switch_theme(seen.page, other)
            assert (await measure_paper(seen.page) < 0.2) is not is_dark
            assert await list_faint(seen.page) == []
            await switch_theme(seen.page, system)
            assert (await measure_paper(seen.page) < 0.2) is is_dark


@pytest.mark.parametrize("viewport", [PHONE, NARROWEST], ids=["phone", "400 percent"])
@pytest.mark.parametrize("name", ["everything", "waiting", "many"])
async def test_on_a_phone_the_page_does_not_scroll_sideways(
    browser: Browser, pages: Mapping[str, Path], name: str, viewport: dict[str, int]
) -> None:
    """Drawings and tables scroll within their frames; all words fit, with every handoff open."""
    async with visit(browser, pages[name], viewport=viewport, has_touch=True) as seen:
        await open_all(seen.page)
        assert await seen.scroll_over() == 0


async def test_who_wants_no_motion_gets_none(browser: Browser, pages: Mapping[str, Path]) -> None:
    """Where less motion is asked for, nothing scrolls smoothly, moves or fades."""
    async with visit(browser, pages["everything"], reduced_motion="reduce") as seen:
        moving = await seen.page.evaluate(
            """() => [...document.querySelectorAll("*")].filter((at) => {
              const style = getComputedStyle(at);
              return style.scrollBehavior === "smooth" || parseFloat(style.transitionDuration) > 0
                || style.animationName !== "none";
            }).map((at) => at.tagName)"""
        )
    assert moving == []
