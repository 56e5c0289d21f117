"""`limits`, `limits reset`: commands about breakers and rates."""

from typing import Annotated

import typer

from interlock.cli.options import JsonOption, StorageOption, TeamOption, show_examples

app = typer.Typer(
    invoke_without_command=True,
    epilog=show_examples(
        "interlock limits --team app:desk",
        "interlock limits --storage sqlite:///desk.db --json",
        "interlock limits reset model/gpt-4.1 --team app:desk",
    ),
)


@app.callback()
def limits(
    context: typer.Context,
    *,
    team: TeamOption = None,
    storage: StorageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show breakers and rates: what is left alone, until when, and why."""
    if context.invoked_subcommand is not None:
        return
    from interlock.cli.command_lines import CommandLines
    from interlock.cli.failures import leave_with
    from interlock.cli.limits import show_limits

    commands = CommandLines(thread_id="", team=team, storage=storage)
    leave_with(
        lambda output: show_limits(output, commands=commands), as_json=as_json, commands=commands
    )


@app.command(
    epilog=show_examples(
        "interlock limits reset worker/mailer --team app:desk",
    )
)
def reset(
    name: Annotated[
        str,
        typer.Argument(metavar="NAME", help="As `interlock limits` shows it, worker/mailer say."),
    ],
    *,
    team: TeamOption = None,
    storage: StorageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Close a breaker at once, and forget the turns of its rate."""
    from interlock.cli.command_lines import CommandLines
    from interlock.cli.failures import leave_with
    from interlock.cli.limits import reset_limit

    commands = CommandLines(thread_id="", team=team, storage=storage)
    leave_with(
        lambda output: reset_limit(output, commands=commands, name=name),
        as_json=as_json,
        commands=commands,
    )
