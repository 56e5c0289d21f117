"""A journal of any size: the records of some real runs, again and again on other threads.

Every copy of a run is what the product wrote, row by row, with other ids, at other times and at
another pace. So the counts of the whole are known: those of the runs that were played, times the
copies.
"""

import hashlib
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice, zip_longest
from typing import Any, Final

from interlock.bench.bulk_rows import BulkRows, Row

_TABLES: Final = (
    "runs",
    "handoffs",
    "outcomes",
    "questions",
    "criteria",
    "findings",
    "step_needs",
    "tool_calls",
    "faults",
    "model_calls",
    "effects",
    "effect_uses",
    "context_versions",
    "context_facts",
    "context_uses",
    "context_sources",
)
"""What metrics and the search for causes read, in an order in which it may be inserted."""

_SPACES: Final = {"context_facts": "space", "context_sources": "space"}
"""Tables whose rows belong to a thread by its space alone."""

_IDS: Final = frozenset({"id", "handoff_id", "question_id"})
_THREADS: Final = frozenset({"thread_id", "found_thread"})
_SPACE_NAMES: Final = frozenset({"space", "source_space"})
_AT_ONCE: Final = 16
"""Runs whose rows lie among each other, as they would under way at the same time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filling:
    """What a journal is filled with.

    Attributes:
        threads: The runs that were played, and are copied in turn.
        copies: How many copies of each.
        ends_at: When the newest copy began, about.
        spread: Over what time before that they lie, evenly.
        seed: Draws the times.
    """

    threads: Sequence[str]
    copies: int
    ends_at: datetime
    spread: timedelta
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    """One table's rows of one run.

    Attributes:
        name: Of the table.
        columns: That are copied; numbers that the database gives are not.
        kinds: For each column: which of the ways below makes it another's, "" for none.
        rows: In the order in which they were written, instants read.
    """

    name: str
    columns: Sequence[str]
    kinds: Sequence[str]
    rows: Sequence[Row]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Copy:
    """One copy of one run.

    Attributes:
        tables: What is copied.
        thread: Of the run that was played.
        new_thread: Of the copy.
        later: By how much.
        pace: How long everything took, as a share of what it took there.
    """

    tables: Sequence[_Table]
    thread: str
    new_thread: str
    later: timedelta
    pace: float


def fill_journal(rows: BulkRows, filling: Filling) -> None:
    """Insert the copies; what they are copied from stays as it is."""
    templates = [(thread, _load_tables(rows, thread)) for thread in filling.threads]
    copies = _draw_copies(templates, filling)
    while group := list(islice(copies, _AT_ONCE)):
        for place in range(len(_TABLES)):
            table = group[0].tables[place]
            rows.append(table.name, table.columns, _interleave(group, place))
    rows.settle()


def _load_tables(rows: BulkRows, thread: str) -> list[_Table]:
    return [_load_table(rows, name, thread) for name in _TABLES]


def _load_table(rows: BulkRows, name: str, thread: str) -> _Table:
    by = _SPACES.get(name, "thread_id")
    which = f"thread/{thread}" if name in _SPACES else thread
    columns, found = rows.read(f"SELECT * FROM {name} WHERE {by} = ?", (which,))  # noqa: S608 - ours
    if "seq" in columns:
        place = columns.index("seq")
        found = [(*row[:place], *row[place + 1 :]) for row in sorted(found, key=lambda r: r[place])]
        columns = [column for column in columns if column != "seq"]
    kinds = [_choose_kind(column) for column in columns]
    return _Table(
        name=name,
        columns=columns,
        kinds=kinds,
        rows=[tuple(map(_read_value, kinds, row)) for row in found],
    )


def _choose_kind(column: str) -> str:
    if column in _THREADS:
        return "thread"
    if column in _IDS:
        return "id"
    if column in _SPACE_NAMES:
        return "space"
    if column.endswith("_us"):
        return "span"
    return "time" if column == "at" or column.endswith("_at") else ""


def _read_value(kind: str, value: Any) -> Any:  # noqa: ANN401 - whatever the column holds
    return datetime.fromisoformat(value) if kind == "time" and value else value


def _draw_copies(
    templates: Sequence[tuple[str, Sequence[_Table]]], filling: Filling
) -> Iterator[_Copy]:
    draw = random.Random(filling.seed)  # noqa: S311 - a benchmark's rows, no secret
    number = filling.copies * len(templates)
    begun = [_find_begin(tables) for _, tables in templates]
    for place in range(number):
        which = place % len(templates)
        thread, tables = templates[which]
        begins_at = filling.ends_at - filling.spread * ((number - 1 - place) / number)
        yield _Copy(
            tables=tables,
            thread=thread,
            new_thread=f"{draw.getrandbits(96):024x}",
            later=begins_at - begun[which],
            pace=draw.uniform(0.5, 1.5),
        )


def _find_begin(tables: Sequence[_Table]) -> datetime:
    runs = tables[_TABLES.index("runs")]
    begin: datetime = runs.rows[0][runs.columns.index("accepted_at")]
    return begin


def _interleave(group: Sequence[_Copy], place: int) -> Iterator[Row]:
    copied = [_copy_rows(copy, copy.tables[place]) for copy in group]
    for rows in zip_longest(*copied):
        yield from (row for row in rows if row is not None)


def _copy_rows(copy: _Copy, table: _Table) -> Iterator[Row]:
    changes = [(place, kind) for place, kind in enumerate(table.kinds) if kind]
    for row in table.rows:
        new = list(row)
        for place, kind in changes:
            if (value := new[place]) is not None:
                new[place] = _change(copy, kind, value)
        yield tuple(new)


def _change(copy: _Copy, kind: str, value: Any) -> object:  # noqa: ANN401 - whatever the column holds
    if kind == "time":
        return (value + copy.later).isoformat(timespec="microseconds") if value else value
    if kind == "span":
        return int(value * copy.pace)
    if kind == "thread":
        return copy.new_thread if value == copy.thread else value
    if kind == "space" or copy.thread in value:
        return value.replace(copy.thread, copy.new_thread)
    name, _, _ = value.rpartition("-")
    digest = hashlib.blake2b(f"{copy.new_thread}{value}".encode(), digest_size=12).hexdigest()
    return f"{name}-{digest}"
