"""Rows that wait to be sent together: inserts of many operations become one message each.

Operations of one transaction insert into the same few tables again and again, a round trip each.
Plain inserts give nothing back, so they are held until something else is sent.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Final, TypeAlias

ROWS_A_MESSAGE: Final = 64
_MOST_BYTES: Final = 1024 * 1024
_PLAIN_INSERT: Final = re.compile(
    r"(?P<head>INSERT INTO \w+\s*\((?P<columns>[\w,\s]+)\)\s*VALUES )\((?P<values>[$\d,\s]+)\)"
    r"(?P<tail>\s+ON CONFLICT \((?P<key>[\w,\s]+)\).*)?",
    re.DOTALL,
)

Row: TypeAlias = Sequence[object]


@dataclass(frozen=True, slots=True)
class PlainInsert:
    """An INSERT of one row whose parameters are the columns in their order.

    Attributes:
        head: Up to the values.
        tail: After them: what happens if the row is there already.
        width: How many columns.
        key: Where in a row the columns are that no two rows of one statement may share; empty if
            they may.
    """

    head: str
    tail: str
    width: int
    key: tuple[int, ...]

    def derive_statement(self, rows: int) -> bytes:
        """Return the statement for so many rows."""
        return _derive_statement(self, rows)


@cache
def parse_insert(statement: str) -> PlainInsert | None:
    """Return a statement as a plain insert, or None if it is another one."""
    found = _PLAIN_INSERT.fullmatch(statement.strip())
    if found is None:
        return None
    columns = _split(found["columns"])
    if _split(found["values"]) != [f"${number}" for number in range(1, len(columns) + 1)]:
        return None
    tail = found["tail"] or ""
    key = _split(found["key"]) if "DO UPDATE" in tail else []
    return PlainInsert(
        found["head"], tail, len(columns), tuple(columns.index(column) for column in key)
    )


def _split(names: str) -> list[str]:
    return [name.strip() for name in names.split(",")]


@cache
def _derive_statement(insert: PlainInsert, rows: int) -> bytes:
    width = insert.width
    lines = (
        "(" + ", ".join(f"${row * width + column + 1}" for column in range(width)) + ")"
        for row in range(rows)
    )
    return f"{insert.head}{', '.join(lines)}{insert.tail}".encode()


@dataclass(slots=True)
class WaitingRows:
    """What waits to be sent, by insert, in the order in which the first of each came."""

    _rows: dict[PlainInsert, list[Row]] = field(default_factory=dict)
    _keys: dict[PlainInsert, set[Row]] = field(default_factory=dict)
    _bytes: int = 0

    def may_add(self, insert: PlainInsert, row: Row) -> bool:
        """Return whether a row can wait with the others; else they are to be sent first."""
        if self._bytes > _MOST_BYTES:
            return False
        keys = self._keys.get(insert)
        return keys is None or _find_key(insert, row) not in keys

    def add(self, insert: PlainInsert, row: Row) -> None:
        """Let a row wait."""
        self._rows.setdefault(insert, []).append(row)
        if insert.key:
            self._keys.setdefault(insert, set()).add(_find_key(insert, row))
        self._bytes += sum(len(value) for value in row if isinstance(value, bytes | str))

    def take(self) -> Iterator[tuple[bytes, list[object]]]:
        """Go through statements with their parameters; nothing waits any more."""
        taken = self._rows
        self.forget()
        for insert, rows in taken.items():
            for begin in range(0, len(rows), ROWS_A_MESSAGE):
                part = rows[begin : begin + ROWS_A_MESSAGE]
                yield insert.derive_statement(len(part)), [value for row in part for value in row]

    def forget(self) -> None:
        """Send nothing of what waits."""
        self._rows, self._keys, self._bytes = {}, {}, 0


def _find_key(insert: PlainInsert, row: Row) -> Row:
    return tuple(row[index] for index in insert.key)
