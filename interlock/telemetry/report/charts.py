"""Charts as SVG, drawn by Vega-Lite: colours are the page's own, so that they follow its theme.

What Vega draws stands still and is one picture to a screen reader, which says what it shows; a
mark's words appear where a mouse rests on it. Every text is made visible first: Vega's renderer ends
the whole process on a control character.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from interlock.contracts.errors import ConfigurationError
from interlock.telemetry.report.words import show_share, show_text

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
"""The stages of a step that have a colour, in the order in which it goes through them."""

_SCHEMA: Final = "https://vega.github.io/schema/vega-lite/v5.json"
_ROW: Final = 20.0
_NAMED_ROW: Final = 10.0
_LEAST_ROW: Final = 1.0
_HEIGHT: Final = 1_200.0
_WIDTH: Final = 860
_UNITS: Final = ((86_400.0, "days"), (3_600.0, "hours"), (60.0, "minutes"), (1.0, "seconds"))
_LEAST_UNITS: Final = 3.0
"""A unit is used for times of at least so many of it."""

_CONFIG: Final[Mapping[str, Any]] = {
    "background": "transparent",
    "font": "Arial, 'Liberation Sans', Helvetica, sans-serif",  # as wide here as in a browser
    "padding": {"left": 24, "right": 24, "top": 5, "bottom": 5},
    "axis": {
        "labelColor": "var(--ink)",
        "titleColor": "var(--ink)",
        "gridColor": "var(--line)",
        "domainColor": "var(--line)",
        "tickColor": "var(--line)",
        "labelFontSize": 12,
        "titleFontSize": 12,
        "tickCount": 8,
    },
    "legend": {"labelColor": "var(--ink)", "titleColor": "var(--ink)", "labelFontSize": 12},
    "view": {"stroke": "transparent"},
}
_MARK: Final = re.compile(
    r'<path aria-label="([^"]*)" role="graphics-symbol" aria-roledescription="[^"]*" ([^>]*)/>'
)
_INNER_ROLE: Final = re.compile(r' (?:role|aria-label|aria-roledescription|aria-hidden)="[^"]*"')

Row = dict[str, Any]


def draw_timeline(rows: Sequence[Row], *, order: Sequence[str]) -> str:
    """Return a Gantt chart.

    Args:
        rows: Bars: `step`, `stage`, `from` and `to` in seconds from the start, and `what`. A bar of
            less than a pixel is drawn one pixel wide.
        order: The steps from top to bottom; up to 120 have their names beside them.
    """
    height = min(_ROW, max(_LEAST_ROW, _HEIGHT / max(1, len(order))))
    is_named = height >= _NAMED_ROW
    used = [stage for stage in STAGES if any(row["stage"] == stage for row in rows)]
    longest = max((row["to"] for row in rows), default=0.0)
    length, unit = choose_unit(longest)
    least = longest / length / _WIDTH
    spec = {
        "data": {"values": [_scale(row, length=length, least=least) for row in rows]},
        "width": _WIDTH,
        "height": {"step": height},
        "mark": {"type": "bar", "tooltip": False},
        "encoding": {
            "y": {
                "field": "step",
                "type": "nominal",
                "sort": None,  # Vega makes nested conditions of a list; a domain keeps the order too
                "scale": {"domain": list(order)},
                "title": None,
                "axis": {"labelLimit": 220, "labelFontSize": min(12, height), "ticks": False}
                if is_named
                else None,
            },
            "x": {
                "field": "from",
                "type": "quantitative",
                "title": f"{unit} from the start",
                "axis": {"orient": "top"},
            },
            "x2": {"field": "to"},
            "color": _colour("stage", used),
            "description": {"field": "what"},
        },
    }
    words = f"Timeline of {len(order)} steps. The table of steps says how long each took."
    return _render(spec, words=words)


def draw_bars(
    rows: Sequence[Row],
    *,
    x: str,
    y: str,
    colour: str | None = None,
    percent: bool = False,
    words: str = "Bars. The table beside them has the same numbers.",
) -> str:
    """Return horizontal bars.

    Args:
        rows: With the fields named.
        x: The number's field.
        y: The name's field; rows keep their order.
        colour: A field by which bars are split, or None.
        percent: Whether the numbers are shares.
        words: What a screen reader says of it.
    """
    encoding: dict[str, Any] = {
        "description": {"field": "what"},
        "y": {
            "field": y,
            "type": "nominal",
            "sort": None,
            "scale": {"domain": list(dict.fromkeys(row[y] for row in rows))},
            "title": None,
            "axis": {"labelLimit": 260, "ticks": False},
        },
        "x": {
            "field": x,
            "type": "quantitative",
            "title": None if percent else x,
            "axis": {"format": ".0%"} if percent else {},
            **({"scale": {"domain": [0, 1]}} if percent else {}),
        },
    }
    if colour:
        encoding["color"] = _colour(colour, list(dict.fromkeys(row[colour] for row in rows)))
        encoding["order"] = {"field": "place", "type": "quantitative"}
    show = show_share if percent else "{:.3g}".format
    named = [(row, [row[y], *([row[colour]] if colour else []), show(row[x])]) for row in rows]
    spec = {
        "data": {
            "values": [
                {**row, "place": place, "what": ", ".join(parts)}
                for place, (row, parts) in enumerate(named)
            ]
        },
        "width": 560,
        "height": {"step": 22},
        "mark": {"type": "bar", **({} if colour else {"color": "var(--accent)"})},
        "encoding": encoding,
    }
    return _render(spec, words=words)


def choose_unit(seconds: float) -> tuple[float, str]:
    """Return the largest unit of which a duration has some, in seconds, and its name."""
    for length, name in _UNITS:
        if seconds >= _LEAST_UNITS * length:
            return length, name
    return (1.0, "seconds") if seconds >= 1 else (0.001, "milliseconds")


def _scale(row: Row, *, length: float, least: float) -> Row:
    begun, ended = row["from"] / length, row["to"] / length
    return {**row, "from": begun, "to": max(ended, begun + least)}


def _colour(field: str, names: Sequence[str]) -> Mapping[str, Any]:
    """Return the page's colours of these names, with a legend."""
    return {
        "field": field,
        "type": "nominal",
        "title": None,
        "scale": {"domain": list(names), "range": [f"var(--{name})" for name in names]},
        "legend": {"orient": "top", "symbolType": "square"},
    }


def _render(spec: Mapping[str, Any], *, words: str) -> str:
    """Return a chart's SVG.

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
    svg = vl_convert.vegalite_to_svg(_clean({"$schema": _SCHEMA, "config": _CONFIG, **spec}))
    titled = _MARK.sub(r"<path \2><title>\1</title></path>", svg)
    return _INNER_ROLE.sub("", titled).replace("<svg ", f'<svg role="img" aria-label="{words}" ', 1)


def _clean(part: Any) -> Any:  # noqa: ANN401 - any part of a chart's description
    if isinstance(part, str):
        return show_text(part)
    if isinstance(part, Mapping):
        return {name: _clean(value) for name, value in part.items()}
    if isinstance(part, (list, tuple)):
        return [_clean(value) for value in part]
    return part
