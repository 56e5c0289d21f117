"""`plan` and `replan`: the versions of a run's plan, a person's own, and asking for another."""

from typing import Annotated

import typer

from interlock.cli.options import JsonOption, StorageOption, TeamOption, ThreadArgument


def plan(  # noqa: PLR0913 - one parameter an option
    thread: ThreadArgument,
    *,
    version: Annotated[
        int | None,
        typer.Option(
            "--version", metavar="N", help="Left out: the newest.", show_default=False, min=1
        ),
    ] = None,
    step: Annotated[
        str | None,
        typer.Option(
            "--step",
            metavar="STEP",
            help="The plan of the team that is this step's worker, by its path, outer/inner.",
            show_default=False,
        ),
    ] = None,
    edit: Annotated[
        bool,
        typer.Option(
            "--edit",
            metavar="",
            help="Open the plan in $EDITOR, then go on with what was saved. Needs --team.",
            show_default=False,
        ),
    ] = False,
    source: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="FILE",
            help="Go on with this plan, YAML or JSON, in the place of an editor's. Needs --team.",
            show_default=False,
        ),
    ] = None,
    why: Annotated[
        str | None,
        typer.Option(
            "--why",
            metavar="TEXT",
            help="Why it is edited; for the journal, where nobody asks about the plan.",
            show_default=False,
        ),
    ] = None,
    team: TeamOption = None,
    storage: StorageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show a run's plan as YAML, with what each version changed; or edit it and go on.

    What is printed is a task graph that `interlock run --plan` and `--from` take. A plan can be
    edited when a person is asked about it, and while the run stands still: it waits, was stopped or
    was killed. What is finished stands. An edited plan is validated whole first: what is wrong with
    it is told with its lines, nothing is changed, and the file is kept.
    """
    from interlock.cli.command_lines import CommandLines
    from interlock.cli.failures import leave_with
    from interlock.cli.plan_editing import edit_plan
    from interlock.cli.plans import show_plan

    commands = CommandLines(thread_id=thread, team=team, storage=storage)
    if edit or source is not None:
        leave_with(
            lambda output: edit_plan(output, commands=commands, source=source, step=step, why=why),
            as_json=as_json,
            commands=commands,
        )
        return
    leave_with(
        lambda output: show_plan(output, commands=commands, version=version, step=step),
        as_json=as_json,
        commands=commands,
    )


def replan(
    thread: ThreadArgument,
    *,
    why: Annotated[
        str, typer.Option("--why", metavar="TEXT", help="What is wanted; the planner is told.")
    ],
    team: TeamOption = None,
    storage: StorageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ask the planner of a run for another plan, once its steps have settled; also while it runs.

    What is finished stands. The request is in the journal, and each is heard once.
    """
    from interlock.cli.command_lines import CommandLines
    from interlock.cli.failures import leave_with
    from interlock.cli.replanning import ask_for_replan

    commands = CommandLines(thread_id=thread, team=team, storage=storage)
    leave_with(
        lambda output: ask_for_replan(output, commands=commands, why=why),
        as_json=as_json,
        commands=commands,
    )
