"""Payloads as rows, and back.

A big part of a value lies in a row of its own, by the hash of its own encoding, so that a value
which stands in many payloads of a thread is stored once: the canonical encoding of a part is a
piece of the encoding of the whole, which is put together again when it is read.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from interlock.checkpoints.connection import Connection
from interlock.contracts.big_values import BIG_BYTES, is_big
from interlock.contracts.handoff import Handoff
from interlock.contracts.ids import PayloadHash, StepId, ThreadId
from interlock.contracts.plain import Plain, decode_plain, derive_bytes_hash, encode_plain

Row: TypeAlias = tuple[object, ...]


def derive_payload_rows(
    thread_id: ThreadId, *, handoffs: Iterable[Handoff], payloads: Iterable[bytes]
) -> list[Row]:
    """Return the rows of payloads: of handoffs that carry theirs, and of encoded values.

    A handoff without a payload names one by hash that is stored already, or is None itself.
    """
    rows: list[Row] = []
    for handoff in handoffs:
        if handoff.payload is not None:
            rows += _derive_rows(thread_id, encode_plain(handoff.payload), handoff.payload_hash)
    for data in payloads:
        rows += _derive_rows(thread_id, data, derive_bytes_hash(data))
    return rows


def insert_payloads(connection: Connection, rows: Sequence[Row]) -> None:
    """Store payloads, each once a thread."""
    connection.run_many("insert_payload", rows)


def load_payload(
    connection: Connection, thread_id: ThreadId, payload_hash: PayloadHash
) -> bytes | None:
    """Return a payload's encoding, or None if the thread has none of this hash."""
    row = connection.run("load_payload", (thread_id, payload_hash)).fetchone()
    if row is None:
        return None
    return _put_together(connection, thread_id, row[0], cuts=row[1])


def load_payloads(
    connection: Connection, thread_id: ThreadId, step_id: StepId | None
) -> Mapping[str, bytes]:
    """Return the encodings of the payloads of a thread's handoffs, or of one step's, by hash."""
    rows = connection.run("load_handoff_payloads", (thread_id, step_id)).fetchall()
    return {
        payload_hash: _put_together(connection, thread_id, data, cuts=cuts)
        for payload_hash, data, cuts in rows
    }


def _derive_rows(thread_id: ThreadId, data: bytes, payload_hash: PayloadHash) -> list[Row]:
    if len(data) > BIG_BYTES and (cutter := _cut(data, payload_hash)) is not None:
        parts = [(thread_id, key, len(part), part, None) for key, part in cutter.parts.items()]
        kept = b"".join(cutter.kept)
        return [*parts, (thread_id, payload_hash, len(data), kept, cutter.dump_cuts())]
    return [(thread_id, payload_hash, len(data), data, None)]


def _cut(data: bytes, payload_hash: PayloadHash) -> "_Cutter | None":
    """Return an encoded value cut into parts; None if it is one itself, or not canonical JSON."""
    cutter = _Cutter()
    try:
        cutter.write(decode_plain(data))
    except (ValueError, RecursionError):
        return None
    is_cut = payload_hash not in cutter.parts and cutter.join() == data
    return cutter if is_cut else None


def _put_together(
    connection: Connection, thread_id: ThreadId, data: bytes, *, cuts: str | None
) -> bytes:
    if cuts is None:
        return data
    pieces: list[bytes] = []
    begin = 0
    for offset, part_hash in json.loads(cuts):
        (part,) = connection.run("load_payload_part", (thread_id, part_hash)).fetchone()
        pieces += (data[begin:offset], part)
        begin = offset
    return b"".join((*pieces, data[begin:]))


@dataclass(slots=True)
class _Cutter:
    """Cuts big parts out of a value while it writes its canonical encoding.

    A part is a big value that holds no big one. What is a part depends on nothing around it.

    Attributes:
        kept: The encoding between the parts: one piece more than there are cuts.
        cuts: The hashes of the parts that were cut out, in order.
        parts: Their encodings by hash.
    """

    kept: list[bytearray] = field(default_factory=lambda: [bytearray()])
    cuts: list[PayloadHash] = field(default_factory=list)
    parts: dict[PayloadHash, bytes] = field(default_factory=dict)

    def write(self, value: Plain) -> None:
        """Write a big value."""
        inside = value.values() if isinstance(value, dict) else value
        if isinstance(value, str) or not any(is_big(item) for item in inside):
            self._cut_out(encode_plain(value))
        elif isinstance(value, dict):
            names = sorted(value)
            for name in names:
                sign = b"{" if name is names[0] else b","
                self._keep(sign + encode_plain(name) + b":")
                self._write_any(value[name])
            self._keep(b"}")
        else:
            for index, item in enumerate(value):
                self._keep(b"," if index else b"[")
                self._write_any(item)
            self._keep(b"]")

    def join(self) -> bytes:
        """Return the whole encoding."""
        pieces: list[bytes | bytearray] = [self.kept[0]]
        for part_hash, kept in zip(self.cuts, self.kept[1:], strict=True):
            pieces += (self.parts[part_hash], kept)
        return b"".join(pieces)

    def dump_cuts(self) -> str:
        """Return where each part was cut out of what is kept, as JSON."""
        found: list[tuple[int, PayloadHash]] = []
        offset = 0
        for kept, part_hash in zip(self.kept, self.cuts, strict=False):
            offset += len(kept)
            found.append((offset, part_hash))
        return json.dumps(found, separators=(",", ":"))

    def _write_any(self, value: Plain) -> None:
        if is_big(value):
            self.write(value)
        else:
            self._keep(encode_plain(value))

    def _keep(self, data: bytes) -> None:
        self.kept[-1] += data

    def _cut_out(self, data: bytes) -> None:
        part_hash = derive_bytes_hash(data)
        self.parts[part_hash] = data
        self.cuts.append(part_hash)
        self.kept.append(bytearray())
