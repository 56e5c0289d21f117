"""The shop's database file: made once, copied, shared by many threads."""

import hashlib
import json
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from interlock.contracts.errors import StorageBusyError, StorageError
from interlock.contracts.plain import freeze
from interlock.demo.input_file import InputFileError
from interlock.demo.packaged_data import DATA_FOLDER
from interlock.demo.shop import Shop
from interlock.demo.shop.state_hash import derive_state_hash
from interlock.demo.tickets import TicketFile

CANCEL = {"order_id": "#W8665881", "reason": "no longer needed"}


def test_packaged_data_has_its_recorded_hash(template: Shop, packaged: TicketFile) -> None:
    """The initial state is the one that the expected hashes were derived from."""
    assert template.derive_hash() == packaged.initial_db_sha256


@pytest.mark.parametrize("value", [{}, {"b": 1, "a": [1.5, "x"]}, {"one": [True]}, {"e": [{}, []]}])
def test_the_hash_is_that_of_the_printed_tuples(value: dict) -> None:
    """A state put together from parts hashes as the definition says, 1-tuples included."""

    def h(part: object) -> object:
        if isinstance(part, dict):
            return tuple((key, h(item)) for key, item in sorted(part.items()))
        return tuple(map(h, part)) if isinstance(part, list) else part

    tables = {"orders": {"#1": value}, "users": {"u": value, "a": value}, "products": {}}
    rows = {
        name: [(key, json.dumps(row)) for key, row in table.items()]
        for name, table in tables.items()
    }
    assert derive_state_hash(rows) == hashlib.sha256(str(h(tables)).encode()).hexdigest()


def test_an_existing_file_is_never_overwritten_by_create(tmp_path: Path) -> None:
    """Making a shop where something lies is refused, and what lies there stays."""
    path = tmp_path / "shop.db"
    path.write_text("mine")
    with pytest.raises(StorageError, match="exists already"):
        Shop.create(path, data=DATA_FOLDER)
    assert path.read_text() == "mine"


@pytest.mark.parametrize("content", [None, b"", b"not a database at all, but long enough" * 9])
def test_a_file_that_is_no_shop_is_refused(tmp_path: Path, content: bytes | None) -> None:
    """A missing, empty or foreign file gives an error that says how to make a shop."""
    path = tmp_path / "shop.db"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(StorageError, match=r"Make one with Shop\.create"):
        Shop(path)
    assert path.exists() == (content is not None)


@pytest.mark.parametrize(
    ("content", "seen"),
    [
        (None, "no such file"),
        (b"{", "not JSON"),
        (b"\xff", "not JSON in UTF-8"),
        (b"[]", "holds a list"),
        (b'{"u": 1}', "record 'u' is 1"),
        (b'{"u": {"name": {}}}', "lacks address, email"),
        (b'{"u": NaN}', "NaN is no JSON number"),
    ],
)
def test_a_bad_folder_is_named_and_leaves_no_file(
    tmp_path: Path, content: bytes | None, seen: str
) -> None:
    """The error names the file and what was seen; no database is left behind."""
    for name in ("orders", "products"):
        (tmp_path / f"{name}.json").write_text("{}")
    if content is not None:
        (tmp_path / "users.json").write_bytes(content)
    with pytest.raises(InputFileError, match=seen) as caught:
        Shop.create(tmp_path / "shop.db", data=tmp_path)
    assert caught.value.path.endswith("users.json")
    assert not (tmp_path / "shop.db").exists()


def test_a_copy_resets_a_changed_shop(template: Shop, shop: Shop) -> None:
    """Copying a template over a shop's file gives that shop the template's state."""
    shop.call("cancel_pending_order", CANCEL)
    assert shop.derive_hash() != template.derive_hash()
    with template.copy_to(shop.path):
        assert shop.derive_hash() == template.derive_hash()


def test_a_locked_database_is_a_transient_error(shop: Shop) -> None:
    """A write that never gets the lock fails as busy, and works once the lock is gone."""
    with (
        closing(sqlite3.connect(shop.path, isolation_level=None)) as other,
        Shop(shop.path, busy_seconds=0.01) as hasty,
    ):
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageBusyError, match="was locked"):
            hasty.call("cancel_pending_order", CANCEL)
        assert not hasty.call("get_order_details", {"order_id": "#W8665881"}).startswith("Error")
        other.execute("ROLLBACK")
        assert not hasty.call("cancel_pending_order", CANCEL).startswith("Error")


def test_one_of_many_equal_calls_succeeds(shop: Shop) -> None:
    """Of twelve cancellations at once, eleven are refused and the refund is made once."""
    with ThreadPoolExecutor(12) as pool:
        answers = list(
            pool.map(lambda _: shop.call("cancel_pending_order", freeze(CANCEL)), range(12))
        )
    assert sum(answer.startswith("Error") for answer in answers) == 11
    assert len(shop.load_record("orders", CANCEL["order_id"])["payment_history"]) == 2


def test_arguments_are_copied(shop: Shop) -> None:
    """Arguments may be frozen, and a later change of them does not reach the shop."""
    order = next(
        order
        for order in map(json.loads, shop.load_tables()["orders"].values())
        if order["status"] == "delivered"
    )
    arguments = {
        "order_id": order["order_id"],
        "item_ids": [order["items"][0]["item_id"]],
        "payment_method_id": order["payment_history"][0]["payment_method_id"],
    }
    assert not shop.call("return_delivered_order_items", freeze(arguments)).startswith("Error")
    before = shop.derive_hash()
    arguments["item_ids"].append("x")
    assert shop.derive_hash() == before
