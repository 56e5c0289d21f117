"""Benchmarks from the command line: progress to stderr, figures to stdout."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from interlock.bench.contenders import Timing
from interlock.bench.makespan import (
    CONTENDERS,
    MOST_EXTRA_CPU_MS,
    MOST_RATIO,
    MakespanRow,
    measure_makespan,
)
from interlock.bench.stock_savers import require_stock_saver
from interlock.bench.workflow_trace import WorkflowTrace, load_traces
from interlock.cli.exit_codes import ExitCode
from interlock.cli.output import Output
from interlock.console.clean_text import clean_text, count_of
from interlock.console.makespan_page import draw_makespan

_WIDTH: Final = max(len(name) for name in CONTENDERS)


def show_makespan(
    output: Output, *, paths: Sequence[Path], critical_path_seconds: float, rounds: int
) -> int:
    """Measure recorded task graphs, and show the figures; the code says whether the aims hold.

    Raises:
        ConfigurationError: A file is no recorded task graph, or a contender cannot run.
    """
    traces = load_traces(paths)
    require_stock_saver("sqlite")
    rows: list[MakespanRow] = []
    for number, trace in enumerate(traces, start=1):
        _announce(output, trace, place=f"{number}/{len(traces)}", rounds=rounds)

        def tell(round_: int, contender: str, timing: Timing) -> None:
            place = f"round {round_}/{rounds}  " if rounds > 1 else ""
            output.complain(f"  {place}{contender:<{_WIDTH}}  {timing.wall_seconds:6.2f} s")

        row = measure_makespan(
            trace, critical_path_seconds=critical_path_seconds, rounds=rounds, tell=tell
        )
        rows.append(row)
    misses = [miss for row in rows for miss in row.misses]
    data = {
        "rows": [row.dump() for row in rows],
        "aims": {
            "interlock_ratio": MOST_RATIO,
            "extra_cpu_ms": MOST_EXTRA_CPU_MS,
            "hold": not misses,
            "misses": misses,
        },
    }
    output.show(draw_makespan(rows, rounds=rounds), data=data)
    return ExitCode.DEGRADED if misses else ExitCode.COMPLETED


def _announce(output: Output, trace: WorkflowTrace, *, place: str, rounds: int) -> None:
    steps = count_of(len(trace.tasks), "step")
    times = f", {rounds} rounds" if rounds > 1 else ""
    output.complain(f"{place}  {clean_text(trace.name)}: {steps}{times}")
