"""PostgreSQL's failures as typed errors."""

import psycopg
import pytest
from psycopg import errors
from psycopg_pool import PoolTimeout

import interlock as il
from interlock.checkpoints.postgresql.driver_errors import (
    is_connection_lost,
    starts_again,
    translate_error,
)

PLACE = "postgresql://me:***@host/db"


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (errors.LockNotAvailable(), il.StorageBusyError),
        (errors.DeadlockDetected(), il.StorageBusyError),
        (errors.ReadOnlySqlTransaction(), il.StorageReadOnlyError),
        (errors.InsufficientPrivilege(), il.StorageReadOnlyError),
        (errors.DiskFull(), il.StorageFullError),
        (errors.DataCorrupted(), il.StorageCorruptError),
        (errors.UniqueViolation(), il.StorageError),
        (psycopg.OperationalError("gone"), il.StorageError),
        (PoolTimeout("none to be had"), il.StorageError),
        (UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates"), il.PlainValueError),
    ],
)
def test_each_failure_has_its_error(error: Exception, kind: type[Exception]) -> None:
    """What a caller can do differs, and so does the error."""
    typed = translate_error(error, place=PLACE)
    assert type(typed) is kind
    assert typed.__cause__ is error


def test_other_errors_pass_unchanged() -> None:
    """What is not PostgreSQL's is not ours to name."""
    error = ValueError("theirs")
    assert translate_error(error, place=PLACE) is error


@pytest.mark.parametrize(
    ("error", "again", "lost"),
    [
        (errors.SerializationFailure(), True, False),
        (errors.DeadlockDetected(), True, False),
        (errors.AdminShutdown(), False, True),
        (errors.CrashShutdown(), False, True),
        (errors.CannotConnectNow(), False, True),
        (errors.TooManyConnections(), False, True),
        (errors.IdleInTransactionSessionTimeout(), False, True),
        (errors.ConnectionFailure(), False, True),
        (psycopg.OperationalError("gone"), False, True),
        (psycopg.InterfaceError("the connection is closed"), False, True),
        (PoolTimeout("none to be had"), False, True),
        (errors.UniqueViolation(), False, False),
        (errors.LockNotAvailable(), False, False),
        (ValueError("theirs"), False, False),
    ],
)
def test_what_is_run_again(error: Exception, *, again: bool, lost: bool) -> None:
    """Only what may go through the next time is run again."""
    assert (starts_again(error), is_connection_lost(error)) == (again, lost)
