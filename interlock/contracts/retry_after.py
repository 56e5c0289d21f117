"""What another side asks us to wait: the `Retry-After` header of RFC 9110, section 10.2.3."""

import math
from collections.abc import Iterator, Mapping
from email.utils import parsedate_to_datetime
from typing import Any, Final

from interlock.contracts.clock import SystemClock

LONGEST_SECONDS: Final = 86_400.0
"""A day: whoever asks for more gets no more."""


def find_retry_after(exc: BaseException) -> float | None:
    """Return how many seconds to wait, as an exception says itself or its response does."""
    own = getattr(exc, "retry_after_seconds", None)
    if isinstance(own, (int, float)):
        return _bound(float(own))
    for headers in _list_headers(exc):
        found = parse_retry_after(headers)
        if found is not None:
            return found
    return None


def _list_headers(exc: BaseException) -> Iterator[Any]:
    """Go through where client libraries keep an answer's headers: httpx, aiohttp, botocore."""
    response = getattr(exc, "response", None)
    yield getattr(response, "headers", None)
    yield getattr(exc, "headers", None)
    if isinstance(response, Mapping):
        about = response.get("ResponseMetadata")
        yield about.get("HTTPHeaders") if isinstance(about, Mapping) else None


def parse_retry_after(headers: Any) -> float | None:  # noqa: ANN401 - any client library's mapping
    """Return how many seconds to wait, or None if the headers do not say it.

    `Retry-After-Ms`, which some model services send, is more exact and goes first. An HTTP date is
    read against the response's own `Date`, so that clocks need not agree, and without one against
    this machine's. Headers of any other shape say nothing.
    """
    milliseconds = _parse_seconds(_find_header(headers, "retry-after-ms"))
    if milliseconds is not None:
        return _bound(milliseconds / 1000)
    value = _find_header(headers, "retry-after")
    if value is None:
        return None
    seconds = _parse_seconds(value)
    return _bound(_parse_date(value, headers) if seconds is None else seconds)


def _find_header(headers: Any, name: str) -> Any:  # noqa: ANN401 - as above
    """Return a header's value, whatever the case of its name; None if it is not there."""
    try:
        return next((headers[key] for key in headers if str(key).lower() == name), None)
    except (TypeError, LookupError, AttributeError):
        return None


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
        until = parsedate_to_datetime(str(value))
        said = _find_header(headers, "date")
        since = SystemClock().now() if said is None else parsedate_to_datetime(str(said))
        return (until - since).total_seconds()
    except (TypeError, ValueError):
        return None
