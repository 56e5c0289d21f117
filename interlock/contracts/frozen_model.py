"""The one configuration of every model that crosses rooms: frozen, keyword-only, no extras."""

from pydantic import BaseModel, ConfigDict


class FrozenModel(BaseModel):
    """A value object: equal by content, never changed, refusing unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_timedelta="float")
