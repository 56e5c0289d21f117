"""Tickets drawn at random over a shop's data: right calls, refused ones, and ones that make no sense.

Two things that the published semantics leave open are not drawn: cancelling an order whose payment
was moved, and replacing an item by one that the same call replaces too.
"""

import random
from typing import Any

from tests.integration.examples.shop_oracle import REASONS, ShopOracle

Tables = dict[str, dict[str, Any]]
Action = dict[str, Any]

CITIES = ("Zürich", "São Paulo", "北京", "Aust\u0000in", "")
THOUGHTS = ("hm", "😀 \u202e", "")
SUMS = ("(3131.1 + 4777.75) * 2", "1 / 3", "1 / 0", "2 ** 8", "__import__('os')")


class TicketDraw:
    """Draws calls about one customer of a shop after the other."""

    def __init__(self, tables: Tables, seed: int) -> None:
        self._tables = tables
        self._draw = random.Random(seed)
        self._oracle = ShopOracle(tables)
        self._moved: set[str] = set()

    def draw_tickets(self, count: int) -> list[dict[str, Any]]:
        """Return tickets with the hash that the oracle ends in; each begins on the same shop."""
        return [self._draw_ticket(f"drawn/{number} ü") for number in range(count)]

    def _draw_ticket(self, ticket_id: str) -> dict[str, Any]:
        self._oracle.reset()
        user_id = self._draw.choice([key for key, user in self._users.items() if user["orders"]])
        actions = self.draw_actions(user_id, self._draw.randrange(9))
        for action in actions:
            if hasattr(self._oracle, action["name"]):
                self._oracle.call(action["name"], action["kwargs"])
        return {
            "id": ticket_id,
            "user_id": user_id,
            "instruction": "Do as recorded.",
            "actions": actions,
            "final_db_sha256": self._oracle.derive_hash(),
        }

    def draw_actions(self, user_id: str, count: int) -> list[Action]:
        """Return calls about one customer; some come twice in a row."""
        self._moved.clear()
        actions: list[Action] = []
        while len(actions) < count:
            action = self._draw_action(user_id)
            actions += [action] * self._draw.choice((1, 1, 1, 2))
        return actions[:count]

    @property
    def _users(self) -> dict[str, Any]:
        return self._tables["users"]

    def _draw_action(self, user_id: str) -> Action:
        order_id = self._draw.choice(self._users[user_id]["orders"])
        order = self._tables["orders"].get(order_id)
        if order is None or self._draw.random() < 0.3:
            return self._draw_read(user_id, order_id)
        draws = [self._draw_address, self._draw_user_address]
        if order["status"] == "delivered":
            draws = [self._draw_exchange, self._draw_return, *draws]
        else:
            draws = [self._draw_cancel, self._draw_change, self._draw_payment, *draws]
        action = self._draw.choice(draws)(order)
        if self._draw.random() < 0.05:  # an id that is no text
            name = self._draw.choice(sorted(action["kwargs"]))
            action["kwargs"] = {**action["kwargs"], name: 17.5}
        return action

    def _draw_read(self, user_id: str, order_id: str) -> Action:
        user, zip_code = self._users[user_id], self._users[user_id]["address"]["zip"]
        name = {"first_name": user["name"]["first_name"], "last_name": user["name"]["last_name"]}
        product_id = self._draw.choice([*self._tables["products"], "0"])
        calls: dict[str, dict[str, Any]] = {
            "get_user_details": {"user_id": self._draw.choice((user_id, "nobody", 3.5))},
            "get_order_details": {"order_id": self._draw.choice((order_id, "#W0"))},
            "get_product_details": {"product_id": product_id},
            "find_user_id_by_email": {"email": user["email"].upper()},
            "find_user_id_by_name_zip": {**name, "zip": self._draw.choice((zip_code, "0"))},
            "list_all_product_types": {},
            "calculate": {"expression": self._draw.choice(SUMS)},
            "think": {"thought": self._draw.choice(THOUGHTS)},
            "transfer_to_human_agents": {"summary": "Zu schwierig für mich"},
        }
        tool = self._draw.choice(sorted(calls))
        return {"name": tool, "kwargs": calls[tool]}

    def _draw_method(self, order: dict[str, Any]) -> str:
        owned = list(self._users[order["user_id"]]["payment_methods"])
        first = order["payment_history"][0]["payment_method_id"]
        return self._draw.choice([*owned, *owned, first, "paypal_0"])

    def _draw_swaps(self, order: dict[str, Any]) -> dict[str, Any]:
        count = self._draw.randrange(len(order["items"]) + 1)
        items = self._draw.sample(order["items"], count)
        old = [item["item_id"] for item in items]
        new = []
        for item in items:
            variants = self._tables["products"][item["product_id"]]["variants"]
            ids = [key for key in variants if key not in old]
            good = [key for key in ids if variants[key]["available"]] or ["0"]
            new.append(self._draw.choice([*good * 4, *ids, "0"]))
        return {
            "order_id": order["order_id"],
            "item_ids": old,
            "new_item_ids": new[: self._draw.choice((count, count, count, 1))],
            "payment_method_id": self._draw_method(order),
        }

    def _draw_change(self, order: dict[str, Any]) -> Action:
        return {"name": "modify_pending_order_items", "kwargs": self._draw_swaps(order)}

    def _draw_exchange(self, order: dict[str, Any]) -> Action:
        return {"name": "exchange_delivered_order_items", "kwargs": self._draw_swaps(order)}

    def _draw_return(self, order: dict[str, Any]) -> Action:
        kwargs = self._draw_swaps(order)
        del kwargs["new_item_ids"]
        kwargs["item_ids"] = kwargs["item_ids"] * self._draw.choice((1, 1, 1, 2))
        return {"name": "return_delivered_order_items", "kwargs": kwargs}

    def _draw_cancel(self, order: dict[str, Any]) -> Action:
        if order["order_id"] in self._moved:
            return self._draw_address(order)
        reason = self._draw.choice([*sorted(REASONS), *sorted(REASONS), "bored"])
        kwargs = {"order_id": order["order_id"], "reason": reason}
        return {"name": "cancel_pending_order", "kwargs": kwargs}

    def _draw_payment(self, order: dict[str, Any]) -> Action:
        self._moved.add(order["order_id"])
        kwargs = {"order_id": order["order_id"], "payment_method_id": self._draw_method(order)}
        return {"name": "modify_pending_order_payment", "kwargs": kwargs}

    def _draw_place(self) -> dict[str, str]:
        city = self._draw.choice(CITIES)
        place = {"address1": "1 Main St", "address2": "", "city": city, "state": "", "zip": "8000"}
        return {**place, "country": "Österreich"}

    def _draw_address(self, order: dict[str, Any]) -> Action:
        kwargs = {"order_id": order["order_id"], **self._draw_place()}
        return {"name": "modify_pending_order_address", "kwargs": kwargs}

    def _draw_user_address(self, order: dict[str, Any]) -> Action:
        kwargs = {"user_id": order["user_id"], **self._draw_place()}
        return {"name": "modify_user_address", "kwargs": kwargs}
