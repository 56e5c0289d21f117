"""Effects of a thread, one of every kind that a page tells apart."""

from datetime import UTC, datetime, timedelta
from typing import Any

from interlock.contracts.effects import EffectMove, EffectRecord, EffectUse, RecordedError
from interlock.contracts.ids import IdempotencyKey

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
REFUND = "refund@1f0a#"
BUSY_HOST = "process 17 on desk-1"


def build_effect(key: str, **fields: Any) -> EffectRecord:
    """Return a refund that is done, with other fields where they are given."""
    known: dict[str, Any] = {
        "key": key,
        "thread_id": "t17",
        "epoch": 0,
        "step_id": "refund",
        "worker": "clerk",
        "tool": "pay_back",
        "arguments": {"order": "#W1", "cents": 5000},
        "arguments_hash": "h",
        "ordinal": 0,
        "state": "done",
        "tries": 1,
        "began_at": NOON,
        "ended_at": NOON + timedelta(seconds=2),
        "uses": (build_use(f"{REFUND}1", did_start=True),),
    }
    return EffectRecord.model_validate({**known, **fields})


def build_use(attempt: str, *, did_start: bool = False, seconds: float = 0) -> EffectUse:
    """Return a call of an attempt."""
    return EffectUse(
        attempt=attempt,
        place="#0",
        did_start=did_start,
        called_at=NOON + timedelta(seconds=seconds),
    )


def build_move(state: str, **fields: Any) -> EffectMove:
    """Return a change of state, on the tool's word."""
    known: dict[str, Any] = {"tries": 1, "state": state, "by": "tool", "at": NOON}
    return EffectMove.model_validate({**known, **fields})


DONE = build_effect(
    "e-done",
    answer={"refund": 7},
    can_undo=True,
    uses=(
        build_use(f"{REFUND}1", did_start=True),
        build_use(f"{REFUND}2", seconds=60),
        build_use("refund@2b1c#2", seconds=90),
    ),
    moves=(build_move("started"), build_move("done", at=NOON + timedelta(seconds=2))),
)
UNDONE = build_effect("e-undone", can_undo=True, undone_by=IdempotencyKey("e-undo"))
UNDO = build_effect(
    "e-undo",
    tool="undo of pay_back",
    worker="supervisor",
    undoes=IdempotencyKey("e-undone"),
    began_at=NOON + timedelta(minutes=4),
    ended_at=NOON + timedelta(minutes=5),
    uses=(build_use(f"{REFUND}undo", did_start=True),),
)
FAILED = build_effect(
    "e-failed",
    state="failed",
    error=RecordedError(type="shop.errors.RefusedError", message="the order is too old"),
    is_natural=True,
)
UNKNOWN = build_effect(
    "e-unknown",
    state="unknown",
    is_irreversible=True,
    runner=BUSY_HOST,
    settled_by="takeover",
    note="whoever began it is gone",
    ended_at=None,
)
STARTED = build_effect("e-started", state="started", runner=BUSY_HOST, ended_at=None)
AGAIN = build_effect(
    "e-again",
    state="intended",
    tries=2,
    settled_by="person",
    note="not in the bank's list",
    ended_at=None,
)
OUTSIDE = build_effect(
    "e-outside",
    step_id="",
    worker="",
    answer="sent",
    uses=(build_use("block@aa", did_start=True), build_use("block@bb", seconds=1)),
)
NESTED = build_effect(
    "e-nested",
    step_id="refund/check",
    uses=(
        build_use("refund@1f0a#1/check@77#1", did_start=True),
        build_use("refund@1f0a#1/check@77#2"),
        build_use("refund@1f0a#2/check@99#1"),
    ),
)
EFFECTS = (DONE, UNDONE, UNDO, FAILED, UNKNOWN, STARTED, AGAIN, OUTSIDE, NESTED)
