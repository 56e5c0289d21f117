"""What the desk's steps ask of its workers: the planner writes it, the workers parse it."""

from typing import Any

from pydantic import ConfigDict

from interlock.contracts.frozen_model import FrozenModel


class ShopCall(FrozenModel):
    """One call to the shop; further inputs of a step are none of its business."""

    model_config = ConfigDict(extra="ignore")

    tool: str
    arguments: dict[str, Any]


class PlannedCall(ShopCall):
    """A call and the step that makes it."""

    step: str


class TicketName(FrozenModel):
    """Which ticket, of which customer."""

    id: str
    user_id: str


class ReportRequest(FrozenModel):
    """What the clerk reports on; the answers come beside it, by step."""

    model_config = ConfigDict(extra="ignore")

    ticket: TicketName
    calls: tuple[PlannedCall, ...]
