"""Names that come near to one that does not exist, for errors."""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final

_MOST_SHOWN: Final = 12


def suggest_names(name: str, known: Iterable[str]) -> str:
    """Return a sentence with the nearest known names, or all of them if few."""
    known = sorted(known)
    near = get_close_matches(name, known, n=3, cutoff=0.5)
    if near:
        return f"Did you mean {' or '.join(repr(item) for item in near)}?"
    shown = ", ".join(known[:_MOST_SHOWN]) + (", ..." if len(known) > _MOST_SHOWN else "")
    return f"Known: {shown or 'none'}."
