"""Sync workers and checks off the event loop, each in a daemon thread of its own.

The loop's default pool has few threads and joins them at exit, so a function that hangs would
hold up other steps and then the process. A daemon thread holds up neither.
"""

import asyncio
import contextvars
import inspect
import threading
from collections.abc import Callable
from typing import Any

from interlock.contracts.safe_words import word_error


async def call_user(function: Callable[..., Any], *args: object) -> Any:  # noqa: ANN401
    """Return what a user's function gives: an async one is awaited, a sync one runs in a thread."""
    if inspect.iscoroutinefunction(function):
        return await function(*args)
    result = await call_in_thread(function, *args)
    return await result if inspect.isawaitable(result) else result


async def call_in_thread(function: Callable[..., Any], *args: object) -> Any:  # noqa: ANN401
    """Return what a sync function returns, run with the caller's context variables.

    On cancellation the thread runs on to its end and its result is dropped.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Any] = loop.create_future()
    context = contextvars.copy_context()

    def set_result(result: object, error: BaseException | None) -> None:
        if future.done():
            return
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)

    def run() -> None:
        result: object = None
        error: BaseException | None = None
        try:
            result = context.run(function, *args)
        except BaseException as exc:  # noqa: BLE001 - handed to the awaiting caller
            error = exc if _is_harmless(exc) else RuntimeError(_word(exc))
        if not loop.is_closed():
            loop.call_soon_threadsafe(set_result, result, error)

    threading.Thread(target=run, name="interlock-worker", daemon=True).start()
    return await future


def _is_harmless(error: BaseException) -> bool:
    """Return whether an error may be raised again in the event loop, where its caller waits."""
    return isinstance(error, (Exception, SystemExit)) and not isinstance(error, StopIteration)


def _word(error: BaseException) -> str:
    return f"the function raised {type(error).__name__}: {word_error(error)}"
