"""The benchmark of model calls as a table."""

from collections.abc import Sequence

from rich.console import Group
from rich.table import Table
from rich.text import Text

from interlock.bench.call_contenders import PLAIN
from interlock.bench.model_calls import CallRow
from interlock.console.clean_text import clean_text


def draw_call_bench(rows: Sequence[CallRow], *, rounds: int, model_ms: float) -> Group:
    """Return the figures and what they mean."""
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column("CALLS", no_wrap=True)
    for name in ("WALL MS", "ADDED MS", "OF NODE", "CPU MS"):
        table.add_column(name, justify="right", no_wrap=True)
    for storage, at_once in dict.fromkeys((row.storage, row.at_once) for row in rows):
        words = "one after another" if at_once == 1 else f"{at_once} at once"
        kind = clean_text(storage).partition(":")[0]
        table.add_row(Text(f"{kind}, {words}", style="bold"))
        for row in rows:
            if (row.storage, row.at_once) == (storage, at_once):
                table.add_row(*_word_row(row))
    middle = "one round" if rounds == 1 else f"medians of {rounds} rounds"
    legend = (
        "WALL MS    time for all calls, by their number",
        "ADDED MS   of it what the plain node of the same round did not need",
        "OF NODE    wall time over the plain node's in the same round",
        "CPU MS     CPU time of the process, by call",
        f"The model takes {model_ms:g} ms for an answer. All figures: {middle}.",
    )
    return Group(table, Text(""), *(Text(line, style="dim") for line in legend))


def _word_row(row: CallRow) -> list[str]:
    is_plain = row.contender == PLAIN
    return [
        f"  {row.contender}",
        f"{row.wall_ms.median:.2f}",
        "" if is_plain else f"{row.added_ms.median:.2f}",
        "" if is_plain else f"{row.of_plain.median:.2f} x",
        f"{row.cpu_ms.median:.2f}",
    ]
