"""The benchmark of model calls from the command line: progress to stderr, figures to stdout."""

from collections.abc import Sequence
from typing import Final

from interlock.bench.call_contenders import CONTENDERS
from interlock.bench.model_calls import CallBench, measure_calls, parse_call_place
from interlock.bench.stopwatch import Elapsed
from interlock.cli.exit_codes import ExitCode
from interlock.cli.output import Output
from interlock.console.call_bench_page import draw_call_bench
from interlock.console.clean_text import clean_text

_WIDTH: Final = max(len(name) for name in CONTENDERS)


def show_call_bench(
    output: Output,
    *,
    storages: Sequence[str],
    calls: int,
    at_once: int,
    model_ms: float,
    rounds: int,
) -> int:
    """Measure what the book adds to a model call, and show the figures.

    Raises:
        ConfigurationError: A storage cannot be used.
    """
    bench = CallBench(
        places=[parse_call_place(text) for text in dict.fromkeys(storages)],
        calls=calls,
        at_once=(1, at_once),
        model_seconds=model_ms / 1000,
        rounds=rounds,
    )

    def tell(storage: str, round_: int, contender: str, number: int, elapsed: Elapsed) -> None:
        place = f"round {round_}/{rounds}  " if rounds > 1 else ""
        words = f"{number:3} at once" if number > 1 else "in a row   "
        output.complain(
            f"  {place}{clean_text(storage)}  {words}  {contender:<{_WIDTH}}  "
            f"{elapsed.wall_seconds:6.2f} s"
        )

    rows = measure_calls(bench, tell=tell)
    page = draw_call_bench(rows, rounds=rounds, model_ms=model_ms)
    output.show(page, data={"model_ms": model_ms, "rows": [row.dump() for row in rows]})
    return ExitCode.COMPLETED
