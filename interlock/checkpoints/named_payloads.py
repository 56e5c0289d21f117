"""Which payloads of a thread are still named: by hash in a column, or inside a stored value.

A value that holds a big part names it by its hash (`contracts.big_values`), wherever it lies: in
checkpoints, outcomes, questions, results and other payloads. Values may be sealed, so they are
looked through here and not by the database. One look costs as much as reading the whole thread.
"""

import re
from collections.abc import Iterator
from typing import Final

from interlock.checkpoints.connection import Connection

_HASH: Final = re.compile(rb"(?=([0-9a-f]{64}))")
_READS: Final = (
    ("list_named_hashes", (0,)),
    ("read_thread_run", (1, 2)),
    ("read_thread_outcomes", (2,)),
    ("read_thread_questions", (2, 3)),
    ("read_thread_payloads", (3, 4)),
    ("read_thread_channel_values", (5,)),
    ("read_thread_writes", (8,)),
    ("read_thread_blobs", (2,)),
)
"""Statements that read values of a thread, and the columns of their results that name hashes."""


def find_hashes(value: str | bytes | memoryview) -> set[str]:
    """Return the hashes that stand in a stored value, wherever in it."""
    data = value.encode() if isinstance(value, str) else bytes(value)
    return {match.decode() for match in _HASH.findall(data)}


def delete_unnamed(connection: Connection, thread_id: str, hashes: frozenset[str]) -> None:
    """Delete those of some payloads of a thread that nothing in it names any more."""
    left = set(hashes)
    for value in _read_values(connection, thread_id):
        if not left:
            return
        left.difference_update(find_hashes(value))
    connection.run_many("delete_payload", [(thread_id, one) for one in sorted(left)])


def _read_values(connection: Connection, thread_id: str) -> Iterator[str | bytes]:
    for name, columns in _READS:
        for row in connection.run(name, (thread_id,)):
            for value in (row[index] for index in columns):
                if value is not None:
                    yield value
