"""`run`, `resume`, `answer`: commands that drive a thread in the foreground."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from interlock.cli.options import (
    ContextOption,
    JsonOption,
    OtelOption,
    PlanOption,
    SpaceOption,
    StorageOption,
    TeamArgument,
    ThreadArgument,
)

if TYPE_CHECKING:
    from interlock.contracts.question import Answer
    from interlock.orchestrator import Orchestrator


def run(  # noqa: PLR0913 - one parameter an option
    team: TeamArgument,
    goal: Annotated[str, typer.Argument(metavar="GOAL", help="What the run is for, in words.")],
    *,
    thread: Annotated[
        str,
        typer.Option(
            "--thread", metavar="ID", help="Names the run; new. Everything else asks for it."
        ),
    ],
    context: ContextOption = None,
    space: SpaceOption = None,
    plan: PlanOption = None,
    stepwise: Annotated[
        bool,
        typer.Option(
            "--stepwise",
            metavar="",
            help="Return to the supervisor after every settled step: one step at a time.",
            show_default=False,
        ),
    ] = False,
    storage: StorageOption = None,
    otel: OtelOption = False,
    as_json: JsonOption = False,
) -> None:
    """Start a run, and follow it until it is finished or waits for a person."""
    from interlock.cli.command_lines import CommandLines
    from interlock.cli.driving import drive
    from interlock.cli.failures import leave_with
    from interlock.cli.given_values import parse_context, parse_spaces
    from interlock.cli.output import Output

    commands = CommandLines(thread_id=thread, team=team, storage=storage, plan=plan)

    def call(output: Output) -> int:
        given, spaces = parse_context(context), parse_spaces(space or ())
        return drive(
            _load_desk(team, storage=storage, plan=plan, otel=otel),
            lambda desk: desk.astream(
                goal, thread_id=thread, context=given, spaces=spaces, stepwise=stepwise
            ),
            output=output,
            commands=commands,
        )

    leave_with(call, as_json=as_json, commands=commands)


def resume(
    team: TeamArgument,
    thread: ThreadArgument,
    *,
    plan: PlanOption = None,
    storage: StorageOption = None,
    otel: OtelOption = False,
    as_json: JsonOption = False,
) -> None:
    """Go on with a run after a crash or a stop; on a finished run, show its result again."""
    from interlock.cli.command_lines import CommandLines
    from interlock.cli.driving import drive
    from interlock.cli.failures import leave_with

    commands = CommandLines(thread_id=thread, team=team, storage=storage, plan=plan)
    leave_with(
        lambda output: drive(
            _load_desk(team, storage=storage, plan=plan, otel=otel),
            lambda desk: desk.astream(thread_id=thread),
            output=output,
            commands=commands,
        ),
        as_json=as_json,
        commands=commands,
    )


def answer(  # noqa: PLR0913 - one parameter an argument
    team: TeamArgument,
    thread: ThreadArgument,
    question: Annotated[
        str | None,
        typer.Argument(metavar="QUESTION_ID", help="As the inbox shows it.", show_default=False),
    ] = None,
    decision: Annotated[
        str | None,
        typer.Argument(
            metavar="DECISION",
            help="approve, edit, reject or respond: one that the question allows.",
            show_default=False,
        ),
    ] = None,
    value: Annotated[
        str | None,
        typer.Argument(
            metavar="VALUE",
            help="For edit: the new value as JSON, or @file. For reject and respond: a text.",
            show_default=False,
        ),
    ] = None,
    *,
    file: Annotated[
        str | None,
        typer.Option(
            "--file",
            metavar="FILE",
            help='Several answers at once, as JSON: {"q-1a2b": {"type": "approve"}, ...}.',
            show_default=False,
        ),
    ] = None,
    storage: StorageOption = None,
    otel: OtelOption = False,
    as_json: JsonOption = False,
) -> None:
    """Answer open questions, and follow the run on from there."""
    from interlock.cli.command_lines import CommandLines
    from interlock.cli.driving import drive
    from interlock.cli.failures import leave_with
    from interlock.cli.output import Output

    commands = CommandLines(thread_id=thread, team=team, storage=storage)

    def call(output: Output) -> int:
        answers = _read_answers(question, decision, value, file=file)
        return drive(
            _load_desk(team, storage=storage, plan=None, otel=otel),
            lambda desk: desk.astream(thread_id=thread, answers=answers),
            output=output,
            commands=commands,
        )

    leave_with(call, as_json=as_json, commands=commands)


def _load_desk(team: str, *, storage: str | None, plan: str | None, otel: bool) -> "Orchestrator":
    from interlock.cli.otel import watch
    from interlock.cli.team_loading import load_team
    from interlock.orchestrator import load_task_graph

    desk = load_team(team, storage=storage)
    if plan is not None:
        desk = desk.copy_with(planner=load_task_graph(plan))
    return watch(desk) if otel else desk


def _read_answers(
    question: str | None, decision: str | None, value: str | None, *, file: str | None
) -> "Mapping[str, Answer]":
    from interlock.cli.given_values import load_answers, parse_answer
    from interlock.contracts.errors import ConfigurationError

    if file is not None and question is None:
        return load_answers(file)
    if file is not None or question is None or decision is None:
        raise ConfigurationError(
            "Give one answer as QUESTION_ID and a decision (approve, edit, reject or respond), or "
            "several with --file, not both and not neither."
        )
    return {question: parse_answer(decision, value)}
