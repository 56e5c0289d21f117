"""The tools that ask for a return or an exchange of delivered items. Called through `tools`.

Nothing is paid here: that happens when the items have arrived. Every check stands
before the first change.
"""

from interlock.demo.shop.items import derive_price_difference, require_items, require_swaps
from interlock.demo.shop.payments import CENT_PLACES, is_gift_card, require_cover, require_method
from interlock.demo.shop.records import Record, Records
from interlock.demo.shop.refusal import RefusalError


def _require_delivered(records: Records, order_id: str, *, change: str) -> Record:
    order = records.load("orders", order_id)
    if order["status"] != "delivered":
        raise RefusalError(f"non-delivered order cannot be {change}")
    return order


def return_delivered_order_items(
    records: Records, *, order_id: str, item_ids: list[str], payment_method_id: str
) -> str:
    """Ask for the return of items; the refund goes to the first payment's method or a gift card."""
    order = _require_delivered(records, order_id, change="returned")
    method = require_method(records.load("users", order["user_id"]), payment_method_id)
    original = [entry["payment_method_id"] for entry in order["payment_history"][:1]]
    if payment_method_id not in original and not is_gift_card(method):
        raise RefusalError(
            "payment method should be either the original payment method or a gift card"
        )
    require_items(order, item_ids)

    order["status"] = "return requested"
    order["return_items"] = sorted(item_ids)
    order["return_payment_method_id"] = payment_method_id
    return records.save("orders", order_id, record=order)


def exchange_delivered_order_items(
    records: Records,
    *,
    order_id: str,
    item_ids: list[str],
    new_item_ids: list[str],
    payment_method_id: str,
) -> str:
    """Ask for the exchange of items for other variants of the same products."""
    order = _require_delivered(records, order_id, change="exchanged")
    swaps = require_swaps(records, order, item_ids=item_ids, new_item_ids=new_item_ids)
    difference = round(derive_price_difference(swaps), CENT_PLACES)
    method = require_method(records.load("users", order["user_id"]), payment_method_id)
    require_cover(method, difference, purpose="price difference")

    order["status"] = "exchange requested"
    order["exchange_items"] = sorted(item_ids)
    order["exchange_new_items"] = sorted(new_item_ids)
    order["exchange_payment_method_id"] = payment_method_id
    order["exchange_price_difference"] = difference
    return records.save("orders", order_id, record=order)
