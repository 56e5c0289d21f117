"""The makespan benchmark as a table, and whether its aims hold."""

from collections.abc import Sequence
from typing import Final

from rich.console import Group
from rich.table import Table
from rich.text import Text

from interlock.bench.makespan import MOST_EXTRA_CPU_MS, MOST_RATIO, MakespanRow
from interlock.console.clean_text import clean_text
from interlock.console.palette import STYLES

_AIMS: Final = (
    f"at most {MOST_RATIO:.2f} x critical path, and at most {MOST_EXTRA_CPU_MS:g} ms of CPU per "
    "step above bare @task"
)


def draw_makespan(rows: Sequence[MakespanRow], *, rounds: int) -> Group:
    """Return the figures, what they mean, and as the last line whether the aims hold."""
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column("GRAPH", no_wrap=True)
    for name in ("STEPS", "WALL/PATH", "CPU MS", "ABOVE @TASK", "BYTES"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        _add_rows(table, row)
    return Group(table, Text(""), *_draw_legend(rows, rounds), Text(""), _draw_aims(rows))


def _add_rows(table: Table, row: MakespanRow) -> None:
    base = row.tasks_cpu_ms
    figures = (
        ("interlock", row.interlock_ratio, row.interlock_cpu_ms, row.interlock_bytes),
        ("LangGraph waves", row.waves_ratio, row.waves_cpu_ms, row.waves_bytes),
        ("bare @task", row.tasks_ratio, base, row.tasks_bytes),
    )
    table.add_row(Text(clean_text(row.graph), style="bold"), str(row.steps))
    for name, ratio, cpu, size in figures:
        above = "" if name == "bare @task" else f"{cpu - base:+.1f}"
        table.add_row(f"  {name}", "", f"{ratio:.2f}", f"{cpu:.1f}", above, f"{size:,.0f}")


def _draw_legend(rows: Sequence[MakespanRow], rounds: int) -> Sequence[Text]:
    seconds = rows[0].critical_path_seconds
    middle = "one round" if rounds == 1 else f"medians of {rounds} rounds"
    return [
        Text(line, style="dim")
        for line in (
            f"WALL/PATH    time taken over the critical path, here {seconds:g} s; 1 is perfect",
            "CPU MS       CPU time of the process, per step; ABOVE @TASK: less that of @task",
            "BYTES        database files at the end, per step",
            f"All figures: {middle}.",
        )
    ]


def _draw_aims(rows: Sequence[MakespanRow]) -> Text:
    misses = [miss for row in rows for miss in row.misses]
    if not misses:
        return Text(f"The aims hold: {_AIMS}.", style=STYLES["good"])
    words = clean_text("; ".join(misses))
    return Text(f"The aims do not hold ({_AIMS}): {words}.", style=STYLES["bad"])
