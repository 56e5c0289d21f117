"""Giving the free room of a database file back to the disk."""

import sqlite3
from pathlib import Path

from interlock.checkpoints.sqlite.database_file import BUSY_SECONDS
from interlock.checkpoints.sqlite.driver_errors import typed_errors


def measure_file(path: Path) -> int:
    """Return the bytes of a database file and of its write-ahead log."""
    files = (path, path.with_name(f"{path.name}-wal"))
    return sum(file.stat().st_size for file in files if file.exists())


def compact_file(url: str, path: Path) -> None:
    """Rewrite a database file without its free pages; others that write wait meanwhile.

    Blocks for as long as copying the file takes, and needs as much room on the disk again.

    Raises:
        StorageBusyError: Another connection kept the file for too long.
        StorageError: It could not be rewritten, say on a full disk; it is as it was.
    """
    with typed_errors(url):
        connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
        try:
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            connection.close()
