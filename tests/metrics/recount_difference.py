"""Where what is measured and what is recounted differ, in words."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

_NAMES: Final = (
    "step",
    "worker",
    "kind",
    "criterion",
    "source",
    "target",
    "stage",
    "tool",
    "model",
    "role",
    "fallback",
    "status",
    "how",
)


def list_differences(measured: Mapping[str, Any], recounted: Mapping[str, Any]) -> list[str]:
    """Return each value that differs, and each row that only one side has; order does not matter."""
    return [
        words
        for table in sorted({*measured, *recounted})
        for words in _compare(table, measured.get(table), recounted.get(table))
    ]


def _compare(where: str, measured: Any, recounted: Any) -> Iterator[str]:
    if isinstance(measured, Mapping) and isinstance(recounted, Mapping):
        for name in sorted({*measured, *recounted}):
            yield from _compare(
                f"{where}.{name}", measured.get(name, "missing"), recounted.get(name, "missing")
            )
    elif isinstance(measured, list | tuple) and isinstance(recounted, list | tuple):
        left, right = _index(measured), _index(recounted)
        for key in sorted({*left, *right}, key=str):
            yield from _compare(
                f"{where}{key}", left.get(key, "missing"), right.get(key, "missing")
            )
    elif isinstance(recounted, Decimal) and isinstance(measured, str):
        yield from _compare(where, Decimal(measured), recounted)
    elif measured != recounted:
        yield f"{where}: measured {measured!r}, recounted {recounted!r}"


def _index(rows: Any) -> dict[tuple[Any, ...], Any]:
    found = {
        tuple(row[name] for name in _NAMES if isinstance(row.get(name), str)): row for row in rows
    }
    assert len(found) == len(rows), "rows have the same names"
    return found
