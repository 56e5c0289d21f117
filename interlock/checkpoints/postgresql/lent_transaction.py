"""The open transaction, lent to a tool: its own tables, and nothing of ours."""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any, Final

import psycopg

from interlock.checkpoints.named_sql import load_migrations
from interlock.checkpoints.postgresql.driver_connection import Driver, run_script
from interlock.contracts.errors import StorageError

_FIRST_WORD: Final = re.compile(r"^(?:\s|--[^\n]*\n|/\*.*?\*/)*(\w+)", re.DOTALL)
_WORD: Final = re.compile(r"\w+")
_MADE: Final = re.compile(r"^CREATE (?:TABLE|FUNCTION) (\w+)", re.MULTILINE)
_REFUSED: Final = frozenset(
    {
        "abort",
        "begin",
        "checkpoint",
        "commit",
        "copy",  # it would leave the connection in the middle of a copy
        "discard",
        "end",
        "listen",
        "lock",
        "prepare",
        "release",
        "reset",
        "rollback",
        "savepoint",
        "set",
        "start",
        "unlisten",
        "vacuum",
    }
)
_CHANGES_TABLES: Final = frozenset({"alter", "cluster", "comment", "drop", "grant", "revoke"})
_NOT_THE_TOOLS: Final = "IL002"
"""What a trigger on each of our tables says while the transaction is lent."""


class LentTransaction:
    """Implements `contracts.effect_ledger.Transaction` on a connection."""

    def __init__(self, driver: Driver) -> None:
        """Lend a connection that is inside a transaction."""
        self._driver: Driver | None = driver

    def execute(self, statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run one SQL statement, with placeholders `$1`, and return its rows.

        One that fails leaves the transaction as it was before it, as on SQLite.

        Raises:
            StorageError: The statement is refused, or the transaction is over.
            psycopg.Error: What PostgreSQL says of the statement itself.
        """
        driver = self._driver
        if driver is None:
            raise StorageError(
                "The transaction is over: it is lent only while the tool's function runs. Do all "
                "writing inside it."
            )
        if _is_refused(statement):
            raise _refuse(statement)
        driver.execute("RELEASE SAVEPOINT one; SAVEPOINT one")
        try:
            # Results come as text: a type that the driver does not know, such as an enum, then is one.
            cursor = _OneStatement(driver).execute(statement.encode(), tuple(parameters))
            return cursor.fetchall() if cursor.description is not None else []
        except psycopg.Error as exc:
            with suppress(psycopg.Error):
                driver.execute("ROLLBACK TO SAVEPOINT one")
            if exc.sqlstate == _NOT_THE_TOOLS:
                raise _refuse(statement) from exc
            raise

    def end(self) -> None:
        """Refuse every further call."""
        self._driver = None


class _OneStatement(psycopg.RawCursor[tuple[Any, ...]]):
    """A cursor that hands every statement over as with parameters: PostgreSQL takes but one then."""

    def _execute_send(self, query: Any, **options: Any) -> None:  # noqa: ANN401 - the driver's own
        super()._execute_send(query, **{**options, "force_extended": True})


@contextmanager
def lend_transaction(
    driver: Driver,
    *,
    schema: str,
    ended_by: Callable[[Exception], bool],
) -> Iterator[LentTransaction]:
    """Lend an open transaction; what is written inside the block is kept only if nothing is raised.

    Unqualified names mean the user's own tables first, then ours.

    Args:
        driver: Inside a transaction.
        schema: Of interlock's own tables.
        ended_by: Says of an error whether the transaction is over with it.
    """
    run_script(
        driver,
        "SAVEPOINT lent; SET LOCAL search_path TO DEFAULT; "
        f"SELECT set_config('search_path', current_setting('search_path') || ', \"{schema}\"', true), "
        "set_config('interlock.lent', 'on', true); SAVEPOINT one",
    )
    lent = LentTransaction(driver)
    try:
        yield lent
        # What the user's constraints put off until COMMIT would fail there for others' writes too.
        run_script(driver, "SET CONSTRAINTS ALL IMMEDIATE")
    except BaseException as exc:
        lent.end()
        if not (isinstance(exc, Exception) and ended_by(exc)):
            driver.execute("ROLLBACK TO SAVEPOINT lent; RELEASE SAVEPOINT lent")
        raise
    lent.end()
    run_script(
        driver,
        f"SELECT set_config('interlock.lent', 'off', true); SET LOCAL search_path TO \"{schema}\"; "
        "RELEASE SAVEPOINT lent",
    )


@cache
def _list_own_tables() -> frozenset[str]:
    scripts = [migration.script for migration in load_migrations("postgresql")]
    return frozenset(name for script in scripts for name in _MADE.findall(script))


def _is_refused(statement: str) -> bool:
    """Return whether a statement is none of the tool's; writes to our tables a trigger refuses."""
    found = _FIRST_WORD.match(statement)
    word = "" if found is None else found[1].lower()
    if word in _CHANGES_TABLES:
        return not _list_own_tables().isdisjoint(_WORD.findall(statement.lower()))
    return word in _REFUSED


def _refuse(statement: str) -> StorageError:
    return StorageError(
        f"{statement.strip()[:80]!r} is refused inside a tool: interlock's own tables can be read and "
        "not written, and the transaction and its settings are not the tool's. Write to tables of "
        "your own."
    )
