"""`report`: a run, or many, on one page."""

from typing import Annotated

import typer

from interlock.cli.options import JsonOption, SinceOption, StorageOption, TeamOption, UntilOption


def report(  # noqa: PLR0913 - one parameter an option
    thread: Annotated[
        str | None,
        typer.Argument(
            metavar="[THREAD]", help="About this run; left out: about all.", show_default=False
        ),
    ] = None,
    *,
    path: Annotated[
        str | None,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE",
            help="Where to write it. Left out: report.html.",
            show_default=False,
        ),
    ] = None,
    since: SinceOption = None,
    until: UntilOption = None,
    name: Annotated[
        str | None,
        typer.Option("--name", metavar="NAME", help="Of runs of this team.", show_default=False),
    ] = None,
    team: TeamOption = None,
    storage: StorageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write an HTML page: the task graph, the timeline, every handoff in full, faults and cost.

    One file that loads nothing from anywhere. Needs the extra `report`. It shows what people, agents
    and tools have said: keep it where the storage itself may be kept.
    """
    from interlock.cli.command_lines import CommandLines
    from interlock.cli.failures import leave_with
    from interlock.cli.reporting import write_report

    commands = CommandLines(thread_id=thread or "", team=team, storage=storage)
    leave_with(
        lambda output: write_report(
            output, commands=commands, path=path, name=name, since=since, until=until
        ),
        as_json=as_json,
        commands=commands,
    )
