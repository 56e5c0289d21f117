"""`context`: the facts that a thread's steps share, where each comes from, and taking one back."""

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
    "Show the shared context of a thread: its facts, who put each there, and what rests on it.",
    (
        "A fact is given at the start of a run, or published by a step whose output was accepted. It "
        "lives in the thread, or in a named space that threads share, such as customer/c-42. Every "
        "version stays readable."
    ),
    (
        "--why KEY tells a fact's story: the step, attempt and worker that put it there, from which "
        "brief, outputs and facts, and which steps and facts rest on it. What proves wrong is "
        "retracted or corrected; what rests on it is marked, and runs that go on say so in their gaps."
    ),
)
"""Paragraphs: only the first may have line breaks that are not shown."""

KeyArgument = Annotated[
    str, typer.Argument(metavar="KEY", help="The fact, by its name in the context.")
]
WhyOption = Annotated[
    str, typer.Option("--why", metavar="TEXT", help="What is wrong with it; recorded.")
]


@app.callback(
    help="\n\n".join(_HELP),
    invoke_without_command=True,
    no_args_is_help=True,
    epilog=show_examples(
        "interlock context t17 --team app:desk",
        "interlock context t17 --version 2",
        "interlock context t17 --why price",
        "interlock context t17 --step outer/inner",
        "interlock context retract t17 price --why 'misread the list'",
        "interlock context correct t17 price 12.5 --why 'typo' --team app:desk",
    ),
)
def context(  # noqa: PLR0913 - one parameter an option
    command: typer.Context,
    *,
    thread: Annotated[
        str | None,
        typer.Argument(
            metavar="THREAD",
            help="The thread id that the run was started with. One that is called like a command "
            "goes last, after --.",
            show_default=False,
        ),
    ] = None,
    version: Annotated[
        int | None,
        typer.Option(
            "--version",
            metavar="N",
            help="As it stood then: a version of the thread's own facts, from 1.",
            show_default=False,
        ),
    ] = None,
    why: Annotated[
        str | None,
        typer.Option(
            "--why",
            metavar="KEY",
            help="Of one fact: where every version comes from, and what rests on it.",
            show_default=False,
        ),
    ] = None,
    step: Annotated[
        str | None,
        typer.Option(
            "--step",
            metavar="STEP",
            help="What the team shares that is this step's worker, by its path, outer/inner.",
            show_default=False,
        ),
    ] = None,
    team: TeamOption = None,
    storage: StorageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the shared context of a thread."""
    if command.invoked_subcommand is not None:
        return
    from interlock.cli.command_lines import CommandLines
    from interlock.cli.context import show_context, show_story
    from interlock.cli.failures import leave_with
    from interlock.cli.output import Output
    from interlock.contracts.errors import ConfigurationError

    commands = CommandLines(thread_id=thread or "", team=team, storage=storage)

    def call(output: Output) -> int:
        if not thread:
            raise ConfigurationError("Name a THREAD: `interlock context THREAD`.")
        if why is not None and version is not None:
            raise ConfigurationError("--why shows every version: leave --version out.")
        if why is not None:
            return show_story(output, commands=commands, key=why, step=step)
        return show_context(output, commands=commands, version=version, step=step)

    leave_with(call, as_json=as_json, commands=commands)


@app.command(epilog=show_examples("interlock context retract t17 price --why 'misread the list'"))
def retract(
    thread: ThreadArgument,
    key: KeyArgument,
    *,
    why: WhyOption,
    team: TeamOption = None,
    storage: StorageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take a fact back: no step is shown it any more, and what rests on it is marked."""
    from interlock.cli.command_lines import CommandLines
    from interlock.cli.context import retract as retract_fact
    from interlock.cli.failures import leave_with

    commands = CommandLines(thread_id=thread, team=team, storage=storage)
    leave_with(
        lambda output: retract_fact(output, commands=commands, key=key, why=why),
        as_json=as_json,
        commands=commands,
    )


@app.command(
    epilog=show_examples(
        "interlock context correct t17 price 12.5 --why 'typo' --team app:desk",
        "interlock context correct t17 address @address.json --why 'moved' --team app:desk",
        "interlock context correct t17 balance --why 'refund' --team app:desk -- -5",
    )
)
def correct(
    thread: ThreadArgument,
    key: KeyArgument,
    value: Annotated[str, typer.Argument(metavar="JSON|@FILE", help="The right value, as JSON.")],
    *,
    why: WhyOption,
    team: Annotated[
        str,
        typer.Option(
            "--team",
            metavar="TEAM",
            help="As module:attribute. It knows the fact's type and the invariants, which hold for "
            "people too.",
        ),
    ],
    storage: StorageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put another value in the place of a fact; what rests on the old one is marked."""
    from interlock.cli.command_lines import CommandLines
    from interlock.cli.context import correct as correct_fact
    from interlock.cli.failures import leave_with
    from interlock.cli.given_values import parse_json_argument
    from interlock.cli.output import Output

    commands = CommandLines(thread_id=thread, team=team, storage=storage)

    def call(output: Output) -> int:
        parsed = parse_json_argument(value, name="The value")
        return correct_fact(output, commands=commands, key=key, value=parsed, why=why)

    leave_with(call, as_json=as_json, commands=commands)
