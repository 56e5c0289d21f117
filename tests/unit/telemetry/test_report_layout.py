"""Task graphs on the page: every step right of what it needs, none over another."""

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from interlock.telemetry.report.graph_layout import ROWS, GraphLayout, place_steps
from tests.invariants.example_settings import draw_examples


@st.composite
def draw_needs(draw: st.DrawFn) -> Mapping[str, Sequence[str]]:
    """Return a random graph, needed steps first."""
    count = draw(st.integers(0, 60))
    return {
        f"s{place}": sorted(
            {f"s{draw(st.integers(0, place - 1))}" for _ in range(draw(st.integers(0, 3)))}
            if place
            else ()
        )
        for place in range(count)
    }


def read_ends(path: str) -> tuple[float, float, float, float]:
    """Return where a path begins and ends."""
    numbers = [float(number) for number in re.findall(r"-?\d+", path)]
    return numbers[0], numbers[1], numbers[-2], numbers[-1]


def check_layout(needs: Mapping[str, Sequence[str]], layout: GraphLayout) -> None:
    """Hold what a reader relies on."""
    width, height = layout.box_width, layout.box_height
    boxes = [(step.x, step.y) for step in layout.steps.values()]
    assert set(layout.steps) == set(needs)
    assert all(x >= 0 and x + width <= layout.width for x, _ in boxes)
    assert all(y >= 0 and y + height <= layout.height for _, y in boxes)
    by_place = sorted(boxes)
    for (x, y), (other_x, other_y) in pairwise(by_place):
        assert other_x >= x + width or (x == other_x and other_y >= y + height)
    assert sorted((source, name) for source, name, _ in layout.edges) == sorted(
        (source, name) for name, sources in needs.items() for source in sources
    )
    for source, name, path in layout.edges:
        one, other = layout.steps[source], layout.steps[name]
        assert one.x + width < other.x
        assert read_ends(path) == (
            round(one.x + width), round(one.y + height / 2),
            round(other.x), round(other.y + height / 2),
        )  # fmt: skip


@draw_examples(60)
@given(draw_needs())
def test_every_step_stands_right_of_what_it_needs(needs: Mapping[str, Sequence[str]]) -> None:
    """No box lies over another or outside, every need is an edge from side to side."""
    check_layout(needs, place_steps(needs))


def test_a_thousand_independent_steps_are_a_block() -> None:
    """A layer that is too high goes on beside itself."""
    layout = place_steps({f"s{place}": [] for place in range(1_000)})
    assert len({step.y for step in layout.steps.values()}) == ROWS
    assert layout.height < 700
    assert not layout.is_labelled


def test_a_wide_and_a_deep_layer_do_not_mix() -> None:
    """What needs a step of a wrapped layer stands right of all of that layer."""
    wide = {f"s{place}": list[str]() for place in range(200)}
    needs = {**wide, "last": ["s0"]}
    layout = place_steps(needs)
    check_layout(needs, layout)
    assert layout.steps["last"].x > max(layout.steps[name].x for name in wide)


def test_further_edges_are_drawn_between_known_steps() -> None:
    """Ways that are no needs have the same shape; to a step elsewhere there is none."""
    layout = place_steps({"a": [], "b": []})
    assert layout.draw("a", "b") is not None
    assert layout.draw("a", "elsewhere") is None
