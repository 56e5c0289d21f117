import sqlite3
from typing import Any

import pytest

from interlock.checkpoints.sqlite.driver_errors import translate_error, typed_errors
from interlock.contracts.errors import (
    StorageBusyError,
    StorageCorruptError,
    StorageError,
    StorageFullError,
    StorageReadOnlyError,
)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (5, StorageBusyError),  # SQLITE_BUSY
        (6, StorageBusyError),  # SQLITE_LOCKED
        (517, StorageBusyError),  # SQLITE_BUSY_SNAPSHOT
        (8, StorageReadOnlyError),  # SQLITE_READONLY
        (1032, StorageReadOnlyError),  # SQLITE_READONLY_DBMOVED
        (11, StorageCorruptError),  # SQLITE_CORRUPT
        (26, StorageCorruptError),  # SQLITE_NOTADB
        (13, StorageFullError),  # SQLITE_FULL
        (10, StorageError),  # SQLITE_IOERR
        (14, StorageError),  # SQLITE_CANTOPEN
        (None, StorageError),
    ],
)
def test_result_codes_have_their_own_errors(code: Any, kind: type) -> None:
    """SQLite's result codes, extended ones included, decide the kind; its error is the cause."""
    error = sqlite3.OperationalError("words that are never read")
    if code is not None:
        error.sqlite_errorcode = code
    typed = translate_error(error, place="sqlite:///a.db")
    assert type(typed) is kind
    assert typed.__cause__ is error
    assert "sqlite:///a.db" in str(typed)


def test_other_errors_pass_unchanged() -> None:
    """What is not SQLite's failure is not disguised as one."""
    error = ValueError("mine")
    assert translate_error(error, place="x") is error
    with pytest.raises(StorageReadOnlyError), typed_errors("x"):
        raise PermissionError("no")
    with pytest.raises(StorageError), typed_errors("x"):
        raise OSError("gone")
