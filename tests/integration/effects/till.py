"""A till outside every ledger: it counts what was really paid, and answers with receipts."""

from collections import Counter

import interlock as il
from interlock.contracts.effect_ledger import ListEffects
from interlock.contracts.ids import ThreadId


class Till:
    """Pays amounts to orders; each payment is one effect."""

    def __init__(self) -> None:
        """Have paid nothing."""
        self.paid: list[tuple[str, int]] = []
        self.keys: list[str] = []

    def pay(self, order: str, cents: int, key: str = "") -> dict[str, object]:
        """Pay, and return a receipt that no second payment has."""
        self.paid.append((order, cents))
        self.keys.append(key)
        return {"order": order, "cents": cents, "receipt": len(self.paid)}

    def take_back(self, order: str, cents: int) -> str:
        """Take one payment back."""
        self.paid.remove((order, cents))
        return f"took {cents} back"

    @property
    def counts(self) -> Counter[tuple[str, int]]:
        """How often each amount stands paid to each order."""
        return Counter(self.paid)


async def list_effects(desk: il.Orchestrator, thread_id: str) -> list[il.EffectRecord]:
    """Return a thread's effects with answers and moves, oldest first."""
    return list(await desk.aeffects(thread_id))


async def list_scope(storage: il.Storage, scope: str = "s") -> list[il.EffectRecord]:
    """Return what the ledger holds of a scope outside runs, oldest first."""
    return list(await storage.ledger.apply(ListEffects(thread_id=ThreadId(scope), answers=True)))
