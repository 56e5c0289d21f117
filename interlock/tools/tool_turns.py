"""Turns of guarded tools: their breakers and rates are asked before they run, and told afterwards."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from langgraph.errors import GraphBubbleUp, is_invalid_resume

from interlock.contracts.clock import Clock
from interlock.contracts.effect_errors import AttemptOverError, NotAppliedError
from interlock.contracts.errors import ConfigurationError
from interlock.contracts.limits import Limit, LimitLedger, Notice, Turn
from interlock.tools.declaration import EffectDeclaration
from interlock.tools.recorded_errors import find_final_error

_PAUSE: Final = threading.Event()
"""Never set: waiting for it blocks one thread for a while."""


class CallerLeftError(NotAppliedError):
    """Whoever called a tool was cut off before it was run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolTurns:
    """Asks and tells on behalf of one tool.

    Attributes:
        declaration: The tool's.
        ledger: Where breakers and rates are kept; None where only a ledger of effects was given.
        clock: Time.
        notice: Told if a breaker changes.
    """

    declaration: EffectDeclaration
    ledger: LimitLedger | None
    clock: Clock
    notice: Notice | None

    async def take(self, limit: Limit, turn: Turn | None) -> Turn:
        """Return the call's turn, which may begin later.

        Raises:
            BreakerOpenError: The tool is left alone.
        """
        return await self._get_ledger().ask(limit, turn=turn, notice=self.notice)

    def take_blocking(self, limit: Limit, turn: Turn | None) -> Turn:
        """Do as `take` does, blocking the calling thread.

        Raises:
            BreakerOpenError: The tool is left alone.
            RateLimitedError: It would have to wait, and the thread runs an event loop.
        """
        latest = self.clock.now() if _runs_loop() else None
        return self._get_ledger().ask_blocking(limit, turn=turn, latest=latest, notice=self.notice)

    async def end(self, turn: Turn, error: BaseException | None) -> None:
        """Tell how the call came back."""
        await self._get_ledger().tell(turn, self._blame(error), notice=self.notice)

    def end_blocking(self, turn: Turn, error: BaseException | None) -> None:
        """Do as `end` does, blocking the calling thread."""
        self._get_ledger().tell_blocking(turn, self._blame(error), notice=self.notice)

    async def run(self, limit: Limit, run: Callable[[], Awaitable[Any]]) -> Any:  # noqa: ANN401 - the tool's
        """Run a tool that only reads, when its turn has come."""
        turn = await self.take(limit, None)
        while (seconds := self._count_seconds(turn)) > 0:
            await self.clock.sleep(seconds)
            turn = await self.take(limit, turn)
        try:
            value = await run()
        except BaseException as exc:
            await self.end(turn, exc)
            raise
        await self.end(turn, None)
        return value

    def run_blocking(self, limit: Limit, run: Callable[[], Any]) -> Any:  # noqa: ANN401 - the tool's
        """Do as `run` does, blocking the calling thread."""
        turn = self.take_blocking(limit, None)
        while (seconds := self._count_seconds(turn)) > 0:
            _PAUSE.wait(seconds)
            turn = self.take_blocking(limit, turn)
        try:
            value = run()
        except BaseException as exc:
            self.end_blocking(turn, exc)
            raise
        self.end_blocking(turn, None)
        return value

    def _count_seconds(self, turn: Turn) -> float:
        return (turn.starts_at - self.clock.now()).total_seconds()

    def _get_ledger(self) -> LimitLedger:
        if self.ledger is None:
            raise ConfigurationError(
                f"Tool {self.declaration.tool!r} has a breaker or a rate, which are kept in the "
                "storage. Give il.effects(ledger=...) the opened storage itself."
            )
        return self.ledger

    def _blame(self, error: BaseException | None) -> BaseException | None:
        """Return what an error says of the tool: nothing, if it refuses for good or was never run."""
        if error is None:
            return None
        if isinstance(error, (GraphBubbleUp, AttemptOverError, CallerLeftError)):
            return asyncio.CancelledError()
        if not isinstance(error, Exception) or is_invalid_resume(error):
            return asyncio.CancelledError()
        breaker = self.declaration.breaker
        if breaker is not None and isinstance(error, breaker.counts):
            return error
        return None if find_final_error(error, self.declaration) is not None else error


def _runs_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
