"""`crash-test`: kills a team at every durable write, and checks the promises."""

from typing import Annotated

import typer

from interlock.cli.options import ContextOption, JsonOption, TeamArgument


def crash_test(  # noqa: PLR0913 - one parameter an option
    team: TeamArgument,
    goal: Annotated[str, typer.Argument(metavar="GOAL", help="What the run is for, in words.")],
    *,
    context: ContextOption = None,
    observe: Annotated[
        str | None,
        typer.Option(
            "--observe",
            metavar="MODULE:ATTRIBUTE",
            help="A function that returns what the team has changed outside.",
            show_default=False,
        ),
    ] = None,
    answer: Annotated[
        str | None,
        typer.Option(
            "--answer",
            metavar="MODULE:ATTRIBUTE",
            help="A function from a question to an answer, or None to leave it open.",
            show_default=False,
        ),
    ] = None,
    every: Annotated[
        int,
        typer.Option("--every", metavar="N", min=1, help="Kill at every so many writes only."),
    ] = 1,
    max_kills: Annotated[
        int | None,
        typer.Option(
            "--max-kills",
            metavar="N",
            min=1,
            help="Kill so often at most, spread over the run.",
            show_default=False,
        ),
    ] = None,
    any_outputs: Annotated[
        bool,
        typer.Option(
            "--any-outputs",
            metavar="",
            help="Outputs need not be those of the undisturbed run: workers say something else each "
            "time.",
            show_default=False,
        ),
    ] = False,
    postgresql: Annotated[
        str | None,
        typer.Option(
            "--postgresql",
            metavar="URL",
            help="A database to test on, with a thread for each kill. Left out: SQLite files.",
            show_default=False,
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Run a team, kill it with SIGKILL at every durable write in turn, resume it, and compare.

    Its own storage is not touched. It works in a fresh folder for each kill.
    """
    from interlock.cli.crash_testing import show_crash_test
    from interlock.cli.failures import leave_with
    from interlock.cli.given_values import parse_context
    from interlock.cli.output import Output
    from interlock.testing.crash_kit import CrashPlan

    def call(output: Output) -> int:
        plan = CrashPlan(
            goal=goal,
            context=parse_context(context),
            observe=observe,
            answer=answer,
            every=every,
            max_kills=max_kills,
            compare_outputs=not any_outputs,
            storage=postgresql,
        )
        return show_crash_test(output, team=team, plan=plan)

    leave_with(call, as_json=as_json)
