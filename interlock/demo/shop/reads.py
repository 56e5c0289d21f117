"""The tools that look things up and change nothing. Called through `tools`."""

import json

from interlock.demo.shop.arithmetic import calculate_amount
from interlock.demo.shop.records import Records
from interlock.demo.shop.refusal import RefusalError


def find_user_id_by_email(records: Records, *, email: str) -> str:
    """Return the id of the user with this email address."""
    return _require_user(records.find_user_by_email(email))


def find_user_id_by_name_zip(
    records: Records,
    *,
    first_name: str,
    last_name: str,
    zip: str,  # noqa: A002 - the argument's published name
) -> str:
    """Return the id of the user with this name and zip code."""
    return _require_user(records.find_user_by_name(first_name, last_name, zip_code=zip))


def _require_user(user_id: str | None) -> str:
    if user_id is None:
        raise RefusalError("user not found")
    return user_id


def get_user_details(records: Records, *, user_id: str) -> str:
    """Return a user as JSON, orders included."""
    return records.load_document("users", user_id)


def get_order_details(records: Records, *, order_id: str) -> str:
    """Return an order as JSON."""
    return records.load_document("orders", order_id)


def get_product_details(records: Records, *, product_id: str) -> str:
    """Return a product as JSON, with all its variants."""
    return records.load_document("products", product_id)


def list_all_product_types(records: Records) -> str:
    """Return JSON of product name to product id, sorted by name."""
    products = [json.loads(document) for _, document in records.load_documents("products")]
    ids = {product["name"]: product["product_id"] for product in products}
    return json.dumps(dict(sorted(ids.items())))


def calculate(_records: Records, *, expression: str) -> str:
    """Return the value of an arithmetic expression, rounded to 2 places."""
    return calculate_amount(expression)


def think(_records: Records, *, thought: str) -> str:  # noqa: ARG001 - published name
    """Return nothing: a thought has no effect in the shop."""
    return ""


def transfer_to_human_agents(_records: Records, *, summary: str) -> str:  # noqa: ARG001
    """Say that a person takes over; the shop's records stay as they are."""
    return "Transfer successful"
