"""`bench`: measurements that anyone can repeat, each beside plain LangGraph or a peer in one run."""

from pathlib import Path
from typing import Annotated

import typer

from interlock.cli.options import JsonOption, show_examples

app = typer.Typer(no_args_is_help=True)

_EXIT_CODES = "Exit codes: 0 the aims hold, 3 they do not, 2 usage."


@app.callback()
def bench() -> None:
    """Measure interlock beside plain LangGraph and beside a peer, on this machine."""


@app.command(
    epilog=show_examples(
        "interlock bench makespan workloads/dags/estee-crossvx-200.json",
        "interlock bench makespan workloads/dags --rounds 1 --json > makespan.json",
        note=_EXIT_CODES,
    )
)
def makespan(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="PATH", help="Recorded task graphs: JSON files, or folders of them."
        ),
    ],
    *,
    critical_path_seconds: Annotated[
        float,
        typer.Option(
            "--critical-path-seconds",
            metavar="N",
            min=0.01,
            help="Every graph's durations are scaled so that its longest chain takes this long.",
        ),
    ] = 5.0,
    rounds: Annotated[
        int,
        typer.Option(
            "--rounds",
            metavar="N",
            min=1,
            help="How often each contender runs each graph, taking turns; medians count.",
        ),
    ] = 3,
    as_json: JsonOption = False,
) -> None:
    """Run recorded task graphs: wall time over critical path, CPU and database bytes per step.

    Interlock, LangGraph in waves of Send, and LangGraph's bare @task take turns on each graph.
    """
    from interlock.cli.failures import leave_with
    from interlock.cli.measuring import show_makespan

    leave_with(
        lambda output: show_makespan(
            output, paths=paths, critical_path_seconds=critical_path_seconds, rounds=rounds
        ),
        as_json=as_json,
    )


@app.command(
    epilog=show_examples(
        "interlock bench effects",
        "interlock bench effects --calls 1000 --rounds 5 --json > effects.json",
    )
)
def effects(
    *,
    calls: Annotated[
        int, typer.Option("--calls", metavar="N", min=1, help="Calls of each contender.")
    ] = 400,
    at_once: Annotated[
        int,
        typer.Option(
            "--at-once",
            metavar="N",
            min=2,
            help="Besides one after another: how many calls are under way at the same time.",
        ),
    ] = 32,
    tool_ms: Annotated[
        float, typer.Option("--tool-ms", metavar="N", min=0, help="How long the tool waits.")
    ] = 5.0,
    rounds: Annotated[
        int,
        typer.Option(
            "--rounds",
            metavar="N",
            min=1,
            help="How often each contender makes the calls, taking turns; medians count.",
        ),
    ] = 3,
    as_json: JsonOption = False,
) -> None:
    """Call one tool bare, guarded, again, in the same database, and as a DBOS step on SQLite."""
    from interlock.cli.effect_measuring import show_effect_bench
    from interlock.cli.failures import leave_with

    leave_with(
        lambda output: show_effect_bench(
            output, calls=calls, at_once=at_once, tool_ms=tool_ms, rounds=rounds
        ),
        as_json=as_json,
    )
