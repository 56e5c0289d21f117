"""Calls of models with patience: within a time, and again where one was lost on its way.

Used for questions of every kind. Answers are not repeated here: what to say to the model next is
the caller's to know.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

from langchain_core.messages import BaseMessage
from langchain_core.runnables import Runnable
from langgraph.errors import GraphBubbleUp

from interlock.contracts.clock import Clock, SystemClock
from interlock.contracts.model_errors import ModelCallError
from interlock.contracts.policy import Retry, derive_backoff_seconds
from interlock.models.call_failures import explain_failure

T = TypeVar("T")

DEFAULT_RETRY: Final = Retry(max_attempts=3)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallLimits:
    """How long one question may take and how often it is sent.

    Attributes:
        timeout: Of the whole, waits between calls included; None leaves it to the caller.
        retry: For calls that fail on their way. A provider that asks for a longer wait than
            `max_backoff`, or than the time that is left, is not waited for.
        clock: Waits, and tells how much time is left.
    """

    timeout: timedelta | None = None
    retry: Retry = DEFAULT_RETRY
    clock: Clock = field(default_factory=SystemClock)


@asynccontextmanager
async def bound_time(limits: CallLimits, *, model: str) -> AsyncIterator[datetime | None]:
    """Give a question its time; yields the instant at which it is over."""
    seconds = None if limits.timeout is None else limits.timeout.total_seconds()
    until = None if limits.timeout is None else limits.clock.now() + limits.timeout
    timer = asyncio.timeout(seconds)
    try:
        async with timer:
            yield until
    except TimeoutError as exc:
        if not timer.expired():
            raise
        raise ModelCallError(
            fault="timeout", model=model, seen=f"no answer within {seconds:.3g} s"
        ) from exc


async def call_with_patience(
    call: Callable[[], Awaitable[T]],
    *,
    limits: CallLimits,
    model: str,
    until: datetime | None = None,
) -> T:
    """Make a call, again where it was lost on its way, as often as the limits allow.

    Args:
        call: Makes it once.
        limits: How often, and how long to wait in between.
        model: What is called; draws the jitter.
        until: A call that could only begin later is not made; None looks at no clock.

    Raises:
        ModelCallError: No call came back.
    """
    attempt = 1
    while True:
        try:
            return await call()
        except ModelCallError as exc:
            wait = _find_wait(exc, attempt, limits, model=model, until=until)
            if wait is None:
                raise
            await limits.clock.sleep(wait)
        attempt += 1


def _find_wait(
    failed: ModelCallError,
    attempt: int,
    limits: CallLimits,
    *,
    model: str,
    until: datetime | None,
) -> float | None:
    """Return how long to wait before the next call; None if there will be none."""
    retry = limits.retry
    asked = failed.retry_after_seconds or 0.0
    if attempt >= retry.max_attempts or asked > retry.max_backoff.total_seconds():
        return None
    wait = max(derive_backoff_seconds(retry, attempt=attempt, seed=model), asked)
    if until is None:
        return wait
    left = (until - limits.clock.now()).total_seconds()
    return wait if wait < left else None


async def call_model(
    bound: Runnable[Any, Any], messages: Sequence[BaseMessage], *, model: str
) -> Any:  # noqa: ANN401 - what is bound may parse
    """Return what a Runnable around a model gives; what it raises is one of our errors."""
    try:
        return await bound.ainvoke(list(messages))
    except GraphBubbleUp:
        raise
    except Exception as exc:  # client libraries raise anything, JSONDecodeError and IndexError too
        raise explain_failure(exc, model=model) from exc
