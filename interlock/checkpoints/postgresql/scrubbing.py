"""Clearing PostgreSQL tables of what was deleted or replaced in them."""

from collections.abc import Iterable

import psycopg
from psycopg import sql

from interlock.checkpoints.postgresql.driver_errors import typed_errors
from interlock.checkpoints.storage_url import StorageUrl


def scrub_tables(url: StorageUrl, tables: Iterable[str]) -> None:
    """Write tables anew without dead rows; each is locked for as long as that takes.

    Raises:
        StorageError: The database cannot be used.
    """
    with typed_errors(url.text), psycopg.connect(url.conninfo, autocommit=True) as driver:
        for table in tables:
            name = sql.Identifier(url.schema, table)
            driver.execute(sql.SQL("VACUUM (FULL) {}").format(name))
