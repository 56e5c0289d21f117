"""What the demonstration writes for programs: one JSON object a ticket, then a summary."""

from collections.abc import Sequence
from typing import TextIO

from interlock.console.json_lines import write_json
from interlock.contracts.question import Answer, Question
from interlock.demo.cases import Case
from interlock.demo.demo_folder import DemoFolder
from interlock.demo.demonstration import CaseReport
from interlock.demo.incidents import ProcessKill
from interlock.telemetry.events import Event


class DemoJson:
    """Writes each ticket's report as it ends."""

    def __init__(self, stream: TextIO) -> None:
        """Write to a stream."""
        self._stream = stream

    def show_event(self, case: Case, event: Event) -> None:
        """Write nothing: the journal has it."""

    def show_kill(self, case: Case, kill: ProcessKill) -> None:
        """Write nothing: the report has it."""

    def show_answer(self, case: Case, question: Question, answer: Answer) -> None:
        """Write nothing: the journal has it."""

    def show_report(self, report: CaseReport) -> None:
        """Write a ticket's report."""
        write_json(self._stream, report.dump())

    def conclude(
        self, reports: Sequence[CaseReport], *, seconds: float, kept: DemoFolder | None
    ) -> None:
        """Write the summary.

        Args:
            reports: Of all tickets.
            seconds: How long it took.
            kept: The folder, if it is kept.
        """
        right = sum(report.is_right for report in reports)
        summary = {
            "tickets": len(reports),
            "as_expected": right,
            "incidents": sum(len(report.incidents) for report in reports),
            "seconds": round(seconds, 2),
            "storage": kept.storage_url if kept is not None else None,
            "starts": str(kept.starts_path) if kept is not None else None,
            "ok": right == len(reports),
        }
        write_json(self._stream, {"summary": summary})
