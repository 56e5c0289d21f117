"""The records of one transaction, as the tools see them.

Called by the tools and by the shop. Knows the tables, and nothing of locks, files or what a tool
means.
"""

import json
import sqlite3
from typing import Any, Final, Literal, TypeAlias

from interlock.demo.shop.refusal import RefusalError

TableName: TypeAlias = Literal["orders", "products", "users"]
Record: TypeAlias = dict[str, Any]
"""A JSON object in the key order of its source; `Any` because JSON nests."""

TABLE_NAMES: Final[tuple[TableName, ...]] = ("orders", "products", "users")

_SELECT_DOCUMENT: Final = {
    "orders": "SELECT document FROM orders WHERE id = ?",
    "products": "SELECT document FROM products WHERE id = ?",
    "users": "SELECT document FROM users WHERE id = ?",
}
_SELECT_ALL: Final = {
    "orders": "SELECT id, document FROM orders ORDER BY id",
    "products": "SELECT id, document FROM products ORDER BY id",
    "users": "SELECT id, document FROM users ORDER BY id",
}
_UPSERT: Final = {
    "orders": "INSERT INTO orders (id, document) VALUES (?, ?) "
    "ON CONFLICT (id) DO UPDATE SET document = excluded.document",
    "products": "INSERT INTO products (id, document) VALUES (?, ?) "
    "ON CONFLICT (id) DO UPDATE SET document = excluded.document",
    "users": "INSERT INTO users (id, document) VALUES (?, ?) "
    "ON CONFLICT (id) DO UPDATE SET document = excluded.document",
}
_NOUNS: Final = {"orders": "order", "products": "product", "users": "user"}


class Records:
    """Reads and writes whole records inside the transaction its connection is in."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Work on this connection, whose transaction someone else begins and ends."""
        self._connection = connection

    def load_document(self, table: TableName, key: str) -> str:
        """Return a record as the exact JSON text that a read answers.

        Raises:
            RefusalError: There is no such record.
        """
        row = self._connection.execute(_SELECT_DOCUMENT[table], (key,)).fetchone()
        if row is None:
            raise RefusalError(f"{_NOUNS[table]} not found")
        return str(row[0])

    def load(self, table: TableName, key: str) -> Record:
        """Return a fresh copy of a record.

        Raises:
            RefusalError: There is no such record.
        """
        record: Record = json.loads(self.load_document(table, key))
        return record

    def load_documents(self, table: TableName) -> list[tuple[str, str]]:
        """Return all ids of a table with their JSON texts, sorted by id."""
        rows = self._connection.execute(_SELECT_ALL[table]).fetchall()
        return [(str(key), str(document)) for key, document in rows]

    def has_any(self, table: TableName) -> bool:
        """Ask whether a table, which must exist, has records."""
        return self._connection.execute(_SELECT_ALL[table]).fetchone() is not None

    def save(self, table: TableName, key: str, *, record: Record) -> str:
        """Store a record under its id, new or not, and return its JSON text."""
        document = json.dumps(record)
        self._connection.execute(_UPSERT[table], (key, document))
        return document

    def find_user_by_email(self, email: str) -> str | None:
        """Return the id of the user with this address, whatever its case."""
        return self._find(
            "SELECT id FROM users WHERE fold_case(json_extract(document, '$.email')) = "
            "fold_case(?) ORDER BY rowid LIMIT 1",
            email,
        )

    def find_user_by_name(self, first_name: str, last_name: str, *, zip_code: str) -> str | None:
        """Return the id of the user with this name, whatever its case, and exactly this zip."""
        return self._find(
            "SELECT id FROM users WHERE json_extract(document, '$.address.zip') = ? "
            "AND fold_case(json_extract(document, '$.name.last_name')) = fold_case(?) "
            "AND fold_case(json_extract(document, '$.name.first_name')) = fold_case(?) "
            "ORDER BY rowid LIMIT 1",
            zip_code,
            last_name,
            first_name,
        )

    def leave_receipt(self, key: str, answer: str) -> None:
        """Note what a write under a key has answered."""
        self._connection.execute("INSERT INTO receipts (key, answer) VALUES (?, ?)", (key, answer))

    def find_receipt(self, key: str) -> str | None:
        """Return what the first write under a key has answered, if there was one."""
        return self._find("SELECT answer FROM receipts WHERE key = ? ORDER BY seq LIMIT 1", key)

    def count_receipts(self) -> dict[str, int]:
        """Return how many writes were made under each key."""
        rows = self._connection.execute("SELECT key, count(*) FROM receipts GROUP BY key")
        return {str(key): int(count) for key, count in rows}

    def _find(self, query: str, *values: str) -> str | None:
        row = self._connection.execute(query, values).fetchone()
        return None if row is None else str(row[0])
