"""Errors as the ledger keeps them, and back: duplicates get the same error.

Only classes that are known to be harmless to build are built again: Python's own, interlock's,
LangChain's ToolException, and those that the tool declares. Any other comes back as a
RecordedEffectError that says what it was.
"""

import builtins
import importlib
import json
from typing import Final

from langchain_core.tools import ToolException
from pydantic import ValidationError

from interlock.contracts.effect_errors import RecordedEffectError
from interlock.contracts.effects import EffectRecord, RecordedError
from interlock.contracts.errors import (
    ContractError,
    InterlockError,
    PermanentError,
    PlainValueError,
)
from interlock.contracts.plain import Plain, parse_plain
from interlock.contracts.safe_words import word_error
from interlock.tools.declaration import EffectDeclaration

FINAL_ERRORS: Final = (
    PermanentError,
    ContractError,
    ToolException,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    AssertionError,
    NotImplementedError,
    ImportError,
    NameError,
    SyntaxError,
)
"""By these a tool refuses, or its code is wrong: another call would meet them again."""

_READING_ERRORS: Final = (json.JSONDecodeError, UnicodeError, ValidationError)
"""What a tool meets when it reads an answer: the effect itself may well have happened."""


def find_final_error(exc: BaseException, declaration: EffectDeclaration) -> RecordedError | None:
    """Return an error as it is to be recorded, if it is a tool's last word; else None."""
    if isinstance(exc, declaration.permanent_errors):
        return record_error(exc)
    if isinstance(exc, FINAL_ERRORS) and not isinstance(exc, _READING_ERRORS):
        return record_error(exc)
    return None


def record_error(exc: BaseException) -> RecordedError:
    """Return an error as the ledger keeps it."""
    kind = type(exc)
    return RecordedError(
        type=f"{kind.__module__}.{kind.__qualname__}",
        message=word_error(exc),
        values=_collect_values(exc),
    )


def _collect_values(exc: BaseException) -> dict[str, Plain]:
    if isinstance(exc, InterlockError):
        found: dict[str, object] = {"message": exc.message, "values": exc.values}
    else:
        found = {"args": list(exc.args)}
    try:
        plain: dict[str, Plain] = parse_plain(found)
    except (PlainValueError, RecursionError):
        return {}
    return plain


def rebuild_error(record: EffectRecord, declaration: EffectDeclaration) -> Exception:
    """Return the error that a duplicate gets."""
    recorded = record.error or RecordedError(type="?", message="no error was recorded")
    kind = _find_class(recorded.type, declaration)
    if kind is not None and (built := _build(kind, recorded)) is not None:
        return built
    return RecordedEffectError(tool=record.tool, error_type=recorded.type, error=recorded.message)


def _find_class(name: str, declaration: EffectDeclaration) -> type[Exception] | None:
    for declared in (*declaration.permanent_errors, ToolException):
        if f"{declared.__module__}.{declared.__qualname__}" == name:
            return declared
    module, _, word = name.rpartition(".")
    found: object = None
    if module == "builtins":
        found = getattr(builtins, word, None)
    elif module.startswith("interlock.contracts.") and module.endswith("errors"):
        found = getattr(importlib.import_module(module), word, None)
    if isinstance(found, type) and issubclass(found, Exception):
        return found
    return None


def _build(kind: type[Exception], recorded: RecordedError) -> Exception | None:
    """Return an error that says the same, or None if its class cannot be built so."""
    values = recorded.values
    if issubclass(kind, InterlockError):
        error = kind.__new__(kind)
        InterlockError.__init__(error, values.get("message", ""), **values.get("values", {}))
        return error
    try:
        built = kind(*values["args"]) if "args" in values else kind(recorded.message)
    except Exception:  # noqa: BLE001 - the class's own constructor
        return None
    return built if word_error(built) == recorded.message else None
