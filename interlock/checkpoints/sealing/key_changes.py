"""Changing a database's keys from outside: by its URL, with progress, and scrubbed at the end."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from interlock.checkpoints.database_kinds import build_database
from interlock.checkpoints.sealing.resealing import rotate_keys, seal_database
from interlock.checkpoints.sealing.sealed_columns import SEALED
from interlock.checkpoints.sealing.sealing_state import Resealed
from interlock.checkpoints.sqlite.scrubbing import scrub_file
from interlock.checkpoints.storage_url import StorageUrl, parse_storage_url
from interlock.contracts.clock import Clock, SystemClock
from interlock.contracts.encryption import Encryption


async def rotate_storage(url: str, encryption: Encryption) -> AsyncGenerator[Resealed]:
    """Seal every value of a sealed database with the active key; safe to run again.

    Others may use the database meanwhile, if they have all keys and write with the active one.

    Raises:
        ConfigurationError: The URL is unknown, or what it needs is not installed.
        StorageError: The database cannot be used, is not sealed, or is with other keys.
    """
    database = build_database(parse_storage_url(url))
    try:
        await database.connect()
        async with aclosing(rotate_keys(database, encryption)) as pages:
            async for page in pages:
                yield page
    finally:
        await database.aclose()


async def seal_storage(
    url: str, encryption: Encryption, *, clock: Clock | None = None
) -> AsyncGenerator[Resealed]:
    """Turn a plain database into a sealed one, and clear it of plain values; safe to run again.

    Nobody can use the database until it is done.

    Raises:
        ConfigurationError: The URL is unknown, or what it needs is not installed.
        StorageError: The database cannot be used, is sealed with other keys, or a thread in it is
            being run.
    """
    parsed = parse_storage_url(url)
    database = build_database(parsed)
    now = (clock or SystemClock()).now()
    try:
        await database.connect()
        async with aclosing(seal_database(database, encryption, now=now)) as pages:
            async for page in pages:
                yield page
    finally:
        await database.aclose()
    await asyncio.to_thread(_scrub, parsed)


def _scrub(url: StorageUrl) -> None:
    if url.kind == "postgresql":
        # Only who uses PostgreSQL has its client library.
        from interlock.checkpoints.postgresql.scrubbing import scrub_tables  # noqa: PLC0415

        scrub_tables(url, SEALED)
    else:
        scrub_file(url)
