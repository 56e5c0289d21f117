"""The hash of a whole database state, by the benchmark's definition.

`sha256(str(h(db)))`, where `h` of an object is the tuple of `(key, h(value))` sorted by
key, `h` of a list the tuple of its elements in order, and anything else is itself. The
text is put together from the texts of single records, so that a state which differs
from the last one in a record or two costs little.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import TypeAlias, Union

Json: TypeAlias = Union[dict[str, "Json"], list["Json"], str, int, float, bool, None]  # noqa: UP007


def derive_state_hash(tables: Mapping[str, Iterable[tuple[str, str]]]) -> str:
    """Return the hash of a state as 64 hex digits.

    Args:
        tables: Table name to pairs of record id and JSON text, in any order.
    """
    parts = (
        _word_pair(name, _word_tuple([_word_pair(key, _word_record(doc)) for key, doc in rows]))
        for name, rows in sorted((name, sorted(rows)) for name, rows in tables.items())
    )
    return hashlib.sha256(_word_tuple(list(parts)).encode()).hexdigest()


@lru_cache(maxsize=8192)
def _word_record(document: str) -> str:
    return str(_canonicalise(json.loads(document)))


def _canonicalise(value: Json) -> object:
    if isinstance(value, dict):
        return tuple((key, _canonicalise(item)) for key, item in sorted(value.items()))
    if isinstance(value, list):
        return tuple(_canonicalise(item) for item in value)
    return value


def _word_pair(key: str, words: str) -> str:
    return f"({key!r}, {words})"


def _word_tuple(parts: Sequence[str]) -> str:
    """Return what Python prints for a tuple of things printed as these parts."""
    if len(parts) == 1:
        return f"({parts[0]},)"
    return f"({', '.join(parts)})"
