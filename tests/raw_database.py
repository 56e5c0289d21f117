"""A storage's database as somebody else with the same rights sees it: plain SQL, no code of ours."""

import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import count
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import psycopg
from psycopg import sql

REFUSED: Final = (sqlite3.IntegrityError, psycopg.Error)
"""What a database says to a statement that it does not carry out."""
_MARK: Final = re.compile(r"\?")


class RawDatabase:
    """An open connection in autocommit mode; statements have `?` for parameters."""

    def __init__(self, connection: Any, *, schema: str | None = None) -> None:
        """Use a driver's connection; on PostgreSQL with the schema that it looks into."""
        self._connection = connection
        self.schema = schema
        self.is_postgres = schema is not None

    def execute(self, statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a statement and return its rows."""
        if not self.is_postgres:
            return list(self._connection.execute(statement, parameters))
        numbers = count(1)
        numbered = _MARK.sub(lambda _: f"${next(numbers)}", statement)
        cursor = self._connection.execute(numbered.encode(), parameters)
        return cursor.fetchall() if cursor.description is not None else []

    def run_script(self, script: str) -> None:
        """Run many statements."""
        if self.is_postgres:
            psycopg.ClientCursor(self._connection).execute(script.encode())
        else:
            self._connection.executescript(script)

    def list_tables(self) -> list[str]:
        """Return the names of all tables, sorted."""
        statement = "SELECT name FROM sqlite_master WHERE type = 'table'"
        if self.is_postgres:
            statement = "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()"
        return sorted(name for (name,) in self.execute(statement))

    def list_columns(self, table: str) -> list[str]:
        """Return the names of a table's columns, in their order."""
        statement = "SELECT name FROM pragma_table_info(?) ORDER BY cid"
        if self.is_postgres:
            statement = (
                "SELECT column_name FROM information_schema.columns WHERE table_name = ?"
                " AND table_schema = current_schema() ORDER BY ordinal_position"
            )
        return [name for (name,) in self.execute(statement, (table,))]

    def dump(self, *tables: str) -> dict[str, list[str]]:
        """Return the rows of tables, of all if none is named, as sorted text."""
        return {
            name: sorted(repr(row) for row in self.execute(f'SELECT * FROM "{name}"'))
            for name in tables or self.list_tables()
        }


@contextmanager
def open_raw(url: str) -> Iterator[RawDatabase]:
    """Open the database of a storage in a file or on PostgreSQL."""
    if url.startswith("sqlite:///"):
        path = url.removeprefix("sqlite:///")
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            yield RawDatabase(connection)
        return
    parts = urlsplit(url)
    (schema,) = parse_qs(parts.query)["interlock_schema"]
    with psycopg.connect(
        parts._replace(query="").geturl(), autocommit=True, cursor_factory=psycopg.RawCursor
    ) as driver:
        driver.execute(sql.SQL("SET search_path = {}").format(sql.Identifier(schema)))
        yield RawDatabase(driver, schema=schema)


def dump_rows(url: str) -> dict[str, list[str]]:
    """Return every row of a storage, by table, as sorted text."""
    with open_raw(url) as database:
        return database.dump()
