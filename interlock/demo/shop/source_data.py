"""The folder that a shop is first filled from: `orders.json`, `products.json`, `users.json`.

Each file is one object of record id to record. Called by `Shop.create` only.
"""

from pathlib import Path
from typing import Any, Final, cast

from interlock.demo.input_file import InputFileError, load_json_file
from interlock.demo.shop.records import TABLE_NAMES, Record, TableName

_REQUIRED_KEYS: Final[dict[TableName, frozenset[str]]] = {
    "orders": frozenset({"order_id", "user_id", "items", "status", "payment_history"}),
    "products": frozenset({"name", "product_id", "variants"}),
    "users": frozenset({"name", "address", "email", "payment_methods", "orders"}),
}
_REMEDY: Final = (
    "Name a folder with orders.json, products.json and users.json, each an object of id to record."
)


def load_source_tables(folder: Path) -> dict[TableName, dict[str, Record]]:
    """Return the records of a folder by table and id, in file order.

    Raises:
        InputFileError: A file is missing or holds something else.
    """
    return {name: _load_table(folder / f"{name}.json", name) for name in TABLE_NAMES}


def _load_table(path: Path, name: TableName) -> dict[str, Record]:
    table = load_json_file(path, remedy=_REMEDY)
    if not isinstance(table, dict):
        seen = f"it holds a {type(table).__name__} and not an object"
        raise InputFileError(path=str(path), seen=seen, remedy=_REMEDY)
    records = cast("dict[str, Any]", table)
    for key, record in records.items():
        _check_record(path, name, key=key, record=record)
    return records


def _check_record(path: Path, name: TableName, *, key: str, record: Any) -> None:  # noqa: ANN401
    if not isinstance(record, dict):
        seen = f"the record {key!r} is {record!r}"[:120]
        raise InputFileError(path=str(path), seen=seen, remedy=_REMEDY)
    missing = sorted(_REQUIRED_KEYS[name] - record.keys())
    if missing:
        seen = f"the record {key!r} lacks {', '.join(missing)}"
        raise InputFileError(path=str(path), seen=seen, remedy=_REMEDY)
