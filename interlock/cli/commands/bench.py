"""`bench`: measurements that anyone can repeat, each beside plain LangGraph or a peer in one run."""

from pathlib import Path
from typing import Annotated

import typer

from interlock.cli.commands.journal_benches import metrics, overhead
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


@app.command(
    epilog=show_examples(
        "interlock bench calls",
        "interlock bench calls --calls 1000 --rounds 5 --json > calls.json",
        "interlock bench calls --storage sqlite --storage postgresql://user@host/database",
    )
)
def calls(
    *,
    calls: Annotated[
        int, typer.Option("--calls", metavar="N", min=1, help="Calls of each contender.")
    ] = 200,
    storages: Annotated[
        list[str] | None,
        typer.Option(
            "--storage",
            metavar="memory|sqlite|URL",
            help="Where: memory, sqlite, for a file that is thrown away, or a postgresql:// URL, "
            "where schemas are made and dropped. Repeat it; memory and sqlite if left out.",
            show_default=False,
        ),
    ] = None,
    at_once: Annotated[
        int,
        typer.Option(
            "--at-once",
            metavar="N",
            min=2,
            help="Besides one after another: how many calls are under way at the same time.",
        ),
    ] = 16,
    model_ms: Annotated[
        float, typer.Option("--model-ms", metavar="N", min=0, help="How long the model takes.")
    ] = 20.0,
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
    """Call one model in a plain LangGraph node, as @task, and in a step with a budget.

    What it costs that each call is reserved for and written down before it goes out.
    """
    from interlock.cli.call_measuring import show_call_bench
    from interlock.cli.failures import leave_with

    leave_with(
        lambda output: show_call_bench(
            output,
            storages=storages or ["memory", "sqlite"],
            calls=calls,
            at_once=at_once,
            model_ms=model_ms,
            rounds=rounds,
        ),
        as_json=as_json,
    )


@app.command(
    epilog=show_examples(
        "interlock bench storage",
        "interlock bench storage --steps 100,1000 --rounds 5 --json > storage.json",
        "interlock bench storage --storage sqlite --storage postgresql://user@host/database",
    )
)
def storage(
    *,
    steps: Annotated[
        str, typer.Option("--steps", metavar="N,N", help="How many steps; a row for each number.")
    ] = "100,1000,10000",
    storages: Annotated[
        list[str] | None,
        typer.Option(
            "--storage",
            metavar="sqlite|URL",
            help="Where: sqlite, for a file that is thrown away, or a postgresql:// URL, where "
            "schemas are made and dropped. May be given more than once; sqlite if left out.",
            show_default=False,
        ),
    ] = None,
    rounds: Annotated[
        int,
        typer.Option(
            "--rounds",
            metavar="N",
            min=1,
            help="How often each contender runs each load, taking turns; medians count.",
        ),
    ] = 3,
    runs: Annotated[
        int,
        typer.Option(
            "--runs",
            metavar="N",
            min=1,
            help="On PostgreSQL: how many runs share the database, 1, 4 and 16 at once.",
        ),
    ] = 64,
    most_seconds: Annotated[
        float,
        typer.Option("--most-seconds", metavar="N", min=0.1, help="When a measurement is stopped."),
    ] = 300.0,
    most_megabytes: Annotated[
        float,
        typer.Option(
            "--most-megabytes",
            metavar="N",
            min=0.1,
            help="The size of a database at which a load that appends is stopped.",
        ),
    ] = 1000.0,
    as_json: JsonOption = False,
) -> None:
    """Run the same graphs on interlock's storage and on LangGraph's own savers.

    CPU, wall time and bytes a step, and runs a second on PostgreSQL.
    """
    from interlock.cli.failures import leave_with
    from interlock.cli.storage_measuring import show_storage_bench

    leave_with(
        lambda output: show_storage_bench(
            output,
            storages=storages or ["sqlite"],
            steps=steps,
            rounds=rounds,
            runs=runs,
            limits=(most_seconds, most_megabytes),
        ),
        as_json=as_json,
    )


@app.command(
    epilog=show_examples(
        "interlock bench context",
        "interlock bench context --steps 10 --steps 100 --json > context.json",
        note=_EXIT_CODES,
    )
)
def context(
    *,
    steps: Annotated[
        list[int] | None,
        typer.Option(
            "--steps", metavar="N", min=1, help="Steps of a job; give it again for more jobs."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Count the characters that models are sent in one scripted job, in four ways.

    Interlock's plan, il.create_supervisor, langgraph-supervisor and a plain chain: what the last
    step's worker receives, and what the supervisor's own model does.
    """
    from interlock.cli.context_measuring import show_context_economy
    from interlock.cli.failures import leave_with

    leave_with(
        lambda output: show_context_economy(output, sizes=steps or [10, 50, 200]),
        as_json=as_json,
    )


@app.command(
    epilog=show_examples(
        "interlock bench faults --runs 5 --rates 20",
        "interlock bench faults --kind 'lost answer' --kind hung --tickets 0",
        "interlock bench faults --runs 50 --rates 5,20,50 --json > faults.json",
        note=_EXIT_CODES,
    )
)
def faults(
    *,
    runs: Annotated[
        int,
        typer.Option("--runs", metavar="N", min=1, help="Of each way, for each kind and rate."),
    ] = 20,
    rates: Annotated[
        str,
        typer.Option("--rates", metavar="N,N", help="Attempts that go wrong, in percent."),
    ] = "5,20,50",
    kinds: Annotated[
        list[str] | None,
        typer.Option("--kind", metavar="NAME", help="A kind of fault; all if left out. Repeat it."),
    ] = None,
    steps: Annotated[
        int, typer.Option("--steps", metavar="N", min=2, help="Steps of the job.")
    ] = 40,
    tickets: Annotated[
        int,
        typer.Option(
            "--tickets", metavar="N", min=0, help="Of the packaged retail desk, a dozen at most."
        ),
    ] = 12,
    seed: Annotated[
        int, typer.Option("--seed", metavar="N", help="Draws the job and the faults.")
    ] = 1,
    as_json: JsonOption = False,
) -> None:
    """Let workers fail in a dozen ways: what comes out wrong, what is said of it, what it costs.

    Interlock, langgraph-supervisor and a plain chain meet the same faults at the same attempts.
    """
    from interlock.bench.fault_campaign import CampaignPlan
    from interlock.cli.failures import leave_with
    from interlock.cli.fault_measuring import parse_kinds, parse_rates, show_fault_campaign

    leave_with(
        lambda output: show_fault_campaign(
            output,
            plan=CampaignPlan(
                runs=runs,
                rates=parse_rates(rates),
                steps=steps,
                seed=seed,
                kinds=parse_kinds(kinds),
            ),
            tickets=tickets,
        ),
        as_json=as_json,
    )


app.command(
    epilog=show_examples(
        "interlock bench metrics --handoffs 20000",
        "interlock bench metrics --handoffs 20000,1000000 --rounds 5 --json > metrics.json",
        "interlock bench metrics --storage sqlite --storage postgresql://user@host/database",
        note=_EXIT_CODES,
    )
)(metrics)


app.command(
    epilog=show_examples(
        "interlock bench overhead",
        "interlock bench overhead --steps 1000 --rounds 9 --json > overhead.json",
        "interlock bench overhead --storage sqlite --storage postgresql://user@host/database",
    )
)(overhead)
