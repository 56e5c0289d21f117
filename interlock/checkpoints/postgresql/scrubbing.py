"""Clearing PostgreSQL tables of what was deleted or replaced in them."""

from collections.abc import Iterable

import psycopg
from psycopg import sql

from interlock.checkpoints.postgresql.driver_errors import typed_errors
from interlock.checkpoints.storage_url import StorageUrl
from interlock.contracts.errors import StorageReadOnlyError


def scrub_tables(url: StorageUrl, tables: Iterable[str]) -> None:
    """Write tables anew without dead rows; each is locked for as long as that takes.

    Samples of values, which the planner keeps for its estimates, are drawn anew, too.

    Raises:
        StorageError: The database cannot be used, or the role may not write a table anew.
    """
    warnings: list[psycopg.errors.Diagnostic] = []
    with typed_errors(url.text), psycopg.connect(url.conninfo, autocommit=True) as driver:
        driver.add_notice_handler(warnings.append)
        for table in tables:
            name = sql.Identifier(url.schema, table)
            driver.execute(sql.SQL("VACUUM (FULL, ANALYZE) {}").format(name))
            if warnings:  # PostgreSQL passes over a table of another role's with no more than this
                raise StorageReadOnlyError(
                    f"The table {table!r} of {url.text} was not written anew, so what was replaced in "
                    "it still lies in its file. Do this again as the role that owns the tables. "
                    f"(PostgreSQL: {warnings[0].message_primary})"
                )
