"""The axis of a timeline: to scale but for long stretches in which nothing is at work."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.telemetry.report.time_axis import TimeAxis, build_axis
from tests.invariants.example_settings import draw_examples

INSTANTS = st.floats(0, 1e6, allow_subnormal=False)
INTERVALS = st.lists(st.tuples(INSTANTS, INSTANTS).map(sorted).map(tuple), max_size=6)


@draw_examples(100)
@given(INTERVALS, INSTANTS, INSTANTS)
def test_no_instant_stands_left_of_an_earlier_one(
    busy: list[tuple[float, float]], one: float, other: float
) -> None:
    """Places keep the order of time, and all lie on the axis."""
    axis = build_axis(busy, end=1e6)
    early, late = sorted((one, other))
    slack = 1e-6 * axis.width
    assert -slack <= axis.place(early) <= axis.place(late) + slack <= axis.width + 2 * slack


@draw_examples(100)
@given(INTERVALS)
def test_whatever_was_at_work_is_to_scale(busy: list[tuple[float, float]]) -> None:
    """An interval of work is as long on the axis as it was, and no cut lies within it."""
    axis = build_axis(busy, end=1e6)
    for begun, ended in busy:
        drawn = axis.place(ended) - axis.place(begun)
        assert drawn == pytest.approx(ended - begun, rel=1e-6, abs=1e-3)
        assert not any(cut[0] < ended and begun < cut[1] for cut in axis.cuts if begun < ended)


@draw_examples(100)
@given(INTERVALS)
def test_ticks_are_few_and_none_lies_within_a_cut(busy: list[tuple[float, float]]) -> None:
    """Names stand where time is to scale, from left to right."""
    axis = build_axis(busy, end=1e6)
    ticks = axis.list_ticks()
    assert ticks == sorted(set(ticks)) or len(set(ticks)) == len(ticks) - len(axis.cuts)
    assert len(ticks) <= 9 + 2 * (len(axis.cuts) + 1)
    assert not any(begun < tick < ended for tick in ticks for begun, ended in axis.cuts)


@pytest.mark.parametrize(
    ("busy", "end", "cuts"),
    [
        ([(0, 10)], 16, []),
        ([(0, 10)], 17, [(10, 17)]),
        ([(0, 5), (3, 10), (100, 110)], 111, [(10, 100)]),
        ([(50, 60)], 60, [(0, 50)]),
        ([], 100, []),
        ([(0, 0)], 0, []),
    ],
)
def test_what_is_cut(
    busy: list[tuple[float, float]], end: float, cuts: list[tuple[float, float]]
) -> None:
    """Idle stretches over four times the length to which they would be drawn: 15 % of the work."""
    axis = build_axis(busy, end=end)
    assert axis.cuts == cuts
    work = sum(stop - start for start, stop in busy) or 0
    if cuts:
        assert axis.width == pytest.approx(end - sum(b - a - axis.shown for a, b in cuts))
        assert axis.shown <= 0.15 * work


def test_an_instant_within_a_cut_stands_in_proportion() -> None:
    """Half of the wait is half of the short stretch."""
    axis = TimeAxis(end=110, cuts=[(10, 100)], shown=3)
    assert [axis.place(instant) for instant in (0, 10, 55, 100, 100.5, 110)] == [
        0,
        10,
        11.5,
        13,
        13.5,
        23,
    ]
