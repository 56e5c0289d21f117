"""Durations that are typed on the command line: `30d`, `12h`, `1d12h`."""

import re
from datetime import timedelta
from typing import Final

from interlock.contracts.errors import ConfigurationError

_SECONDS: Final = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400, "w": 604_800}
_PART: Final = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)\s*(min|[smhdw])\s*")


def parse_duration(text: str, *, name: str) -> timedelta:
    """Return a duration of one or more numbers, each with its unit.

    Args:
        text: As typed.
        name: What it is given for, for errors.

    Raises:
        ConfigurationError: It is none, or longer than any date is ago.
    """
    parts = _PART.findall(text.strip())
    if not parts or _PART.sub("", text.strip()):
        raise ConfigurationError(
            f"{name} is {text!r}. Give a number and a unit, such as 30d, 12h, 45min or 90s; w is "
            "for weeks."
        )
    try:
        return timedelta(seconds=sum(float(number) * _SECONDS[unit] for number, unit in parts))
    except OverflowError as exc:
        raise ConfigurationError(f"{name} is {text!r}, which is too long. Give less.") from exc
