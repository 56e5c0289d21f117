"""The cases of the demonstration: each packaged ticket in a few words, and what befalls it."""

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from interlock.contracts.ids import StepId

Trouble: TypeAlias = Literal["raised", "garbage", "hung", "killed", "refund"]
"""A worker raises, answers garbage or hangs; a process is killed; a refund is over the limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One ticket of the demonstration.

    Attributes:
        ticket_id: The packaged ticket; also its thread.
        wish: What the customer wants, in at most 30 characters.
        trouble: What goes wrong; None if nothing is meant to.
        step_id: The step at which it does.
    """

    ticket_id: str
    wish: str
    trouble: Trouble | None = None
    step_id: StepId | None = None

    @property
    def number(self) -> str:
        """The ticket's number: the end of its id."""
        return self.ticket_id.rpartition("-")[2]


def _case(number: int, wish: str, trouble: Trouble | None = None, step: str | None = None) -> Case:
    return Case(
        ticket_id=f"retail-test-{number}",
        wish=wish,
        trouble=trouble,
        step_id=StepId(step) if step is not None else None,
    )


CASES: Final = (
    _case(0, "exchange keyboard, thermostat", "raised", "a03_get_product_details"),
    _case(64, "swap a camera for a better one", "garbage", "a03_get_order_details"),
    _case(40, "pay an order by another card", "hung", "a03_get_order_details"),
    _case(30, "return tablet, cancel charger", "killed", "a09_cancel_pending_order"),
    _case(16, "cancel 2 orders, return watch", "refund", "a08_cancel_pending_order"),
    _case(13, "return all but keyboard, mouse"),
    _case(22, "move orders to a new address"),
    _case(35, "return speaker, change laptop"),
    _case(39, "correct the home address"),
    _case(67, "ask what an order cost"),
    _case(91, "return skateboards and a watch"),
    _case(112, "change a laptop and a watch"),
)
"""Those with trouble first; each trouble is at a step of another ticket."""
