"""A process that answers one retail ticket, and may be killed around any ledger write or effect.

Called by the tests through a zygote. Moments are counted over the whole process: before and after
each request that writes to the ledger, and before and after each write of the shop.
"""

import json
import os
import signal
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import interlock as il
from interlock.checkpoints.effect_ledger import SqlEffectLedger
from interlock.contracts.effect_ledger import ListEffects, LoadEffect, Request
from interlock.demo.desk import build_workers
from interlock.demo.shop import Shop
from interlock.demo.ticket_planner import TICKET_KEY, TicketPlanner
from interlock.demo.tickets import TicketFile, load_tickets

BENCHMARK = Path(__file__).resolve().parents[2] / "workloads" / "tau"
CALL = f"{__name__}:answer_ticket"


@cache
def load_benchmark() -> TicketFile:
    """Return the benchmark's tickets."""
    return load_tickets(BENCHMARK / "retail_test.json")


class Moments:
    """Counts moments, and kills the process at one of them."""

    def __init__(self, fatal: int | None) -> None:
        """Be killed at this moment, from 1; never if None."""
        self.count = 0
        self._fatal = fatal

    def pass_one(self) -> None:
        """Take note of a moment."""
        self.count += 1
        if self.count == self._fatal:
            os.kill(os.getpid(), signal.SIGKILL)


class WatchedShop(Shop):
    """A shop whose writes have a moment before and after them."""

    moments: Moments

    def call(self, name: str, arguments: Mapping[str, Any], *, key: str | None = None) -> str:
        """Do what was asked."""
        if key is None:
            return super().call(name, arguments)
        self.moments.pass_one()
        answer = super().call(name, arguments, key=key)
        self.moments.pass_one()
        return answer


def watch_ledger(moments: Moments) -> None:
    """Let every request that writes to a ledger have a moment before and after it."""
    apply = SqlEffectLedger.apply

    async def watched(self: SqlEffectLedger, request: Request[Any]) -> Any:
        if isinstance(request, (LoadEffect, ListEffects)):
            return await apply(self, request)
        moments.pass_one()
        reply = await apply(self, request)
        moments.pass_one()
        return reply

    SqlEffectLedger.apply = watched  # type: ignore[method-assign]


async def answer_ticket(directory: str, ticket_id: str, fatal: int | None = None) -> None:
    """Start or resume a ticket's run, and write down how it ended."""
    folder = Path(directory)
    moments = Moments(fatal)
    watch_ledger(moments)
    with WatchedShop(folder / "shop.db") as shop:
        shop.moments = moments
        desk = il.Orchestrator(
            workers=build_workers(shop),
            planner=TicketPlanner(load_benchmark().tasks),
            storage=f"sqlite:///{folder}/desk.db",
        )
        async with desk:
            try:
                result = await desk.aresume(ticket_id)
            except il.UnknownThreadError:
                context = {TICKET_KEY: ticket_id}
                result = await desk.ainvoke("Answer", thread_id=ticket_id, context=context)
            effects = await desk.aeffects(ticket_id)
        said = {
            "status": result.status,
            "hash": shop.derive_hash(),
            "receipts": shop.count_receipts(),
            "moments": moments.count,
            "effects": {effect.key: effect.state for effect in effects},
        }
    (folder / "result").write_text(json.dumps(said))
