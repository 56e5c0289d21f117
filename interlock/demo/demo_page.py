"""The demonstration's first words and its last page: a table, what was seen, where to look."""

import shlex
from collections.abc import Iterator, Sequence
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from interlock.console.clean_text import clean_text, count_of, show_duration
from interlock.console.command_line import draw_command
from interlock.console.event_words import STATUS_MOODS
from interlock.console.palette import STYLES
from interlock.demo.demo_folder import DemoFolder
from interlock.demo.demonstration import CaseReport

_COLUMNS: Final = (("TICKET", 6), ("THE CUSTOMER WANTED", 30), ("STEPS", 5), ("ATTEMPTS", 8))
_STATUS_WIDTH: Final = 9
_HASH_DIGITS: Final = 8
_INDENT: Final = 8
_LABELS: Final = ("went wrong", "interlock")
_LABEL_STYLES: Final = (STYLES["odd"], STYLES["good"])


def draw_introduction(tickets: int) -> Text:
    """Return what is about to happen, in words."""
    return Text(
        f"A team of four workers and a supervisor answers {tickets} customer-service tickets\n"
        "of the tau-bench benchmark. The right calls, and the hash of the shop's\n"
        "database after them, come from the benchmark; no model is asked.\n"
        "On purpose, one worker raises, one answers garbage, one hangs, one process is\n"
        "killed, and one refund is so high that a person must approve it.\n"
    )


def draw_conclusion(
    reports: Sequence[CaseReport], *, seconds: float, kept: DemoFolder | None
) -> Group:
    """Return the last page.

    Args:
        reports: In the order in which they are shown.
        seconds: How long it took.
        kept: The folder, if it is kept.
    """
    return Group(
        *_draw_table(reports),
        Text(""),
        _draw_summary(reports, seconds=seconds),
        Text(""),
        *_draw_commands(reports, kept),
    )


def _draw_table(reports: Sequence[CaseReport]) -> Iterator[RenderableType]:
    head = "  ".join(f"{name:<{width}}" for name, width in _COLUMNS)
    yield Text(f"\n{head}  {'RESULT':<{_STATUS_WIDTH}}  DATABASE", style="dim")
    for report in reports:
        yield _draw_row(report)
        for incident in report.incidents:
            yield _draw_incident(incident.went_wrong, incident.done)


def _draw_row(report: CaseReport) -> Text:
    result = report.report.result
    row = Text(f"{report.case.number:<6}  {report.case.wish:<30}  ", style="bold")
    row.append(f"{len(result.outcomes):>5}  {result.usage.attempts:>8}  ", style="default")
    row.append(f"{result.status:<{_STATUS_WIDTH}}  ", style=STYLES[STATUS_MOODS[result.status]])
    if report.report.is_database_right:
        return row.append("as expected", style=STYLES["good"])
    seen = report.report.final_hash[:_HASH_DIGITS]
    expected = (report.report.ticket.final_db_sha256 or "")[:_HASH_DIGITS]
    return row.append(f"NOT as expected ({seen}, not {expected})", style=STYLES["bad"])


def _draw_incident(went_wrong: str, done: str) -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(width=_INDENT - 2)
    grid.add_column(no_wrap=True, width=max(map(len, _LABELS)))
    grid.add_column()
    for label, style, words in zip(_LABELS, _LABEL_STYLES, (went_wrong, done), strict=True):
        grid.add_row("", Text(label, style=style), Text(clean_text(words)))
    return grid


def _draw_summary(reports: Sequence[CaseReport], *, seconds: float) -> Text:
    right = sum(report.is_right for report in reports)
    incidents = sum(len(report.incidents) for report in reports)
    steps = sum(len(report.report.result.outcomes) for report in reports)
    attempts = sum(report.report.result.usage.attempts for report in reports)
    handoffs = sum(report.report.handoffs for report in reports)
    if right == len(reports):
        first = (
            f"{count_of(incidents, 'thing')} went wrong, and all {count_of(right, 'ticket')} ended "
            "with the database as the benchmark has it."
        )
    else:
        wrong = count_of(len(reports) - right, "ticket")
        first = f"{wrong} of {len(reports)} did NOT end as expected."
    return Text(
        f"{first}\n"
        "Nothing used a worker's answer before the supervisor had validated it.\n"
        f"{steps} steps took {attempts} attempts; all {handoffs} handoffs are in the journal. "
        f"It took {show_duration(seconds)}."
    )


def _draw_commands(reports: Sequence[CaseReport], kept: DemoFolder | None) -> Iterator[Text]:
    if kept is None:
        yield Text("Its folder is gone. To look closer, keep it:")
        yield draw_command("interlock demo --keep")
        return
    yield Text("Look closer:")
    for words in (["status"], *_list_views(reports)):
        yield draw_command(shlex.join(["interlock", *words, "--storage", kept.storage_url]))
    yield Text("Which process started which attempt:")
    yield draw_command(shlex.join(["cat", clean_text(str(kept.starts_path))]))


def _list_views(reports: Sequence[CaseReport]) -> Iterator[list[str]]:
    """Yield a command for each incident: the whole thread for a kill, the step for the others."""
    for report in reports:
        for incident in report.incidents:
            whole = ["handoffs", report.case.ticket_id]
            is_kill = incident.trouble == "killed"
            yield whole if is_kill else [*whole, "--step", incident.step_id]
