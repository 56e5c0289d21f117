"""Data folders for the shop: the benchmark's, and one with other records."""

import copy
import json
from pathlib import Path

from tests.integration.examples.example_calls import DATA, load_json
from tests.integration.examples.shop_oracle import Tables


def make_other_data(tables: Tables) -> Tables:
    """Return fewer orders, whole prices, other payment methods and names outside ASCII."""
    other = copy.deepcopy(tables)
    for number, order_id in enumerate(tables["orders"]):
        if number % 3 == 0:
            del other["orders"][order_id]
        elif number % 3 == 1:
            for item in other["orders"][order_id]["items"]:
                item["price"] = round(item["price"])
        elif number % 5 == 0:
            other["orders"][order_id]["items"] += tables["orders"][order_id]["items"]
    for product in other["products"].values():
        for variant in list(product["variants"].values())[::2]:
            variant["price"] = round(variant["price"])
    for number, user in enumerate(other["users"].values()):
        if number % 3 == 0:
            user["payment_methods"].popitem()
        elif number % 3 == 1:
            card = {"source": "gift_card", "balance": 1000 + number / 100, "id": "gift_card_x"}
            user["payment_methods"]["gift_card_x"] = card
        user["name"]["last_name"] = f"Ünal{number}"
    return other


def load_tables() -> Tables:
    """Return the benchmark's tables."""
    return {name: load_json(DATA / f"{name}.json") for name in ("orders", "products", "users")}


def write_data(folder: Path, tables: Tables) -> Path:
    """Write tables as a data folder."""
    folder.mkdir()
    for name, rows in tables.items():
        (folder / f"{name}.json").write_text(json.dumps(rows), encoding="utf-8")
    return folder
