"""Effects put into a database by hand, as guarded tools would."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import interlock as il
from interlock.contracts.effect_ledger import (
    RecordEnd,
    Reply,
    Request,
    Reservation,
    ReserveEffect,
)
from interlock.contracts.effects import EffectCall, EndState, RecordedError
from interlock.contracts.ids import IdempotencyKey, ThreadId
from interlock.contracts.storage import Storage
from interlock.testing import ManualClock
from interlock.tools.canonical_arguments import derive_arguments_hash, derive_call_name

DATABASE = "desk.db"
Value = TypeVar("Value")


def build_call(thread_id: str = "t17", *, step: str = "refund", **fields: Any) -> EffectCall:
    """Return a first attempt's call for a refund, with other fields where they are given."""
    arguments: dict[str, Any] = fields.pop("arguments", {"order": "#W1", "cents": 5000})
    tool = fields.pop("tool", "pay_back")
    attempt = fields.pop("attempt", f"{step}@1f0a#1" if step else "block@1f0a")
    name = derive_call_name(
        thread_id, epoch=0, step_id=step, worker="", tool=tool, arguments=arguments
    )
    known = {
        "thread_id": thread_id,
        "step_id": step,
        "worker": "clerk" if step else "",
        "tool": tool,
        "arguments": arguments,
        "arguments_hash": derive_arguments_hash(arguments),
        "name": name,
        "attempt": attempt,
        "place": "#0",
    }
    return EffectCall.model_validate({**known, **fields})


class Filler:
    """A database in a folder, opened for each request as another process would."""

    def __init__(self, folder: Path) -> None:
        """Use the database that the team of the folder uses."""
        self._url = f"sqlite:///{folder / DATABASE}"

    def use(
        self, body: Callable[[Storage], Awaitable[Value]], *, at: datetime | None = None
    ) -> Value:
        """Open the storage and do something with it, at another time if one is given."""

        async def run() -> Value:
            clock = ManualClock(at) if at is not None else None
            async with il.open_storage(self._url, clock=clock) as storage:
                return await body(storage)

        return asyncio.run(run())

    def apply(self, request: Request[Reply], *, at: datetime | None = None) -> Reply:
        """Carry out one request."""
        return self.use(lambda storage: storage.ledger.apply(request), at=at)

    def reserve(self, call: EffectCall, *, at: datetime | None = None) -> Reservation:
        """Call a guarded tool that has not ended yet."""
        return self.apply(ReserveEffect(call=call), at=at)

    def finish(
        self,
        call: EffectCall,
        state: EndState = "done",
        *,
        answer: Any = None,
        error: RecordedError | None = None,
        note: str | None = None,
        at: datetime | None = None,
    ) -> IdempotencyKey:
        """Call a guarded tool that ends so; return the effect's key."""
        record = self.reserve(call, at=at).record
        end = RecordEnd(
            thread_id=ThreadId(record.thread_id),
            key=record.key,
            tries=record.tries,
            state=state,
            answer=answer,
            error=error,
            note=note,
        )
        self.apply(end, at=at)
        return record.key
