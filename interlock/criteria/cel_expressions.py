"""CEL expressions: compiled once, evaluated into findings, with what they looked at.

The engine is cel-rust by way of `common-expression-language`: no side effects, no loops
without a bound, so that an expression written by a model is safe to evaluate.
"""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import cel

from interlock.contracts.criteria import Finding
from interlock.contracts.plain import Plain, encode_plain, find_path
from interlock.criteria.cel_functions import (
    LIBRARIES,
    count_characters,
    find_unknown_functions,
    select_functions,
)

_COMPREHENSION = re.compile(r"\.(?:all|exists|exists_one|existsOne|map|filter)\s*\(\s*(\w+)\s*,")
_LOOKED_AT = re.compile(r"\b(output|inputs|context)((?:\.\w+)*)(\(?)")
_INDEXED = re.compile(r"""\b(output|inputs|context)\s*\[\s*(?:"([^"]+)"|'([^']+)')\s*\]""")
_EVIDENCE_CHARS: Final = 200
_EVIDENCE_ENTRIES: Final = 8
_TYPE_NAMES: Final = frozenset(
    [
        "bool",
        "bytes",
        "double",
        "duration",
        "int",
        "list",
        "map",
        "null_type",
        "string",
        "timestamp",
        "type",
        "uint",
    ]
)


class CelError(Exception):
    """An expression gave no true or false; the message says why."""


@dataclass(frozen=True, slots=True)
class _Compiled:
    """An expression ready to be evaluated.

    Attributes:
        program: The expression; its calls of `size` count characters.
        functions: What it calls beside the engine's own.
    """

    program: cel.Program
    functions: Mapping[str, Callable[..., Any]]


@lru_cache(maxsize=4096)
def _compile(expression: str) -> _Compiled:
    cel.compile(expression)  # its errors quote the expression as it was written
    program = cel.compile(count_characters(expression))
    return _Compiled(program, select_functions(program.functions()))


def find_expression_problem(expression: str, *, names: Collection[str]) -> str | None:
    """Return why an expression over these names cannot be evaluated, or None.

    Args:
        expression: CEL.
        names: The variables it may use.
    """
    try:
        program = _compile(expression).program
    except ValueError as exc:
        return f"does not compile: {expression!r}. {_shorten(exc)}"
    bound = set(_COMPREHENSION.findall(expression))
    known = {*names, *bound, *_TYPE_NAMES, *LIBRARIES}
    unknown = sorted(set(program.variables()) - known)
    if unknown:
        return (
            f"uses {', '.join(map(repr, unknown))} in {expression!r}, which does not exist there. "
            f"Use {', '.join(names)}."
        )
    strange = find_unknown_functions(program.functions())
    if strange:
        return f"calls {', '.join(map(repr, strange))} in {expression!r}, which CEL does not have."
    return None


def evaluate_condition(expression: str, values: Mapping[str, Plain]) -> bool:
    """Return whether an expression holds.

    Raises:
        CelError: It cannot be evaluated on these values, or is not true or false.
    """
    try:
        compiled = _compile(expression)
        context = cel.Context(dict(values), functions=dict(compiled.functions))
        result = compiled.program.execute(context)
    except (ValueError, TypeError, LookupError, ArithmeticError, RuntimeError) as exc:
        raise CelError(_explain(exc)) from exc
    if not isinstance(result, bool):
        raise CelError(f"it gave {result!r}"[:_EVIDENCE_CHARS] + ", not true or false")
    return result


def review_expression(
    expression: str, values: Mapping[str, Plain], *, message: str | None
) -> Finding:
    """Return the finding of one expression; undecidable counts as failed, with the reason."""
    try:
        passed = evaluate_condition(expression, values)
    except CelError as exc:
        reason = f"could not be decided: {exc}"
        return Finding(
            passed=False, message=_join(message, reason), evidence=_look(expression, values)
        )
    if passed:
        return Finding(passed=True)
    return Finding(
        passed=False,
        message=message or "it is not",
        evidence=_look(expression, values),
    )


def _join(message: str | None, reason: str) -> str:
    return f"{message} ({reason})" if message else reason


def _explain(exc: Exception) -> str:
    if isinstance(exc, KeyError):
        return f"there is no {exc.args[0]!r}"
    return _shorten(exc)


def _shorten(exc: Exception) -> str:
    return " ".join(str(exc).split())[:300]


def list_paths(expression: str, name: str) -> list[tuple[str, ...]]:
    """Return the paths into a variable that an expression names; an empty one for all of it."""
    found: list[tuple[str, ...]] = []
    for variable, tail, call in _LOOKED_AT.findall(_INDEXED.sub("", expression)):
        parts = tuple(tail.split(".")[1:])
        if variable == name:
            found.append(parts[:-1] if call and parts else parts)
    for variable, double, single in _INDEXED.findall(expression):
        if variable == name:
            found.append((double or single,))
    return found


def _look(expression: str, values: Mapping[str, Plain]) -> dict[str, Plain]:
    """Return the values at the paths that an expression names, shortened."""
    seen: dict[str, Plain] = {}
    for name, tail, call in _LOOKED_AT.findall(expression):
        parts = tail.split(".")[1:]
        if call and parts:
            parts = parts[:-1]  # the last part is a method
        try:
            value = find_path(values.get(name), parts)
        except LookupError as exc:
            seen[".".join([name, *parts])] = f"<{exc}>"
        else:
            seen[".".join([name, *parts])] = shorten_evidence(value)
    return dict(list(seen.items())[:_EVIDENCE_ENTRIES])


def shorten_evidence(value: Plain) -> Plain:
    """Return a value small enough to be shown and stored as evidence."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return value if len(value) <= _EVIDENCE_CHARS else f"{value[:_EVIDENCE_CHARS]}..."
    text = encode_plain(value)[: _EVIDENCE_CHARS * 4].decode(errors="ignore")
    return value if len(text) <= _EVIDENCE_CHARS else f"{text[:_EVIDENCE_CHARS]}..."
