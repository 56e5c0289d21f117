"""Clearing an SQLite file of what was deleted or replaced in it."""

import sqlite3
from urllib.parse import quote

from interlock.checkpoints.sqlite.driver_errors import typed_errors
from interlock.checkpoints.storage_url import StorageUrl
from interlock.contracts.errors import StorageBusyError


def scrub_file(url: StorageUrl) -> None:
    """Write the file anew without free pages, and empty its write-ahead log.

    Needs as much room again as the file has, and nobody else who has it open.

    Raises:
        StorageError: The database cannot be used.
        StorageBusyError: Somebody else uses it.
    """
    if url.path is None:
        return
    with typed_errors(url.text):
        connection = sqlite3.connect(
            f"file:{quote(str(url.path))}?mode=rw", uri=True, isolation_level=None
        )
        try:
            connection.execute("VACUUM")
            (is_busy, *_) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            if is_busy:
                raise StorageBusyError(
                    f"The database {url.text} is being read by somebody, so what was replaced in it "
                    "still lies in the file. Stop what uses it, and do this again."
                )
        finally:
            connection.close()
