"""Which exceptions a breaker counts: what says something of the other side, not of the caller."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from interlock.contracts.errors import STORAGE_FAILURES, PermanentError
from interlock.contracts.limit_errors import BreakerOpenError, RateLimitedError
from interlock.contracts.limits import Breaker
from interlock.contracts.model_errors import ModelAnswerError

_COUNTED_STATUSES: Final = frozenset({408, 429})
_FIRST_CLIENT_ERROR: Final = 400
_FIRST_SERVER_ERROR: Final = 500
_STATUSES: Final = range(100, 600)
"""What can be a status: other codes, of processes or of databases, are none."""

_ELSEWHERE: Final = (
    asyncio.CancelledError,
    KeyboardInterrupt,
    GeneratorExit,
    PermanentError,
    BreakerOpenError,
    RateLimitedError,
    ModelAnswerError,
    *STORAGE_FAILURES,
    NotImplementedError,
    ImportError,
    NameError,
    SyntaxError,
)
"""The caller's own doing, our storage's, or that of somebody who has been counted already."""


def counts_as_failure(error: BaseException, breaker: Breaker) -> bool:
    """Return whether a breaker counts an exception."""
    if isinstance(error, breaker.counts):
        return True
    if isinstance(error, (*breaker.ignores, *_ELSEWHERE)):
        return False
    status = find_status(error)
    if status is None or not _FIRST_CLIENT_ERROR <= status < _FIRST_SERVER_ERROR:
        return True
    return status in _COUNTED_STATUSES


def find_status(error: BaseException) -> int | None:
    """Return the HTTP status that an exception carries, of whatever client library."""
    response: Any = getattr(error, "response", None)
    statuses = [
        getattr(error, "status_code", None),
        getattr(response, "status_code", None),
        getattr(error, "status", None),
        getattr(response, "status", None),
        getattr(error, "code", None),  # google-api-core and google-genai
    ]
    if isinstance(response, Mapping):  # botocore
        about = response.get("ResponseMetadata")
        statuses.append(about.get("HTTPStatusCode") if isinstance(about, Mapping) else None)
    for status in statuses:
        if isinstance(status, int) and not isinstance(status, bool) and status in _STATUSES:
            return int(status)
    return None


def name_failure(error: BaseException) -> str:
    """Return what an exception is in a few words that say nothing of what was called."""
    status = find_status(error)
    kind = type(error).__name__
    return kind if status is None else f"{kind} (HTTP {status})"
