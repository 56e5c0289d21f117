"""Tables by model name, in which a name may be a pattern: prices, breakers, rates."""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import TypeVar

T = TypeVar("T")


def find_by_model(table: Mapping[str, T], model: str) -> T | None:
    """Return what a table holds for a model: by its exact name, else by the longest pattern that fits.

    In a pattern, `*` stands for anything, and nothing else is special.
    """
    if model in table:
        return table[model]
    fitting = [name for name in table if "*" in name and fnmatchcase(model, _escape(name))]
    return table[max(fitting, key=len)] if fitting else None


def _escape(pattern: str) -> str:
    return pattern.replace("[", "[[]").replace("?", "[?]")
