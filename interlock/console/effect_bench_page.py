"""The benchmark of the guard as a table."""

from collections.abc import Sequence

from rich.console import Group
from rich.table import Table
from rich.text import Text

from interlock.bench.effect_contenders import BARE, PEER
from interlock.bench.effects import EffectRow


def draw_effect_bench(rows: Sequence[EffectRow], *, rounds: int, tool_ms: float) -> Group:
    """Return the figures and what they mean."""
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column("CALLS", no_wrap=True)
    for name in ("WALL MS", "COST MS", "OF DBOS", "CPU MS", "OF DBOS", "CALLS/S"):
        table.add_column(name, justify="right", no_wrap=True)
    for at_once in dict.fromkeys(row.at_once for row in rows):
        here = {row.contender: row for row in rows if row.at_once == at_once}
        words = "one after another" if at_once == 1 else f"{at_once} at once"
        table.add_row(Text(words, style="bold"))
        for row in here.values():
            table.add_row(*_word_row(row, bare=here[BARE], peer=here[PEER]))
    middle = "one round" if rounds == 1 else f"medians of {rounds} rounds"
    legend = (
        "WALL MS    time for all calls, by their number",
        "COST MS    of it what guard or DBOS add: less the bare tool's, where it is run",
        "CPU MS     CPU time of the process, by call",
        "OF DBOS    cost, and CPU above the bare tool's, as a share of a DBOS step's",
        f"The tool waits {tool_ms:g} ms. A duplicate does not run it; the tool in the same",
        f"database writes a row instead. All figures: {middle}.",
    )
    return Group(table, Text(""), *(Text(line, style="dim") for line in legend))


def _word_row(row: EffectRow, *, bare: EffectRow, peer: EffectRow) -> list[str]:
    is_bare = row.contender == BARE
    return [
        f"  {row.contender}",
        f"{row.wall_ms:.2f}",
        "" if is_bare else f"{row.cost_ms:.2f}",
        "" if is_bare else _share(row.cost_ms, peer.cost_ms),
        f"{row.cpu_ms:.2f}",
        "" if is_bare else _share(row.cpu_ms - bare.cpu_ms, peer.cpu_ms - bare.cpu_ms),
        f"{1000 / row.wall_ms:,.0f}" if row.wall_ms > 0 else "",
    ]


def _share(value: float, whole: float) -> str:
    return f"{value / whole:.2f} x" if whole > 0 else ""
