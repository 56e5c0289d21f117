"""Charts of reports: whatever is drawn, it is a sound, still picture of the page's own colours."""

import re
from collections.abc import Sequence
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from interlock.telemetry.report.charts import choose_unit, draw_bars, draw_timeline
from interlock.telemetry.report.words import show_text

SVG = "{http://www.w3.org/2000/svg}"


def bar(step: str, stage: str = "work", begun: float = 0, ended: float = 1) -> dict[str, Any]:
    """Return one bar."""
    return {"step": step, "stage": stage, "from": begun, "to": ended, "what": f"{step} does it"}


def list_titles(svg: str) -> Sequence[str]:
    """Return the words of the marks, read by an XML parser."""
    tree = ET.fromstring(svg)
    return [str(title.text) for title in tree.iter(f"{SVG}title")]


@pytest.mark.parametrize(
    "name", ["a\x00b", "\ufffe", "\ud800", "</svg><script>x</script>", '"onload=x', "__proto__"]
)
def test_no_name_breaks_a_chart(name: str) -> None:
    """Vega's renderer ends the process on a control character: none gets there."""
    svg = draw_timeline([bar(name)], order=[name])
    assert list_titles(svg) == [f"{show_text(name)} does it"]
    assert "<script" not in svg
    assert list_titles(draw_bars([{"n": 1, "of": name}], x="n", y="of")) == [
        f"{show_text(name)}, 1"
    ]


def test_thousands_of_steps_fit() -> None:
    """Many steps are one chart, in their order from top to bottom, each with a line of its own."""
    names = [f"s{number}" for number in range(2_000)]
    rows = [bar(name, begun=place, ended=place + 1) for place, name in enumerate(names)]
    svg = draw_timeline(list(reversed(rows)), order=names)
    tops = {
        title: float(top)
        for top, title in re.findall(r'd="M[^,]*,([^h]*)h[^"]*"[^>]*><title>(\S*) does', svg)
    }
    assert list(tops) == names[::-1]
    assert sorted(tops, key=tops.__getitem__) == names
    assert tops["s1999"] - tops["s0"] == pytest.approx(1_999)


@pytest.mark.parametrize(
    ("count", "height", "is_named"),
    [(3, 60, True), (120, 1200, True), (121, 1200, False), (1_000, 1200, False)],
)
def test_a_thousand_steps_are_one_screen_or_two(
    count: int, height: float, *, is_named: bool
) -> None:
    """Lines grow thinner, with names as long as these can be read; the axis stands at the top."""
    names = [f"s{number}" for number in range(count)]
    svg = draw_timeline([bar(name) for name in names], order=names)
    assert float(re.findall(r"M0.5,0.5h920v([\d.]+)h", svg)[0]) == pytest.approx(height, rel=0.01)
    assert re.findall(r">(s\d+)</text>", svg) == (names if is_named else [])
    (title,) = re.findall(
        r'translate\([^,]*,(-?[\d.]+)\)"[^>]*>milliseconds from|'
        r'translate\([^,]*,(-?[\d.]+)\)"[^>]*>seconds from',
        svg,
    )
    assert float("".join(title)) < 0


def test_a_bar_of_no_width_is_still_seen() -> None:
    """A millisecond beside a day of work is one pixel wide, and longer bars are to scale."""
    rows = [bar("a", "brief", 0, 0.001), bar("a", "work", 0, 86_400)]
    svg = draw_timeline(rows, order=["a"])
    widths = [float(width) for width in re.findall(r'd="M[^h]*h([\d.]+)v[^"]*"[^>]*><title>', svg)]
    total = float(re.findall(r'class="background"[^>]*d="M0.5,0.5h(\d+)', svg)[0])
    assert total == 920
    assert widths[0] == pytest.approx(1, abs=0.2)
    assert widths[1] == pytest.approx(920)


def test_a_chart_is_one_picture_to_a_screen_reader() -> None:
    """The drawing has a name, its thousand parts have no roles; colours are the page's variables."""
    svg = draw_timeline([bar("a"), bar("a", "model")], order=["a"])
    assert re.findall(r'(?:role|aria-[a-z]+)="([^"]*)"', svg) == [
        "img",
        "Timeline of 1 steps. The table of steps says how long each took.",
    ]
    assert {"var(--work)", "var(--model)"} <= set(re.findall(r'fill="([^"]*)"', svg))
    assert not re.findall(r"(?:href|src)=", svg)


def test_charts_of_nothing_are_drawn() -> None:
    """No rows is an empty chart, not an error."""
    assert list_titles(draw_timeline([], order=[])) == []
    assert list_titles(draw_bars([], x="n", y="of")) == []


def test_bars_keep_their_order_and_say_their_numbers() -> None:
    """The worst stands first as it was handed in; shares are said in percent and of one whole."""
    rows = [{"day": day, "share": share} for day, share in (("c", 0.5), ("a", 0.9), ("b", 0.0))]
    svg = draw_bars(rows, x="share", y="day", percent=True)
    assert list_titles(svg) == ["c, 50.0 %", "a, 90.0 %", "b, 0.0 %"]
    assert re.findall(r">(\d+%)<", svg)[-1] == "100%"
    assert re.findall(r">([abc])</text>", svg) == ["c", "a", "b"]


@pytest.mark.parametrize(
    ("seconds", "unit"),
    [
        (0, "milliseconds"),
        (0.4, "milliseconds"),
        (2, "seconds"),
        (179, "seconds"),
        (180, "minutes"),
        (10_800, "hours"),
        (86_400, "hours"),
        (300_000, "days"),
    ],
)
def test_axes_are_in_units_that_can_be_read(seconds: float, unit: str) -> None:
    """Milliseconds to days, the largest of which there are at least three."""
    assert choose_unit(seconds)[1] == unit


def test_a_wait_for_a_person_does_not_squash_the_run() -> None:
    """Two days between two minutes of work are drawn short, say how long they were, and stay whole."""
    two_days = 172_800.0
    rows = [
        bar("a", "work", 0, 60),
        bar("b", "person", 60, 60 + two_days),
        bar("c", "work", 60 + two_days, 120 + two_days),
    ]
    svg = draw_timeline(rows, order=["a", "b", "c"])
    marks = re.findall(r'd="M([\d.]+),[^h]*h([\d.]+)v[^"]*"[^>]*><title>([^<]*)', svg)
    spans = {title: (float(left), float(left) + float(width)) for left, width, title in marks}
    cut = spans.pop("nothing was at work for 2 d 0 h: drawn short")
    assert list(spans) == ["a does it", "b does it", "c does it"]
    one, person, other = spans.values()
    assert one[1] == pytest.approx(cut[0]) == pytest.approx(person[0])
    assert other[0] == pytest.approx(cut[1]) == pytest.approx(person[1])
    assert one[1] - one[0] == pytest.approx(other[1] - other[0]) == pytest.approx(400, abs=1)
    names = re.findall(r">([^<>]* (?:s|min|h|d)[^<>]*)</text>", svg)
    assert {"1 min 0 s", "2 d 0 h"} <= set(names)
    assert "time from the start, drawn short where nothing was at work" in svg


def test_ticks_stand_at_times_that_people_count_in() -> None:
    """Ten minutes have ticks at whole minutes, half a second at whole tenths."""
    for end, unit, expected in (
        (600, "minutes", ["0", "2", "4", "6", "8", "10"]),
        (0.5, "milliseconds", ["0", "100", "200", "300", "400", "500"]),
    ):
        svg = draw_timeline([bar("a", "work", 0, end)], order=["a"])
        assert re.findall(r">([\d.]+)</text>", svg) == expected
        assert f">{unit} from the start<" in svg
