"""The context benchmark as a table, and whether its aim holds."""

from collections.abc import Sequence

from rich.console import Group
from rich.table import Table
from rich.text import Text

from interlock.bench.context_economy import ContextRow, list_misses
from interlock.console.palette import STYLES


def draw_context_economy(rows: Sequence[ContextRow]) -> Group:
    """Return the figures, what they mean, and as the last line whether the aim holds."""
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column("CHARACTERS SENT", no_wrap=True)
    for steps in rows[0].sent:
        table.add_column(f"{steps} STEPS", justify="right", no_wrap=True)
    for row in rows:
        table.add_row(Text(row.contender, style="bold"))
        sent = row.sent.values()
        table.add_row("  last worker", *(f"{one.last_worker:,}" for one in sent))
        table.add_row("  all workers", *(f"{one.all_workers:,}" for one in sent))
        if all(one.last_supervisor is not None for one in sent):
            table.add_row("  supervisor, last call", *(f"{one.last_supervisor:,}" for one in sent))
            table.add_row("  supervisor, all calls", *(f"{one.all_supervisor:,}" for one in sent))
    legend = Text(
        "Counted in what the models received: texts and tool calls, without the tools' schemas.",
        style="dim",
    )
    return Group(table, Text(""), legend, Text(""), _draw_aim(rows))


def _draw_aim(rows: Sequence[ContextRow]) -> Text:
    misses = list_misses(rows)
    if not misses:
        aim = "The aim holds: what a worker is sent does not depend on how many steps went before."
        return Text(aim, style=STYLES["good"])
    return Text("The aim is missed: " + "; ".join(misses), style=STYLES["bad"])
