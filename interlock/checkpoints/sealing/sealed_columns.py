"""Which columns are sealed: all that hold what people, agents and tools have said.

What is not listed lies in clear: ids and names (threads, steps, workers, tools, channels),
statuses, times, counts, sizes, and hashes of values. Tests compare this list with the schema and
with every named statement, so that a new column is decided about.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True, slots=True)
class SealedTable:
    """A table with sealed columns.

    Attributes:
        name: Its name.
        key: The columns that a sealed value is bound to. The first is its scope, within which
            keys are derived. They are in clear, never NULL, and never change.
        columns: The sealed columns; NULL stays NULL.
        found_by: The columns by which one row is found again; the primary key.
    """

    name: str
    key: tuple[str, ...]
    columns: tuple[str, ...]
    found_by: tuple[str, ...]


_TABLES: Final = (
    SealedTable(
        "runs", ("thread_id",), ("goal", "context", "cancel_reason", "result"), ("thread_id",)
    ),
    SealedTable("payloads", ("thread_id", "hash"), ("data",), ("thread_id", "hash")),
    SealedTable("handoffs", ("thread_id", "id"), ("verdict",), ("id",)),
    SealedTable(
        "outcomes",
        ("thread_id", "superstep", "step_id"),
        ("outcome",),
        ("thread_id", "superstep", "step_id"),
    ),
    SealedTable("questions", ("thread_id", "id"), ("question", "answer"), ("id",)),
    SealedTable(
        "checkpoints",
        ("thread_id", "ns", "checkpoint_id", "format"),
        ("document",),
        ("thread_id", "ns", "checkpoint_id"),
    ),
    SealedTable(
        "channel_values",
        ("thread_id", "ns", "channel", "version", "format"),
        ("data",),
        ("thread_id", "ns", "channel", "version"),
    ),
    SealedTable(
        "task_writes",
        ("thread_id", "ns", "checkpoint_id", "task_id", "idx", "channel", "format"),
        ("data",),
        ("thread_id", "ns", "checkpoint_id", "task_id", "idx"),
    ),
    SealedTable("blobs", ("thread_id", "hash"), ("data",), ("thread_id", "hash")),
    SealedTable(
        "effects",
        ("thread_id", "key"),
        ("arguments", "answer", "error", "note"),
        ("thread_id", "key"),
    ),
    SealedTable("effect_moves", ("thread_id", "key", "tries", "state", "at"), ("note",), ("seq",)),
)

SEALED: Final[Mapping[str, SealedTable]] = MappingProxyType({one.name: one for one in _TABLES})
"""The sealed tables by name."""
