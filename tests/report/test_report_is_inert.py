"""What people, models and tools have said is shown in a report, and never does anything."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest
from playwright.async_api import Browser

from tests.report.browsing import visit
from tests.report.eventful_runs import ENDLESS, HOSTILE, LONG_STEP
from tests.report.page_reading import open_all

pytestmark = pytest.mark.asyncio(loop_scope="session")

FOREIGN: Final = "iframe, object, embed, img, video, audio, link, base, template, frame, applet"
STAYING: Final = " ".join(text for text in HOSTILE if "refresh" not in text)
"""All but what leads away from the page at once, which no policy of a page can forbid."""
HIDDEN: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u200b\u2028-\u202e\u2066-\u2069\ufeff]")
"""Characters that are not seen, or turn others around."""


async def test_the_watch_sees_what_a_page_must_not_do(browser: Browser, tmp_path: Path) -> None:
    """Put into a page as it is, what was said runs, alerts and asks for files: it is noticed."""
    path = tmp_path / "careless.html"
    path.write_text(f"<!doctype html><title>x</title><body>{STAYING}", encoding="utf-8")
    async with visit(browser, path) as seen:
        misdeeds = " ".join(await seen.list_misdeeds())
    for word in ("ran a script", "alerted 3", "asked for", "complained"):
        assert word in misdeeds


@pytest.mark.parametrize(
    ("name", "bypass_csp"),
    [
        ("everything", False),
        ("everything", True),
        ("many", True),
        pytest.param("many", False, marks=pytest.mark.slow),
        pytest.param("waiting", True, marks=pytest.mark.slow),
    ],
)
async def test_nothing_that_was_said_comes_to_life(
    browser: Browser, pages: Mapping[str, Path], name: str, bypass_csp: bool
) -> None:
    """Opened and clicked through, it asks for no file, runs and alerts nothing; its policy apart."""
    async with visit(browser, pages[name], bypass_csp=bypass_csp) as seen:
        await open_all(seen.page)
        for link in await seen.page.locator("nav a").all():
            await link.click()
        if await seen.page.locator("#filter").count():
            await seen.page.fill("#filter", HOSTILE[0])
            await seen.page.fill("#filter", "")
        await seen.page.click("#theme")
        assert await seen.list_misdeeds() == []
        assert await seen.page.locator(FOREIGN).count() == 0
        assert await seen.page.locator("h1").count() == 1
        assert await seen.page.locator("main script, main style, main meta").count() == 0
        handlers = await seen.page.evaluate(
            "[...document.querySelectorAll('*')].flatMap((at) => at.getAttributeNames())"
            ".filter((name) => name.startsWith('on') || name === 'srcdoc')"
        )
        assert handlers == []
        targets = await seen.page.evaluate(
            "[...document.querySelectorAll('[href], [src], [action]')]"
            ".map((at) => at.getAttribute('href') ?? at.getAttribute('src') ?? '!')"
        )
        assert [target for target in targets if not target.startswith("#")] == []


async def test_its_policy_holds_where_escaping_would_fail(
    browser: Browser, pages: Mapping[str, Path]
) -> None:
    """Markup that got into the page all the same runs no script and loads no file."""
    async with visit(browser, pages["waiting"]) as seen:
        await seen.page.evaluate(
            "words => document.body.insertAdjacentHTML('beforeend', words)", STAYING
        )
        await seen.page.locator("body > img").first.wait_for(state="attached")
        assert not await seen.page.evaluate("'hacked' in window")
        assert seen.dialogs == []
        breaches = " ".join(await seen.page.evaluate("window.breaches"))
    assert "img-src" in breaches
    assert "script-src" in breaches


async def test_what_was_said_is_shown_as_it_was_said(
    browser: Browser, pages: Mapping[str, Path]
) -> None:
    """Markup stands there as text: the goal, outputs, briefs, findings, reasons, answers, effects."""
    shown = " | ".join(HOSTILE[:13])
    async with visit(browser, pages["everything"]) as seen:
        await open_all(seen.page)
        texts = {
            place: await seen.page.locator(selector).inner_text()
            for place, selector in {
                "goal": "#summary pre",
                "gaps": "#summary",
                "faults": "#faults",
                "questions": "#questions",
                "steps": "#steps",
            }.items()
        }
        assert [place for place, text in texts.items() if shown not in text] == []
        output = seen.page.locator('details[data-step="read"][data-kind="output"] pre').first
        said = await output.text_content() or ""
        assert all(f'"{text}"' in said for text in (HOSTILE[0], HOSTILE[4], HOSTILE[10]))
        brief = seen.page.locator('details[data-step="write"][data-kind="brief"] pre').first
        assert HOSTILE[0] in (await brief.text_content() or "")


async def test_characters_that_are_not_seen_are_spelled_out(
    browser: Browser, pages: Mapping[str, Path]
) -> None:
    """Nothing turns the writing around, breaks a line unseen or rings: it stands there as an escape."""
    async with visit(browser, pages["everything"]) as seen:
        text = await seen.page.evaluate("document.documentElement.textContent")
        names = await seen.page.evaluate(
            "[...document.querySelectorAll('*')].flatMap("
            "(at) => [...at.attributes].map((one) => one.value)).join('|')"
        )
    assert HIDDEN.findall(text) == []
    assert HIDDEN.findall(names) == []
    assert "\\u202eevil" in text


async def test_a_word_without_an_end_is_kept_and_breaks_nothing(
    browser: Browser, pages: Mapping[str, Path]
) -> None:
    """A value of 100 kB in one word is there in full, or said to be cut, and widens no page."""
    async with visit(browser, pages["everything"]) as seen:
        await open_all(seen.page)
        payload = seen.page.locator(f'details[data-step="{LONG_STEP}"][data-kind="output"]').first
        text = await payload.text_content() or ""
        assert ENDLESS in text or ("SHA-256" in text and "interlock handoffs" in text)
        assert await seen.scroll_over() == 0
        height = (await payload.locator("pre").bounding_box() or {"height": 1e9})["height"]
        assert height < 700
