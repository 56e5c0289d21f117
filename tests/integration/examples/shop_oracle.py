"""A shop in a dictionary, written from the published tool semantics: what the real one must do.

It shares no code with the package. A call answers with the record that is returned, or with None
if it is refused.
"""

import copy
import hashlib
from typing import Any

Record = dict[str, Any]
Tables = dict[str, dict[str, Record]]
ADDRESS = ("address1", "address2", "city", "state", "country", "zip")
REASONS = {"no longer needed", "ordered by mistake"}


def canonicalise(value: Any) -> Any:
    """Return the canonical form that a state is hashed in."""
    if isinstance(value, dict):
        return tuple((key, canonicalise(value[key])) for key in sorted(value))
    if isinstance(value, list):
        return tuple(canonicalise(item) for item in value)
    return value


class ShopOracle:
    """The three tables and the seven tools that change them."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._canonical = {
            table: {key: canonicalise(record) for key, record in rows.items()}
            for table, rows in tables.items()
        }
        self._touched: dict[tuple[str, str], Record] = {}

    def reset(self) -> None:
        """Go back to the initial state."""
        self._touched.clear()

    def find(self, table: str, key: str) -> Record | None:
        """Return a record, to be changed in place."""
        if (table, key) not in self._touched:
            if key not in self._tables[table]:
                return None
            self._touched[table, key] = copy.deepcopy(self._tables[table][key])
        return self._touched[table, key]

    def derive_hash(self) -> str:
        """Return the state's hash by its published definition."""
        state = {table: dict(rows) for table, rows in self._canonical.items()}
        for (table, key), record in self._touched.items():
            state[table][key] = canonicalise(record)
        # What is canonical already is a tuple, which stays as it is.
        return hashlib.sha256(str(canonicalise(state)).encode()).hexdigest()

    def call(self, name: str, given: Record) -> Record | None:
        """Return the changed record, or None if the call is refused."""
        if not all(self._is_text(value) for value in given.values()):
            return None
        table = "users" if "user" in name else "orders"
        record = self.find(table, given["user_id" if table == "users" else "order_id"])
        if record is None or not getattr(self, name)(record, given):
            return None
        return record

    @staticmethod
    def _is_text(value: Any) -> bool:
        texts = value if isinstance(value, list) else [value]
        return all(isinstance(text, str) for text in texts)

    def _find_method(self, order: Record, method_id: str) -> Record | None:
        user = self.find("users", order["user_id"])
        assert user is not None
        method: Record | None = user["payment_methods"].get(method_id)
        return method

    def _pay(self, order: Record, method_id: str, amount: float) -> None:
        method = self._find_method(order, method_id)
        if method is not None and method["source"] == "gift_card":
            method["balance"] = round(method["balance"] - amount, 2)

    @staticmethod
    def _lacks_cover(method: Record, amount: float) -> bool:
        return method["source"] == "gift_card" and method["balance"] < amount

    def cancel_pending_order(self, order: Record, given: Record) -> bool:
        """Refund what was paid."""
        if order["status"] != "pending" or given["reason"] not in REASONS:
            return False
        for paid in list(order["payment_history"]):
            order["payment_history"].append({**paid, "transaction_type": "refund"})
            self._pay(order, paid["payment_method_id"], -paid["amount"])
        order.update(status="cancelled", cancel_reason=given["reason"])
        return True

    def modify_pending_order_address(self, order: Record, given: Record) -> bool:
        """Replace the shipping address."""
        if order["status"] != "pending":
            return False
        order["address"] = {name: given[name] for name in ADDRESS}
        return True

    def modify_user_address(self, user: Record, given: Record) -> bool:
        """Replace the default address."""
        user["address"] = {name: given[name] for name in ADDRESS}
        return True

    def modify_pending_order_payment(self, order: Record, given: Record) -> bool:
        """Move the one payment to another method."""
        history, method_id = order["payment_history"], given["payment_method_id"]
        method = self._find_method(order, method_id)
        if order["status"] != "pending" or method is None or len(history) != 1:
            return False
        (paid,) = history
        if paid["payment_method_id"] == method_id or self._lacks_cover(method, paid["amount"]):
            return False
        history.append({**paid, "payment_method_id": method_id})
        history.append({**paid, "transaction_type": "refund"})
        self._pay(order, method_id, paid["amount"])
        self._pay(order, paid["payment_method_id"], -paid["amount"])
        return True

    def _find_swaps(self, order: Record, given: Record) -> list[tuple[Record, Record]] | None:
        """Return each item with its new variant, or None if one of the guards refuses."""
        left, swaps = list(order["items"]), []
        if len(given["item_ids"]) != len(given["new_item_ids"]):
            return None
        for item_id, new_id in zip(given["item_ids"], given["new_item_ids"], strict=True):
            item = next((item for item in left if item["item_id"] == item_id), None)
            if item is None:
                return None
            left.remove(item)
            variant = self._tables["products"][item["product_id"]]["variants"].get(new_id)
            if variant is None or not variant["available"]:
                return None
            swaps.append((item, variant))
        return swaps

    def _find_deal(
        self, order: Record, given: Record, *, in_cents: bool
    ) -> tuple[list[tuple[Record, Record]], float] | None:
        """Return the swaps and what they cost, or None if the method is not good for it."""
        swaps = self._find_swaps(order, given)
        method = self._find_method(order, given["payment_method_id"])
        if swaps is None or method is None:
            return None
        cost = sum(variant["price"] - item["price"] for item, variant in swaps)
        cost = round(cost, 2) if in_cents else cost
        return None if self._lacks_cover(method, cost) else (swaps, cost)

    def modify_pending_order_items(self, order: Record, given: Record) -> bool:
        """Replace items and pay or refund the difference."""
        deal = self._find_deal(order, given, in_cents=False)
        if order["status"] != "pending" or deal is None:
            return False
        swaps, cost = deal
        order["payment_history"].append(
            {
                "transaction_type": "payment" if cost > 0 else "refund",
                "amount": abs(cost),
                "payment_method_id": given["payment_method_id"],
            }
        )
        self._pay(order, given["payment_method_id"], cost)
        for item, variant in swaps:
            item.update({name: variant[name] for name in ("item_id", "price", "options")})
        order["status"] = "pending (item modified)"
        return True

    def exchange_delivered_order_items(self, order: Record, given: Record) -> bool:
        """Ask for an exchange; nothing is paid yet."""
        deal = self._find_deal(order, given, in_cents=True)
        if order["status"] != "delivered" or deal is None:
            return False
        order.update(
            status="exchange requested",
            exchange_items=sorted(given["item_ids"]),
            exchange_new_items=sorted(given["new_item_ids"]),
            exchange_payment_method_id=given["payment_method_id"],
            exchange_price_difference=deal[1],
        )
        return True

    def return_delivered_order_items(self, order: Record, given: Record) -> bool:
        """Ask for a return, paid back to the first payment's method or a gift card."""
        method = self._find_method(order, given["payment_method_id"])
        if order["status"] != "delivered" or method is None:
            return False
        is_original = order["payment_history"][0]["payment_method_id"] == given["payment_method_id"]
        held = [item["item_id"] for item in order["items"]]
        wanted = given["item_ids"]
        if any(wanted.count(item_id) > held.count(item_id) for item_id in wanted):
            return False
        if not is_original and method["source"] != "gift_card":
            return False
        order.update(
            status="return requested",
            return_items=sorted(wanted),
            return_payment_method_id=given["payment_method_id"],
        )
        return True
