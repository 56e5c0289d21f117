"""LangGraph's own savers, beside which ours is measured."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from langgraph.checkpoint.base import BaseCheckpointSaver

from interlock.contracts.errors import ConfigurationError

DatabaseKind: TypeAlias = Literal["sqlite", "postgresql"]

GiveSaver: TypeAlias = Callable[[], BaseCheckpointSaver[Any]]
"""Gives a saver on an open database: on PostgreSQL a new one each time, on SQLite the only one."""

_NEEDED: Final[dict[DatabaseKind, tuple[str, ...]]] = {
    "sqlite": ("langgraph.checkpoint.sqlite",),
    "postgresql": ("langgraph.checkpoint.postgres", "psycopg", "psycopg_pool"),
}
_NAMES: Final[dict[DatabaseKind, str]] = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}


def require_stock_saver(kind: DatabaseKind) -> None:
    """Refuse before anything is measured if LangGraph's own saver is missing.

    Raises:
        ConfigurationError: It is not installed.
    """
    if not all(map(_is_installed, _NEEDED[kind])):
        raise ConfigurationError(
            f"The benchmark runs beside LangGraph's own {_NAMES[kind]} saver, which is not "
            "installed. Type: pip install 'interlock[bench]'"
        )


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False


@asynccontextmanager
async def open_stock_sqlite(path: Path) -> AsyncGenerator[GiveSaver]:
    """Lend LangGraph's SQLite saver on a file, as it comes: one connection, one saver."""
    from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver  # noqa: PLC0415 - optional

    async with AsyncSqliteSaver.from_conn_string(str(path)) as saver:
        await saver.setup()
        yield lambda: saver


@asynccontextmanager
async def open_stock_postgres(
    conninfo: str, *, schema: str, pool_size: int
) -> AsyncGenerator[GiveSaver]:
    """Lend LangGraph's PostgreSQL savers on one pool, their tables in a schema that exists.

    Args:
        conninfo: What PostgreSQL's client library is given.
        schema: A plain name.
        pool_size: Most connections.
    """
    from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver  # noqa: PLC0415 - optional
    from psycopg.rows import dict_row  # noqa: PLC0415 - optional
    from psycopg_pool import AsyncConnectionPool  # noqa: PLC0415 - optional

    options: dict[str, Any] = {
        "autocommit": True,
        "prepare_threshold": 0,
        "row_factory": dict_row,
        "options": f"-c search_path={schema}",
    }
    pool: Any = AsyncConnectionPool(
        conninfo, min_size=pool_size, max_size=pool_size, kwargs=options, open=False
    )
    async with pool:
        await AsyncPostgresSaver(pool).setup()
        yield lambda: AsyncPostgresSaver(pool)
