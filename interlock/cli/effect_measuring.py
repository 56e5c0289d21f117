"""The benchmark of the guard from the command line: progress to stderr, figures to stdout."""

from typing import Final

from interlock.bench.effect_contenders import CONTENDERS, require_dbos
from interlock.bench.effects import measure_effects
from interlock.bench.stopwatch import Elapsed
from interlock.cli.exit_codes import ExitCode
from interlock.cli.output import Output
from interlock.console.effect_bench_page import draw_effect_bench

_WIDTH: Final = max(len(name) for name in CONTENDERS)


def show_effect_bench(
    output: Output, *, calls: int, at_once: int, tool_ms: float, rounds: int
) -> int:
    """Measure what the guard costs, and show the figures.

    Raises:
        ConfigurationError: DBOS is not installed.
    """
    require_dbos()

    def tell(round_: int, contender: str, number: int, timing: Elapsed) -> None:
        place = f"round {round_}/{rounds}  " if rounds > 1 else ""
        words = f"{number:3} at once" if number > 1 else "in a row   "
        output.complain(f"  {place}{words}  {contender:<{_WIDTH}}  {timing.wall_seconds:6.2f} s")

    rows = measure_effects(
        calls=calls,
        at_once=(1, at_once),
        tool_seconds=tool_ms / 1000,
        rounds=rounds,
        tell=tell,
    )
    page = draw_effect_bench(rows, rounds=rounds, tool_ms=tool_ms)
    output.show(page, data={"tool_ms": tool_ms, "rows": [row.dump() for row in rows]})
    return ExitCode.COMPLETED
