"""Our schema in a PostgreSQL database: is it ours, can it be used, is it the newest?"""

from typing import Final

from interlock.checkpoints.named_sql import load_migrations
from interlock.checkpoints.postgresql.driver_connection import Driver, run_script
from interlock.checkpoints.postgresql.postgres_connection import DIALECT, derive_lock_key
from interlock.checkpoints.storage_url import StorageUrl
from interlock.contracts.errors import StorageSchemaError

_MIGRATING: Final = "migrations"
_IDLE_SECONDS: Final = 15
_OLDEST_SERVER: Final = 130000
_VERSION_TABLE: Final = "interlock_schema_version"


def migrate(driver: Driver, url: StorageUrl) -> None:
    """Bring the schema up to date, in one transaction, while no other process does.

    Args:
        driver: In autocommit mode.
        url: Which schema, and what messages call the database.

    Raises:
        StorageSchemaError: It is not ours, or of a newer release; it was left untouched.
        psycopg.Error: What PostgreSQL says.
    """
    _check_server(driver, url)
    schema = url.schema
    with driver.transaction():
        run_script(
            driver,  # a frozen process must not keep everybody out who opens the database
            f"SET LOCAL idle_in_transaction_session_timeout TO '{_IDLE_SECONDS}s'; "
            f"SELECT pg_advisory_xact_lock({derive_lock_key(schema, _MIGRATING):d})",
        )
        if not _find(driver, "SELECT 1 FROM pg_namespace WHERE nspname = $1", schema):
            run_script(driver, f'CREATE SCHEMA "{schema}"')
        run_script(driver, f'SET LOCAL search_path TO "{schema}"')
        version = _load_version(driver, url)
        migrations = load_migrations(DIALECT)
        if version > len(migrations):
            raise StorageSchemaError(
                f"The schema {schema!r} of {url.text} has version {version}; this release knows "
                f"{len(migrations)}. It was left untouched. Upgrade interlock, or name another "
                "schema with ?interlock_schema=name."
            )
        for migration in migrations[version:]:
            run_script(driver, migration.script)
        if version < len(migrations):
            _guard_tables(driver, schema)
            driver.execute("UPDATE interlock_schema_version SET version = $1", (len(migrations),))


def _check_server(driver: Driver, url: StorageUrl) -> None:
    seen = driver.info.server_version
    if seen < _OLDEST_SERVER:
        raise StorageSchemaError(
            f"The server of {url.text} is PostgreSQL {seen // 10000}. It must be "
            f"{_OLDEST_SERVER // 10000} or newer."
        )
    (encoding,) = driver.execute("SHOW server_encoding").fetchone() or ("",)
    if encoding != "UTF8":
        raise StorageSchemaError(
            f"The database {url.text} has the encoding {encoding}. Create one with ENCODING 'UTF8'."
        )


def _load_version(driver: Driver, url: StorageUrl) -> int:
    """Return the schema's version; a schema that is new gets the table that holds it.

    Raises:
        StorageSchemaError: It has tables, and not ours.
    """
    tables = "SELECT 1 FROM pg_tables WHERE schemaname = $1"
    if not _find(driver, tables, url.schema):
        driver.execute("CREATE TABLE interlock_schema_version (version BIGINT NOT NULL)")
        driver.execute("INSERT INTO interlock_schema_version VALUES (0)")
        return 0
    if not _find(driver, f"{tables} AND tablename = $2", url.schema, _VERSION_TABLE):
        raise StorageSchemaError(
            f"The schema {url.schema!r} of {url.text} belongs to another application: it has "
            "tables, but not interlock's mark. It was left untouched. Name another schema with "
            "?interlock_schema=name."
        )
    (version,) = driver.execute("SELECT version FROM interlock_schema_version").fetchone() or (0,)
    return int(version)


def _guard_tables(driver: Driver, schema: str) -> None:
    """Let no function that the transaction is lent to write to our tables, and nobody empty one.

    TRUNCATE asks no row, so it would pass by what each row refuses.
    """
    rows = driver.execute(
        "SELECT tablename FROM pg_tables WHERE schemaname = $1 AND NOT EXISTS ("
        "SELECT 1 FROM pg_trigger WHERE tgname = 'not_when_lent' AND tgrelid = "
        "(quote_ident(schemaname) || '.' || quote_ident(tablename))::regclass)",
        (schema,),
    ).fetchall()
    for (table,) in rows:
        run_script(
            driver,
            f'CREATE TRIGGER not_when_lent BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON "{table}" '
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_when_lent()",
        )
        run_script(
            driver,
            f'CREATE TRIGGER not_emptied BEFORE TRUNCATE ON "{table}" FOR EACH STATEMENT '
            "EXECUTE FUNCTION refuse('rows are deleted one by one, so that each can refuse')",
        )


def _find(driver: Driver, statement: str, *parameters: str) -> bool:
    return driver.execute(statement.encode(), parameters).fetchone() is not None
