"""A run on a terminal: what is going on below, what has happened above."""

from datetime import datetime
from types import TracebackType
from typing import Final, Self

from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from interlock.console.clean_text import clean_text, shorten, show_duration
from interlock.console.event_words import Line, word_event
from interlock.console.palette import STYLES
from interlock.console.progress import Progress
from interlock.contracts.clock import Clock
from interlock.contracts.question import Question
from interlock.telemetry.events import AttemptRefused, AttemptStarted, Event, RunStopped

_REFRESHES_A_SECOND: Final = 8
_MOST_ROWS: Final = 8
_BAR_WIDTH: Final = 30


class LiveView:
    """A live display: progress, running attempts, open questions; a log scrolls above it."""

    def __init__(self, console: Console, *, clock: Clock, progress: Progress | None = None) -> None:
        """Draw on a console.

        Args:
            console: A terminal.
            clock: Tells how long attempts have been running.
            progress: Where a resumed run stands already.
        """
        self._clock = clock
        self._progress = progress or Progress()
        self._live = Live(
            self,
            console=console,
            refresh_per_second=_REFRESHES_A_SECOND,
            transient=True,
        )

    def __enter__(self) -> Self:
        """Begin to draw."""
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Take the display away; the log above it stays."""
        self._live.stop()

    def show(self, event: Event) -> None:
        """Add an event, and log it if it ends or refuses something."""
        self._progress.take(event)
        line = None if isinstance(event, AttemptStarted | RunStopped) else word_event(event)
        if line is not None:
            self._live.console.print(draw_line(line))

    def tell(self, words: str) -> None:
        """Log a note."""
        self._live.console.print(Text(clean_text(words), style="bold"))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw the display as it is now."""
        del console, options
        yield draw_progress(self._progress, now=self._clock.now())


def draw_line(line: Line) -> Text:
    """Return a log line: its mark coloured, what is said in plain."""
    text = Text(f"{line.mark:<9}", style=STYLES[line.mood])
    if line.subject:
        text.append(f" {line.subject}", style="bold")
    text.append(f"  {line.words}" if line.words else "", style="default")
    return text


def draw_progress(progress: Progress, *, now: datetime) -> Group:
    """Return the live display of a run."""
    parts: list[Text | Table] = [Text(""), _draw_bar(progress, now=now)]
    running = list(progress.running.values())
    if running:
        parts.append(_draw_running(running, now=now))
    parts += [_draw_pause(event, now=now) for event in list(progress.pausing.values())[:_MOST_ROWS]]
    parts += [_draw_waiting(q) for q in list(progress.questions.values())[:_MOST_ROWS]]
    return Group(*parts)


def _draw_pause(event: AttemptRefused, *, now: datetime) -> Text:
    return Text.assemble(
        ("  pausing  ", STYLES["odd"]),
        (clean_text(event.step_id), "bold"),
        f"  before attempt {event.attempt + 1}, ",
        f"for {show_duration((now - event.at).total_seconds())} now",
        overflow="ellipsis",
        no_wrap=True,
    )


def _draw_waiting(question: Question) -> Text:
    return Text.assemble(
        ("  waiting  ", STYLES["odd"]),
        (clean_text(question.step_id or "plan"), "bold"),
        f"  {shorten(question.description, 100)}",
        overflow="ellipsis",
        no_wrap=True,
    )


def _draw_bar(progress: Progress, *, now: datetime) -> Table:
    done = progress.done
    row = Table.grid(padding=(0, 2))
    for _ in range(3):
        row.add_column(no_wrap=True)
    words = [f"{done}/{progress.total} steps"] if progress.total is not None else ["planning"]
    words += [f"{count} {status}" for status, count in sorted(_count(progress).items())]
    if progress.retries:
        words.append("1 retry" if progress.retries == 1 else f"{progress.retries} retries")
    if progress.started_at is not None:
        words.append(show_duration((now - progress.started_at).total_seconds()))
    bar = ProgressBar(total=max(progress.total or 1, 1), completed=done, width=_BAR_WIDTH)
    row.add_row(bar, Text(" · ".join(words), overflow="ellipsis"))
    return row


def _count(progress: Progress) -> dict[str, int]:
    """Return what is not simply accepted: that needs no mention."""
    counts = {status: n for status, n in progress.counts.items() if status != "accepted"}
    if progress.running:
        counts["running"] = len(progress.running)
    if progress.pausing:
        counts["pausing"] = len(progress.pausing)
    if progress.questions:
        counts["waiting"] = len(progress.questions)
    return counts


def _draw_running(running: list[AttemptStarted], *, now: datetime) -> Table:
    table = Table.grid(padding=(0, 2))
    for _ in range(4):
        table.add_column(no_wrap=True, overflow="ellipsis")
    for event in running[:_MOST_ROWS]:
        table.add_row(
            Text("  running", style=STYLES["quiet"]),
            Text(clean_text(event.step_id), style="bold"),
            Text(f"{clean_text(event.worker)}, attempt {event.attempt}"),
            Text(show_duration((now - event.at).total_seconds()), justify="right"),
        )
    if len(running) > _MOST_ROWS:
        table.add_row(Text("  running"), Text(f"and {len(running) - _MOST_ROWS} more"), "", "")
    return table
