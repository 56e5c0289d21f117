"""The retail shop in the storage's own database: a write commits together with its record.

The shop's tools are the demonstration's; only where their records lie is another. Its tables are the
user's own, lent transactions reach them.
"""

import json
import re
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any, Final

import interlock as il
from interlock.demo.desk import parse_answer, write_report
from interlock.demo.shop import REFUSAL_START, TOOLS
from interlock.demo.shop.records import TABLE_NAMES, Records
from interlock.demo.shop.refusal import RefusalError
from interlock.demo.shop.state_hash import derive_state_hash
from interlock.demo.ticket_planner import CLERK, ORDERS, RECORDS

_PLACEHOLDER: Final = re.compile(r"\?")


class Rows:
    """What a statement has returned, as a driver's cursor gives it."""

    def __init__(self, rows: list[tuple[Any, ...]]) -> None:
        """Hold rows."""
        self._rows = rows

    def fetchone(self) -> tuple[Any, ...] | None:
        """Return the first row, or None."""
        return self._rows[0] if self._rows else None

    def fetchall(self) -> list[tuple[Any, ...]]:
        """Return all rows."""
        return self._rows


class LentRows:
    """A lent transaction in the place of the connection that the shop's records are written for."""

    def __init__(self, transaction: il.Transaction, *, is_numbered: bool) -> None:
        """Use a transaction.

        Args:
            transaction: Of the storage.
            is_numbered: Whether its placeholders are `$1`, not `?`.
        """
        self._transaction = transaction
        self._is_numbered = is_numbered

    def execute(self, statement: str, parameters: Sequence[Any] = ()) -> Rows:
        """Run a statement that is written with `?`."""
        if self._is_numbered:
            numbers = count(1)
            statement = _PLACEHOLDER.sub(lambda _: f"${next(numbers)}", statement)
        return Rows(self._transaction.execute(statement, parameters))


class StoredRecords(Records):
    """The records, looked through without what only SQLite can do."""

    def find_user_by_email(self, email: str) -> str | None:
        """Return the id of the user with this address, whatever its case."""
        return self._search(lambda user: user["email"].lower() == email.lower())

    def find_user_by_name(self, first_name: str, last_name: str, *, zip_code: str) -> str | None:
        """Return the id of the user with this name, whatever its case, and exactly this zip."""
        wanted = (first_name.lower(), last_name.lower(), zip_code)
        return self._search(
            lambda user: (
                (
                    user["name"]["first_name"].lower(),
                    user["name"]["last_name"].lower(),
                    user["address"]["zip"],
                )
                == wanted
            )
        )

    def _search(self, is_wanted: Any) -> str | None:
        found = (key for key, text in self.load_documents("users") if is_wanted(json.loads(text)))
        return next(found, None)


class StoredShop:
    """The shop's tools on a storage."""

    def __init__(self, storage: il.Storage) -> None:
        """Use an open storage."""
        self._storage = storage
        self._is_numbered = storage.url.startswith("postgresql")

    async def create(self, data: Path) -> None:
        """Make the tables and fill them from the benchmark's files."""
        tables = {name: json.loads((data / f"{name}.json").read_text()) for name in TABLE_NAMES}

        def fill(transaction: il.Transaction) -> None:
            for table in TABLE_NAMES:
                transaction.execute(
                    f"CREATE TABLE {table} (id TEXT PRIMARY KEY, document TEXT NOT NULL)"
                )
                records = self._read(transaction)
                for key, record in tables[table].items():
                    records.save(table, key, record=record)

        await self._storage.transact(fill)

    async def derive_hash(self) -> str:
        """Return the benchmark's hash of the state."""

        def load(transaction: il.Transaction) -> Mapping[str, list[tuple[str, str]]]:
            records = self._read(transaction)
            return {table: records.load_documents(table) for table in TABLE_NAMES}

        return derive_state_hash(await self._storage.transact(load))

    def build_workers(self) -> list[il.Worker]:
        """Return the demonstration's workers, with this shop's reads and writes."""
        writes = {
            name: self._build_write(name) for name, tool in TOOLS.items() if tool.effect == "write"
        }

        async def look_up(brief: il.Brief) -> Any:
            tool, arguments = brief.inputs["tool"], brief.dump()["inputs"]["arguments"]
            return parse_answer(
                tool,
                await self._storage.transact(lambda tx: self._call(tx, tool, arguments)),
            )

        def change(brief: il.Brief) -> Any:
            tool, arguments = brief.inputs["tool"], brief.dump()["inputs"]["arguments"]
            return parse_answer(tool, writes[tool](**arguments))

        return [
            il.Worker(name=RECORDS, agent=look_up),
            il.Worker(name=ORDERS, agent=change, tools=tuple(writes.values())),
            il.Worker(name=CLERK, agent=write_report),
        ]

    def _build_write(self, name: str) -> Any:
        @il.idempotent(name=name)
        def write(*, tx: il.Transaction, **arguments: object) -> str:
            return self._call(tx, name, arguments)

        return write

    def _call(self, transaction: il.Transaction, name: str, arguments: Mapping[str, object]) -> str:
        try:
            TOOLS[name].check_arguments(arguments)
            return TOOLS[name].function(self._read(transaction), **arguments)
        except RefusalError as refusal:
            return f"{REFUSAL_START}: {refusal}"

    def _read(self, transaction: il.Transaction) -> StoredRecords:
        rows: Any = LentRows(transaction, is_numbered=self._is_numbered)
        return StoredRecords(rows)
