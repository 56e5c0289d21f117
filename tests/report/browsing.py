"""A real Chromium that opens pages and writes down whatever they should not do."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, ConsoleMessage, Dialog, Page, Request, async_playwright

NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS: Final = (
    "--no-sandbox",  # for root, as whom CI runs
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
PHONE: Final = {"width": 360, "height": 740}
DESKTOP: Final = {"width": 1280, "height": 900}
_WATCH_BREACHES: Final = """
window.breaches = [];
document.addEventListener("securitypolicyviolation", (event) => {
  window.breaches.push(`${event.effectiveDirective} ${event.blockedURI}`);
});
"""
RULES: Final = {
    "resultTypes": ["violations"],
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
}
"""What axe checks: WCAG 2.2 to level AA, and what its authors hold to be good practice."""


def find_chromium() -> str | None:
    """Return the program, None if this machine has none."""
    return next((path for path in map(shutil.which, NAMES) if path), None)


@asynccontextmanager
async def open_browser(program: str) -> AsyncIterator[Browser]:
    """Start a headless Chromium with a profile of its own, ended afterwards."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=list(FLAGS))
        yield browser
        await browser.close()


@dataclass(kw_only=True)
class Visit:
    """A page that was opened, and what it did meanwhile.

    Attributes:
        page: To be driven.
        url: Of the file.
        requests: URLs that were asked for, but for the file itself.
        dialogs: What it alerted.
        complaints: Errors and warnings on the console, breaches of its own policy among them.
    """

    page: Page
    url: str
    requests: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def note_request(self, request: Request) -> None:
        """Write a request down; the file itself may be asked for."""
        if request.url.partition("#")[0] != self.url:
            self.requests.append(request.url)

    def note_words(self, message: ConsoleMessage) -> None:
        """Write down what is no mere log line."""
        if message.type in {"error", "warning", "assert"}:
            self.complaints.append(message.text)

    async def note_dialog(self, dialog: Dialog) -> None:
        """Write a dialog down and close it."""
        self.dialogs.append(dialog.message)
        await dialog.dismiss()

    async def list_misdeeds(self) -> list[str]:
        """Return all that the page should not have done, empty if it behaved."""
        misdeeds = [f"asked for {url}" for url in self.requests]
        misdeeds += [f"alerted {words}" for words in self.dialogs]
        misdeeds += [f"complained: {words}" for words in self.complaints]
        breaches = await self.page.evaluate("window.breaches")
        misdeeds += [f"broke its policy: {breach}" for breach in breaches]
        if await self.page.evaluate("'hacked' in window"):
            misdeeds.append("ran a script that was data")
        if self.page.url.partition("#")[0] != self.url:
            misdeeds.append(f"went to {self.page.url}")
        if len(self.page.context.pages) > 1:
            misdeeds.append("opened another page")
        return misdeeds

    async def find_barriers(self, **options: Any) -> list[str]:
        """Return what axe finds to keep people out, one line each; empty if nothing."""
        # What Chromium has not laid out yet has no places: axe would see links covered by others.
        await self.page.add_style_tag(content="* { content-visibility: visible !important; }")
        results = await Axe().run(self.page, options={**RULES, **options})
        return [
            f"{violation['id']}: {node['target']} {node['failureSummary']} {node['html'][:200]}"
            for violation in results.response["violations"]
            for node in violation["nodes"][:5]
        ]

    async def scroll_over(self) -> int:
        """Return by how many pixels the page is wider than the window."""
        return int(
            await self.page.evaluate(
                "document.scrollingElement.scrollWidth - document.documentElement.clientWidth"
            )
        )

    async def see_focus(self) -> dict[str, Any]:
        """Return what has the focus: its name, id and text, and whether a ring shows it."""
        seen: dict[str, Any] = await self.page.evaluate(
            """() => {
              const at = document.activeElement, style = getComputedStyle(at);
              const ring = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0;
              return {tag: at.tagName.toLowerCase(), id: at.id, text: at.textContent.trim(),
                      href: at.getAttribute("href"), ring: ring || style.boxShadow !== "none"};
            }"""
        )
        return seen


@asynccontextmanager
async def visit(
    browser: Browser, path: Path, *, viewport: Any = None, **options: Any
) -> AsyncIterator[Visit]:
    """Open a file in a fresh window, watched from its first byte on.

    Args:
        browser: Already started.
        path: The file.
        viewport: The window's size, a desktop's if None.
        options: Of Playwright's `new_context`: `color_scheme`, `java_script_enabled` ...
    """
    context = await browser.new_context(viewport=viewport or DESKTOP, **options)
    context.set_default_timeout(10_000)
    await context.add_init_script(_WATCH_BREACHES)
    page = await context.new_page()
    seen = Visit(page=page, url=path.as_uri())
    context.on("request", seen.note_request)
    page.on("console", seen.note_words)
    page.on("pageerror", lambda error: seen.complaints.append(str(error)))
    page.on("dialog", seen.note_dialog)
    await page.goto(seen.url, wait_until="load")
    yield seen
    await context.close()
