"""The sixteen tools by name, what each does to the database, and the check of its arguments.

Called by `Shop`, the ticket planner and the desk's workers.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias, cast

from interlock.demo.shop.delivered_orders import (
    exchange_delivered_order_items,
    return_delivered_order_items,
)
from interlock.demo.shop.pending_orders import (
    cancel_pending_order,
    modify_pending_order_address,
    modify_pending_order_items,
    modify_pending_order_payment,
)
from interlock.demo.shop.reads import (
    calculate,
    find_user_id_by_email,
    find_user_id_by_name_zip,
    get_order_details,
    get_product_details,
    get_user_details,
    list_all_product_types,
    think,
    transfer_to_human_agents,
)
from interlock.demo.shop.refusal import RefusalError
from interlock.demo.shop.user_addresses import (
    modify_user_address,
)

Effect: TypeAlias = Literal["read", "write", "none"]
"""What a tool does: looks at records, changes them, or neither."""

ToolFunction: TypeAlias = Callable[..., str]
"""Takes `Records` and its arguments by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShopTool:
    """One tool of the shop.

    Attributes:
        name: What callers call it.
        effect: What it does to the database.
        function: The tool itself.
        parameters: Argument name to type, `str` or `list[str]`; all are required.
    """

    name: str
    effect: Effect
    function: ToolFunction
    parameters: Mapping[str, object]

    def check_arguments(self, arguments: Mapping[str, Any]) -> None:
        """Refuse arguments that are missing, unknown or of another type.

        Raises:
            RefusalError: With all that is wrong.
        """
        wrong = [
            *(f"{name} is missing" for name in self.parameters if name not in arguments),
            *(f"{name} is not known" for name in arguments if name not in self.parameters),
            *(
                f"{name} should be {_word_type(expected)}"
                for name, expected in self.parameters.items()
                if name in arguments and not _is_of_type(arguments[name], expected)
            ),
        ]
        if wrong:
            raise RefusalError(f"invalid arguments: {', '.join(wrong)}")


def _is_of_type(value: object, expected: object) -> bool:
    if expected is str:
        return isinstance(value, str)
    return isinstance(value, list) and all(
        isinstance(item, str) for item in cast("list[object]", value)
    )


def _word_type(expected: object) -> str:
    return "a text" if expected is str else "a list of texts"


def _declare(effect: Effect, *functions: ToolFunction) -> list[ShopTool]:
    return [
        ShopTool(
            name=function.__name__,
            effect=effect,
            function=function,
            parameters={
                name: parameter.annotation
                for name, parameter in inspect.signature(function).parameters.items()
                if parameter.kind is inspect.Parameter.KEYWORD_ONLY
            },
        )
        for function in functions
    ]


_DECLARED = [
    *_declare(
        "read",
        find_user_id_by_email,
        find_user_id_by_name_zip,
        get_order_details,
        get_product_details,
        get_user_details,
        list_all_product_types,
    ),
    *_declare("none", calculate, think, transfer_to_human_agents),
    *_declare(
        "write",
        cancel_pending_order,
        modify_pending_order_address,
        modify_pending_order_items,
        modify_pending_order_payment,
        exchange_delivered_order_items,
        return_delivered_order_items,
        modify_user_address,
    ),
]

TOOLS: Final[Mapping[str, ShopTool]] = {
    tool.name: tool for tool in sorted(_DECLARED, key=lambda tool: tool.name)
}
"""All tools by name, sorted."""
