"""`blame` and `critical-path`: which step a fault came from, and which steps decided a run's end."""

from typing import Annotated

import typer

from interlock.cli.options import (
    JsonOption,
    SinceOption,
    StorageOption,
    TeamNameOption,
    TeamOption,
    ThreadArgument,
)


def blame(  # noqa: PLR0913 - one parameter an option
    thread: Annotated[
        str | None,
        typer.Argument(
            metavar="[THREAD]",
            help="Faulty values of this thread's steps; left out: of all.",
            show_default=False,
        ),
    ] = None,
    *,
    since: SinceOption = None,
    until: Annotated[
        str | None,
        typer.Option("--until", metavar="TIME", help="Found before then.", show_default=False),
    ] = None,
    name: TeamNameOption = None,
    step: Annotated[
        str | None,
        typer.Option(
            "--step",
            metavar="PATH",
            help="Made by steps whose paths begin so: price, or outer/ for what is within outer.",
            show_default=False,
        ),
    ] = None,
    team: TeamOption = None,
    storage: StorageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say of every value that proved wrong which step made it, who let it pass, and where it went.

    A fault is known once a step rejects its input, a person corrects or takes back a fact, or somebody
    reports it (interlock fault). Those that reached the most steps come first. docs/metrics.md says what
    counts as reached.
    """
    from interlock.cli.blaming import show_blame
    from interlock.cli.command_lines import CommandLines
    from interlock.cli.failures import leave_with

    commands = CommandLines(thread_id=thread or "", team=team, storage=storage)
    leave_with(
        lambda output: show_blame(
            output, commands=commands, name=name, since=since, until=until, step=step
        ),
        as_json=as_json,
        commands=commands,
    )


def critical_path(
    thread: ThreadArgument,
    *,
    step: Annotated[
        str | None,
        typer.Option(
            "--step",
            metavar="PATH",
            help="Of the team that is this step's worker, instead of the run itself.",
            show_default=False,
        ),
    ] = None,
    max_parallel: Annotated[
        int | None,
        typer.Option(
            "--max-parallel",
            metavar="N",
            min=1,
            help="How many steps could run at once; left out, as the record shows.",
            show_default=False,
        ),
    ] = None,
    team: TeamOption = None,
    storage: StorageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say which steps decided when a run ended, and what would have ended it sooner.

    Each step of the chain waited for the one before; its stages add up to the run's whole time. What a
    faster step, more steps at once, fewer retries or quicker people would have saved is modelled.
    """
    from interlock.cli.blaming import show_critical_path
    from interlock.cli.command_lines import CommandLines
    from interlock.cli.failures import leave_with

    commands = CommandLines(thread_id=thread, team=team, storage=storage)
    leave_with(
        lambda output: show_critical_path(
            output, commands=commands, step=step, max_parallel=max_parallel
        ),
        as_json=as_json,
        commands=commands,
    )
