"""What a reader sees of a report, asked from the page itself."""

from typing import Any, Final

from playwright.async_api import Page

_BOXES: Final = """() => [...document.querySelectorAll("#graph a.step")].map((step) => {
  const box = step.querySelector("rect, circle, path").getBoundingClientRect();
  return {step: step.dataset.step, status: step.dataset.status, x: box.x, y: box.y,
          right: box.right, bottom: box.bottom, width: box.width, height: box.height};
})"""
_RING: Final = """() => {
  const at = document.activeElement;
  if (at === document.body) return true;
  const drawn = at.closest("svg") ? at.querySelector("rect") : at;
  const style = getComputedStyle(drawn), focus = getComputedStyle(document.documentElement)
    .getPropertyValue("--focus").trim();
  const probe = document.createElement("i");
  probe.style.color = focus; document.body.append(probe);
  const wanted = getComputedStyle(probe).color; probe.remove();
  if (drawn !== at) return style.stroke === wanted && parseFloat(style.strokeWidth) >= 3;
  return style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2
    && style.outlineColor === wanted;
}"""
_CONTRASTS: Final = """() => {
  const parse = (color) => color.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, place) => sum + v * [0.2126, 0.7152, 0.0722][place], 0);
  const ratio = (a, b) => {
    const [low, high] = [light(parse(a)), light(parse(b))].sort((x, y) => x - y);
    return (high + 0.05) / (low + 0.05);
  };
  const paper = getComputedStyle(document.querySelector(".pan")).backgroundColor;
  const found = [];
  for (const step of document.querySelectorAll("#graph a.step")) {
    const rect = getComputedStyle(step.querySelector("rect"));
    for (const text of step.querySelectorAll("text"))
      found.push([`${step.dataset.step} text`, ratio(getComputedStyle(text).fill, rect.fill), 4.5]);
    found.push([`${step.dataset.step} border`, ratio(rect.stroke, paper), 3]);
  }
  for (const text of document.querySelectorAll("#timeline svg text"))
    found.push([text.textContent, ratio(getComputedStyle(text).fill, paper), 4.5]);
  return found.filter(([, is, least]) => is < least)
    .map(([what, is, least]) => `${what}: ${is.toFixed(2)} < ${least}`);
}"""


async def measure_boxes(page: Page) -> list[dict[str, Any]]:
    """Return where each step of the graph is drawn, in pixels, and how it ended."""
    boxes: list[dict[str, Any]] = await page.evaluate(_BOXES)
    return boxes


async def list_shown(page: Page) -> list[dict[str, str]]:
    """Return step, kind and verdict of each handoff that can be seen, in order."""
    shown: list[dict[str, str]] = await page.evaluate(
        """() => [...document.querySelectorAll("details.handoff")]
          .filter((one) => one.checkVisibility()).map((one) => ({...one.dataset}))"""
    )
    return shown


async def read_ring(page: Page) -> bool:
    """Return whether what has the focus is drawn with the ring of the page's focus colour."""
    return bool(await page.evaluate(_RING))


async def list_faint(page: Page) -> list[str]:
    """Return what of the drawings has too little contrast (WCAG 1.4.3 and 1.4.11).

    An accessibility checker does not look into an SVG.
    """
    faint: list[str] = await page.evaluate(_CONTRASTS)
    return faint


async def measure_paper(page: Page) -> float:
    """Return how bright the page's background is, from 0 (black) to 1 (white)."""
    red, green, blue = await page.evaluate(
        "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number).slice(0, 3)"
    )
    return float((0.299 * red + 0.587 * green + 0.114 * blue) / 255)


async def switch_theme(page: Page, theme: str) -> None:
    """Press the page's switch until it has a theme."""
    for _ in range(2):
        if await page.evaluate("document.documentElement.dataset.theme") == theme:
            return
        await page.click("#theme")


async def open_all(page: Page) -> None:
    """Open every handoff."""
    await page.evaluate("document.querySelectorAll('details').forEach((at) => { at.open = true; })")
