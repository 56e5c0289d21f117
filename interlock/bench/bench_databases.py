"""Databases that a benchmark fills and throws away: a SQLite file each, or PostgreSQL schemas."""

import secrets
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, Protocol

from interlock.bench.stock_savers import (
    DatabaseKind,
    GiveSaver,
    open_stock_postgres,
    open_stock_sqlite,
    require_stock_saver,
)
from interlock.checkpoints import open_storage
from interlock.checkpoints.storage_url import parse_storage_url
from interlock.contracts.clock import Clock
from interlock.contracts.errors import ConfigurationError
from interlock.contracts.storage import Storage

SQLITE: Final = "sqlite"
"""What asks for SQLite in a file of its own."""

_SIZE: Final = """
SELECT coalesce(sum(pg_total_relation_size(pg_class.oid)), 0)
FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE nspname = ANY(%s) AND relkind IN ('r', 'm')
"""


class BenchDatabase(Protocol):
    """An empty database, for one measurement of one contender."""

    @property
    def kind(self) -> DatabaseKind:
        """Which database."""
        ...

    def open_ours(self, clock: Clock | None = None) -> AbstractAsyncContextManager[Storage]:
        """Open interlock's storage on it, on the machine's clock if none is given."""
        ...

    def open_stock(self) -> AbstractAsyncContextManager[GiveSaver]:
        """Open LangGraph's own savers on it, beside interlock's tables."""
        ...

    def read_bytes(self) -> int:
        """Return its size: all tables and indexes of both, with what is not yet moved there."""
        ...


@dataclass(frozen=True, slots=True)
class SqliteFiles:
    """Two files in a folder: ours and the stock saver's.

    Attributes:
        folder: Exists and is empty.
    """

    folder: Path

    @property
    def kind(self) -> DatabaseKind:
        """SQLite."""
        return "sqlite"

    def open_ours(self, clock: Clock | None = None) -> AbstractAsyncContextManager[Storage]:
        """Open interlock's storage."""
        return open_storage(f"sqlite:///{self.folder / 'interlock.db'}", clock=clock)

    def open_stock(self) -> AbstractAsyncContextManager[GiveSaver]:
        """Open LangGraph's saver."""
        return open_stock_sqlite(self.folder / "stock.db")

    def read_bytes(self) -> int:
        """Return the size of the files, write-ahead logs included."""
        return sum(path.stat().st_size for path in self.folder.iterdir())


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresSchemas:
    """Two schemas of a PostgreSQL database: ours and the stock saver's.

    Attributes:
        conninfo: What PostgreSQL's client library is given.
        ours: The name of the schema that interlock makes.
        stock: The name of the stock saver's schema, which exists.
        pool_size: Most connections of each.
        connection: A plain connection, to look at sizes.
    """

    conninfo: str
    ours: str
    stock: str
    pool_size: int
    connection: Any

    @property
    def kind(self) -> DatabaseKind:
        """PostgreSQL."""
        return "postgresql"

    def open_ours(self, clock: Clock | None = None) -> AbstractAsyncContextManager[Storage]:
        """Open interlock's storage."""
        sign = "&" if "?" in self.conninfo else "?"
        options = f"interlock_schema={self.ours}&interlock_pool_size={self.pool_size}"
        return open_storage(f"{self.conninfo}{sign}{options}", clock=clock)

    def open_stock(self) -> AbstractAsyncContextManager[GiveSaver]:
        """Open LangGraph's savers."""
        return open_stock_postgres(self.conninfo, schema=self.stock, pool_size=self.pool_size)

    def read_bytes(self) -> int:
        """Return the size of all relations in both schemas."""
        return int(self.connection.execute(_SIZE, ([self.ours, self.stock],)).fetchone()[0])


@dataclass(frozen=True, slots=True)
class DatabasePlace:
    """Where a benchmark may make databases.

    Attributes:
        kind: Which.
        shown: How it is named to people, without a password.
        conninfo: What PostgreSQL's client library is given.
        pool_size: Most connections of one contender on PostgreSQL.
    """

    kind: DatabaseKind
    shown: str
    conninfo: str = ""
    pool_size: int = 8

    def lend(self) -> AbstractContextManager[BenchDatabase]:
        """Lend an empty database, and throw it away at the end of the block.

        Raises:
            ConfigurationError: PostgreSQL cannot be reached, or allows no schemas.
        """
        return _lend_postgres(self) if self.kind == "postgresql" else _lend_sqlite()


def parse_place(text: str) -> DatabasePlace:
    """Return where `sqlite`, or a PostgreSQL URL, lets a benchmark make databases.

    Raises:
        ConfigurationError: It is neither, or the stock saver for it is not installed.
    """
    if text == SQLITE:
        place = DatabasePlace("sqlite", SQLITE)
    else:
        url = parse_storage_url(text) if "://" in text else None
        if url is None or url.kind != "postgresql":
            raise ConfigurationError(
                f"The benchmark cannot use the storage {text!r}. Name {SQLITE!r}, for a file that "
                "is thrown away, or postgresql://user@host/database, in which it makes schemas of "
                "its own and drops them again."
            )
        place = DatabasePlace("postgresql", url.text, url.conninfo, url.pool_size)
    require_stock_saver(place.kind)
    return place


@contextmanager
def _lend_sqlite() -> Iterator[BenchDatabase]:
    with TemporaryDirectory(prefix="interlock-bench-") as folder:
        yield SqliteFiles(Path(folder))


@contextmanager
def _lend_postgres(place: DatabasePlace) -> Iterator[BenchDatabase]:
    import psycopg  # noqa: PLC0415 - optional
    from psycopg import sql  # noqa: PLC0415 - optional

    name = f"interlock_bench_{secrets.token_hex(4)}"
    ours, stock = f"{name}_ours", f"{name}_stock"
    try:
        connection = psycopg.connect(place.conninfo, autocommit=True)
    except psycopg.Error as exc:
        raise ConfigurationError(
            f"PostgreSQL cannot be reached at {place.shown}: {str(exc).strip()}. Start it, or "
            "correct the URL."
        ) from exc
    with connection:
        try:
            connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(stock)))
            yield PostgresSchemas(
                conninfo=place.conninfo,
                ours=ours,
                stock=stock,
                pool_size=place.pool_size,
                connection=connection,
            )
        finally:
            for schema in (ours, stock):
                drop = sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE")
                connection.execute(drop.format(sql.Identifier(schema)))
