"""A time axis on which long stretches in which nothing is at work are drawn short. Pure.

A run that waits two days for a person has worked for minutes: to scale, its timeline would show the
two days and nothing else.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

Interval = tuple[float, float]

_SHOWN: Final = 0.15
"""How long a shortened stretch is drawn, as a part of the time at work."""

_LONG: Final = 4.0
"""A stretch is shortened if that makes it so many times shorter."""

_TICKS: Final = 8
_STEPS: Final = (
    *(step * 10.0**power for power in range(-6, 1) for step in (1, 2, 5)),
    *(10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1_800.0, 3_600.0, 7_200.0, 14_400.0),
    *(28_800.0, 43_200.0, 86_400.0, 172_800.0, 432_000.0, 864_000.0, 1_728_000.0, 4_320_000.0),
)
"""Distances between ticks that people count in, in seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeAxis:
    """Where instants stand on the axis.

    Attributes:
        end: The last instant, in seconds from the start.
        cuts: The stretches that are drawn short, from left to right.
        shown: How long each of these is drawn.
    """

    end: float
    cuts: Sequence[Interval]
    shown: float

    @property
    def width(self) -> float:
        """How long all is drawn."""
        return self.place(self.end)

    def place(self, instant: float) -> float:
        """Return where an instant stands: never left of an earlier one."""
        left = instant
        for begun, ended in self.cuts:
            if instant >= ended:
                left -= ended - begun - self.shown
            elif instant > begun:
                left -= (instant - begun) * (1 - self.shown / (ended - begun))
        return left

    def list_ticks(self) -> Sequence[float]:
        """Return instants to name: some of each stretch that is to scale, and where it begins."""
        bounds = [0.0, *(bound for cut in self.cuts for bound in cut), self.end]
        return [
            tick
            for begun, ended in zip(bounds[::2], bounds[1::2], strict=True)
            for tick in self._list_ticks_of(begun, ended)
        ]

    def _list_ticks_of(self, begun: float, ended: float) -> Iterator[float]:
        wanted = self.width / _TICKS
        step = next((step for step in _STEPS if step >= wanted), _STEPS[-1])
        yield begun
        count = int(begun / step) + 1
        while count * step <= ended:
            if count * step - begun > step / 2:  # else the two names would touch
                yield count * step
            count += 1


def build_axis(busy: Iterable[Interval], *, end: float) -> TimeAxis:
    """Return an axis.

    Args:
        busy: When something was at work, in seconds from the start, in any order.
        end: The last instant to show.
    """
    worked = list(_join(busy))
    shown = _SHOWN * sum(ended - begun for begun, ended in worked)
    idle = pairwise([0.0, *(bound for interval in worked for bound in interval), end])
    cuts = [
        (begun, ended)
        for place, (begun, ended) in enumerate(idle)
        if place % 2 == 0 and ended - begun > _LONG * shown > 0
    ]
    return TimeAxis(end=end, cuts=cuts, shown=shown)


def _join(intervals: Iterable[Interval]) -> Iterator[Interval]:
    """Go through the union of intervals, as intervals apart from one another."""
    open_begin, open_end = 0.0, 0.0
    for begun, ended in sorted(intervals):
        if begun > open_end:
            if open_end > open_begin:
                yield open_begin, open_end
            open_begin = begun
        open_end = max(open_end, ended)
    if open_end > open_begin:
        yield open_begin, open_end
