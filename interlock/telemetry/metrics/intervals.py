"""Exact intervals of rates (Clopper and Pearson, "The use of confidence or fiducial limits", 1934)."""

import math
from collections.abc import Callable
from typing import Final

_HALVINGS: Final = 50


def derive_interval(count: int, of: int, *, confidence: float = 0.95) -> tuple[float, float]:
    """Return the rates at which so many of so many are not too unlikely; cost is linear in `of`.

    Args:
        count: How many were seen.
        of: Among how many; 1 or more.
        confidence: Share of samples whose interval holds the true rate, at least.
    """
    tail = (1 - confidence) / 2
    low = 0.0 if count == 0 else _bisect(lambda rate: 1 - _sum_up_to(count - 1, of, rate) < tail)
    high = 1.0 if count == of else _bisect(lambda rate: _sum_up_to(count, of, rate) > tail)
    return low, high


def _bisect(is_below: Callable[[float], bool]) -> float:
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if is_below(middle):
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _sum_up_to(count: int, of: int, rate: float) -> float:
    """Return how likely it is that no more than `count` of `of` happen at a rate."""
    if rate in {0.0, 1.0}:
        return 1.0 if rate == 0.0 or count >= of else 0.0
    logs = (
        math.lgamma(of + 1)
        - math.lgamma(k + 1)
        - math.lgamma(of - k + 1)
        + k * math.log(rate)
        + (of - k) * math.log1p(-rate)
        for k in range(count + 1)
    )
    return math.fsum(math.exp(one) for one in logs)
