"""Success criteria of the desk's steps, by tool. Called by the ticket planner.

A refusal is a right answer if the worker says that it is one: some requests are rightly
refused by the shop, so "no error" is never asked for.
"""

from typing import Final

from interlock.contracts.criteria import ExpressionCriterion, expr
from interlock.demo.shop import REFUSAL_START, TOOLS

_ADDRESS: Final = ", ".join(
    f'"{field}": inputs.arguments.{field}'
    for field in ("address1", "address2", "city", "state", "country", "zip")
)
_ADDRESS_TAKEN: Final = f"output.record.address == {{{_ADDRESS}}}"
_NEW_ITEMS_PRESENT: Final = (
    "inputs.arguments.new_item_ids.all(n, output.record.items.exists(i, i.item_id == n))"
)
_METHOD_CHARGED: Final = (
    "output.record.payment_history.exists(p, "
    "p.payment_method_id == inputs.arguments.payment_method_id)"
)
_RECORD_HAS_ID: Final = (
    '"{name}" in output.record && output.record.{name} == inputs.arguments.{name}'
)
_IDS_IN_RECORDS: Final = ("order_id", "product_id")
"""Arguments that the record in the answer repeats; a user's record does not hold its id."""

_ANSWERED_WITH_RECORD: Final[dict[str, tuple[tuple[str, str], ...]]] = {
    "get_order_details": (),
    "get_product_details": (),
    "get_user_details": (('"payment_methods" in output.record', "the answer is a customer"),),
    "list_all_product_types": (
        ("output.record.all(name, type(output.record[name]) == string)", "the answer lists types"),
    ),
    "cancel_pending_order": (
        ('output.record.status == "cancelled"', "the order is cancelled"),
        ("output.record.cancel_reason == inputs.arguments.reason", "the given reason is kept"),
    ),
    "modify_pending_order_address": ((_ADDRESS_TAKEN, "the order has the new address"),),
    "modify_user_address": ((_ADDRESS_TAKEN, "the customer has the new address"),),
    "modify_pending_order_items": ((_NEW_ITEMS_PRESENT, "the order has the new items"),),
    "modify_pending_order_payment": ((_METHOD_CHARGED, "the new payment method is charged"),),
    "return_delivered_order_items": (
        ('output.record.status == "return requested"', "the return is requested"),
    ),
    "exchange_delivered_order_items": (
        ('output.record.status == "exchange requested"', "the exchange is requested"),
    ),
}
"""Per tool that answers with a record: expression and meaning of what holds unless refused."""

REPORT_CRITERIA: Final = (
    expr("size(output.text) > 0", message="the report has a text"),
    expr(
        "output.actions.map(a, a.step) == inputs.calls.map(c, c.step)",
        message="every call is reported, in order",
    ),
    expr(
        "output.actions.all(a, a.step in inputs && inputs[a.step] != null "
        '? a.outcome == (inputs[a.step].refused ? "refused" : "done") '
        ': a.outcome == "missing")',
        message="what was refused or has no answer is said to be so",
    ),
)
"""What the clerk's report must satisfy."""


def build_call_criteria(tool: str) -> tuple[ExpressionCriterion, ...]:
    """Return what the answer to a call of this tool must satisfy."""
    return (
        expr("output.tool == inputs.tool", message="the answer is of the tool that was asked for"),
        expr(
            f'output.refused == output.answer.startsWith("{REFUSAL_START}")',
            message="a refusal, and only that, is called one",
        ),
        *_build_answer_criteria(tool),
        *_build_record_criteria(tool),
    )


def _build_answer_criteria(tool: str) -> list[ExpressionCriterion]:
    if tool == "think":  # a thought is answered with nothing
        return []
    return [expr("size(output.answer) > 0", message="an answer was given")]


def _build_record_criteria(tool: str) -> list[ExpressionCriterion]:
    if tool not in _ANSWERED_WITH_RECORD:
        return []
    about = [
        (_RECORD_HAS_ID.format(name=name), f"the answer has the {name} asked for")
        for name in _IDS_IN_RECORDS
        if name in TOOLS[tool].parameters
    ]
    return [
        expr(f"output.refused || (output.record != null && {words})", message=message)
        for words, message in (*about, *_ANSWERED_WITH_RECORD[tool])
    ]
