"""The benchmark of storage from the command line: progress to stderr, figures to stdout."""

from collections.abc import Sequence
from typing import Final

from interlock.bench.bench_databases import parse_place
from interlock.bench.concurrent_runs import measure_concurrency
from interlock.bench.storage import Measured, StoragePlan, measure_storage
from interlock.cli.exit_codes import ExitCode
from interlock.cli.output import Output
from interlock.console.clean_text import clean_text
from interlock.console.storage_bench_page import draw_storage_bench
from interlock.contracts.errors import ConfigurationError

_MEGABYTE: Final = 1_000_000


def show_storage_bench(
    output: Output,
    *,
    storages: Sequence[str],
    steps: str,
    rounds: int,
    runs: int,
    limits: tuple[float, float],
) -> int:
    """Measure what storage costs, and show the figures.

    Args:
        output: Where to.
        storages: `sqlite`, or PostgreSQL URLs.
        steps: Numbers of steps, with commas between them.
        rounds: How often everything is measured.
        runs: How many runs a round where several are under way at the same time.
        limits: Seconds and megabytes, at which a measurement is stopped.

    Raises:
        ConfigurationError: A storage cannot be used, or the steps are no numbers.
    """
    plan = StoragePlan(
        places=[parse_place(text) for text in dict.fromkeys(storages)],
        steps=parse_numbers(steps, of="steps", example="100,1000,10000"),
        rounds=rounds,
        most_seconds=limits[0],
        most_bytes=limits[1] * _MEGABYTE,
    )

    def tell(measured: Measured) -> None:
        cost = measured.cost
        stopped = f", stopped at {cost.steps:,}" if cost.steps < measured.steps else ""
        place = f"round {measured.round}/{rounds}  " if rounds > 1 else ""
        output.complain(
            f"  {place}{clean_text(measured.storage)}  {measured.load} {measured.steps:,}{stopped}  "
            f"{measured.contender}  {cost.elapsed.wall_seconds:.2f} s"
        )

    def tell_pace(storage: str, contender: str, at_once: int, pace: float) -> None:
        output.complain(
            f"  {clean_text(storage)}  {at_once} at once  {contender}  {pace:.1f} runs a second"
        )

    rows = measure_storage(plan, tell=tell)
    paces = measure_concurrency(plan, runs=runs, tell=tell_pace)
    output.show(
        draw_storage_bench(rows, paces, rounds=rounds),
        data={
            "rounds": rounds,
            "rows": [row.dump() for row in rows],
            "concurrency": [pace.dump() for pace in paces],
        },
    )
    return ExitCode.COMPLETED


def parse_numbers(text: str, *, of: str, example: str) -> Sequence[int]:
    """Return the numbers that an option names, each once, the least first.

    Args:
        text: With commas between them.
        of: Of what they are, as the option is called.
        example: What to write instead.

    Raises:
        ConfigurationError: They are no whole numbers above zero.
    """
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() and int(part) > 0 for part in parts):
        raise ConfigurationError(
            f"--{of} {text!r} are no numbers of {of}. Write them with commas between them, such "
            f"as {example}."
        )
    return sorted({int(part) for part in parts})
