"""The entry point: `interlock`, its commands, and what its help teaches."""

import gc
import json
import sys
from importlib import metadata
from typing import Annotated

import typer

from interlock.cli.commands.bench import app as bench
from interlock.cli.commands.blaming import blame, critical_path
from interlock.cli.commands.context import app as context
from interlock.cli.commands.crash_testing import crash_test
from interlock.cli.commands.demo import demo
from interlock.cli.commands.differing import diff
from interlock.cli.commands.drawing import graph, schema
from interlock.cli.commands.effects import app as effects
from interlock.cli.commands.exporting import export
from interlock.cli.commands.faults import fault
from interlock.cli.commands.keys import app as keys
from interlock.cli.commands.limits import app as limits
from interlock.cli.commands.metrics import metrics
from interlock.cli.commands.plans import plan, replan
from interlock.cli.commands.pruning import prune
from interlock.cli.commands.reading import cancel, handoffs, inbox, status
from interlock.cli.commands.replaying import replay
from interlock.cli.commands.reporting import report
from interlock.cli.commands.running import answer, resume
from interlock.cli.commands.running import run as run_team
from interlock.cli.commands.scratchpads import scratchpad
from interlock.cli.options import EXIT_CODES, show_examples

_USAGE_CODE = 2
_COLLECTIONS = (20_000, 20, 50)
"""`gc.set_threshold` of this process: a waiting step keeps thousands of objects alive, which
Python's defaults would look through again and again while a wide task graph runs."""

app = typer.Typer(
    name="interlock",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    epilog=show_examples(
        "interlock demo",
        "interlock run app:desk 'Answer ticket 17' --thread t17",
        "interlock status t17 --team app:desk",
        "interlock inbox --team app:desk",
        "interlock answer app:desk t17 q-1a2b approve",
        "interlock resume app:desk t17",
        "interlock handoffs t17 --team app:desk",
        "interlock effects t17 --team app:desk",
        "interlock context t17 --team app:desk",
        note=EXIT_CODES,
    ).replace("Examples:", "A run from start to end:"),
)


def _show_version(value: bool) -> None:  # noqa: FBT001 - typer calls it with the option's value
    if value:
        typer.echo(f"interlock {metadata.version('interlock')}")
        raise typer.Exit


@app.callback()
def describe(
    *,
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_show_version,
            is_eager=True,
            help="Print the version.",
            show_default=False,
        ),
    ] = False,
) -> None:
    """Teams of LangGraph agents whose every handoff is validated, and whose runs survive a crash."""
    del version


def _register() -> None:
    """Put the commands in the order in which they are met."""
    team_run = "interlock run app:desk 'Answer ticket 17' --thread t17"
    app.command(epilog=show_examples("interlock demo", "interlock demo --keep"))(demo)
    app.command(
        epilog=show_examples(
            team_run,
            "interlock run app:desk 'Ticket 17' --thread t17 --context '{\"vip\": true}'",
            "interlock run app:desk 'Ticket 17' --thread t17 --plan plan.yaml",
            note=EXIT_CODES,
        ),
        name="run",
    )(run_team)
    app.command(epilog=show_examples("interlock resume app:desk t17", note=EXIT_CODES))(resume)
    app.command(
        epilog=show_examples("interlock status --team app:desk", "interlock status t17 --json")
    )(status)
    app.command(
        epilog=show_examples("interlock inbox --team app:desk", "interlock inbox --thread t17")
    )(inbox)
    app.command(
        epilog=show_examples(
            "interlock answer app:desk t17 q-1a2b approve",
            'interlock answer app:desk t17 q-1a2b edit \'{"text": "Dear customer"}\'',
            "interlock answer app:desk t17 q-1a2b reject 'too expensive'",
            "interlock answer app:desk t17 --file answers.json",
            note=EXIT_CODES,
        )
    )(answer)
    app.command(
        epilog=show_examples(
            "interlock handoffs t17 --team app:desk", "interlock handoffs t17 --step reply --full"
        )
    )(handoffs)
    app.command(
        epilog=show_examples(
            "interlock plan t17 > plan.yaml",
            "interlock plan t17 --version 1 --json",
            "interlock plan t17 --edit --team app:desk",
            "interlock plan t17 --from plan.yaml --team app:desk",
            note=EXIT_CODES,
        )
    )(plan)
    app.command(
        epilog=show_examples(
            "interlock replan t17 --why 'tell the customer as well' --team app:desk"
        )
    )(replan)
    app.command(
        epilog=show_examples(
            "interlock scratchpad t17 reply --team app:desk",
            "interlock scratchpad t17 outer/inner --json",
        )
    )(scratchpad)
    app.add_typer(effects, name="effects")
    app.add_typer(context, name="context")
    app.add_typer(limits, name="limits")
    app.command(
        epilog=show_examples(
            "interlock metrics --since 1d --team app:desk",
            "interlock metrics t17",
            "interlock metrics --by criteria --json",
        )
    )(metrics)
    app.command(
        epilog=show_examples(
            "interlock blame t17 --team app:desk",
            "interlock blame --since 7d --json",
        )
    )(blame)
    app.command(
        epilog=show_examples(
            "interlock critical-path t17 --team app:desk",
            "interlock critical-path t17 --step outer --max-parallel 8",
        ),
        name="critical-path",
    )(critical_path)
    app.command(
        epilog=show_examples(
            "interlock report t17 -o t17.html --team app:desk",
            "interlock report --since 1d -o yesterday.html --team app:desk",
        )
    )(report)
    app.command(
        epilog=show_examples(
            "interlock replay t17 reply --team app:desk",
            "interlock replay t17 reply --attempt 1 --worker app:new_writer --team app:desk",
            "interlock replay t17 reply --worker recorded --criteria stricter.yaml --team app:desk",
            "interlock replay --since 7d --step reply --fail-on-change --team app:desk",
            note=EXIT_CODES,
        )
    )(replay)
    app.command(
        epilog=show_examples(
            "interlock export t17 reply -o tests/test_reply.py --team app:desk",
            "interlock export t17 reply --attempt 1 --expect accepted -o test_reply.py --team app:desk",
            "interlock export t17 reply --redact email -o test_reply.py --team app:desk",
        )
    )(export)
    app.command(
        epilog=show_examples(
            "interlock diff t17 t18 --team app:desk",
            "interlock diff t17 t17 --other-storage sqlite:///yesterday.db --json",
        )
    )(diff)
    app.command(
        epilog=show_examples(
            "interlock fault t17 price --why 'a customer complained' --by support",
            "interlock fault t17 reply --why 'not the expected answer' --by nightly --final-check",
        )
    )(fault)
    app.command(
        epilog=show_examples("interlock cancel t17 --why 'the customer called' --team app:desk")
    )(cancel)
    app.command(
        epilog=show_examples(
            "interlock graph app:desk > team.mmd", "interlock graph app:desk --plan plan.yaml"
        )
    )(graph)
    app.command(epilog=show_examples("interlock schema > task-graph.schema.json"))(schema)
    app.command(
        epilog=show_examples(
            "interlock prune --dry-run --team app:desk",
            "interlock prune --older-than 90d --journal --compact",
            "interlock prune --older-than 0s --thread t17",
        )
    )(prune)
    app.add_typer(keys, name="keys")
    app.command(
        epilog=show_examples(
            "interlock crash-test app:desk 'Answer ticket 17' --observe app:list_refunds",
            "interlock crash-test app:desk 'Answer ticket 17' --max-kills 40 --json",
            note="Exit codes: 0 every promise held, 3 one did not, 2 usage, 5 the team failed.",
        ),
        name="crash-test",
    )(crash_test)
    app.add_typer(bench, name="bench")


_register()


def run() -> None:
    """Run the command line and leave the process with an exit code."""
    gc.set_threshold(*_COLLECTIONS)
    arguments = sys.argv[1:]
    if "--json" not in arguments:
        app(arguments)  # says itself what is wrong with the arguments, and leaves
        return
    try:
        code = app(arguments, standalone_mode=False)
    except typer.TyperException as exc:
        error = {"type": "UsageError", "message": exc.format_message()}
        sys.stdout.write(json.dumps({"error": error}) + "\n")
        sys.exit(_USAGE_CODE)
    sys.exit(code if isinstance(code, int) else 0)
