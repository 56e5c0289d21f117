"""What a storage forgot, or would forget, for a person."""

from collections.abc import Iterator, Sequence
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from interlock.console.clean_text import clean_text, count_of
from interlock.console.command_line import draw_command
from interlock.contracts.ids import ThreadId
from interlock.contracts.retention import PruneReport

_UNITS: Final = ("bytes", "kB", "MB", "GB", "TB")
_STEP: Final = 1000
_MOST_NAMED: Final = 5


def draw_pruned(report: PruneReport, *, compacted: bool, line: str | None) -> Group:
    """Return a report as a page.

    Args:
        report: What was deleted or counted.
        compacted: Whether a file was rewritten without its free room.
        line: The command line that deletes what was only counted; None if there is none.
    """
    return Group(*_draw(report, compacted=compacted, line=line))


def _draw(report: PruneReport, *, compacted: bool, line: str | None) -> Iterator[RenderableType]:
    when = f"older than {report.before:%Y-%m-%d %H:%M:%S} UTC"
    if not report.tables:
        yield Text(f"Nothing to delete: nothing {when} that is not needed.")
    else:
        yield Text(f"{'Would delete' if report.dry_run else 'Deleted'}, {when}:")
        yield _draw_tables(report)
    yield from _draw_threads(report)
    yield from _draw_file(report, compacted=compacted)
    if line is not None:
        yield Text("To delete it:")
        yield draw_command(line)


def _draw_tables(report: PruneReport) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column("TABLE", no_wrap=True)
    for name in ("ROWS", "VALUES"):
        table.add_column(name, justify="right", no_wrap=True)
    for name, pruned in report.tables.items():
        size = "" if name == "effects" else show_bytes(pruned.bytes)
        table.add_row(f"  {name}", f"{pruned.rows:,}", size)
    total = report.total
    table.add_row(Text("  in all", style="bold"), f"{total.rows:,}", show_bytes(total.bytes))
    return table


def _draw_threads(report: PruneReport) -> Iterator[Text]:
    word = "would keep" if report.dry_run else "kept"
    if report.trimmed:
        yield Text(f"{_name(report.trimmed)}: {word} what a resume needs.")
    if report.emptied:
        rest = "handoffs" not in report.tables
        stays = "run and its record" if rest else "run and its result"
        yield Text(f"{_name(report.emptied)}: ended, {word} the {stays}, and no checkpoint.")
    if report.busy:
        yield Text(f"{_name(report.busy)}: left alone, as somebody is running it.", style="yellow")


def _name(threads: Sequence[ThreadId]) -> str:
    """Return how many threads, and which as far as there is room."""
    named = ", ".join(clean_text(one) for one in threads[:_MOST_NAMED])
    more = ", ..." if len(threads) > _MOST_NAMED else ""
    return f"{count_of(len(threads), 'thread')} ({named}{more})"


def _draw_file(report: PruneReport, *, compacted: bool) -> Iterator[Text]:
    before, after = report.file_bytes_before, report.file_bytes_after
    if before is None or after is None or report.dry_run:
        return
    if compacted:
        yield Text(f"The file had {show_bytes(before)} and has {show_bytes(after)} now.")
    elif report.tables:
        yield Text(
            f"The file has {show_bytes(after)}; what is free in it is used again. --compact gives "
            "it back to the disk.",
            style="dim",
        )


def show_bytes(size: int) -> str:
    """Return a size as a person says it: `512 bytes`, `1.2 MB`."""
    shown, unit = float(size), 0
    while shown >= _STEP and unit < len(_UNITS) - 1:
        shown, unit = shown / _STEP, unit + 1
    return f"{size:,} bytes" if unit == 0 else f"{shown:.1f} {_UNITS[unit]}"
