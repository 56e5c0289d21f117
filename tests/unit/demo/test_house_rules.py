"""The desk's house rules: what a refund pays back, and when a person is asked.

Expected sums are worked out from the packaged records by hand.
"""

from collections.abc import Callable

import pytest

from interlock.contracts.brief import Brief
from interlock.contracts.plan import TaskGraph
from interlock.contracts.plan_validation import find_plan_problems
from interlock.contracts.worker import PlanRequest
from interlock.criteria import CriteriaEngine, evaluate_condition
from interlock.demo.desk import build_workers
from interlock.demo.house_rules import HouseRules, build_cashier
from interlock.demo.shop import TOOLS, Shop
from interlock.demo.ticket_planner import TicketPlanner, plan_ticket
from interlock.demo.tickets import TicketFile

MakeBrief = Callable[..., Brief]


async def plan_under_rules(packaged: TicketFile, ticket_id: str) -> TaskGraph:
    """Return a ticket's plan under the house rules."""
    planner = HouseRules(TicketPlanner(packaged.tasks))
    return await planner.plan(
        PlanRequest(goal="", workers=(), context={"ticket_id": ticket_id}),
    )


@pytest.mark.parametrize(
    ("tool", "arguments", "dollars"),
    [
        ("cancel_pending_order", {"order_id": "#W8665881"}, 4777.75),
        ("cancel_pending_order", {"order_id": "#W9373487"}, 109.27),
        (
            "return_delivered_order_items",
            {"order_id": "#W2692684", "item_ids": ["3788616824"]},
            951.21,
        ),
        (
            "return_delivered_order_items",
            {"order_id": "#W5490111", "item_ids": ["4579334072", "6117189161", "4947717507"]},
            754.39,
        ),
    ],
)
async def test_the_cashier_says_what_is_paid_back(
    tool: str, arguments: dict[str, object], dollars: float, shop: Shop, make_brief: MakeBrief
) -> None:
    """A cancelled order pays back what was paid, a return the prices of its items."""
    before = shop.derive_hash()
    refund = await build_cashier(shop).agent(make_brief(tool=tool, arguments=arguments))
    assert (refund.order_id, refund.dollars) == (arguments["order_id"], dollars)
    assert shop.derive_hash() == before


async def test_the_cashier_names_what_the_shop_then_pays(shop: Shop, make_brief: MakeBrief) -> None:
    """The shop's own refund entries after a cancellation sum up to what the cashier said."""
    arguments = {"order_id": "#W5199551", "reason": "no longer needed"}
    call = {"tool": "cancel_pending_order", "arguments": arguments}
    said = await build_cashier(shop).agent(make_brief(**call))
    shop.call("cancel_pending_order", arguments)
    history = shop.load_record("orders", "#W5199551")["payment_history"]
    paid = [entry["amount"] for entry in history if entry["transaction_type"] == "refund"]
    assert sum(paid) == said.dollars
    again = await build_cashier(shop).agent(make_brief(**call))
    assert again.dollars == 0


async def test_plans_under_the_rules_are_valid(packaged: TicketFile, shop: Shop) -> None:
    """Every packaged ticket's plan under the rules passes the whole validation."""
    workers = {worker.name: worker for worker in [*build_workers(shop), build_cashier(shop)]}
    for ticket in packaged.tasks:
        plan = await plan_under_rules(packaged, ticket.id)
        inspector = CriteriaEngine({})
        assert not find_plan_problems(plan, workers, inspector=inspector, context_keys=())


async def test_only_refunds_above_the_limit_ask_a_person(packaged: TicketFile) -> None:
    """A refund asks above 4,000 dollars and not at it; no other step ever asks."""
    for ticket in packaged.tasks:
        for step in (await plan_under_rules(packaged, ticket.id)).steps:
            tool = step.arguments.get("tool")
            is_refund = step.worker == "orders" and tool in {
                "cancel_pending_order",
                "return_delivered_order_items",
            }
            assert (step.approval is not None) == is_refund
            if step.approval is not None:
                asks = [
                    evaluate_condition(step.approval, {"inputs": {"refund": dollars}})
                    for dollars in (4000.01, 4000.0, 4000, 4001)
                ]
                assert asks == [True, False, False, True]


async def test_the_rules_keep_every_call_and_its_order(packaged: TicketFile) -> None:
    """Under the rules a plan has the same calls, needs and criteria, and look-ups have a limit."""
    for ticket in packaged.tasks:
        ruled = (await plan_under_rules(packaged, ticket.id)).index_steps()
        for step in plan_ticket(ticket).steps:
            kept = ruled[step.id]
            assert (kept.worker, kept.arguments) == (step.worker, step.arguments)
            assert kept.criteria == step.criteria
            assert set(step.needs) <= set(kept.needs)
            is_look_up = step.worker == "records"
            assert (kept.timeout is not None) == is_look_up
            assert not is_look_up or TOOLS[kept.arguments["tool"]].effect != "write"
