"""Where a run's events go: a live display, plain lines, or JSON lines."""

from collections.abc import Sequence
from types import TracebackType
from typing import Any, Final, Protocol, Self, TextIO

from interlock.console.clean_text import clean_text
from interlock.console.event_words import word_event
from interlock.console.json_lines import dump_event, write_json
from interlock.contracts.clock import Clock
from interlock.telemetry.events import Event, RunStopped

_MARK_WIDTH: Final = 9


class RunView(Protocol):
    """Shows one run while it goes on; a context manager around it."""

    def __enter__(self) -> Self:
        """Begin to show."""
        ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> None:
        """Stop showing; what was shown stays."""
        ...

    def show(self, event: Event) -> None:
        """Show one event."""
        ...

    def tell(self, words: str) -> None:
        """Tell the user something that is no event."""
        ...


class PlainLines:
    """One timestamped line a change, for pipes and log files."""

    def __init__(self, stream: TextIO, *, clock: Clock) -> None:
        """Write to a stream."""
        self._stream = stream
        self._clock = clock

    def __enter__(self) -> Self:
        """Begin to show."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop showing."""

    def show(self, event: Event) -> None:
        """Write an event's line, if it has one."""
        line = word_event(event)
        if line is not None:
            self._write(event.at.strftime("%H:%M:%SZ"), line.mark, line.subject, line.words)

    def tell(self, words: str) -> None:
        """Write a line that is no event."""
        self._write(self._clock.now().strftime("%H:%M:%SZ"), "note", "", clean_text(words))

    def _write(self, time: str, mark: str, subject: str, words: str) -> None:
        parts: Sequence[str] = [time, mark.ljust(_MARK_WIDTH), *filter(None, (subject, words))]
        self._stream.write("  ".join(parts).rstrip() + "\n")
        self._stream.flush()


class JsonLines:
    """One JSON object a line for each event; the last one holds the result."""

    def __init__(self, stream: TextIO, *, notes: TextIO) -> None:
        """Write events to one stream and notes for people to another."""
        self._stream = stream
        self._notes = notes

    def __enter__(self) -> Self:
        """Begin to show."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop showing."""

    def show(self, event: Event) -> None:
        """Write an event."""
        shown: dict[str, Any] = dump_event(event)
        if isinstance(event, RunStopped):
            shown["status"] = event.result.status
        write_json(self._stream, shown)

    def tell(self, words: str) -> None:
        """Tell a person beside the stream of events."""
        self._notes.write(clean_text(words) + "\n")
        self._notes.flush()
