"""Rows that wait to be sent together: inserts of many operations become one message each.

Operations of one transaction insert into the same few tables again and again, a round trip each.
Plain inserts give nothing back, so they are held until something else is sent, and then go as one.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Final, TypeAlias

ROWS_A_MESSAGE: Final = 64
_MOST_BYTES: Final = 1024 * 1024
_MOST_PARAMETERS: Final = 4096
_PLAIN_INSERT: Final = re.compile(
    r"(?P<head>INSERT INTO (?P<table>\w+)\s*\((?P<columns>[\w,\s]+)\)\s*VALUES )\((?P<values>[$\d,\s]+)\)"
    r"(?P<tail>\s+ON CONFLICT \((?P<key>[\w,\s]+)\).*)?",
    re.DOTALL,
)

Row: TypeAlias = Sequence[object]


@dataclass(frozen=True, slots=True)
class PlainInsert:
    """An INSERT of one row whose parameters are the columns in their order.

    Attributes:
        table: Where to.
        head: Up to the values.
        tail: After them: what happens if the row is there already.
        width: How many columns.
        key: Where in a row the columns are that no two rows of one statement may share; empty if
            they may.
    """

    table: str
    head: str
    tail: str
    width: int
    key: tuple[int, ...]

    def derive_statement(self, rows: int, *, first: int = 1) -> str:
        """Return the statement for so many rows, with parameters numbered from the first."""
        lines = (
            "(" + ", ".join(f"${begin + column}" for column in range(self.width)) + ")"
            for begin in range(first, first + rows * self.width, self.width)
        )
        return f"{self.head}{', '.join(lines)}{self.tail}"


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
        found["table"],
        found["head"],
        tail,
        len(columns),
        tuple(columns.index(column) for column in key),
    )


def _split(names: str) -> list[str]:
    return [name.strip() for name in names.split(",")]


@lru_cache(256)
def _derive_message(parts: tuple[tuple[PlainInsert, int], ...]) -> bytes:
    """Return one statement for inserts of so many rows each."""
    texts: list[str] = []
    first = 1
    for insert, rows in parts:
        texts.append(insert.derive_statement(rows, first=first))
        first += rows * insert.width
    ctes = ", ".join(f"part{index} AS ({text})" for index, text in enumerate(texts[:-1]))
    return (f"WITH {ctes} {texts[-1]}" if ctes else texts[-1]).encode()


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
        """Go through messages with their parameters; nothing waits any more.

        Inserts into several tables travel as one statement, a CTE for each but the last. They do
        not see each other's rows, so no trigger of these tables may look for a row of another, and
        a table comes once in a statement.
        """
        taken = self._rows
        self.forget()
        parts: list[tuple[PlainInsert, int]] = []
        parameters: list[object] = []
        for insert, rows in taken.items():
            for begin in range(0, len(rows), ROWS_A_MESSAGE):
                part = rows[begin : begin + ROWS_A_MESSAGE]
                is_twice = any(known.table == insert.table for known, _ in parts)
                if is_twice or len(parameters) + len(part) * insert.width > _MOST_PARAMETERS:
                    yield _derive_message(tuple(parts)), parameters
                    parts, parameters = [], []
                parts.append((insert, len(part)))
                parameters.extend(value for row in part for value in row)
        if parts:
            yield _derive_message(tuple(parts)), parameters

    def forget(self) -> None:
        """Send nothing of what waits."""
        self._rows, self._keys, self._bytes = {}, {}, 0


def _find_key(insert: PlainInsert, row: Row) -> Row:
    return tuple(row[index] for index in insert.key)
