"""`fault`: a step's accepted value proved wrong."""

from typing import Annotated

import typer

from interlock.cli.options import JsonOption, StorageOption, TeamOption, ThreadArgument


def fault(  # noqa: PLR0913 - one parameter an option
    thread: ThreadArgument,
    step: Annotated[
        str, typer.Argument(metavar="STEP", help="Whose value is wrong, by its path, outer/inner.")
    ],
    *,
    why: Annotated[
        str, typer.Option("--why", metavar="TEXT", help="What is wrong with it; recorded.")
    ],
    found_by: Annotated[
        str,
        typer.Option("--by", metavar="NAME", help="Who or what found it; it is never sealed."),
    ] = "person",
    final_check: Annotated[
        bool,
        typer.Option(
            "--final-check",
            metavar="",
            help="A check of what the run came to found it, such as an evaluation.",
            show_default=False,
        ),
    ] = False,
    team: TeamOption = None,
    storage: StorageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write down that a step's accepted value proved wrong, for the metrics of errors.

    For what no criterion of the run could see: a complaint, an evaluation against known answers. The
    run may have ended; nothing else of it changes. `interlock metrics` then counts which criteria let
    the value pass. To take a fact back that other steps rest on, use `interlock context retract`.
    """
    from interlock.cli.command_lines import CommandLines
    from interlock.cli.failures import leave_with
    from interlock.cli.faults import report

    commands = CommandLines(thread_id=thread, team=team, storage=storage)
    leave_with(
        lambda output: report(
            output,
            commands=commands,
            step=step,
            why=why,
            found_by=found_by,
            is_final_check=final_check,
        ),
        as_json=as_json,
        commands=commands,
    )
