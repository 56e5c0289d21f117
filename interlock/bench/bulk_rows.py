"""Reading and writing many rows of a benchmark's own database, past the product's operations.

The schema is the product's, its triggers and indexes at work; only the way in is the driver's bulk one.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from interlock.bench.bench_databases import BenchDatabase, PostgresSchemas, SqliteFiles
from interlock.checkpoints.named_sql import number_parameters
from interlock.contracts.errors import ConfigurationError

Row = tuple[Any, ...]


class BulkRows(Protocol):
    """The rows of a database that the product has made and nobody else writes to."""

    def read(
        self, statement: str, parameters: Sequence[object] = ()
    ) -> tuple[list[str], list[Row]]:
        """Return the names of the columns and the rows of a statement, written as in the files."""
        ...

    def append(self, table: str, columns: Sequence[str], rows: Iterable[Row]) -> None:
        """Insert rows."""
        ...

    def settle(self) -> None:
        """Keep what was inserted, and let the database look at it as it does by itself in time."""
        ...


@contextmanager
def open_bulk_rows(database: BenchDatabase) -> Iterator[BulkRows]:
    """Open a benchmark's database for many rows.

    Raises:
        ConfigurationError: It is of a kind that has no bulk way in.
    """
    match database:
        case SqliteFiles(folder=folder):
            with _open_sqlite(folder / "interlock.db") as rows:
                yield rows
        case PostgresSchemas(conninfo=conninfo, ours=schema):
            with _open_postgres(conninfo, schema) as rows:
                yield rows
        case _:
            raise ConfigurationError(f"{database.kind!r} cannot be filled in bulk. Name sqlite.")


class _SqliteRows:
    def __init__(self, driver: sqlite3.Connection) -> None:
        self._driver = driver

    def read(
        self, statement: str, parameters: Sequence[object] = ()
    ) -> tuple[list[str], list[Row]]:
        cursor = self._driver.execute(statement, parameters)
        return [column[0] for column in cursor.description], cursor.fetchall()

    def append(self, table: str, columns: Sequence[str], rows: Iterable[Row]) -> None:
        names, marks = ", ".join(columns), ", ".join("?" * len(columns))
        insert = f"INSERT INTO {table} ({names}) VALUES ({marks})"  # noqa: S608 - the schema's names
        self._driver.executemany(insert, rows)

    def settle(self) -> None:
        self._driver.commit()
        self._driver.execute("PRAGMA wal_checkpoint(TRUNCATE)")


@contextmanager
def _open_sqlite(path: Path) -> Iterator[BulkRows]:
    driver = sqlite3.connect(path)
    try:
        driver.execute("PRAGMA synchronous = OFF")  # the file is thrown away
        driver.execute("PRAGMA cache_size = -400000")
        yield _SqliteRows(driver)
    finally:
        driver.close()


class _PostgresRows:
    def __init__(self, driver: Any) -> None:  # noqa: ANN401 - psycopg is optional
        self._driver = driver

    def read(
        self, statement: str, parameters: Sequence[object] = ()
    ) -> tuple[list[str], list[Row]]:
        cursor = self._driver.execute(number_parameters(statement), parameters)
        return [column.name for column in cursor.description], cursor.fetchall()

    def append(self, table: str, columns: Sequence[str], rows: Iterable[Row]) -> None:
        statement = f"COPY {table} ({', '.join(columns)}) FROM STDIN"
        with self._driver.cursor() as cursor, cursor.copy(statement) as copy:
            for row in rows:
                copy.write_row(row)

    def settle(self) -> None:
        self._driver.commit()
        self._driver.autocommit = True
        self._driver.execute("VACUUM (ANALYZE)")  # as its own daemon does after so many inserts
        self._driver.autocommit = False


@contextmanager
def _open_postgres(conninfo: str, schema: str) -> Iterator[BulkRows]:
    import psycopg  # noqa: PLC0415 - optional

    options = f"-c search_path={schema} -c synchronous_commit=off"
    with psycopg.connect(conninfo, options=options, cursor_factory=psycopg.RawCursor) as driver:
        yield _PostgresRows(driver)
