"""What the desk's workers return."""

from typing import Any, Literal

from pydantic import Field

from interlock.contracts.frozen_model import FrozenModel


class ShopAnswer(FrozenModel):
    """The answer to one call to the shop.

    Attributes:
        tool: The tool that was called.
        answer: The exact text that the shop returned.
        refused: Whether the shop refused the call.
        record: The JSON object in the answer; None if it is another kind of text.
    """

    tool: str
    answer: str
    refused: bool
    record: dict[str, Any] | None = None


class ClerkAction(FrozenModel):
    """What became of one call.

    Attributes:
        step: The step that made it.
        tool: The tool that was called.
        outcome: Done, refused by the shop, or missing because its step gave no answer.
        note: One line for the customer's file.
    """

    step: str
    tool: str
    outcome: Literal["done", "refused", "missing"]
    note: str


class ClerkReport(FrozenModel):
    """What was done for a ticket.

    Attributes:
        text: A summary, refusals and missing answers said first.
        actions: Every call, in the recorded order.
    """

    text: str = Field(min_length=1)
    actions: tuple[ClerkAction, ...]
