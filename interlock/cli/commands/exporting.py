"""`export`: a recorded handoff as a pytest case."""

from typing import Annotated

import typer

from interlock.cli.options import (
    AttemptOption,
    JsonOption,
    StorageOption,
    TeamOption,
    ThreadArgument,
)


def export(  # noqa: PLR0913 - one parameter an option
    thread: ThreadArgument,
    step: Annotated[
        str, typer.Argument(metavar="STEP", help="The step, by its path, outer/inner.")
    ],
    *,
    path: Annotated[
        str | None,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE",
            help="The test file. Left out: it is printed.",
            show_default=False,
        ),
    ] = None,
    attempt: AttemptOption = None,
    worker: Annotated[
        str | None,
        typer.Option(
            "--worker",
            metavar="WORKER",
            help="Who works in the test: a worker of the team, module:attribute, or `recorded`: the "
            "recorded output is judged, which tests the criteria. Left out: the recorded worker.",
            show_default=False,
        ),
    ] = None,
    expects: Annotated[
        str | None,
        typer.Option(
            "--expect",
            metavar="VERDICT",
            help="accepted or refused. Left out: as it was recorded.",
            show_default=False,
        ),
    ] = None,
    hidden: Annotated[
        list[str] | None,
        typer.Option(
            "--redact",
            metavar="NAME",
            help="Hide the values of this name, however deep they lie. May be repeated.",
            show_default=False,
        ),
    ] = None,
    overwrites: Annotated[
        bool,
        typer.Option("--force", metavar="", help="Write over files.", show_default=False),
    ] = False,
    team: TeamOption = None,
    storage: StorageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a recorded handoff as a pytest case: its brief, what came back, and the verdict.

    The case needs no storage. It works on the brief once more, with guarded tools answered as they
    were, and is green while the criteria come to the same verdict.
    """
    from interlock.cli.command_lines import CommandLines
    from interlock.cli.exporting import ExportOptions
    from interlock.cli.exporting import export as run_export
    from interlock.cli.failures import leave_with

    commands = CommandLines(thread_id=thread, team=team, storage=storage)
    options = ExportOptions(
        step=step,
        attempt=attempt,
        path=path,
        worker=worker,
        expects=expects,
        hidden=hidden or (),
        overwrites=overwrites,
    )
    leave_with(
        lambda output: run_export(output, commands=commands, options=options),
        as_json=as_json,
        commands=commands,
    )
