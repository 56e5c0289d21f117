"""Items of an order and the variants they can be changed to. Called by the tools that write."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from interlock.demo.shop.records import Record, Records
from interlock.demo.shop.refusal import RefusalError


@dataclass(frozen=True, slots=True)
class Swap:
    """One item of an order and the variant that takes its place."""

    item: Record
    variant: Record

    @property
    def difference(self) -> float:
        """What the variant costs more than the item did; whole if both prices are."""
        difference: float = self.variant["price"] - self.item["price"]
        return difference


def require_items(order: Record, item_ids: Sequence[str]) -> list[int]:
    """Return the position in the order of each item asked for, each position once.

    Raises:
        RefusalError: The order has fewer items of an id than were asked for.
    """
    positions: list[int] = []
    held = Counter(item["item_id"] for item in order["items"])
    for item_id, count in Counter(item_ids).items():
        if held[item_id] < count:
            raise RefusalError(f"{item_id} not found" if not held[item_id] else "too few items")
    for item_id in item_ids:
        positions.append(
            next(
                index
                for index, item in enumerate(order["items"])
                if item["item_id"] == item_id and index not in positions
            )
        )
    return positions


def require_swaps(
    records: Records, order: Record, *, item_ids: Sequence[str], new_item_ids: Sequence[str]
) -> list[Swap]:
    """Return the swaps that replace each item by the new one in the same place of the lists.

    Raises:
        RefusalError: An item is not in the order, the lists differ in length, or a new item is
            no available variant of the same product.
    """
    positions = require_items(order, item_ids)
    if len(item_ids) != len(new_item_ids):
        raise RefusalError("the number of items and of new items should match")
    return [
        Swap(item=item, variant=_require_variant(records, item, new_item_id))
        for position, new_item_id in zip(positions, new_item_ids, strict=True)
        for item in [order["items"][position]]
    ]


def _require_variant(records: Records, item: Record, new_item_id: str) -> Record:
    variants: dict[str, Record] = records.load("products", item["product_id"])["variants"]
    variant = variants.get(new_item_id)
    if variant is None or not variant["available"]:
        raise RefusalError(f"new item {new_item_id} not found or available")
    return variant


def derive_price_difference(swaps: Sequence[Swap]) -> float:
    """Return what all variants together cost more than the items did, not rounded."""
    return sum(swap.difference for swap in swaps)
