"""`scratchpad`: what workers noted for themselves."""

from typing import Annotated

import typer

from interlock.cli.options import JsonOption, StorageOption, TeamOption, ThreadArgument


def scratchpad(
    thread: ThreadArgument,
    step: Annotated[
        str | None,
        typer.Argument(
            metavar="STEP",
            help="In a nested team by its path, outer/inner. Left out: all steps.",
            show_default=False,
        ),
    ] = None,
    *,
    team: TeamOption = None,
    storage: StorageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what workers noted on a step: private to each worker, and open to you.

    Notes are kept the moment they are made, so that those of an attempt that was killed are here
    too. A later attempt of the same worker reads them; no other worker ever does.
    """
    from interlock.cli.command_lines import CommandLines
    from interlock.cli.failures import leave_with
    from interlock.cli.scratchpads import show_scratchpad

    commands = CommandLines(thread_id=thread, team=team, storage=storage)
    leave_with(
        lambda output: show_scratchpad(output, commands=commands, step=step),
        as_json=as_json,
        commands=commands,
    )
