"""The benchmark of overhead as a table."""

from collections.abc import Sequence

from rich.console import Group
from rich.table import Table
from rich.text import Text

from interlock.bench.overhead import OverheadRow
from interlock.bench.overhead_contenders import BARE, OURS
from interlock.console.clean_text import clean_text, count_of


def draw_overhead(rows: Sequence[OverheadRow], *, rounds: int) -> Group:
    """Return the figures and what they mean."""
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column("A STEP", no_wrap=True)
    for name in ("CPU MS", "RANGE", "ADDED MS", "WALL MS", "OF BARE"):
        table.add_column(name, justify="right", no_wrap=True)
    for storage in dict.fromkeys(row.storage for row in rows):
        own = [row for row in rows if row.storage == storage]
        kind = clean_text(storage).partition(":")[0]
        table.add_row(Text(f"{kind}, {count_of(own[0].steps, 'step')}", style="bold"))
        for row in own:
            table.add_row(*_word_row(row))
    middle = "one round" if rounds == 1 else f"medians of {rounds} rounds"
    legend = (
        "CPU MS    CPU time of this process, a step; a PostgreSQL server's is not in it",
        "ADDED MS  of it what interlock with its journal alone did not need in the same round",
        "OF BARE   wall time over that of LangGraph's bare @task, which journals nothing",
        "interlock: journal, checkpoints, and all that metrics are counted from; the rest of the",
        "lines have something on top of it. Spans and instruments are OpenTelemetry's SDK's.",
        f"All figures: {middle}.",
    )
    return Group(table, Text(""), *(Text(line, style="dim") for line in legend))


def _word_row(row: OverheadRow) -> list[str]:
    cpu = row.cpu_ms
    return [
        f"  {row.contender}",
        f"{cpu.median:.2f}",
        f"{cpu.low:.2f}-{cpu.high:.2f}",
        "" if row.contender in {BARE, OURS} else f"{row.added_cpu_ms.median:.2f}",
        f"{row.wall_ms.median:.2f}",
        "" if row.contender == BARE else f"{row.of_bare.median:.2f} x",
    ]
