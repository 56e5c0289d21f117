"""Which functions criteria may call: those of the engine, and of its extension libraries.

Only functions whose cost is bounded by their arguments: `lists.range(1000000000)` or a shift by
a billion bits, written by a model, would take the process down.
"""

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from cel.stdlib import STDLIB_FUNCTIONS

_NATIVE: Final = frozenset(
    (
        *("bytes", "double", "duration", "dyn", "int", "string", "timestamp", "type", "uint"),
        *("contains", "endsWith", "has", "matches", "size", "startsWith"),
        *("getDate", "getDayOfMonth", "getDayOfWeek", "getDayOfYear", "getFullYear", "getMonth"),
        *("getHours", "getMilliseconds", "getMinutes", "getSeconds"),
        *("hasValue", "none", "of", "ofNonZeroValue", "or", "orValue", "value"),
    )
)
_EXTENSIONS: Final = (
    *("bool", "min", "max", "sum"),
    *("charAt", "indexOf", "lastIndexOf", "substring", "replace", "split", "join"),
    *("lowerAscii", "upperAscii", "trim", "reverse"),
    *("math.greatest", "math.least", "math.abs", "math.sign"),
    *("math.ceil", "math.floor", "math.round", "math.trunc"),
    *("sets.contains", "sets.equivalent", "sets.intersects"),
    *("distinct", "first", "last", "slice", "sort"),
)
_SIZE: Final = "length"
"""What `size` is called inside: the engine's own counts the bytes of a text, CEL its characters."""

_SIZE_CALL: Final = re.compile(
    r"""(?P<kept>//[^\n]*|'''[\s\S]*?'''|\"{3}[\s\S]*?\"{3}|'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*")"""
    r"|\bsize(?=\s*\()"
)

FUNCTIONS: Final[Mapping[str, Callable[..., Any]]] = {
    _SIZE: len,
    **{name: STDLIB_FUNCTIONS[name] for name in _EXTENSIONS},
}
"""Functions beside the engine's own, by the name that an expression calls."""

LIBRARIES: Final = frozenset({"optional", *(n.split(".")[0] for n in _EXTENSIONS if "." in n)})
"""Words before the dot of a function's name, which are no variables."""

_KNOWN: Final = _NATIVE | {name.rpartition(".")[2] for name in FUNCTIONS}


def count_characters(expression: str) -> str:
    """Return an expression whose calls of `size` count the characters of a text, as CEL says."""
    return _SIZE_CALL.sub(lambda found: found["kept"] or _SIZE, expression)


def find_unknown_functions(called: Collection[str]) -> list[str]:
    """Return which of these function names do not exist."""
    return sorted(name for name in called if name[0].isalpha() and name not in _KNOWN)


def select_functions(called: Collection[str]) -> dict[str, Callable[..., Any]]:
    """Return the functions beside the engine's own that an expression needs."""
    return {
        name: function for name, function in FUNCTIONS.items() if name.rpartition(".")[2] in called
    }
