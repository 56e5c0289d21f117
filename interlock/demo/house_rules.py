"""The desk's house rules, put into a ticket's plan: a planner around the ticket planner.

A look-up may take three seconds. What a refund pays back is worked out before it is paid, and above
a limit a person is asked.
"""

import asyncio
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

from interlock.contracts.brief import Brief
from interlock.contracts.frozen_model import FrozenModel
from interlock.contracts.ids import StepId, WorkerName
from interlock.contracts.plan import Need, Step, TaskGraph
from interlock.contracts.worker import Planner, PlanRequest, Worker
from interlock.demo.call_requests import ShopCall
from interlock.demo.shop import Shop
from interlock.demo.ticket_planner import RECORDS

CASHIER: Final = WorkerName("cashier")
REFUND_LIMIT: Final = 4000.0
"""Dollars; a refund above it needs a person's approval."""

REFUND_INPUT: Final = "refund"
"""The input under which a refund step is told what it pays back."""

_LOOK_UP_TIMEOUT: Final = timedelta(seconds=3)
_REFUNDS: Final = {
    "cancel_pending_order": "Cancel order {order_id} and pay back what was paid for it",
    "return_delivered_order_items": "Take back items of order {order_id} and pay their price back",
}


class Refund(FrozenModel):
    """What a call pays back.

    Attributes:
        order_id: The order.
        dollars: The amount.
    """

    order_id: str
    dollars: float


class HouseRules:
    """Plans as another planner does, and adds the rules."""

    def __init__(self, planner: Planner) -> None:
        """Add the rules to this planner's plans."""
        self._planner = planner

    async def plan(self, request: PlanRequest) -> TaskGraph:
        """Return the other planner's plan under the rules."""
        plan = await self._planner.plan(request)
        steps = tuple(ruled for step in plan.steps for ruled in _apply_rules(step))
        return plan.model_copy(update={"steps": steps})


def build_cashier(shop: Shop) -> Worker:
    """Return the worker that works out what a refund pays back; it changes nothing."""

    async def work_out(brief: Brief) -> Refund:
        call = ShopCall.model_validate(brief.inputs)
        order = await asyncio.to_thread(shop.load_record, "orders", call.arguments["order_id"])
        return Refund(order_id=order["order_id"], dollars=_derive_refund(call, order))

    return Worker(
        name=CASHIER,
        agent=work_out,
        description="Works out what a cancellation or a return pays back; pays nothing.",
        output=Refund,
    )


def _derive_refund(call: ShopCall, order: dict[str, Any]) -> float:
    if call.tool == "cancel_pending_order":
        amounts = [
            entry["amount"] if entry["transaction_type"] == "payment" else -entry["amount"]
            for entry in order["payment_history"]
        ]
    else:
        prices = {item["item_id"]: item["price"] for item in order["items"]}
        amounts = [prices[item_id] for item_id in call.arguments["item_ids"]]
    return float(sum((Decimal(str(amount)) for amount in amounts), start=Decimal()))


def _apply_rules(step: Step) -> list[Step]:
    if step.worker == RECORDS:
        return [step.model_copy(update={"timeout": _LOOK_UP_TIMEOUT})]
    words = _REFUNDS.get(step.arguments.get("tool", ""))
    if words is None:
        return [step]
    words = words.format_map(step.arguments["arguments"])
    work_out = Step(
        id=StepId(f"refund_of_{step.id}"),
        worker=CASHIER,
        instruction=f"Work out what this would pay back: {words}.",
        needs=step.needs,
        inputs={},
        arguments=step.arguments,
        estimate=step.estimate,
    )
    refund = step.model_copy(
        update={
            "instruction": f"{words}.",
            "needs": (*step.needs, Need(step=work_out.id)),
            "inputs": {REFUND_INPUT: f"{work_out.id}.dollars"},
            "approval": f"inputs.{REFUND_INPUT} > {REFUND_LIMIT}",
        }
    )
    return [work_out, refund]
