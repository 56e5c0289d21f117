"""What another side asks us to wait: the `Retry-After` header of RFC 9110, section 10.2.3."""

import math
from email.utils import parsedate_to_datetime
from typing import Any, Final

LONGEST_SECONDS: Final = 86_400.0
"""A day: whoever asks for more gets no more."""


def find_retry_after(exc: BaseException) -> float | None:
    """Return how many seconds to wait, read from the response that an exception carries.

    An HTTP date is read against the response's own `Date`, so that clocks need not agree.
    """
    headers = getattr(getattr(exc, "response", None), "headers", None)
    value = headers.get("retry-after") if headers is not None else None
    if value is None:
        return None
    seconds = _parse_seconds(value)
    if seconds is None:
        seconds = _parse_date(value, headers)
    return None if seconds is None else min(max(seconds, 0.0), LONGEST_SECONDS)


def _parse_seconds(value: Any) -> float | None:  # noqa: ANN401 - whatever a client library keeps
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        return None
    return seconds if math.isfinite(seconds) else None


def _parse_date(value: Any, headers: Any) -> float | None:  # noqa: ANN401 - as above
    try:
        until, since = (parsedate_to_datetime(str(text)) for text in (value, headers.get("date")))
        return (until - since).total_seconds()
    except (TypeError, ValueError):
        return None
