"""A figure that was measured in several rounds."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One figure over the rounds.

    Attributes:
        median: The middle one.
        low: The least.
        high: The greatest.
    """

    median: float
    low: float
    high: float


def derive_figure(values: Sequence[float]) -> Figure:
    """Return the median and the range of what the rounds gave, at least one."""
    return Figure(median=median(values), low=min(values), high=max(values))
