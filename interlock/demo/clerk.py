"""How the clerk words what was done. Called by the clerk's worker; asks the shop nothing."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from interlock.demo.answers import ClerkAction, ClerkReport, ShopAnswer
from interlock.demo.call_requests import PlannedCall, ReportRequest
from interlock.demo.shop import TOOLS

_DONE: Final = {
    "cancel_pending_order": "cancelled order {order_id} ({reason})",
    "exchange_delivered_order_items": "requested an exchange of {items} of order {order_id}",
    "modify_pending_order_address": "changed the address of order {order_id}",
    "modify_pending_order_items": "changed {items} of order {order_id}",
    "modify_pending_order_payment": "moved the payment of order {order_id} to {payment_method_id}",
    "modify_user_address": "changed the address of customer {user_id}",
    "return_delivered_order_items": "requested the return of {items} of order {order_id}",
    "get_order_details": "looked up order {order_id}",
    "get_product_details": "looked up product {product_id}",
    "get_user_details": "looked up customer {user_id}",
    "find_user_id_by_email": "found the customer with the email {email}",
    "find_user_id_by_name_zip": "found the customer {first_name} {last_name}, {zip}",
    "list_all_product_types": "listed all product types",
    "calculate": "calculated {expression}",
    "think": "thought it over",
    "transfer_to_human_agents": "handed over to a person",
}


def compose_report(request: ReportRequest, *, answers: Mapping[str, ShopAnswer]) -> ClerkReport:
    """Return what was done for a ticket.

    Args:
        request: The ticket and its calls in the recorded order.
        answers: The shop's answers by step; a step without one counts as missing.
    """
    actions = tuple(_word_call(call, answers.get(call.step)) for call in request.calls)
    return ClerkReport(text=_word_summary(request.ticket.id, actions), actions=actions)


def _word_call(call: PlannedCall, answer: ShopAnswer | None) -> ClerkAction:
    attempt = f"{call.tool} with {_word_arguments(call.arguments)}"
    if answer is None:
        note = f"No answer to {attempt}; whether it took effect is not known here."
        return ClerkAction(step=call.step, tool=call.tool, outcome="missing", note=note)
    if answer.refused:
        note = f"The shop refused {attempt}: {answer.answer}."
        return ClerkAction(step=call.step, tool=call.tool, outcome="refused", note=note)
    done = _word_done(call.tool, call.arguments)
    result = f" = {answer.answer}" if call.tool == "calculate" else ""
    note = f"{done[0].upper()}{done[1:]}{result}."
    return ClerkAction(step=call.step, tool=call.tool, outcome="done", note=note)


def _word_arguments(arguments: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in arguments.items()) or "no arguments"


def _word_done(tool: str, arguments: Mapping[str, Any]) -> str:
    count = len(arguments.get("item_ids", ()))
    items = f"{count} item{'s' * (count != 1)}"
    return _DONE[tool].format_map({**arguments, "items": items})


def _word_summary(ticket_id: str, actions: Sequence[ClerkAction]) -> str:
    refused = [action.note for action in actions if action.outcome == "refused"]
    missing = [action.note for action in actions if action.outcome == "missing"]
    changed = [
        action.note
        for action in actions
        if action.outcome == "done" and TOOLS[action.tool].effect == "write"
    ]
    looked_up = sum(
        action.outcome == "done" and TOOLS[action.tool].effect != "write" for action in actions
    )
    return " ".join(
        [
            f"Ticket {ticket_id}:",
            *missing,
            *refused,
            *(changed or ["Nothing was changed."]),
            f"{looked_up} call{'s' * (looked_up != 1)} looked things up.",
        ]
    )
