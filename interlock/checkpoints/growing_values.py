"""Lists and dicts that grow, stored as what was added: bytes a superstep stay flat.

msgpack writes a list or a dict as a head that counts its items, and the items one after the other.
So the encoding of a value that begins with all items of another begins, but for the head, with the
other's. Such a value is stored as a tail: the items that are new, and the version that they follow
(`Tail`). Every version can still be read, forks share what they have in common, and a value that
was changed in another way, or in place, is stored whole.

The saver asks this module before it stores a channel's value and tells it what it has read;
nothing here talks to a database.
"""

import hashlib
import struct
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import is_
from typing import Any, Final, TypeAlias

from langgraph.checkpoint.serde.base import SerializerProtocol

MIN_BYTES: Final = 1024
"""A value with fewer bytes of items than this is not followed by tails."""

_BIG_BYTES: Final = 64 * 1024
_MOST_BIG_BYTES: Final = 64 * 1024 * 1024
_MOST_SMALL: Final = 1024
_MSGPACK: Final = "msgpack"
_MARK: Final = "tail"
_UNCHANGING: Final = frozenset({str, bytes, int, float, bool, type(None)})

ChannelKey: TypeAlias = tuple[str, str, str]
"""Thread, namespace, channel."""


@dataclass(frozen=True, slots=True)
class Tail:
    """How a stored value that is a tail is to be read; stands in the row's `format`.

    Attributes:
        root: The version at which its chain begins, which is stored whole. None of the chain's
            versions sorts before it.
        base: The version whose items come before those of the tail.
    """

    root: str
    base: str

    def dump(self) -> str:
        """Return the format."""
        return f"{_MARK} {self.root} {self.base}"


def parse_tail(format_: str) -> Tail | None:
    """Return what a row's format says of a tail; None for a value that is stored whole."""
    mark, _, rest = format_.partition(" ")
    root, _, base = rest.partition(" ")
    return Tail(root, base) if mark == _MARK else None


@dataclass(frozen=True, slots=True)
class Encoded:
    """A channel's value as it is to be stored.

    Attributes:
        format: How it is to be read.
        data: Its encoding, or a tail's.
        tail: Where the tail belongs; None if the value is whole.
        encode_whole: Returns format and encoding of the whole value, for a tail whose base is gone.
    """

    format: str
    data: bytes
    tail: Tail | None
    encode_whole: Callable[[], tuple[str, bytes]]


@dataclass(frozen=True, slots=True)
class _Items:
    """An encoded list or dict without its head."""

    is_dict: bool
    count: int
    body: memoryview


@dataclass(slots=True)
class _Known:
    """The newest stored version of a channel's value.

    Attributes:
        version: Its version.
        root: Where its chain begins.
        is_dict: Whether it is a dict.
        count: How many items it has.
        size: The bytes of its items.
        hash: Of them.
        items: The items themselves, if none of them can change; else None.
    """

    version: str
    root: str
    is_dict: bool
    count: int
    size: int
    hash: Any
    items: list[Any] | None


class GrowingValues:
    """What is known of stored values that may grow; shared by all copies of a saver.

    Bounded: what was not used for long is forgotten, and the next version stored whole. Small and
    big values are forgotten apart, so that the channels of many short step graphs do not drive out
    the one that would be dear. A value whose items can change, such as messages, is encoded whole
    to be compared; its hash is kept.
    """

    def __init__(self) -> None:
        """Know nothing."""
        self._small: OrderedDict[ChannelKey, _Known] = OrderedDict()
        self._big: OrderedDict[ChannelKey, _Known] = OrderedDict()
        self._lock = threading.Lock()

    def encode(
        self, serde: SerializerProtocol, key: ChannelKey, *, version: str, value: object
    ) -> Encoded:
        """Return a value as it is to be stored, taken as stored from now on.

        Whoever stores a tail must make sure in the same transaction that its base is there.
        """
        if type(value) not in (list, dict):
            kind, data = serde.dumps_typed(value)
            return Encoded(kind, data, None, lambda: (kind, data))
        with self._lock:
            known = self._find(key)
            if known is not None and known.version >= version:
                known = None
            if known is not None and _is_extended(known, value):
                return self._extend(serde, key, known, version=version, value=value)
            return self._compare(serde, key, known, version=version, value=value)

    def note_loaded(self, key: ChannelKey, *, version: str, root: str, data: bytes) -> None:
        """Remember a stored value that was read, so that what follows it may be a tail.

        Args:
            key: Whose it is.
            version: Its version.
            root: Where its chain begins; the version itself if it is whole.
            data: Its encoding as a whole.
        """
        known = self._find(key)
        if known is not None and known.version >= version:
            return
        items = _split(data)
        if items is None or len(items.body) < MIN_BYTES:
            return
        with self._lock:
            self._remember(key, _derive_known(items, version=version, root=root))

    def _extend(
        self,
        serde: SerializerProtocol,
        key: ChannelKey,
        known: _Known,
        *,
        version: str,
        value: Any,  # noqa: ANN401 - a list
    ) -> Encoded:
        """Return the tail of a list that begins with the very items that are known."""
        added = value[known.count :]
        _, data = serde.dumps_typed(added)
        added_items = _split(data)
        assert added_items is not None, "a list is encoded as one"  # noqa: S101 - told apart above
        assert known.items is not None  # noqa: S101 - told apart above
        known.items.extend(added)
        tail = Tail(known.root, known.version)
        known.hash.update(added_items.body)
        known.version = version
        known.count += len(added)
        known.size += len(added_items.body)
        self._remember(key, known)
        # Items are only ever added to this list, and none of them can change.
        kept, count = known.items, known.count
        return Encoded(tail.dump(), data, tail, lambda: serde.dumps_typed(kept[:count]))

    def _compare(
        self,
        serde: SerializerProtocol,
        key: ChannelKey,
        known: _Known | None,
        *,
        version: str,
        value: Any,  # noqa: ANN401 - a list or a dict
    ) -> Encoded:
        """Return a value's tail if its encoding begins with what is known, else its whole."""
        kind, data = serde.dumps_typed(value)
        items = _split(data) if kind == _MSGPACK else None
        if items is None or len(items.body) < MIN_BYTES or " " in version:
            self._forget(key)
            return Encoded(kind, data, None, lambda: (kind, data))
        tail = None if known is None else _find_tail(known, items)
        fresh = _derive_known(items, version=version, root=tail.root if tail else version)
        if type(value) is list and all(type(item) in _UNCHANGING for item in value):
            fresh.items = list(value)
        self._remember(key, fresh)
        if tail is None or known is None:
            return Encoded(kind, data, None, lambda: (kind, data))
        head = _build_head(items.count - known.count, is_dict=items.is_dict)
        added = head + bytes(items.body[known.size :])
        return Encoded(tail.dump(), added, tail, lambda: (kind, data))

    def _find(self, key: ChannelKey) -> _Known | None:
        return self._small.get(key) or self._big.get(key)

    def _remember(self, key: ChannelKey, known: _Known) -> None:
        self._forget(key)
        if known.size < _BIG_BYTES:
            self._small[key] = known
            if len(self._small) > _MOST_SMALL:
                self._small.popitem(last=False)
            return
        self._big[key] = known
        left = sum(one.size for one in self._big.values()) - _MOST_BIG_BYTES
        while left > 0 and len(self._big) > 1:
            left -= self._big.popitem(last=False)[1].size

    def _forget(self, key: ChannelKey) -> None:
        self._small.pop(key, None)
        self._big.pop(key, None)


@dataclass(frozen=True, slots=True)
class Part:
    """A stored row of a chain.

    Attributes:
        base: The version whose items come before; None at the chain's root.
        items: The row's own items.
    """

    base: str | None
    items: _Items


def parse_part(format_: str, data: bytes) -> Part | None:
    """Return a row of a chain, or None if it is no list and no dict."""
    items = _split(data)
    tail = parse_tail(format_)
    return None if items is None else Part(None if tail is None else tail.base, items)


def put_together(chain: Mapping[str, Part | None], version: str) -> bytes | None:
    """Return a value's whole encoding from its chain, or None if a part of it is missing.

    Args:
        chain: At least the rows of the value's chain, by version.
        version: Of the value.
    """
    found: list[_Items] = []
    here: str | None = version
    while here is not None:
        part = chain.get(here)
        if part is None:
            return None
        found.append(part.items)
        here = part.base
    head = _build_head(sum(items.count for items in found), is_dict=found[0].is_dict)
    return b"".join((head, *(items.body for items in reversed(found))))


def _is_extended(known: _Known, value: Any) -> bool:  # noqa: ANN401 - a list or a dict
    """Return whether a list surely begins with the known items and adds none that can change."""
    if known.items is None or type(value) is not list or len(value) < known.count:
        return False
    return all(map(is_, known.items, value)) and all(
        type(item) in _UNCHANGING for item in value[known.count :]
    )


def _find_tail(known: _Known, items: _Items) -> Tail | None:
    is_shorter = items.count < known.count or len(items.body) < known.size
    if is_shorter or known.is_dict != items.is_dict:
        return None
    if hashlib.sha256(items.body[: known.size]).digest() != known.hash.digest():
        return None
    return Tail(known.root, known.version)


def _derive_known(items: _Items, *, version: str, root: str) -> _Known:
    return _Known(
        version=version,
        root=root,
        is_dict=items.is_dict,
        count=items.count,
        size=len(items.body),
        hash=hashlib.sha256(items.body),
        items=None,
    )


def _split(data: bytes) -> _Items | None:
    """Return the items of an encoded list or dict, as the msgpack specification lays them out."""
    view = memoryview(data)
    first = data[0] if data else 0
    if 0x80 <= first <= 0x9F:  # noqa: PLR2004 - fixmap and fixarray
        return _Items(first < 0x90, first & 0x0F, view[1:])  # noqa: PLR2004 - fixarray
    if first in (0xDC, 0xDE):
        return _Items(first == 0xDE, int.from_bytes(view[1:3]), view[3:])  # noqa: PLR2004 - map 16
    if first in (0xDD, 0xDF):
        return _Items(first == 0xDF, int.from_bytes(view[1:5]), view[5:])  # noqa: PLR2004 - map 32
    return None


def _build_head(count: int, *, is_dict: bool) -> bytes:
    """Return a head as msgpack writes it: equal items have equal encodings, wherever they lie."""
    if count <= 0x0F:  # noqa: PLR2004 - fixmap and fixarray
        return bytes(((0x80 if is_dict else 0x90) + count,))
    if count <= 0xFFFF:  # noqa: PLR2004 - map 16 and array 16
        return struct.pack(">BH", 0xDE if is_dict else 0xDC, count)
    return struct.pack(">BI", 0xDF if is_dict else 0xDD, count)
