"""`bench metrics` and `bench overhead`: what it costs to count the journal, and to write it."""

from typing import Annotated

import typer

from interlock.cli.options import JsonOption

BenchStoragesOption = Annotated[
    list[str] | None,
    typer.Option(
        "--storage",
        metavar="sqlite|URL",
        help="Where: sqlite, for a file that is thrown away, or a postgresql:// URL, where "
        "schemas are made and dropped. May be given more than once; sqlite if left out.",
        show_default=False,
    ),
]


def metrics(
    *,
    handoffs: Annotated[
        str,
        typer.Option(
            "--handoffs", metavar="N,N", help="How many, about; a journal for each number."
        ),
    ] = "20000,1000000",
    storages: BenchStoragesOption = None,
    rounds: Annotated[
        int,
        typer.Option(
            "--rounds",
            metavar="N",
            min=1,
            help="How often each scope is counted each way, taking turns; medians count.",
        ),
    ] = 3,
    most_read: Annotated[
        int,
        typer.Option(
            "--most-read",
            metavar="N",
            min=0,
            help="Of how many handoffs at most the slow way is timed: reading them one by one.",
        ),
    ] = 100_000,
    as_json: JsonOption = False,
) -> None:
    """Count metrics of a thread, a day, a team and all, on journals up to a million handoffs.

    Beside it, in the same rounds: reading the handoffs and counting. A journal is the records of two
    dozen real runs, again and again; a million takes two minutes to write and 3 GB of disk.
    """
    from interlock.cli.failures import leave_with
    from interlock.cli.metric_measuring import show_metric_bench

    leave_with(
        lambda output: show_metric_bench(
            output,
            storages=storages or ["sqlite"],
            handoffs=handoffs,
            rounds=rounds,
            most_read=most_read,
        ),
        as_json=as_json,
    )


def overhead(
    *,
    steps: Annotated[
        int, typer.Option("--steps", metavar="N", min=1, help="Steps of each contender.")
    ] = 300,
    storages: BenchStoragesOption = None,
    rounds: Annotated[
        int,
        typer.Option(
            "--rounds",
            metavar="N",
            min=1,
            help="How often each contender does the steps, taking turns; medians count.",
        ),
    ] = 5,
    as_json: JsonOption = False,
) -> None:
    """Do the same steps bare, journalled, listened to, and with OpenTelemetry on.

    What journal and telemetry cost a step: CPU and wall time, beside LangGraph's own `@task`.
    """
    from interlock.cli.failures import leave_with
    from interlock.cli.overhead_measuring import show_overhead

    leave_with(
        lambda output: show_overhead(
            output, storages=storages or ["sqlite"], steps=steps, rounds=rounds
        ),
        as_json=as_json,
    )
