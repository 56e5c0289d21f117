"""MAST's failure modes of teams of agents as rates of the faults that can be injected.

Shares: Cemri et al., "Why Do Multi-Agent LLM Systems Fail?", arXiv 2503.13657 v3, over 1,642 traces
of seven frameworks. Which fault stands for a mode is our own mapping.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from interlock.testing.injected_faults import FaultKind

_FILE: Final = Path(__file__).parent / "data" / "mast_fault_mix.json"

_REALISED: Final[Mapping[str, tuple[FaultKind | None, str]]] = {
    "FM-1.1": ("wrong", "a well-formed output with a wrong value, which a criterion may see"),
    "FM-1.2": (None, "a tool outside a worker's own is not within its reach: nothing to wrap"),
    "FM-1.3": ("lost", "the effect happens, its answer is lost, and the call is made again"),
    "FM-1.4": ("wrong", "a value as out of an older snapshot: well-formed and not the true one"),
    "FM-1.5": ("slow", "the attempt goes on far beyond its timeout"),
    "FM-2.1": ("garbage", "an answer to nothing that was asked: another shape"),
    "FM-2.2": ("wrong", "a made-up value where one was missing"),
    "FM-2.3": ("wrong", "a valid value of something else"),
    "FM-2.4": ("truncated", "fields at the end of the output are missing"),
    "FM-2.5": ("wrong", "a value as computed from one input fewer"),
    "FM-2.6": ("wrong", "success is reported with a value that is not so"),
    "FM-3.1": ("truncated", "a part of the output, handed on as if it were all"),
    "FM-3.2": (None, "a skipped check is the supervisor's own: criteria cannot be wrapped away"),
    "FM-3.3": (None, "a check that errs is a judge's: wrap the judge's model instead"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class MastMode:
    """One failure mode, and what stands for it.

    Attributes:
        id: As in the paper.
        name: As in the paper.
        percent: Its share of all failures.
        kind: The fault that realises it; None if wrapping cannot.
        how: In words.
    """

    id: str
    name: str
    percent: float
    kind: FaultKind | None
    how: str


@cache
def mast_modes() -> tuple[MastMode, ...]:
    """Return all of MAST's modes in the paper's order."""
    data: dict[str, Any] = json.loads(_FILE.read_text("utf-8"))
    return tuple(
        MastMode(
            id=mode["id"],
            name=mode["name"],
            percent=mode["percent"],
            kind=_REALISED[mode["id"]][0],
            how=_REALISED[mode["id"]][1],
        )
        for mode in data["modes"]
    )


def mast_mix(rate: float) -> dict[FaultKind, float]:
    """Return rates by kind that share out one rate as MAST's realisable modes are.

    Args:
        rate: Share of calls with a fault of any kind, from 0 to 1.
    """
    shares: dict[FaultKind, float] = {}
    for mode in mast_modes():
        if mode.kind is not None:
            shares[mode.kind] = shares.get(mode.kind, 0.0) + mode.percent
    total = sum(shares.values())
    return {kind: rate * share / total for kind, share in shares.items()}
