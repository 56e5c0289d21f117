"""Which database a storage URL asks for."""

from importlib.util import find_spec

from interlock.checkpoints.database import Database
from interlock.checkpoints.named_sql import load_statements
from interlock.checkpoints.sqlite.database_file import SqliteFile
from interlock.checkpoints.sqlite.sqlite_database import SqliteDatabase
from interlock.checkpoints.storage_url import StorageUrl
from interlock.checkpoints.write_hook import WriteHook
from interlock.contracts.encryption import Encryption
from interlock.contracts.errors import ConfigurationError


def build_database(
    url: StorageUrl,
    *,
    write_hook: WriteHook | None = None,
    encryption: Encryption | None = None,
) -> Database:
    """Return the database that a URL names; nothing is opened yet.

    Args:
        url: Names it.
        write_hook: Called around every commit, for tests.
        encryption: The keys with which its values are sealed; None for a plain one.

    Raises:
        ConfigurationError: What it needs is not installed.
    """
    database = _build_driver(url, write_hook=write_hook)
    if encryption is None:
        return database
    require_cryptography()
    # Only who seals a database needs the library.
    from interlock.checkpoints.sealing.sealing_database import SealingDatabase  # noqa: PLC0415

    dialect = "postgresql" if url.kind == "postgresql" else "sqlite"
    return SealingDatabase(database, encryption, statements=load_statements(dialect))


def require_cryptography() -> None:
    """Refuse to go on where the library that seals values is missing.

    Raises:
        ConfigurationError: It is not installed.
    """
    if find_spec("cryptography") is None:
        raise ConfigurationError(
            "Encryption keys were given, and cryptography is not installed. Install it with: "
            "pip install 'interlock[encryption]'"
        )


def _build_driver(url: StorageUrl, *, write_hook: WriteHook | None) -> Database:
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
