"""Handlers for signals, in the event loop, for as long as a block lasts."""

import asyncio
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress


@contextmanager
def catch_signals(
    numbers: Sequence[signal.Signals], handler: Callable[[signal.Signals], None]
) -> Iterator[None]:
    """Call a function in the running event loop whenever one of the signals comes."""
    loop = asyncio.get_running_loop()
    for number in numbers:
        with suppress(NotImplementedError):  # an event loop without signals
            loop.add_signal_handler(number, handler, number)
    try:
        yield
    finally:
        for number in numbers:
            with suppress(NotImplementedError):
                loop.remove_signal_handler(number)
