"""Calls and requests for the ledger's contract suite."""

from typing import Any

from interlock.contracts.effect_ledger import ListEffects, RecordEnd, ReserveEffect
from interlock.contracts.effects import EffectCall, EffectRecord
from interlock.contracts.ids import ThreadId
from interlock.contracts.plain import derive_hash


def build_call(tool: str = "pay", attempt: str = "a1", place: str = "#0", **changes: Any) -> Any:
    """Return a call; equal tools and arguments have equal names, as the guard makes them."""
    arguments = changes.pop("arguments", {"order": "o1"})
    fields: dict[str, Any] = {
        "thread_id": ThreadId("t"),
        "tool": tool,
        "arguments": arguments,
        "arguments_hash": derive_hash(arguments),
        "name": f"{changes.get('thread_id', 't')}/{changes.get('epoch', 0)}/{tool}/{arguments}",
        "attempt": attempt,
        "place": place,
    }
    return EffectCall(**{**fields, **changes})


def reserve(*args: Any, **changes: Any) -> ReserveEffect:
    """Return the request to reserve a call."""
    return ReserveEffect(call=build_call(*args, **changes))


def end(record: EffectRecord, answer: Any = "paid", **changes: Any) -> RecordEnd:
    """Return the request to record that an effect is done."""
    fields: dict[str, Any] = {"state": "done", "answer": answer, "tries": record.tries}
    return RecordEnd(thread_id=record.thread_id, key=record.key, **{**fields, **changes})


def list_all(thread_id: str = "t") -> ListEffects:
    """Return the request for everything known of a thread's effects."""
    return ListEffects(thread_id=ThreadId(thread_id), answers=True)
