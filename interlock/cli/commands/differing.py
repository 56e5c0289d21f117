"""`diff`: where two runs of a plan parted."""

from typing import Annotated

import typer

from interlock.cli.options import JsonOption, StorageOption, TeamOption, ThreadArgument


def diff(
    thread: ThreadArgument,
    other: Annotated[str, typer.Argument(metavar="OTHER", help="The thread to compare it with.")],
    *,
    other_storage: Annotated[
        str | None,
        typer.Option(
            "--other-storage",
            metavar="URL",
            help="Where the other lies, if elsewhere.",
            show_default=False,
        ),
    ] = None,
    team: TeamOption = None,
    storage: StorageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show where two runs parted: the first steps that differ for no other's sake, and what followed.

    Told apart: another plan, another start, other inputs because a step before differs, equal briefs
    with other outputs (a worker that is not deterministic), equal outputs with another verdict.
    """
    from interlock.cli.command_lines import CommandLines
    from interlock.cli.differing import show_difference
    from interlock.cli.failures import leave_with

    commands = CommandLines(thread_id=thread, team=team, storage=storage)
    leave_with(
        lambda output: show_difference(
            output, commands=commands, other=other, other_storage=other_storage
        ),
        as_json=as_json,
        commands=commands,
    )
