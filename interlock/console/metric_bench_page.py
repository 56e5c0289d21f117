"""The benchmark of metrics as tables."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final

from rich.console import Group
from rich.table import Table
from rich.text import Text

from interlock.bench.metric_queries import MOST_ALL_SECONDS, MOST_THREAD_MS, MetricRow
from interlock.console.clean_text import clean_text

_SECOND_MS: Final = 1000


def draw_metric_bench(rows: Sequence[MetricRow], *, rounds: int) -> Group:
    """Return the figures and what they mean."""
    misses = [miss for row in rows for miss in row.misses]
    verdict = Text(f"Missed: {'; '.join(misses)}." if misses else "Both aims hold.")
    parts: list[Text | Table] = []
    for (storage, handoffs), found in groupby(rows, key=lambda row: (row.storage, row.handoffs)):
        parts += _draw_journal(storage, handoffs, list(found))
    middle = "one round" if rounds == 1 else f"medians of {rounds} rounds"
    legend = (
        "HOLDS     handoffs within the scope; METRICS: what desk.ametrics takes for it",
        "READING   the handoffs are read, without values, and the attempts are counted",
        "RATIO     reading over metrics, in the same round; MEMORY: Python's, at most",
        "Below each: what the statements take, each by itself, run once.",
        f"METRICS and READING: {middle}. A server's own CPU is in the times.",
    )
    aims = (
        f"Aims: one thread within {MOST_THREAD_MS:g} ms, whatever the journal holds; all within "
        f"{MOST_ALL_SECONDS:g} s; by the best round."
    )
    return Group(*parts, verdict, *(Text(line, style="dim") for line in (aims, *legend)))


def _draw_journal(storage: str, handoffs: int, rows: list[MetricRow]) -> Iterator[Text | Table]:
    kind = clean_text(storage).partition(":")[0]
    yield Text(f"{kind}, {handoffs:,} handoffs", style="bold")
    table = _start_table("SCOPE", "HOLDS", "METRICS", "RANGE", "READING", "RATIO", "MEMORY")
    for row in rows:
        table.add_row(*_word_row(row))
    yield table
    yield Text("")
    table = _start_table("STATEMENT", *(row.scope.upper() for row in rows))
    for name in rows[0].queries_ms:
        table.add_row(f"  {name}", *(_word_time(row.queries_ms[name]) for row in rows))
    yield table
    yield Text("")


def _start_table(first: str, *others: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column(first, no_wrap=True)
    for name in others:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _word_row(row: MetricRow) -> list[str]:
    metrics, reading = row.metrics_ms, row.reading_ms
    return [
        f"  {row.scope}",
        f"{row.holds:,}",
        _word_time(metrics.median),
        f"{_word_time(metrics.low)}-{_word_time(metrics.high)}",
        "" if reading is None else _word_time(reading.median),
        "" if row.times is None else f"{row.times.median:.1f} x",
        f"{row.metrics_kb / 1000:.1f} MB",
    ]


def _word_time(milliseconds: float) -> str:
    """Return a time in at most seven characters, up to a quarter of an hour."""
    if milliseconds >= _SECOND_MS:
        return f"{milliseconds / _SECOND_MS:.1f} s"
    places = next((number for least, number in ((100, 0), (10, 1)) if milliseconds >= least), 2)
    return f"{milliseconds:.{places}f} ms"
