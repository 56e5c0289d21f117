"""The benchmark of storage as tables."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final

from rich.console import Group
from rich.table import Table
from rich.text import Text

from interlock.bench.concurrent_runs import SUPERSTEPS, ConcurrencyRow
from interlock.bench.figures import Figure
from interlock.bench.storage import StorageRow
from interlock.bench.storage_loads import Load
from interlock.console.clean_text import clean_text, count_of

_LOADS: Final[dict[Load, str]] = {
    "append": "append: a superstep appends 1 KB to a list and leaves 10 KB as they are",
    "plan": "plan: interlock's run of a plan of N steps, each of which gives 1 KB",
}


def draw_storage_bench(
    rows: Sequence[StorageRow], paces: Sequence[ConcurrencyRow], *, rounds: int
) -> Group:
    """Return the figures and what they mean."""
    parts = [Group(*_draw_load(list(found))) for _, found in groupby(rows, key=_name_load)]
    parts += [
        Group(*_draw_paces(list(found)))
        for _, found in groupby(paces, key=lambda pace: pace.storage)
    ]
    middle = "one round" if rounds == 1 else f"medians of {rounds} rounds, RANGE least to greatest"
    legend = [
        "DONE      steps done: fewer than asked for where a limit was met",
        "CPU MS    CPU time of this process, a step; a PostgreSQL server's is not in it",
        "WALL MS   time, a step; BYTES: growth of the database, a step",
        "OF STOCK  as a share of LangGraph's own saver on the same graph",
        "In bare @task nothing is reviewed or journalled.",
        f"All figures: {middle}.",
    ]
    if not paces:
        legend.append("For PostgreSQL: --storage postgresql://user@host/database")
    return Group(*parts, *(Text(line, style="dim") for line in legend))


def _name_load(row: StorageRow) -> tuple[str, Load]:
    return row.storage, row.load


def _draw_load(rows: Sequence[StorageRow]) -> Iterator[Text | Table]:
    yield Text(clean_text(rows[0].storage), style="bold")
    yield Text(_LOADS[rows[0].load])
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column("STEPS", no_wrap=True)
    for name in ("DONE", "CPU MS", "RANGE", "OF STOCK", "WALL MS", "BYTES", "OF STOCK"):
        table.add_column(name, justify="right", no_wrap=True)
    for steps, found in groupby(rows, key=lambda row: row.steps):
        table.add_row(f"{steps:,}")
        for row in found:
            table.add_row(*_word_row(row))
    yield table
    yield Text("")


def _word_row(row: StorageRow) -> list[str]:
    return [
        f" {row.contender}",
        f"{row.done:,}",
        _word_ms(row.cpu_ms.median),
        f"{_word_ms(row.cpu_ms.low)}-{_word_ms(row.cpu_ms.high)}",
        _word_share(row.cpu_of_stock),
        _word_ms(row.wall_ms.median),
        f"{row.bytes.median:,.0f}",
        _word_share(row.bytes_of_stock),
    ]


def _word_ms(milliseconds: float) -> str:
    """Return a time in at most four characters, up to ten seconds."""
    places = 2 if milliseconds < 10 else 1 if milliseconds < 100 else 0  # noqa: PLR2004 - digits
    return f"{milliseconds:.{places}f}"


def _word_share(figure: Figure | None) -> str:
    return "" if figure is None else f"{figure.median:.2f} x"


def _draw_paces(paces: Sequence[ConcurrencyRow]) -> Iterator[Text | Table]:
    yield Text(clean_text(paces[0].storage), style="bold")
    yield Text(f"runs a second: {count_of(paces[0].runs, 'run')} of {SUPERSTEPS} supersteps each")
    at_once = sorted({pace.at_once for pace in paces})
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column("AT ONCE", no_wrap=True)
    for number in at_once:
        table.add_column(str(number), justify="right", no_wrap=True)
    for name in dict.fromkeys(pace.contender for pace in paces):
        found = {pace.at_once: pace.runs_a_second for pace in paces if pace.contender == name}
        cells = (found[number] for number in at_once)
        table.add_row(f" {name}", *(_word_pace(figure) for figure in cells))
    yield table
    yield Text("")


def _word_pace(figure: Figure) -> str:
    return f"{figure.median:.1f} ({figure.low:.1f}-{figure.high:.1f})"
