"""Notes when an attempt's tools were called and when they answered, for its metrics.

LangChain tells of its tools; guarded functions that a worker calls itself tell through their scope.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler

from interlock.contracts.clock import Clock
from interlock.contracts.plain import Plain
from interlock.telemetry.spans import SILENT, SILENT_SPAN, Fact, OpenSpan, Telemetry


@dataclass(slots=True, kw_only=True)
class WatchedCall:
    """One call of a tool, as it is seen.

    Attributes:
        tool: Its name.
        started_at: When it was called.
        ended_at: When it had answered or raised; None while it runs.
        error: The class name of what it raised.
        is_guards: Whether the guard told of it, which LangChain may have done as well.
        span: Tells who watches the run.
    """

    tool: str
    started_at: datetime
    ended_at: datetime | None = None
    error: str | None = None
    is_guards: bool = False
    span: OpenSpan = SILENT_SPAN


@dataclass
class ToolWatch(BaseCallbackHandler):
    """Watches the tools of one attempt; its calls may come from any thread."""

    clock: Clock
    telemetry: Telemetry = SILENT
    facts: Mapping[str, Fact] = field(default_factory=dict)
    run_inline: bool = True
    _open: dict[UUID, WatchedCall] = field(default_factory=dict)
    _calls: list[WatchedCall] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __hash__(self) -> int:
        """Tell watches apart: LangChain puts handlers into sets."""
        return id(self)

    def __eq__(self, other: object) -> bool:
        """Return whether it is this one."""
        return self is other

    def begin(self, tool: str, *, is_guards: bool = False) -> WatchedCall:
        """Note that a tool is called now."""
        call = WatchedCall(tool=tool, started_at=self.clock.now(), is_guards=is_guards)
        with self._lock:
            if not is_guards or not any(self._is_told(other, tool) for other in self._calls):
                call.span = self.telemetry.open("tool", tool, facts={"tool": tool, **self.facts})
            self._calls.append(call)
        call.span.lend()
        return call

    @staticmethod
    def _is_told(call: WatchedCall, tool: str) -> bool:
        """Return whether LangChain has told of a call of a tool that is under way."""
        return not call.is_guards and call.ended_at is None and call.tool == tool

    def end(self, call: WatchedCall, error: BaseException | None = None) -> None:
        """Note that a tool has answered, or raised."""
        call.ended_at = self.clock.now()
        call.error = None if error is None else type(error).__name__
        if error is not None:
            call.span.fail(error)
        call.span.end()

    def on_tool_start(
        self,
        serialized: dict[str, Any],
        input_str: str,
        *,
        run_id: UUID,
        **kwargs: Any,  # noqa: ANN401 - LangChain's
    ) -> None:
        """Note a LangChain tool's call."""
        name = (serialized or {}).get("name") or kwargs.get("name") or "tool"
        self._open[run_id] = call = self.begin(str(name))
        if self.telemetry.shows_content:
            call.span.show("input", kwargs.get("inputs") or input_str)

    def on_tool_end(self, output: Any, *, run_id: UUID, **kwargs: Any) -> None:  # noqa: ANN401
        """Note its answer."""
        del kwargs
        if (call := self._open.pop(run_id, None)) is not None:
            if self.telemetry.shows_content:
                call.span.show("output", getattr(output, "content", output))
            self.end(call)

    def on_tool_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:  # noqa: ANN401
        """Note what it raised."""
        del kwargs
        if (call := self._open.pop(run_id, None)) is not None:
            self.end(call, error)

    def dump(self, *, until: datetime) -> list[dict[str, Plain]]:
        """Return the calls in the order of their starts, as an attempt's envelope holds them.

        One that has not ended is cut off where the attempt ended. What both LangChain and the guard
        told of is one call.
        """
        with self._lock:
            calls = list(self._calls)
        return [
            {
                "tool": call.tool,
                "started_at": call.started_at.isoformat(),
                "ended_at": (call.ended_at or until).isoformat(),
                "error": call.error,
            }
            for call in calls
            if not (call.is_guards and any(_is_within(call, other) for other in calls))
        ]


def _is_within(call: WatchedCall, other: WatchedCall) -> bool:
    """Return whether a guard's call is the same as one that LangChain told of."""
    if other.is_guards or other.tool != call.tool or other.started_at > call.started_at:
        return False
    if other.ended_at is None:
        return True
    return call.ended_at is not None and call.ended_at <= other.ended_at
