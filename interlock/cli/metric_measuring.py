"""The benchmark of metrics from the command line: progress to stderr, figures to stdout."""

from collections.abc import Sequence

from interlock.bench.bench_databases import parse_place
from interlock.bench.metric_queries import (
    MOST_ALL_SECONDS,
    MOST_THREAD_MS,
    MetricPlan,
    measure_metrics,
)
from interlock.cli.exit_codes import ExitCode
from interlock.cli.output import Output
from interlock.cli.storage_measuring import parse_numbers
from interlock.console.clean_text import clean_text
from interlock.console.metric_bench_page import draw_metric_bench


def show_metric_bench(
    output: Output, *, storages: Sequence[str], handoffs: str, rounds: int, most_read: int
) -> int:
    """Measure what metrics cost, and show the figures; the code says whether the aims hold.

    Raises:
        ConfigurationError: A storage cannot be used, or the handoffs are no numbers.
    """
    plan = MetricPlan(
        places=[parse_place(text) for text in dict.fromkeys(storages)],
        handoffs=parse_numbers(handoffs, of="handoffs", example="20000,1000000"),
        rounds=rounds,
        most_read=most_read,
    )

    def tell(storage: str, held: int, part: str, seconds: float) -> None:
        kind = clean_text(storage).partition(":")[0]
        output.complain(f"  {kind}  {held:,} handoffs  {part}  {seconds:.1f} s")

    rows = measure_metrics(plan, tell=tell)
    misses = [words for row in rows for words in row.misses]
    output.show(
        draw_metric_bench(rows, rounds=rounds),
        data={
            "rounds": rounds,
            "rows": [row.dump() for row in rows],
            "aims": {
                "thread_ms": MOST_THREAD_MS,
                "all_seconds": MOST_ALL_SECONDS,
                "hold": not misses,
                "misses": misses,
            },
        },
    )
    return ExitCode.DEGRADED if misses else ExitCode.COMPLETED
