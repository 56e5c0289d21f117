"""`status`, `inbox`, `handoffs`, `cancel`: commands that need a storage and no team."""

from typing import Annotated

import typer

from interlock.cli.options import JsonOption, StorageOption, TeamOption, ThreadArgument


def status(
    thread: Annotated[
        str | None,
        typer.Argument(metavar="THREAD", help="Left out: all threads.", show_default=False),
    ] = None,
    *,
    limit: Annotated[
        int, typer.Option("--limit", metavar="N", min=1, help="Most threads listed.")
    ] = 50,
    team: TeamOption = None,
    storage: StorageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show where a thread stands, also while another process runs it; or list all threads."""
    from interlock.cli.command_lines import CommandLines
    from interlock.cli.failures import leave_with
    from interlock.cli.reading import show_status, show_statuses

    commands = CommandLines(thread_id=thread or "", team=team, storage=storage)
    leave_with(
        lambda output: (
            show_status(output, commands=commands)
            if thread is not None
            else show_statuses(output, commands=commands, limit=limit)
        ),
        as_json=as_json,
        commands=commands,
    )


def inbox(
    *,
    thread: Annotated[
        str | None,
        typer.Option("--thread", metavar="ID", help="Of one thread only.", show_default=False),
    ] = None,
    team: TeamOption = None,
    storage: StorageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show all open questions over all threads, and how to answer them."""
    from interlock.cli.command_lines import CommandLines
    from interlock.cli.failures import leave_with
    from interlock.cli.reading import show_inbox

    commands = CommandLines(thread_id=thread or "", team=team, storage=storage)
    leave_with(
        lambda output: show_inbox(output, commands=commands), as_json=as_json, commands=commands
    )


def handoffs(
    thread: ThreadArgument,
    *,
    step: Annotated[
        str | None,
        typer.Option(
            "--step",
            metavar="ID",
            help="Of one step only. Where a team is its worker, ID/ shows what that team did.",
            show_default=False,
        ),
    ] = None,
    full: Annotated[
        bool,
        typer.Option(
            "--full", metavar="", help="With every payload and finding.", show_default=False
        ),
    ] = False,
    team: TeamOption = None,
    storage: StorageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what was handed over on a thread, from the journal, oldest first."""
    from interlock.cli.command_lines import CommandLines
    from interlock.cli.failures import leave_with
    from interlock.cli.reading import show_handoffs

    commands = CommandLines(thread_id=thread, team=team, storage=storage)
    leave_with(
        lambda output: show_handoffs(output, commands=commands, step=step, is_full=full),
        as_json=as_json,
        commands=commands,
    )


def cancel(
    thread: ThreadArgument,
    *,
    why: Annotated[
        str, typer.Option("--why", metavar="TEXT", help="The reason; it stands in the result.")
    ],
    team: Annotated[
        str | None,
        typer.Option(
            "--team",
            metavar="TEAM",
            help="As module:attribute. With it, a run that no process is running ends at once.",
            show_default=False,
        ),
    ] = None,
    storage: StorageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Stop a run, keeping what is done; a process that is running it stops within seconds."""
    from interlock.cli.command_lines import CommandLines
    from interlock.cli.failures import leave_with
    from interlock.cli.output import Output
    from interlock.cli.reading import cancel as cancel_run
    from interlock.cli.team_loading import load_team

    commands = CommandLines(thread_id=thread, team=team, storage=storage)

    def call(output: Output) -> int:
        desk = load_team(team, storage=storage) if team is not None else None
        return cancel_run(output, commands=commands, why=why, desk=desk)

    leave_with(call, as_json=as_json, commands=commands)
