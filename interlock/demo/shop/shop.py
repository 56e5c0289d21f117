"""The shop: its tools over one SQLite file. Called by the desk's workers, many threads at once.

A write is one transaction that begins with the write lock taken, so that the calls of
any number of threads and processes have the effect of some order of whole calls.
"""

import sqlite3
from collections.abc import Generator, Mapping
from contextlib import closing, contextmanager
from importlib.resources import files
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from interlock.contracts.errors import PermanentError, PlainValueError, StorageError
from interlock.contracts.plain import parse_plain
from interlock.demo.shop.connections import BUSY_SECONDS, Connections, open_database
from interlock.demo.shop.records import TABLE_NAMES, Record, Records, TableName
from interlock.demo.shop.refusal import RefusalError
from interlock.demo.shop.source_data import load_source_tables
from interlock.demo.shop.state_hash import derive_state_hash
from interlock.demo.shop.tools import TOOLS, ShopTool

REFUSAL_START: Final = "Error"
"""How the answer to a refused call starts; no other answer does."""


class Shop:
    """The tools of a retail shop over one database file.

    Safe to use from any number of threads, and from several processes on the same file.
    A context manager that closes its connections.
    """

    def __init__(self, path: Path | str, *, busy_seconds: float = BUSY_SECONDS) -> None:
        """Use a database that `create` or `copy_to` made.

        Args:
            path: The SQLite file.
            busy_seconds: How long a call waits for the lock of another one.

        Raises:
            StorageError: There is no such file, or it is not a shop's database.
        """
        self.path = Path(path)
        self._connections = Connections(self.path, busy_seconds=busy_seconds)
        self._check_file()

    def _check_file(self) -> None:
        try:
            with self._view() as records:
                for table in TABLE_NAMES:
                    records.has_any(table)
        except sqlite3.Error as exc:
            self._connections.close()
            raise StorageError(
                f"{self.path} cannot be used as a shop's database ({exc}). "
                "Make one with Shop.create(path, data=folder)."
            ) from exc

    @classmethod
    def create(cls, path: Path | str, *, data: Path) -> Self:
        """Make a new database file from a folder and return the shop over it.

        A failure leaves no file behind.

        Args:
            path: Where the file is made; nothing may be there yet.
            data: A folder with `orders.json`, `products.json` and `users.json`.

        Raises:
            InputFileError: A file of the folder is missing or holds something else.
            StorageError: The path is taken, or cannot be written.
        """
        target = Path(path)
        tables = load_source_tables(data)
        _claim_file(target)
        try:
            with closing(open_database(target)) as connection:
                _fill(connection, tables)
        except (sqlite3.Error, ValueError) as exc:
            target.unlink(missing_ok=True)
            raise StorageError(f"{target} cannot be written ({exc}). Use another path.") from exc
        return cls(target)

    def copy_to(self, path: Path | str) -> Self:
        """Make another file hold this shop's present state, and return the shop over it.

        Whatever the file held is replaced in one transaction, so this also resets a shop
        from a template. Takes milliseconds a megabyte.

        Raises:
            StorageError: The path cannot be written.
        """
        target = Path(path)
        try:
            target.touch()
            with self._connections.lend() as source, closing(open_database(target)) as copy:
                source.backup(copy)
        except (OSError, sqlite3.Error) as exc:
            raise StorageError(f"{target} cannot be written ({exc}). Use another path.") from exc
        return type(self)(target)

    def call(self, name: str, arguments: Mapping[str, Any], *, key: str | None = None) -> str:
        """Run one tool and return its answer: JSON of a record, a value, or a refusal.

        A refusal starts with `Error` and leaves everything as it was. A write is on the disk
        when this returns. Blocks while another write is under way.

        Args:
            name: One of `TOOLS`.
            arguments: By name; frozen ones are fine, and none is kept or changed.
            key: Under which a write that is not refused leaves a receipt; the shop does not look
                whether there is one already.

        Raises:
            StorageBusyError: The database stayed locked for too long.
        """
        try:
            tool = _require_tool(name)
            given = _copy_arguments(arguments)
            tool.check_arguments(given)
            with self._begin() if tool.effect == "write" else self._view() as records:
                answer = tool.function(records, **given)
                if tool.effect == "write" and key is not None:
                    records.leave_receipt(key, answer)
                return answer
        except RefusalError as refusal:
            return f"{REFUSAL_START}: {refusal}"

    def find_answer(self, key: str) -> str | None:
        """Return what a write under a key answered; None if no write under it was made."""
        with self._view() as records:
            return records.find_receipt(key)

    def count_receipts(self) -> dict[str, int]:
        """Return how many writes were made under each key."""
        with self._view() as records:
            return records.count_receipts()

    def load_record(self, table: TableName, key: str) -> Record:
        """Return a fresh copy of a record.

        Raises:
            PermanentError: There is no such record.
        """
        with self._view() as records:
            try:
                return records.load(table, key)
            except RefusalError as exc:
                raise PermanentError(
                    f"Table {table} of {self.path} has no record {key!r}."
                ) from exc

    def load_tables(self) -> dict[TableName, dict[str, str]]:
        """Return the JSON text of every record by table and id, as of one instant."""
        with self._connections.lend() as connection:
            connection.execute("BEGIN")
            try:
                records = Records(connection)
                return {table: dict(records.load_documents(table)) for table in TABLE_NAMES}
            finally:
                connection.execute("ROLLBACK")

    def derive_hash(self) -> str:
        """Return the hash of the present state, as 64 hex digits, by the benchmark's definition."""
        return derive_state_hash(
            {table: documents.items() for table, documents in self.load_tables().items()}
        )

    @contextmanager
    def _view(self) -> Generator[Records]:
        with self._connections.lend() as connection:
            yield Records(connection)

    @contextmanager
    def _begin(self) -> Generator[Records]:
        with self._connections.begin() as connection:
            yield Records(connection)

    def close(self) -> None:
        """Close the connections that are idle; safe to repeat."""
        self._connections.close()

    def __enter__(self) -> Self:
        """Return the shop."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connections."""
        self.close()


def _require_tool(name: str) -> ShopTool:
    if name not in TOOLS:
        raise RefusalError(f"unknown tool {name!r}; known are {', '.join(TOOLS)}")
    return TOOLS[name]


def _copy_arguments(arguments: Mapping[str, Any]) -> dict[str, Any]:
    try:
        copied: dict[str, Any] = parse_plain(arguments)
    except PlainValueError as exc:
        raise RefusalError(f"invalid arguments: {exc}") from exc
    return copied


def _claim_file(path: Path) -> None:
    try:
        path.open("xb").close()
    except FileExistsError as exc:
        raise StorageError(
            f"{path} exists already and was left as it is. Open it with Shop(path), "
            "delete it, or use another path."
        ) from exc
    except OSError as exc:
        raise StorageError(f"{path} cannot be written ({exc}). Use another path.") from exc


def _fill(connection: sqlite3.Connection, tables: Mapping[TableName, Mapping[str, Record]]) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    schema = files("interlock.demo.shop").joinpath("schema.sql").read_text(encoding="utf-8")
    connection.execute("BEGIN IMMEDIATE")
    for statement in schema.split(";"):
        connection.execute(statement)
    records = Records(connection)
    for table, rows in tables.items():
        for key, record in rows.items():
            records.save(table, key, record=record)
    connection.execute("COMMIT")
