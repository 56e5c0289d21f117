"""Channel values and task writes as rows, and back.

A small value lies in its own row, a bigger one in `blobs` by its hash, so that a value that passes
through a task write and two channels is stored once. A value that grows is stored as its tail
(`growing_values`), which a task that appends has written in the same form already.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from langgraph.checkpoint.serde.base import SerializerProtocol

from interlock.checkpoints.connection import Connection
from interlock.checkpoints.growing_values import (
    Encoded,
    GrowingValues,
    Part,
    Tail,
    parse_part,
    parse_tail,
    put_together,
)
from interlock.contracts.errors import StorageCorruptError
from interlock.contracts.plain import derive_bytes_hash

MAX_INLINE_BYTES: Final = 700
"""Serialised values above this go to `blobs` by hash. SQLite gives a row of a table without rowid
that is longer than about 1,000 bytes, keys included, a page of its own."""

Row: TypeAlias = tuple[object, ...]
Packed: TypeAlias = tuple[str, bytes | None, str | None]
"""Format, data and hash; one of the last two is None."""


@dataclass(frozen=True, slots=True)
class ValueRow:
    """A channel's value, ready to be inserted.

    Attributes:
        key: Thread, namespace, channel, version.
        packed: The value, or its tail.
        encoded: What it was made of.
    """

    key: tuple[str, str, str, str]
    packed: Packed
    encoded: Encoded


def insert_values(connection: Connection, rows: Sequence[ValueRow]) -> None:
    """Store values; a tail whose base is not there any more, as a whole."""
    whole = [(*row.key, *row.packed) for row in rows if row.encoded.tail is None]
    connection.run_many("insert_channel_value", whole)
    for row in rows:
        if row.encoded.tail is not None:
            _insert_tail(connection, row, row.encoded.tail)


def _insert_tail(connection: Connection, row: ValueRow, tail: Tail) -> None:
    parameters = (*row.key, *row.packed, tail.base)
    if connection.run("insert_channel_tail", parameters).rowcount == 1:
        return
    blobs: list[Row] = []
    whole = pack_value(*row.encoded.encode_whole(), row.key[0], blobs=blobs)
    connection.run_many("insert_blob", blobs)
    connection.run("insert_channel_value", (*row.key, *whole))


def pack_value(format_: str, data: bytes, thread_id: str, *, blobs: list[Row]) -> Packed:
    """Return an encoded value for its row; a big one is added to the blobs."""
    if len(data) <= MAX_INLINE_BYTES:
        return format_, data, None
    blob_hash = derive_bytes_hash(data)
    blobs.append((thread_id, blob_hash, data))
    return format_, None, blob_hash


@dataclass(slots=True)
class ValueReader:
    """Reads channel values in one transaction; what it has read of a chain it keeps.

    Attributes:
        connection: Open.
        serde: Revives values.
        growing: Told of what was read, if more of it may be stored next.
    """

    connection: Connection
    serde: SerializerProtocol
    growing: GrowingValues | None = None
    _chains: dict[tuple[str, str, str, str], dict[str, Part | None]] = field(default_factory=dict)

    def load_values(
        self, thread_id: str, namespace: str, versions: Mapping[str, object]
    ) -> dict[str, Any]:
        """Return the values that channels had at these versions, those that had one."""
        wanted = json.dumps({channel: str(version) for channel, version in versions.items()})
        rows = self.connection.run("load_channel_values", (thread_id, namespace, wanted))
        return {
            channel: self.serde.loads_typed(
                self._read((thread_id, namespace, channel), version, found=(format_, data))
            )
            for channel, format_, version, data in _go_through(rows.fetchall())
        }

    def _read(
        self, key: tuple[str, str, str], version: str, *, found: tuple[str, bytes]
    ) -> tuple[str, bytes]:
        """Return format and encoding of a whole value, of which the row itself was found."""
        tail = parse_tail(found[0])
        if tail is not None:
            found = "msgpack", self._put_together(key, version, tail)
        if self.growing is not None and found[0] == "msgpack":
            root = version if tail is None else tail.root
            self.growing.note_loaded(key, version=version, root=root, data=found[1])
        return found

    def _put_together(self, key: tuple[str, str, str], version: str, tail: Tail) -> bytes:
        chain = self._chains.setdefault((*key, tail.root), {})
        if version not in chain:
            rows = self.connection.run("load_channel_chain", (*key, tail.root, version))
            for here, format_, held, _hash, big in rows:
                chain[here] = parse_part(format_, held if held is not None else big)
        data = put_together(chain, version)
        if data is None:
            raise StorageCorruptError(
                f"Channel {key[2]!r} of thread {key[0]!r} cannot be read at version {version!r}: "
                "a part of it that an earlier version holds is missing. Restore the database from "
                "a backup, or delete the thread's checkpoints."
            )
        return data


def _go_through(rows: list[Any]) -> Iterator[tuple[str, str, str, bytes]]:
    for channel, format_, version, held, _hash, big in rows:
        yield channel, format_, version, held if held is not None else big
