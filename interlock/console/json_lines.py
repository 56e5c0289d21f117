"""What programs read: events, results, statuses and errors as JSON.

ASCII only, so that nothing a worker wrote can steer a terminal that shows it.
"""

import dataclasses
import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, TextIO

from pydantic import BaseModel

from interlock.contracts.handoff import Handoff
from interlock.telemetry.events import Event

_INNER_CAPITAL: Final = re.compile(r"(?<!^)(?=[A-Z])")
_NOT_SHOWN: Final = {"payload"}


def dump_event(event: Event) -> dict[str, Any]:
    """Return an event as an object whose `event` names its kind, e.g. `step_settled`.

    Payloads of handoffs are left out: `interlock handoffs --full` has them.
    """
    name = _INNER_CAPITAL.sub("_", type(event).__name__).lower()
    values = {field.name: getattr(event, field.name) for field in dataclasses.fields(event)}
    return {"event": name, **{key: dump_value(value) for key, value in values.items()}}


def dump_value(value: Any) -> Any:  # noqa: ANN401 - any contract value
    """Return a value of the contracts as what JSON holds; handoffs without payloads."""
    if isinstance(value, Handoff):
        return value.model_dump(mode="json", exclude=_NOT_SHOWN)
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, datetime):
        return value.isoformat()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in dataclasses.fields(value)]
        return {name: dump_value(getattr(value, name)) for name in names}
    if isinstance(value, Mapping):
        return {str(key): dump_value(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [dump_value(item) for item in value]
    return value


def dump_error(error: BaseException, *, message: str) -> dict[str, Any]:
    """Return an error as `{"error": {"type": ..., "message": ...}}`."""
    return {"error": {"type": type(error).__name__, "message": message}}


def write_json(stream: TextIO, value: Any) -> None:  # noqa: ANN401 - any JSON value
    """Write one value on one line, at once."""
    stream.write(json.dumps(value, allow_nan=False) + "\n")
    stream.flush()
