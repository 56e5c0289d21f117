"""Which attempt goes wrong, and how: drawn from a seed, the same for every contender.

Called by the workers of the fault campaign. What is drawn depends on seed, run, step and attempt
alone, so whoever makes the same attempt meets the same fault.
"""

import hashlib
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from typing import Final, Literal, TypeAlias, get_args

from interlock.testing.mast import mast_modes

FaultKind: TypeAlias = Literal[
    "error",
    "rate limit",
    "garbage",
    "cut off",
    "partial",
    "other step",
    "wrong value",
    "unseen value",
    "hung",
    "lost answer",
    "no effect",
]
KINDS: Final[Sequence[FaultKind]] = get_args(FaultKind)

MIX: Final = "MAST mix"
"""The row that draws its kinds by their share in recorded traces of teams."""

MEANINGS: Final[Mapping[FaultKind, str]] = {
    "error": "the worker raises before it has done anything",
    "rate limit": "the model's provider refuses the call for now",
    "garbage": "the answer is prose, no value",
    "cut off": "the answer ends in the middle",
    "partial": "a field of the answer is missing",
    "other step": "a good answer, but another step's",
    "wrong value": "well formed, but it does not follow from the inputs",
    "unseen value": "well formed and plausible; what is wrong came from outside",
    "hung": "no answer before the timeout",
    "lost answer": "the effect happened, its answer was lost",
    "no effect": "the effect is claimed and did not happen",
}

UNSEEN: Final[frozenset[FaultKind]] = frozenset({"unseen value"})
"""Kinds that no criterion of the team can see: what is wrong is in no input and no rule."""

NEEDS_EFFECT: Final[frozenset[FaultKind]] = frozenset({"lost answer", "no effect"})
"""Kinds that can strike only where a step makes an effect."""

_ACCEPTED: Final[frozenset[FaultKind]] = frozenset({"unseen value", "lost answer"})

_MAST_KINDS: Final[Mapping[str, FaultKind]] = {
    "FM-1.1": "wrong value",
    "FM-1.2": "error",  # the tool is refused
    "FM-1.3": "lost answer",  # the same effect once more
    "FM-1.4": "wrong value",
    "FM-1.5": "hung",
    "FM-2.1": "error",  # all is to be done again
    "FM-2.2": "wrong value",
    "FM-2.3": "other step",
    "FM-2.4": "partial",
    "FM-2.5": "wrong value",
    "FM-2.6": "no effect",
    "FM-3.1": "partial",
}
"""MAST's failure modes as what a worker of this job does.

FM-3.2 and FM-3.3, 17.3 percent, are faults of the one who verifies; no worker can make them.
"""


@cache
def derive_mast_shares() -> Mapping[FaultKind, float]:
    """Return percents of failures by kind, as MAST counted its modes."""
    shares: dict[FaultKind, float] = {}
    for mode in mast_modes():
        if (kind := _MAST_KINDS.get(mode.id)) is not None:
            shares[kind] = shares.get(kind, 0.0) + mode.percent
    return shares


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultPlan:
    """What goes wrong, and how often.

    Attributes:
        seed: Another seed draws other faults.
        kind: A kind, `MIX`, or None for no faults.
        rate: Per attempt, 0 to 1, at the steps where the kind can strike.
    """

    seed: int
    kind: str | None
    rate: float

    def draw(self, *, run: int, step: str, attempt: int, has_effect: bool) -> FaultKind | None:
        """Return what goes wrong in an attempt, counted from 1; None if nothing does."""
        place = f"{self.seed}\x1f{self.kind}\x1f{run}\x1f{step}\x1f{attempt}"
        if self.kind is None or not self.can_strike(has_effect=has_effect):
            return None
        if _draw_share(f"{place}\x1fwhether") >= self.rate:
            return None
        if self.kind == MIX:
            return _draw_kind(_draw_share(f"{place}\x1fwhich"), has_effect=has_effect)
        return next(kind for kind in KINDS if kind == self.kind)

    def can_strike(self, *, has_effect: bool) -> bool:
        """Return whether a step can be struck at all."""
        return has_effect or self.kind not in NEEDS_EFFECT

    def derive_refusal_rate(self, *, has_effect: bool) -> float:
        """Return how likely an attempt of a step is to be struck so that it is not accepted.

        An answer that was lost is found again within the attempt, by its key; what nobody can see
        is accepted.
        """
        if not self.can_strike(has_effect=has_effect) or self.kind in {None, *_ACCEPTED}:
            return 0.0
        if self.kind != MIX or not has_effect:
            return self.rate
        shares = derive_mast_shares()
        healed = sum(shares.get(kind, 0.0) for kind in _ACCEPTED)
        return self.rate * (1 - healed / sum(shares.values()))

    @property
    def is_seen(self) -> bool:
        """Whether a declared criterion, the schema or the frame itself can see every such fault."""
        return self.kind not in UNSEEN


def _draw_share(text: str) -> float:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") / 2**64


def _draw_kind(share: float, *, has_effect: bool) -> FaultKind:
    weights: dict[FaultKind, float] = {
        kind: weight
        for kind, weight in derive_mast_shares().items()
        if has_effect or kind not in NEEDS_EFFECT
    }
    ends = list(accumulate(weights.values()))
    return list(weights)[bisect_right(ends, share * ends[-1], hi=len(ends) - 1)]
