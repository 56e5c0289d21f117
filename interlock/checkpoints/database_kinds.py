"""Which database a storage URL asks for."""

from importlib.util import find_spec

from interlock.checkpoints.database import Database
from interlock.checkpoints.sqlite.database_file import SqliteFile
from interlock.checkpoints.sqlite.sqlite_database import SqliteDatabase
from interlock.checkpoints.storage_url import StorageUrl
from interlock.checkpoints.write_hook import WriteHook
from interlock.contracts.errors import ConfigurationError


def build_database(url: StorageUrl, *, write_hook: WriteHook | None = None) -> Database:
    """Return the database that a URL names; nothing is opened yet.

    Raises:
        ConfigurationError: What it needs is not installed.
    """
    if url.kind != "postgresql":
        return SqliteDatabase(SqliteFile(url.text, url.path), write_hook=write_hook)
    if find_spec("psycopg") is None or find_spec("psycopg_pool") is None:
        raise ConfigurationError(
            f"The storage {url.text} needs psycopg and its pool, which are not installed. Install "
            "them with: pip install 'interlock[postgres]'"
        )
    # Only who uses PostgreSQL has its client library.
    from interlock.checkpoints.postgresql.postgres_database import (  # noqa: PLC0415
        PostgresDatabase,
    )

    return PostgresDatabase(url, write_hook=write_hook)
