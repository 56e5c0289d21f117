"""Charts as SVG, drawn by Vega-Lite: colours are the page's own, so that they follow its theme."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from interlock.contracts.errors import ConfigurationError

STAGES: Final = (
    "queue",
    "brief",
    "work",
    "model",
    "tool",
    "review",
    "promotion",
    "person",
)
_SCHEMA: Final = "https://vega.github.io/schema/vega-lite/v5.json"
_FEW_ROWS: Final = 60
_CONFIG: Final[Mapping[str, Any]] = {
    "background": "transparent",
    "font": "system-ui, sans-serif",
    "axis": {
        "labelColor": "var(--ink)",
        "titleColor": "var(--ink)",
        "gridColor": "var(--line)",
        "domainColor": "var(--line)",
        "tickColor": "var(--line)",
        "labelFontSize": 12,
        "titleFontSize": 12,
    },
    "legend": {"labelColor": "var(--ink)", "titleColor": "var(--ink)", "labelFontSize": 12},
    "view": {"stroke": "transparent"},
}

Row = dict[str, Any]


def draw_timeline(rows: Sequence[Row], *, order: Sequence[str]) -> str:
    """Return a Gantt chart.

    Args:
        rows: Bars: `step`, `stage`, `from` and `to` in seconds from the start, and `what`.
        order: The steps from top to bottom.
    """
    few = len(order) <= _FEW_ROWS
    used = [stage for stage in STAGES if any(row["stage"] == stage for row in rows)]
    spec = {
        "data": {"values": list(rows)},
        "width": 860,
        "height": {"step": 20 if few else 5},
        "mark": {"type": "bar", "tooltip": False},
        "encoding": {
            "y": {
                "field": "step",
                "type": "nominal",
                "sort": list(order),
                "title": None,
                "axis": {"labelLimit": 220, "ticks": False} if few else None,
            },
            "x": {"field": "from", "type": "quantitative", "title": "seconds from the start"},
            "x2": {"field": "to"},
            "color": {
                "field": "stage",
                "type": "nominal",
                "title": None,
                "scale": {"domain": used, "range": [f"var(--{stage})" for stage in used]},
                "legend": {"orient": "top", "symbolType": "square"},
            },
            "description": {"field": "what"},
        },
    }
    return _render(spec)


def draw_bars(
    rows: Sequence[Row], *, x: str, y: str, colour: str | None = None, percent: bool = False
) -> str:
    """Return horizontal bars.

    Args:
        rows: With the fields named.
        x: The number's field.
        y: The name's field; rows keep their order.
        colour: A field by which bars are split, or None.
        percent: Whether the numbers are shares.
    """
    names = list(dict.fromkeys(row[y] for row in rows))
    split = list(dict.fromkeys(row[colour] for row in rows)) if colour else []
    encoding: dict[str, Any] = {
        "y": {"field": y, "type": "nominal", "sort": names, "title": None,
              "axis": {"labelLimit": 260, "ticks": False}},
        "x": {"field": x, "type": "quantitative", "title": None,
              "axis": {"format": ".0%"} if percent else {}},
    }
    if colour:
        encoding["color"] = {
            "field": colour,
            "type": "nominal",
            "title": None,
            "scale": {
                "domain": split,
                "range": [f"var(--{name})" for name in split],
            },
            "legend": {"orient": "top", "symbolType": "square"},
        }
    spec = {
        "data": {"values": list(rows)},
        "width": 560,
        "height": {"step": 22},
        "mark": {"type": "bar", **({} if colour else {"color": "var(--accent)"})},
        "encoding": encoding,
    }
    return _render(spec)


def _render(spec: Mapping[str, Any]) -> str:
    """Return a chart's SVG, of the width of what it stands in.

    Raises:
        ConfigurationError: The extra `report` is not installed.
    """
    try:
        import vl_convert  # noqa: PLC0415 - 80 MB that only reports need
    except ImportError as exc:
        raise ConfigurationError(
            "Reports need Vega's renderer and Jinja: install interlock with the extra `report`, "
            "pip install 'interlock[report]'."
        ) from exc
    svg: str = vl_convert.vegalite_to_svg({"$schema": _SCHEMA, "config": _CONFIG, **spec})
    return re.sub(r'<svg ([^>]*?)width="(\d+)" height="(\d+)"', r'<svg \1width="\2" height="\3"', svg)
