"""Which exceptions a breaker counts: what says something of the other side, not of the caller."""

import asyncio
from typing import Any, Final

from interlock.contracts.errors import PermanentError
from interlock.contracts.limit_errors import BreakerOpenError, RateLimitedError
from interlock.contracts.limits import Breaker
from interlock.contracts.model_errors import ModelAnswerError

_COUNTED_STATUSES: Final = frozenset({408, 429})
_FIRST_CLIENT_ERROR: Final = 400
_FIRST_SERVER_ERROR: Final = 500
_ELSEWHERE: Final = (
    asyncio.CancelledError,
    KeyboardInterrupt,
    GeneratorExit,
    PermanentError,
    BreakerOpenError,
    RateLimitedError,
    ModelAnswerError,
    NotImplementedError,
    ImportError,
    NameError,
    SyntaxError,
)
"""The caller's own doing, or that of somebody who has been counted already."""


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
    for source, name in (
        (error, "status_code"),
        (response, "status_code"),
        (error, "status"),
        (response, "status"),
    ):
        status = getattr(source, name, None)
        if isinstance(status, int) and not isinstance(status, bool):
            return status
    return None


def name_failure(error: BaseException) -> str:
    """Return what an exception is in a few words that say nothing of what was called."""
    status = find_status(error)
    kind = type(error).__name__
    return kind if status is None else f"{kind} (HTTP {status})"
