"""`effects`: what tools changed outside, and what a person can say about it."""

from typing import Annotated, Final

import typer

from interlock.cli.options import (
    JsonOption,
    StorageOption,
    TeamOption,
    ThreadArgument,
    show_examples,
)
from interlock.cli.thread_or_command import ThreadOrCommand

app = typer.Typer(cls=ThreadOrCommand)

_HELP: Final = (
    "List what tools changed outside on a thread, oldest first; settle what is unknown.",
    (
        "An effect is one change that a guarded tool makes outside: a refund, a mail, an order. "
        "Equal calls are one effect: a retry, a resume or a second delivery is answered from the "
        "ledger, and the tool does not run again."
    ),
    """\
[bold]done[/bold]      it happened; duplicates get its answer
[bold]failed[/bold]    it ended with a final error; duplicates get the error
[bold]unknown[/bold]   it was begun, and nobody knows whether it happened
[bold]started[/bold]   it is running, as far as is known
[bold]intended[/bold]  it was called for and has not happened; the next call runs it
[bold]undone[/bold]    it happened, and its undo took it back""",
    (
        "What is unknown is not run again before a person settles it: --happened or "
        "--not-happened, and --why. What ended long ago is deleted with forget: --older-than, "
        "--dry-run."
    ),
)
"""Paragraphs: only the first may have line breaks that are not shown."""


@app.callback(
    help="\n\n".join(_HELP),
    invoke_without_command=True,
    no_args_is_help=True,
    epilog=show_examples(
        "interlock effects t17 --team app:desk",
        "interlock effects t17 --step refund --full",
        "interlock effects settle t17 e-1a2b --happened --why 'seen at the bank'",
        "interlock effects forget --older-than 90d --dry-run",
    ),
)
def effects(
    context: typer.Context,
    *,
    thread: Annotated[
        str | None,
        typer.Argument(
            metavar="THREAD",
            help="The thread id of a run, or the scope that tools were called in outside runs. One "
            "that is called like a command goes last, after --.",
            show_default=False,
        ),
    ] = None,
    step: Annotated[
        str | None,
        typer.Option(
            "--step",
            metavar="ID",
            help="Of one step only, and of those nested below it.",
            show_default=False,
        ),
    ] = None,
    full: Annotated[
        bool,
        typer.Option(
            "--full",
            metavar="",
            help="With key, arguments, answer, every call and every change of state.",
            show_default=False,
        ),
    ] = False,
    team: TeamOption = None,
    storage: StorageOption = None,
    as_json: JsonOption = False,
) -> None:
    """List what tools changed outside on a thread; settle what is unknown."""
    if context.invoked_subcommand is not None:
        return
    from interlock.cli.command_lines import CommandLines
    from interlock.cli.effects import show_effects
    from interlock.cli.failures import leave_with
    from interlock.cli.output import Output
    from interlock.contracts.errors import ConfigurationError

    commands = CommandLines(thread_id=thread or "", team=team, storage=storage)

    def call(output: Output) -> int:
        if not thread:
            raise ConfigurationError("Name a THREAD: `interlock effects THREAD`.")
        return show_effects(output, commands=commands, step=step, is_full=full)

    leave_with(call, as_json=as_json, commands=commands)


@app.command(
    epilog=show_examples(
        "interlock effects settle t17 e-1a2b --happened --why 'seen at the bank'",
        "interlock effects settle t17 e-1a2b --happened --answer '{\"refund\": 7}'",
        "interlock effects settle t17 e-1a2b --not-happened --why 'not in the shop'",
    )
)
def settle(  # noqa: PLR0913 - one parameter an option
    thread: ThreadArgument,
    key: Annotated[
        str,
        typer.Argument(
            metavar="KEY", help="Of the effect, as listed; its beginning if that is enough."
        ),
    ],
    *,
    happened: Annotated[
        bool,
        typer.Option(
            "--happened",
            metavar="",
            help="It did happen. Duplicates get --answer, or null.",
            show_default=False,
        ),
    ] = False,
    not_happened: Annotated[
        bool,
        typer.Option(
            "--not-happened",
            metavar="",
            help="It did not. The next call runs it.",
            show_default=False,
        ),
    ] = False,
    answer: Annotated[
        str | None,
        typer.Option(
            "--answer",
            metavar="JSON|@FILE",
            help="What the tool answered, with --happened.",
            show_default=False,
        ),
    ] = None,
    why: Annotated[
        str,
        typer.Option(
            "--why",
            metavar="TEXT",
            help="How you know; it is recorded.",
            show_default=False,
        ),
    ] = "",
    team: TeamOption = None,
    storage: StorageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say whether an unknown effect happened; a question that asks about it is answered too."""
    from interlock.cli.command_lines import CommandLines
    from interlock.cli.effect_settling import parse_settlement, settle_effect
    from interlock.cli.failures import leave_with
    from interlock.cli.output import Output

    commands = CommandLines(thread_id=thread, team=team, storage=storage)

    def call(output: Output) -> int:
        settlement = parse_settlement(
            key, happened=happened, not_happened=not_happened, answer=answer, why=why
        )
        return settle_effect(output, commands=commands, settlement=settlement)

    leave_with(call, as_json=as_json, commands=commands)


@app.command(
    epilog=show_examples(
        "interlock effects forget --older-than 90d --dry-run",
        "interlock effects forget --older-than 12h --thread nightly/2026-01-01",
    )
)
def forget(
    *,
    older_than: Annotated[
        str,
        typer.Option(
            "--older-than",
            metavar="DURATION",
            help="How long ago they ended at least, such as 30d, 12h or 45min.",
        ),
    ],
    thread: Annotated[
        str | None,
        typer.Option("--thread", metavar="ID", help="Of one thread only.", show_default=False),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", metavar="", help="Count them, and keep them.", show_default=False
        ),
    ] = False,
    team: TeamOption = None,
    storage: StorageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Delete effects that ended long ago, of finished runs; a call for one is a new effect then."""
    from interlock.cli.command_lines import CommandLines
    from interlock.cli.effect_forgetting import forget_effects
    from interlock.cli.failures import leave_with

    commands = CommandLines(thread_id=thread or "", team=team, storage=storage)
    leave_with(
        lambda output: forget_effects(
            output, commands=commands, older_than=older_than, is_dry_run=dry_run
        ),
        as_json=as_json,
        commands=commands,
    )
