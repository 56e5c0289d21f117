"""Payment methods: who owns them, what gift cards hold. Called by the tools that write.

Checks and changes are apart, so that a tool makes all its checks before it changes a thing.
"""

from typing import Final

from interlock.demo.shop.records import Record
from interlock.demo.shop.refusal import RefusalError

CENT_PLACES: Final = 2


def require_method(user: Record, method_id: str) -> Record:
    """Return the user's payment method with this id.

    Raises:
        RefusalError: The user does not own it.
    """
    methods: dict[str, Record] = user["payment_methods"]
    if method_id not in methods:
        raise RefusalError("payment method not found")
    return methods[method_id]


def is_gift_card(method: Record) -> bool:
    """Ask whether money moves to and from this method at once."""
    return bool(method["source"] == "gift_card")


def require_cover(method: Record, amount: float, *, purpose: str) -> None:
    """Refuse if a gift card holds less than the amount; other methods cover all.

    Raises:
        RefusalError: The balance is too low.
    """
    if is_gift_card(method) and method["balance"] < amount:
        raise RefusalError(f"insufficient gift card balance to pay for the {purpose}")


def add_credit(user: Record, method_id: str, *, amount: float) -> bool:
    """Add to a gift card's balance, a negative amount too, and say whether it was one.

    Args:
        user: Changed in place if the method is a gift card of theirs. Else money moves outside
            the shop; so it does if the user no longer has the method.
        method_id: Where money moves to or from.
        amount: What the user gets back; negative if the user pays.
    """
    method: Record | None = user["payment_methods"].get(method_id)
    if method is None or not is_gift_card(method):
        return False
    method["balance"] = round(method["balance"] + amount, CENT_PLACES)
    return True


def build_entry(kind: str, amount: float, *, method_id: str) -> Record:
    """Return an entry of an order's payment history; `kind` is `payment` or `refund`."""
    return {"transaction_type": kind, "amount": amount, "payment_method_id": method_id}
