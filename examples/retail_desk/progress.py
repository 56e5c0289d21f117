"""What the retail desk shows: progress on stderr, results on stdout."""

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar
from rich.table import Table
from rich.text import Text

from interlock.console.clean_text import clean_text
from interlock.demo.ticket_desk import TicketReport
from interlock.demo.tickets import Ticket

_HASH_DIGITS = 8
_GAPS_SHOWN = 2


class Progress:
    """A bar on a terminal, a line a ticket elsewhere; with JSON, an object a ticket on stdout.

    Attributes:
        output_error: Why stdout takes no more; None as long as it does.
    """

    def __init__(
        self, total: int, *, is_json: bool, when_lost: Callable[[], object] = lambda: None
    ) -> None:
        """Show nothing yet.

        Args:
            total: Tickets to come.
            is_json: Whether each report goes to stdout as JSON.
            when_lost: Called once if stdout takes no more.
        """
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._total = total
        self._done = 0
        self._is_json = is_json
        self._when_lost = when_lost
        self.output_error: OSError | None = None
        self._started = time.monotonic()
        self._bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._task = self._bar.add_task("tickets", total=total)

    def __enter__(self) -> Self:
        """Show the bar."""
        self._bar.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        """Take the bar away."""
        self._bar.stop()

    @property
    def seconds(self) -> float:
        """How long it has taken so far."""
        return time.monotonic() - self._started

    def show_report(self, report: TicketReport) -> None:
        """Show that a ticket has ended."""
        if self._is_json:
            self._write(json.dumps(report.dump()))
        words = f"{report.result.status}, {_word_match(report)}"
        if report.was == "finished":
            words = f"was finished before; {words}"
        elif report.was == "unfinished":
            words = f"resumed; {words}"
        if report.result.status != "completed":
            words = "; ".join([words, *map(clean_text, report.result.gaps[:_GAPS_SHOWN])])
        self._advance(report.ticket, words, is_right=report.is_right)

    def show_failure(self, ticket: Ticket, error: Exception) -> None:
        """Show that a ticket could not be run."""
        self._advance(ticket, f"could not be run. {error}", is_right=False)

    def say(self, words: str) -> None:
        """Show a line above the bar."""
        self._console.print(Text(words))

    def _advance(self, ticket: Ticket, words: str, *, is_right: bool) -> None:
        self._done += 1
        self._bar.advance(self._task)
        if not (self._console.is_terminal and is_right):
            self.say(f"{self._done}/{self._total} {clean_text(ticket.id)}: {words}")

    def _write(self, line: str) -> None:
        if self.output_error is not None:
            return
        try:
            print(line, flush=True)
        except OSError as exc:
            self.output_error = exc
            with suppress(OSError):  # or the interpreter complains when it flushes at exit
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            self._when_lost()


def show_summary(
    reports: Sequence[TicketReport], *, failed: int, left: int, seconds: float, is_json: bool
) -> None:
    """Show all reports and their sums: a table on stdout, or with JSON one line on stderr.

    Args:
        reports: In the order they are shown in.
        failed: Tickets that could not be run.
        left: Tickets that were not finished.
        seconds: How long it took.
        is_json: Whether the reports are on stdout already.
    """
    console = Console(stderr=is_json, highlight=False, soft_wrap=True)
    if not is_json:
        console.print(_build_table(reports))
    right = sum(report.is_right for report in reports)
    parts = [f"{right} as expected", f"{len(reports) - right + failed} not"]
    if left:
        parts.append(f"{left} unfinished")
    unknown = sum(report.ticket.final_db_sha256 is None for report in reports)
    if unknown:
        parts.append(f"{unknown} without a recorded state to compare with")
    steps = sum(len(report.result.outcomes) for report in reports)
    handoffs = sum(report.handoffs for report in reports)
    count = len(reports) + failed + left
    console.print(
        Text(
            f"{count} ticket{'s' * (count != 1)}: {', '.join(parts)}. {steps} steps, "
            f"{handoffs} handoffs, {seconds:.1f} s."
        )
    )


def _build_table(reports: Sequence[TicketReport]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("ticket", no_wrap=True)
    table.add_column("status")
    for name in ("steps", "attempts", "handoffs"):
        table.add_column(name, justify="right")
    table.add_column("database", no_wrap=True)
    for report in reports:
        table.add_row(
            Text(clean_text(report.ticket.id)),
            report.result.status,
            str(len(report.result.outcomes)),
            str(report.result.usage.attempts),
            str(report.handoffs),
            Text(_word_match(report)),
        )
    return table


def _word_match(report: TicketReport) -> str:
    seen = report.final_hash[:_HASH_DIGITS]
    expected = report.ticket.final_db_sha256
    if expected is None:
        return f"{seen}, none recorded"
    if expected == report.final_hash:
        return f"{seen} as expected"
    return f"{seen}, EXPECTED {expected[:_HASH_DIGITS]}"
