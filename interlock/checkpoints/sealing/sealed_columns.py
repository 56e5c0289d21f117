"""Which columns are sealed: all that hold what people, agents and tools have said.

What is not listed lies in clear: ids and names (threads, steps, workers, tools, channels),
statuses, times, counts, sizes, and hashes of values. Tests compare this list with the schema and
with every named statement, so that a new column is decided about.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

BYTES_MARK: Final = b"ILS1"
"""What every sealed value begins with in a column of bytes."""

TEXT_MARK: Final = "ils1:"
"""What every sealed value begins with in a column of text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedTable:
    """A table with sealed columns, in which NULL stays NULL.

    Attributes:
        name: Its name.
        key: The columns that a sealed value is bound to. The first is its scope, which has keys of
            its own. They are in clear, never NULL, and never change.
        texts: The sealed columns of text.
        binaries: The sealed columns of bytes.
        found_by: The columns by which one row is found again, if not by its key.
    """

    name: str
    key: tuple[str, ...]
    texts: tuple[str, ...] = ()
    binaries: tuple[str, ...] = ()
    found_by: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """All sealed columns."""
        return (*self.texts, *self.binaries)

    @property
    def row_key(self) -> tuple[str, ...]:
        """The columns by which one row is found again."""
        return self.found_by or self.key


_TABLES: Final = (
    SealedTable(
        name="runs", key=("thread_id",), texts=("goal", "context", "cancel_reason", "result")
    ),
    SealedTable(name="payloads", key=("thread_id", "hash"), binaries=("data",)),
    SealedTable(name="handoffs", key=("thread_id", "id"), texts=("verdict",), found_by=("id",)),
    SealedTable(name="outcomes", key=("thread_id", "superstep", "step_id"), texts=("outcome",)),
    SealedTable(
        name="questions", key=("thread_id", "id"), texts=("question", "answer"), found_by=("id",)
    ),
    SealedTable(
        name="checkpoints",
        key=("thread_id", "ns", "checkpoint_id", "format"),
        binaries=("document",),
        found_by=("thread_id", "ns", "checkpoint_id"),
    ),
    SealedTable(
        name="channel_values",
        key=("thread_id", "ns", "channel", "version", "format"),
        binaries=("data",),
        found_by=("thread_id", "ns", "channel", "version"),
    ),
    SealedTable(
        name="task_writes",
        key=("thread_id", "ns", "checkpoint_id", "task_id", "idx", "channel", "format"),
        binaries=("data",),
        found_by=("thread_id", "ns", "checkpoint_id", "task_id", "idx"),
    ),
    SealedTable(name="blobs", key=("thread_id", "hash"), binaries=("data",)),
    SealedTable(
        name="effects",
        key=("thread_id", "key"),
        texts=("arguments", "error", "note"),
        binaries=("answer",),
    ),
    SealedTable(
        name="effect_moves",
        key=("thread_id", "key", "tries", "state", "at"),
        texts=("note",),
        found_by=("seq",),
    ),
    SealedTable(
        name="scratchpad_notes", key=("thread_id", "id"), binaries=("note",), found_by=("seq",)
    ),
    SealedTable(
        name="context_versions", key=("space", "version"), texts=("findings", "kept", "why")
    ),
    SealedTable(name="context_facts", key=("space", "key", "version"), texts=("value",)),
    SealedTable(name="criteria", key=("thread_id", "hash"), texts=("words",)),
    SealedTable(name="faults", key=("thread_id", "id"), texts=("why",), found_by=("id",)),
)

SEALED: Final[Mapping[str, SealedTable]] = MappingProxyType({one.name: one for one in _TABLES})
"""The sealed tables by name."""


def list_sealed_columns() -> Iterator[tuple[SealedTable, str]]:
    """Go through all sealed columns, each with its table."""
    for table in SEALED.values():
        for column in table.columns:
            yield table, column


def expand_template(text: str) -> Iterator[str]:
    """Go through what a statement's template stands for: one text for each sealed column."""
    for table, column in list_sealed_columns():
        yield text.format_map(_derive_fields(table, column))


def _derive_fields(table: SealedTable, column: str) -> Mapping[str, str]:
    """Return what stands in a template for a column; parameters 1 to 3 come before the row's."""
    is_text = column in table.texts
    numbers = range(len(table.row_key))
    return {
        "table": table.name,
        "column": column,
        "key": ", ".join(table.key),
        "found_by": ", ".join(table.row_key),
        "after": ", ".join(f"?{number + 4}" for number in numbers),
        "same_row": " AND ".join(f"{table.row_key[number]} = ?{number + 3}" for number in numbers),
        "mark_length": str(len(TEXT_MARK if is_text else BYTES_MARK)),
        "sqlite_mark": f"'{TEXT_MARK}'" if is_text else f"x'{BYTES_MARK.hex()}'",
        "postgresql_mark": f"'{TEXT_MARK}'" if is_text else f"'\\x{BYTES_MARK.hex()}'::bytea",
    }
