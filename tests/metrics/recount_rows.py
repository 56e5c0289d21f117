"""Every row of a storage as plain dictionaries: what a recount counts from, and nothing else.

Reads whole tables with `SELECT *`; what belongs together is found in Python, by whoever counts.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from interlock.checkpoints import SqlStorage
from interlock.checkpoints.connection import Connection
from interlock.checkpoints.database_kinds import build_database
from interlock.checkpoints.storage_url import parse_storage_url

Row: TypeAlias = Mapping[str, Any]

TABLES: Final = (
    "runs",
    "handoffs",
    "outcomes",
    "questions",
    "model_calls",
    "effects",
    "effect_uses",
    "effect_moves",
    "context_versions",
    "context_facts",
    "context_uses",
    "context_sources",
    "criteria",
    "findings",
    "step_needs",
    "tool_calls",
    "faults",
    "sealing",
)


@dataclass(frozen=True, kw_only=True)
class Rows:
    """A storage's rows, by table, in the order in which they were written where that is known."""

    tables: Mapping[str, Sequence[Row]] = field(default_factory=dict)

    @property
    def is_sealed(self) -> bool:
        """Whether some of their values are sealed; what is counted lies in the clear."""
        return bool(self["sealing"])

    def __getitem__(self, table: str) -> Sequence[Row]:
        """Return the rows of a table."""
        return self.tables[table]

    def where(self, table: str, **values: Any) -> list[Row]:
        """Return the rows of a table that have these values."""
        return [row for row in self[table] if has(row, values)]


def has(row: Row, values: Mapping[str, Any]) -> bool:
    """Return whether a row has these values."""
    return all(row[name] == value for name, value in values.items())


async def read_rows(storage: SqlStorage) -> Rows:
    """Return the rows of an open storage, of any kind, as its own connection sees them."""
    is_postgres = storage.url.startswith("postgresql://")
    return await storage._database.read(lambda connection: _read(connection, is_postgres))


async def read_url(url: str) -> Rows:
    """Return the rows of a storage that outlives its process; nothing is unsealed."""
    database = build_database(parse_storage_url(url))
    await database.connect()
    try:
        is_postgres = url.startswith("postgresql://")
        return await database.read(lambda connection: _read(connection, is_postgres))
    finally:
        await database.aclose()


def _read(connection: Connection, is_postgres: bool) -> Rows:
    return Rows(tables={table: _read_table(connection, table, is_postgres) for table in TABLES})


def _read_table(connection: Connection, table: str, is_postgres: bool) -> list[Row]:
    columns = _list_columns(connection, table, is_postgres)
    rows = connection.execute(f'SELECT * FROM "{table}"').fetchall()
    named = [dict(zip(columns, row, strict=True)) for row in rows]
    return sorted(named, key=lambda row: row["seq"]) if "seq" in columns else named


def _list_columns(connection: Connection, table: str, is_postgres: bool) -> list[str]:
    statement = "SELECT name FROM pragma_table_info(?1) ORDER BY cid"
    if is_postgres:
        statement = (
            "SELECT column_name FROM information_schema.columns WHERE table_name = ?1"
            " AND table_schema = current_schema() ORDER BY ordinal_position"
        )
    return [name for (name,) in connection.execute(statement, (table,))]


def index(rows: Iterable[Row], *columns: str) -> dict[tuple[Any, ...], list[Row]]:
    """Return rows by the values of columns, in their order."""
    found: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        found.setdefault(tuple(row[column] for column in columns), []).append(row)
    return found
