"""What the demonstration shows while it runs: lines, and on a terminal a bar below them."""

import os
import time
from types import TracebackType
from typing import Final, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from interlock.console.clean_text import clean_text, show_value
from interlock.console.event_words import Line, Mood
from interlock.console.palette import STYLES
from interlock.contracts.question import Answer, Question
from interlock.demo.cases import Case
from interlock.demo.demonstration import CaseReport
from interlock.demo.incidents import ProcessKill, read_refusal
from interlock.telemetry.events import Event, HandoffRecorded, QuestionAsked, RunStarted

_MARK_WIDTH: Final = 9
_SHOWN_LIMIT: Final = 300


class DemoLines:
    """Shows the demonstration to a person; a context manager around it."""

    def __init__(self, console: Console, *, total: int) -> None:
        """Show nothing yet.

        Args:
            console: On stdout.
            total: Tickets to come.
        """
        self._console = console
        self._started = time.monotonic()
        self._bar = Progress(
            TextColumn("tickets answered"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("", total=total)

    def __enter__(self) -> Self:
        """Show the bar."""
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Take the bar away; the lines stay."""
        self._bar.stop()

    @property
    def seconds(self) -> float:
        """How long it has taken so far."""
        return time.monotonic() - self._started

    def show_event(self, case: Case, event: Event) -> None:
        """Show a refused attempt, a question, and a run that is taken up again."""
        match event:
            case HandoffRecorded():
                if (refusal := read_refusal(event.handoff)) is not None:
                    words = f"{refusal.words} -> {refusal.reaction}"
                    self._write(case, Line(refusal.trouble, "", words, "bad"))
            case QuestionAsked():
                self._write(case, Line("asked", "", event.question.description, "odd"))
                shown = show_value(event.question.args, _SHOWN_LIMIT)
                self._write(case, Line("shown", "", shown, "odd"))
            case RunStarted(is_resumed=True):
                words = f"the run goes on in process {os.getpid()}"
                self._write(case, Line("resumed", "", words, "quiet"))
            case _:
                pass

    def show_kill(self, case: Case, kill: ProcessKill) -> None:
        """Show that a process is dead."""
        words = (
            f"process {kill.pid} (signal {-kill.exit_code}) at work on step {kill.step_id}; "
            f"{len(kill.settled)} of {kill.total} steps had settled"
        )
        self._write(case, Line("killed", "", words, "bad"))

    def show_answer(self, case: Case, question: Question, answer: Answer) -> None:
        """Show what the person was shown and answered."""
        words = f"{answer.type}, for step {question.step_id} (this demonstration plays the person)"
        self._write(case, Line("answered", "", words, "odd"))

    def show_report(self, report: CaseReport) -> None:
        """Show that a case has ended."""
        self._bar.advance(self._task)
        mood: Mood = "good" if report.is_right else "bad"
        words = f"{report.case.wish}: {'as' if report.is_right else 'NOT as'} expected"
        self._write(report.case, Line(report.report.result.status, "", words, mood))

    def _write(self, case: Case, line: Line) -> None:
        at = f"{self.seconds:4.1f} s"
        ticket = f"ticket {case.number}"
        mark = f"{line.mark:<{_MARK_WIDTH}}"
        words = clean_text(line.words)
        if not self._console.is_terminal:
            self._console.print(Text(f"{at}  {ticket:<10}  {mark}  {words}"), soft_wrap=True)
            return
        grid = Table.grid(padding=(0, 2))
        for width in (len(at), 10, _MARK_WIDTH):
            grid.add_column(no_wrap=True, width=width)
        grid.add_column()
        grid.add_row(
            Text(at, style="dim"), ticket, Text(mark, style=STYLES[line.mood]), Text(words)
        )
        self._bar.console.print(grid)
