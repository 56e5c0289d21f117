"""What each named statement does with sealed columns, said in the SQL file, above the statement.

    -- name: insert_payload
    -- seal: ?4 payloads.data (?1, ?2)
    INSERT INTO payloads (thread_id, hash, size, data) VALUES (?1, ?2, ?3, ?4);

    -- name: load_outcomes
    -- open: 2 outcomes.outcome (?1, ?2, 1)
    SELECT step_id, outcome FROM outcomes WHERE thread_id = ?1 AND superstep = ?2;

`?4` is the fourth parameter, `2` the second column of the result, both counted from 1. The list
in parentheses is the row's key, in the order of `sealed_columns`. A statement that names a sealed
column and neither writes it nor returns it says `-- unopened: payloads.data` and why.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from interlock.checkpoints.sealing.envelope import KeyPart, Place
from interlock.checkpoints.sealing.sealed_columns import SEALED

_LINE: Final = re.compile(r"^-- (seal|open|unopened): *(.*)$", re.MULTILINE)
_USE: Final = re.compile(r"([?$]?)(\d+) (\w+)\.(\w+) \(([^()]+)\)")
_SOURCE: Final = re.compile(r"([?$]?)(\d+)")
_UNOPENED: Final = re.compile(r"(\w+\.\w+)(?:[ ,].*)?")


@dataclass(frozen=True, slots=True)
class Source:
    """Where a part of a row's key is taken from.

    Attributes:
        kind: A parameter of the statement, or a column of the result.
        index: Counted from 0.
    """

    kind: Literal["parameter", "column"]
    index: int


@dataclass(frozen=True, slots=True)
class SealedUse:
    """One sealed column in one statement.

    Attributes:
        value: Which parameter is sealed, or which column of the result is opened.
        table: The table.
        column: The column.
        row: Where the row's key comes from.
    """

    value: Source
    table: str
    column: str
    row: tuple[Source, ...]

    def find_place(self, parameters: Sequence[object], columns: Sequence[object]) -> Place:
        """Return the place of a value, from a statement's parameters and a row of its result."""
        parts: list[KeyPart] = []
        for source in self.row:
            part = (parameters if source.kind == "parameter" else columns)[source.index]
            if not isinstance(part, (str, int)):
                raise TypeError(f"{self.table}.{self.column}: a part of the row's key is {part!r}")
            parts.append(part)
        return Place(self.table, self.column, tuple(parts))


@dataclass(frozen=True, slots=True)
class StatementSeals:
    """All sealed columns of one statement.

    Attributes:
        sealed: What is sealed before it runs.
        opened: What is opened in its result.
        unopened: Columns, as `table.column`, that it names without reading them out.
    """

    sealed: tuple[SealedUse, ...]
    opened: tuple[SealedUse, ...]
    unopened: tuple[str, ...]

    @property
    def covered(self) -> frozenset[str]:
        """The columns that it says something about, as `table.column`."""
        uses = (*self.sealed, *self.opened)
        return frozenset({*self.unopened, *(f"{one.table}.{one.column}" for one in uses)})


def parse_annotations(statements: Mapping[str, str]) -> Mapping[str, StatementSeals]:
    """Return what statements say of sealed columns; those that say nothing are left out.

    Raises:
        ValueError: An annotation cannot be read, or does not fit the sealed tables.
    """
    found = {name: _parse_statement(name, text) for name, text in statements.items()}
    return {name: seals for name, seals in found.items() if seals.covered}


def _parse_statement(name: str, text: str) -> StatementSeals:
    lines: dict[str, list[str]] = {"seal": [], "open": [], "unopened": []}
    for word, rest in _LINE.findall(text):
        lines[word].append(rest)
    return StatementSeals(
        sealed=_parse_uses(name, lines["seal"], "parameter"),
        opened=_parse_uses(name, lines["open"], "column"),
        unopened=tuple(_parse_unopened(name, rest) for rest in lines["unopened"]),
    )


def _parse_uses(
    name: str, lines: Iterable[str], kind: Literal["parameter", "column"]
) -> tuple[SealedUse, ...]:
    uses: list[SealedUse] = []
    for line in lines:
        match = _USE.fullmatch(line.strip())
        if match is None:
            raise ValueError(f"statement {name!r}: cannot read {line!r}")
        sign, number, table, column, key = match.groups()
        value = _parse_source(name, sign + number)
        row = tuple(_parse_source(name, part.strip()) for part in key.split(","))
        _require_known(name, table, column, parts=len(row))
        if value.kind != kind:
            raise ValueError(f"statement {name!r}: {line!r} does not name a {kind}")
        uses.append(SealedUse(value, table, column, row))
    return tuple(uses)


def _parse_source(name: str, text: str) -> Source:
    match = _SOURCE.fullmatch(text)
    if match is None or match[2] == "0":
        raise ValueError(f"statement {name!r}: cannot read {text!r}")
    return Source("parameter" if match[1] else "column", int(match[2]) - 1)


def _parse_unopened(name: str, line: str) -> str:
    match = _UNOPENED.fullmatch(line.strip())
    if match is None:
        raise ValueError(f"statement {name!r}: cannot read {line!r}")
    _require_known(name, *match[1].split("."), parts=None)
    return match[1]


def _require_known(name: str, table: str, column: str, *, parts: int | None) -> None:
    known = SEALED.get(table)
    if known is None or column not in known.columns:
        raise ValueError(f"statement {name!r}: {table}.{column} is no sealed column")
    if parts is not None and parts != len(known.key):
        raise ValueError(f"statement {name!r}: the key of {table} has {len(known.key)} parts")
