"""The benchmark of overhead from the command line: progress to stderr, figures to stdout."""

from collections.abc import Sequence

from interlock.bench.bench_databases import parse_place
from interlock.bench.overhead import OverheadPlan, measure_overhead
from interlock.bench.stopwatch import Elapsed
from interlock.cli.exit_codes import ExitCode
from interlock.cli.output import Output
from interlock.console.clean_text import clean_text
from interlock.console.overhead_bench_page import draw_overhead


def show_overhead(output: Output, *, storages: Sequence[str], steps: int, rounds: int) -> int:
    """Measure what journal and telemetry cost a step, and show the figures.

    Raises:
        ConfigurationError: A storage cannot be used, or an exporter is not installed.
    """
    plan = OverheadPlan(
        places=[parse_place(text) for text in dict.fromkeys(storages)], steps=steps, rounds=rounds
    )

    def tell(storage: str, round_: int, contender: str, elapsed: Elapsed) -> None:
        kind = clean_text(storage).partition(":")[0]
        output.complain(
            f"  round {round_}/{rounds}  {kind}  {contender}  {elapsed.wall_seconds:.2f} s"
        )

    rows = measure_overhead(plan, tell=tell)
    output.show(
        draw_overhead(rows, rounds=rounds),
        data={"rounds": rounds, "rows": [row.dump() for row in rows]},
    )
    return ExitCode.COMPLETED
