"""`replay`: recorded briefs once more, as a debugger or as a regression test."""

from typing import Annotated

import typer

from interlock.cli.options import (
    AttemptOption,
    JsonOption,
    SinceOption,
    StorageOption,
    TeamOption,
    UntilOption,
)


def replay(  # noqa: PLR0913 - one parameter an option
    thread: Annotated[
        str | None,
        typer.Argument(metavar="[THREAD]", help="The thread.", show_default=False),
    ] = None,
    step: Annotated[
        str | None,
        typer.Argument(
            metavar="[STEP]", help="The step, by its path, outer/inner.", show_default=False
        ),
    ] = None,
    *,
    attempt: AttemptOption = None,
    worker: Annotated[
        str | None,
        typer.Option(
            "--worker",
            metavar="WORKER",
            help="Who works: a worker of the team, module:attribute, or `recorded`: nobody, the "
            "recorded output is judged anew. Left out: the recorded worker as it is now.",
            show_default=False,
        ),
    ] = None,
    criteria: Annotated[
        str | None,
        typer.Option(
            "--criteria",
            metavar="FILE",
            help="Criteria in the place of the step's: a YAML or JSON list.",
            show_default=False,
        ),
    ] = None,
    since: SinceOption = None,
    until: UntilOption = None,
    of_step: Annotated[
        str | None,
        typer.Option(
            "--step", metavar="STEP", help="Of many threads: this step.", show_default=False
        ),
    ] = None,
    most: Annotated[
        int, typer.Option("--limit", metavar="N", help="Of many: the newest.", min=1)
    ] = 1000,
    at_once: Annotated[
        int, typer.Option("--at-once", metavar="N", help="Of many: so many at a time.", min=1)
    ] = 4,
    fails_on_change: Annotated[
        bool,
        typer.Option(
            "--fail-on-change",
            metavar="",
            help="Leave with 5 if a verdict would be another, or nothing could be compared: for CI.",
            show_default=False,
        ),
    ] = False,
    team: TeamOption = None,
    storage: StorageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Work on recorded briefs once more, offline, and compare with what was recorded.

    The brief is shown exactly as it was. Nothing is promoted or recorded, and guarded tools are
    answered from the ledger; models are really called, and so are tools that nobody guards. With
    --since, or without a STEP, many are replayed: how many verdicts would a new prompt, model or
    criterion change?
    """
    from interlock.cli.command_lines import CommandLines
    from interlock.cli.failures import leave_with
    from interlock.cli.replaying import ReplayOptions
    from interlock.cli.replaying import replay as run_replay

    commands = CommandLines(thread_id=thread or "", team=team, storage=storage)
    options = ReplayOptions(
        step=step or of_step,
        attempt=attempt,
        worker=worker,
        criteria=criteria,
        since=since,
        until=until,
        most=most,
        at_once=at_once,
        fails_on_change=fails_on_change,
    )
    leave_with(
        lambda output: run_replay(output, commands=commands, options=options),
        as_json=as_json,
        commands=commands,
    )
