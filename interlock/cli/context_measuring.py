"""The context benchmark from the command line: progress to stderr, figures to stdout."""

from collections.abc import Sequence

from interlock.bench.context_economy import list_misses, measure_context
from interlock.cli.exit_codes import ExitCode
from interlock.cli.output import Output
from interlock.console.clean_text import count_of
from interlock.console.context_economy_page import draw_context_economy


def show_context_economy(output: Output, *, sizes: Sequence[int]) -> int:
    """Count what models are sent, and show it; the code says whether the aim holds.

    Raises:
        ConfigurationError: A contender is not installed, or did not do the job.
    """
    rows = measure_context(
        sizes, tell=lambda name, steps: output.complain(f"  {name}, {count_of(steps, 'step')}")
    )
    misses = list_misses(rows)
    data = {
        "rows": [row.dump() for row in rows],
        "aims": {"hold": not misses, "misses": list(misses)},
    }
    output.show(draw_context_economy(rows), data=data)
    return ExitCode.DEGRADED if misses else ExitCode.COMPLETED
