"""What another side asks us to wait: the `Retry-After` header of RFC 9110, section 10.2.3."""

import math
from email.utils import parsedate_to_datetime
from typing import Any, Final

LONGEST_SECONDS: Final = 86_400.0
"""A day: whoever asks for more gets no more."""


def find_retry_after(exc: BaseException) -> float | None:
    """Return how many seconds to wait, as an exception says itself or its response does."""
    own = getattr(exc, "retry_after_seconds", None)
    if isinstance(own, (int, float)):
        return _bound(float(own))
    headers = getattr(getattr(exc, "response", None), "headers", None)
    return None if headers is None else parse_retry_after(headers)


def parse_retry_after(headers: Any) -> float | None:  # noqa: ANN401 - any client library's mapping
    """Return how many seconds to wait, or None if the headers do not say it.

    An HTTP date is read against the response's own `Date`, so that clocks need not agree.
    """
    value = headers.get("retry-after")
    if value is None:
        return None
    seconds = _parse_seconds(value)
    return _bound(_parse_date(value, headers) if seconds is None else seconds)


def _bound(seconds: float | None) -> float | None:
    if seconds is None or not math.isfinite(seconds):
        return None
    return min(max(seconds, 0.0), LONGEST_SECONDS)


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
