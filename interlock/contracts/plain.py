"""Plain values: what may travel between agents, and how it is hashed.

A plain value is None, bool, int of 64 bits, finite float, str without lone
surrogates, list, or dict with str keys. Everything that crosses a handoff is
parsed into one here, so that the same value comes back from every storage and
every process. Called by review, the step graph and storage.
"""

import dataclasses
import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NoReturn, TypeAlias

from pydantic import BaseModel
from pydantic_core import PydanticSerializationError, to_jsonable_python

from interlock.contracts.errors import PlainValueError
from interlock.contracts.ids import PayloadHash
from interlock.contracts.safe_words import word_value

Plain: TypeAlias = Any
"""A JSON-like value; `Any` because recursive aliases defeat both type checkers."""

MAX_DEPTH: Final = 100
"""Deepest nesting accepted; msgpack gives up at 255 and JSON parsers near 1,000."""

_INT_MIN: Final = -(2**63)
_INT_MAX: Final = 2**63 - 1


def parse_plain(value: object, *, name: str = "output") -> Plain:
    """Return a fresh plain copy of a worker's value.

    Pydantic models, dataclasses, dates, decimals, UUIDs and enums become their JSON
    form; tuples become lists. The result shares nothing mutable with `value`.

    Args:
        value: Anything.
        name: What the value is called in the error's path.

    Raises:
        PlainValueError: Something in it has no such form; the error names the path.
    """
    return _parse(value, path=name, depth=0)


def _parse(value: object, *, path: str, depth: int) -> Plain:
    if value is None or value is True or value is False:
        return value
    kind = type(value)
    if kind is str:
        return _parse_text(str(value), path)
    if kind is int:
        return _parse_int(int(value), path)  # type: ignore[call-overload]
    if kind is float:
        return _parse_float(float(value), path)  # type: ignore[arg-type]
    if depth >= MAX_DEPTH:
        raise PlainValueError(path=path, seen=f"nesting deeper than {MAX_DEPTH} levels")
    if isinstance(value, Mapping):
        return {
            _parse_key(key, path): _parse(item, path=f"{path}.{key}", depth=depth + 1)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [
            _parse(item, path=f"{path}[{index}]", depth=depth + 1)
            for index, item in enumerate(value)
        ]
    return _parse_rich(value, path=path, depth=depth)


def _parse_rich(value: object, *, path: str, depth: int) -> Plain:
    """Turn the few richer types into plain ones, then parse what came out."""
    if isinstance(value, set | frozenset | bytes | bytearray | type | Iterator):
        raise PlainValueError(path=path, seen=word_value(value, 80))
    if isinstance(value, BaseModel):
        dumped: object = _dump(value, path)
        return _parse(dumped, path=path, depth=depth + 1)
    if dataclasses.is_dataclass(value):
        fields = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
        return _parse(fields, path=path, depth=depth + 1)
    if isinstance(value, str | int | float):  # subclasses, such as enums and numpy scalars
        base = str if isinstance(value, str) else int if isinstance(value, int) else float
        return _parse(base(value), path=path, depth=depth + 1)
    try:
        jsonable = to_jsonable_python(value, inf_nan_mode="constants")
    except (PydanticSerializationError, ValueError) as exc:
        raise PlainValueError(path=path, seen=word_value(value, 80)) from exc
    if jsonable is value:
        raise PlainValueError(path=path, seen=word_value(value, 80))
    return _parse(jsonable, path=path, depth=depth + 1)


def _dump(value: BaseModel, path: str) -> object:
    try:
        return value.model_dump(mode="json", by_alias=True)  # as its JSON Schema names them
    except (PydanticSerializationError, ValueError, TypeError) as exc:
        raise PlainValueError(path=path, seen=word_value(value, 80)) from exc


def _parse_key(key: object, path: str) -> str:
    if not isinstance(key, str):
        raise PlainValueError(
            path=path, seen=f"an object with the key {word_value(key, 80)}, which is not a string"
        )
    return _parse_text(str(key), path)


def _parse_text(value: str, path: str) -> str:
    if value.isascii():
        return value
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as exc:
        raise PlainValueError(path=path, seen=f"a lone surrogate at {exc.start}") from exc
    return value


def _parse_int(value: int, path: str) -> int:
    if _INT_MIN <= value <= _INT_MAX:
        return value
    raise PlainValueError(path=path, seen=f"an integer of {value.bit_length()} bits")


def _parse_float(value: float, path: str) -> float:
    if math.isfinite(value):
        return value
    raise PlainValueError(path=path, seen=f"{value!r}, which JSON has no number for")


def encode_plain(value: Plain) -> bytes:
    """Return the one canonical encoding of a plain value: sorted keys, UTF-8, no spaces."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def decode_plain(data: bytes) -> Plain:
    """Return the value that `encode_plain` was given."""
    return json.loads(data)


def is_same(one: Plain, other: Plain) -> bool:
    """Return whether two values are the same when stored; to Python, true equals 1."""
    return bool(one == other) and encode_plain(one) == encode_plain(other)


def derive_hash(value: Plain) -> PayloadHash:
    """Return the SHA-256 of the canonical encoding, as 64 hex digits."""
    return derive_bytes_hash(encode_plain(value))


def derive_bytes_hash(data: bytes) -> PayloadHash:
    """Return the SHA-256 of encoded bytes, as 64 hex digits."""
    return PayloadHash(hashlib.sha256(data).hexdigest())


def _refuse(*_args: object, **_kwargs: object) -> NoReturn:
    message = (
        "A brief is read-only: work on a copy (copy.deepcopy or dict(...)) and return it as output."
    )
    raise TypeError(message)


class FrozenDict(dict[str, Any]):
    """A dict that refuses every change; equal to and printed as the dict it holds."""

    __slots__ = ()
    __setitem__ = __delitem__ = clear = pop = popitem = setdefault = update = _refuse
    __ior__ = _refuse

    def __reduce__(self) -> tuple[type[dict[str, Any]], tuple[dict[str, Any]]]:
        """Pickle and copy as a plain dict, which a worker may then change."""
        return dict, (dict(self),)

    def __deepcopy__(self, memo: dict[int, Any]) -> dict[str, Any]:
        """Return a changeable deep copy."""
        return {key: thaw(item) for key, item in self.items()}


class FrozenList(list[Any]):
    """A list that refuses every change; equal to and printed as the list it holds."""

    __slots__ = ()
    __setitem__ = __delitem__ = append = extend = insert = _refuse
    pop = remove = clear = sort = reverse = _refuse
    __iadd__ = __imul__ = _refuse

    def __reduce__(self) -> tuple[type[list[Any]], tuple[list[Any]]]:
        """Pickle and copy as a plain list, which a worker may then change."""
        return list, (list(self),)

    def __deepcopy__(self, memo: dict[int, Any]) -> list[Any]:
        """Return a changeable deep copy."""
        return [thaw(item) for item in self]


def freeze(value: Plain) -> Plain:
    """Return a deep copy of a plain value that refuses changes at every level."""
    if isinstance(value, dict):
        return FrozenDict({key: freeze(item) for key, item in value.items()})
    if isinstance(value, list):
        return FrozenList([freeze(item) for item in value])
    return value


def thaw(value: Plain) -> Plain:
    """Return a changeable deep copy of a plain or frozen value."""
    if isinstance(value, dict):
        return {key: thaw(item) for key, item in value.items()}
    if isinstance(value, list):
        return [thaw(item) for item in value]
    return value


def find_path(value: Plain, path: Sequence[str]) -> Plain:
    """Return what lies at a path of keys and list indexes.

    Raises:
        LookupError: Nothing lies there; the message names the missing part.
    """
    here = value
    for part in path:
        if isinstance(here, dict) and part in here:
            here = here[part]
        elif isinstance(here, list) and part.isdecimal() and int(part) < len(here):
            here = here[int(part)]
        else:
            raise LookupError(f"no {part!r} in {_describe(here)}")
    return here


def _describe(value: Plain) -> str:
    if isinstance(value, dict):
        return f"an object with {_join(value) or 'no keys'}"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    return f"the value {value!r}"[:80]


def _join(keys: Iterable[str]) -> str:
    return ", ".join(sorted(keys)[:12])
