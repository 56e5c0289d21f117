"""`metrics`: what is counted in the journal, of a thread, of a team, of a time."""

from typing import Annotated

import typer

from interlock.cli.options import (
    JsonOption,
    SinceOption,
    StorageOption,
    TeamNameOption,
    TeamOption,
    UntilOption,
)


def metrics(  # noqa: PLR0913 - one parameter an option
    thread: Annotated[
        str | None,
        typer.Argument(
            metavar="[THREAD]", help="Of this thread; left out: of all.", show_default=False
        ),
    ] = None,
    *,
    since: SinceOption = None,
    until: UntilOption = None,
    name: TeamNameOption = None,
    step: Annotated[
        str | None,
        typer.Option(
            "--step",
            metavar="PATH",
            help="Of steps whose paths begin so: reply, or outer/ for what is within outer.",
            show_default=False,
        ),
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(
            "--by",
            metavar="TABLE",
            help="One table whole: steps, workers, criteria, edges, stages, models, effects, "
            "questions, fallbacks, faults or runs.",
            show_default=False,
        ),
    ] = None,
    team: TeamOption = None,
    storage: StorageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Count: which step, which worker, which handoff and which validator is the problem.

    The first screen has the worst of each first: steps by what was not accepted, workers by refused
    attempts, handoffs by where the time went, validators by the faulty values that they let pass.
    docs/metrics.md says how everything is counted.
    """
    from interlock.cli.command_lines import CommandLines
    from interlock.cli.failures import leave_with
    from interlock.cli.metrics import show_metrics

    commands = CommandLines(thread_id=thread or "", team=team, storage=storage)
    leave_with(
        lambda output: show_metrics(
            output, commands=commands, name=name, since=since, until=until, step=step, by=by
        ),
        as_json=as_json,
        commands=commands,
    )
