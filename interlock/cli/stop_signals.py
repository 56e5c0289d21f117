"""Ctrl-C and SIGTERM: the first drains, the second cuts off."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from interlock.cli.exit_codes import SIGNAL_BASE
from interlock.console.clean_text import show_duration
from interlock.console.signal_handlers import catch_signals
from interlock.orchestrator import Orchestrator

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


class StopSignals:
    """Turns signals into drains of one team.

    Attributes:
        tell: Says what is going on; changes with what shows the run.
    """

    def __init__(self, desk: Orchestrator, *, tell: Callable[[str], None]) -> None:
        """Watch for nothing yet."""
        self._desk = desk
        self.tell = tell
        self._first: signal.Signals | None = None

    @property
    def exit_code(self) -> int | None:
        """The code to leave with after a drain; None if no signal came."""
        return SIGNAL_BASE + self._first if self._first is not None else None

    @contextmanager
    def watch(self) -> Iterator[None]:
        """Take the signals from before the run begins until its result is shown."""
        with catch_signals(_SIGNALS, self._stop):
            yield

    def _stop(self, number: signal.Signals) -> None:
        if self._first is None:
            self._first = number
            grace = show_duration(self._desk.team_spec.policy.drain_grace.total_seconds())
            self.tell(
                f"{number.name}: running attempts may finish, for {grace} at most; nothing new "
                "starts. Once more (Ctrl-C) cuts them off."
            )
        else:
            self.tell(f"{number.name}: cutting off.")
        self._desk.drain(number.name)
