"""Charts as SVG, drawn by Vega-Lite: colours are the page's own, so that they follow its theme.

What Vega draws stands still and is one picture to a screen reader, which says what it shows; a
mark's words appear where a mouse rests on it. Every text is made visible first: Vega's renderer ends
the whole process on a control character.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from interlock.contracts.errors import ConfigurationError
from interlock.telemetry.report.time_axis import Interval, TimeAxis, build_axis
from interlock.telemetry.report.words import show_share, show_span, show_text

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

_AT_WORK: Final = frozenset({"brief", "work", "review", "promotion"})
_SCHEMA: Final = "https://vega.github.io/schema/vega-lite/v5.json"
_ROW: Final = 20.0
_NAMED_ROW: Final = 10.0
_LEAST_ROW: Final = 1.0
_HEIGHT: Final = 1_200.0
_WIDTH: Final = 920
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

    A long stretch in which nothing is at work, since all wait for a person or a time, is drawn short
    on a grey ground.

    Args:
        rows: Bars: `step`, `stage`, `from` and `to` in seconds from the start, and `what`. A bar of
            less than a pixel is drawn one pixel wide.
        order: The steps from top to bottom; up to 120 have their names beside them.
    """
    busy = [(row["from"], row["to"]) for row in rows if row["stage"] in _AT_WORK]
    axis = build_axis(busy, end=max((row["to"] for row in rows), default=0.0))
    used = [stage for stage in STAGES if any(row["stage"] == stage for row in rows)]
    unit = choose_unit(axis.end)
    x = {"field": "from", "type": "quantitative", **_describe_axis(axis, unit=unit)}
    bars = {
        "data": {"values": [_place(row, axis=axis) for row in rows]},
        "mark": {"type": "bar", "tooltip": False},
        "encoding": {
            "y": _describe_lines(order),
            "x": x,
            "x2": {"field": "to"},
            "color": _colour("stage", used),
            "description": {"field": "what"},
        },
    }
    cuts = {
        "data": {"values": [_place(_describe_cut(cut), axis=axis) for cut in axis.cuts]},
        "mark": {"type": "rect", "color": "var(--line)"},
        "encoding": {"x": x, "x2": {"field": "to"}, "description": {"field": "what"}},
    }
    spec = {
        "width": _WIDTH,
        "height": {"step": min(_ROW, max(_LEAST_ROW, _HEIGHT / max(1, len(order))))},
        "layer": [cuts, bars] if axis.cuts else [bars],
    }
    words = f"Timeline of {len(order)} steps. The table of steps says how long each took."
    return _render(spec, words=words)


def _describe_lines(order: Sequence[str]) -> Mapping[str, Any]:
    """Return the steps' lines: names where there is room for them."""
    height = min(_ROW, _HEIGHT / max(1, len(order)))
    named = {"labelLimit": 220, "labelFontSize": min(12, height), "ticks": False}
    return {
        "field": "step",
        "type": "nominal",
        "sort": None,  # Vega makes nested conditions of a list; a domain keeps the order too
        "scale": {"domain": list(order)},
        "title": None,
        "axis": named if height >= _NAMED_ROW else None,
    }


def _describe_axis(axis: TimeAxis, *, unit: tuple[float, str]) -> Mapping[str, Any]:
    """Return the axis of times, at the top: in one unit, or where it is not to scale in words."""
    length, name = unit
    ticks = axis.list_ticks()
    places = [axis.place(tick) for tick in ticks]
    if axis.cuts:
        title = "time from the start, drawn short where nothing was at work"
        names = [show_span(tick) if tick else "0" for tick in ticks]
    else:
        title, names = f"{name} from the start", [f"{tick / length:g}" for tick in ticks]
    label = f"{json.dumps(names)}[indexof({json.dumps(places)}, datum.value)]"
    return {
        "title": title,
        "scale": {"domain": [0, axis.width], "nice": False},
        "axis": {"orient": "top", "values": places, "labelExpr": label},
    }


def _describe_cut(cut: Interval) -> Row:
    begun, ended = cut
    words = f"nothing was at work for {show_span(ended - begun)}: drawn short"
    return {"from": begun, "to": ended, "what": words}


def _place(row: Row, *, axis: TimeAxis) -> Row:
    begun, ended = axis.place(row["from"]), axis.place(row["to"])
    return {**row, "from": begun, "to": max(ended, begun + axis.width / _WIDTH)}


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
