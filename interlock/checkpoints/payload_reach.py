"""Which payloads of an ended thread nothing names any more.

A payload is named by its hash: in a column (handoffs, effects, facts), or inside a value, as a big
part of it (`contracts.big_values`): in the run's result, in outcomes, questions and other payloads.
Values may be sealed, so they are read and looked through here. Only if something is left that no
column names are values looked into at all.
"""

from collections.abc import Iterator
from typing import Final

from interlock.checkpoints.connection import Connection
from interlock.checkpoints.named_payloads import find_hashes

_LASTING: Final = (("list_lasting_hashes", (0,)), ("read_thread_run", (1, 2)))
_RECORD: Final = (
    ("list_handoff_hashes", (0,)),
    ("read_thread_outcomes", (2,)),
    ("read_thread_questions", (2, 3)),
)
"""Statements that read what may name payloads, and the columns of their results that do."""


def list_unnamed(
    connection: Connection, thread_id: str, *, with_record: bool
) -> list[tuple[str, int]]:
    """Return hash and size of the payloads that nothing names; the thread has no checkpoints.

    Args:
        connection: To read from.
        thread_id: Of a run that has ended.
        with_record: Whether what the journal, the outcomes and the questions name counts too.
    """
    left = {
        str(name): int(size) for name, size in connection.run("list_payload_sizes", (thread_id,))
    }
    named: list[str] = []

    def note(value: str | bytes | None) -> None:
        if left and value is not None:
            found = sorted(find_hashes(value))
            named.extend(name for name in found if left.pop(name, None) is not None)

    for value in _read_names(connection, thread_id, with_record=with_record):
        note(value)
    while named and left:
        row = connection.run("load_payload", (thread_id, named.pop())).fetchone()
        for value in row or ():
            note(value)
    return list(left.items())


def _read_names(
    connection: Connection, thread_id: str, *, with_record: bool
) -> Iterator[str | bytes | None]:
    for name, columns in (*_LASTING, *(_RECORD if with_record else ())):
        for row in connection.run(name, (thread_id,)):
            yield from (row[index] for index in columns)
