"""`graph` and `schema`: what can be looked at before anything runs."""

from typing import Annotated

import typer

from interlock.cli.options import ContextOption, JsonOption, StorageOption


def graph(
    team: Annotated[
        str | None,
        typer.Argument(
            metavar="TEAM",
            help="As module:attribute. May be left out with --plan.",
            show_default=False,
        ),
    ] = None,
    *,
    plan: Annotated[
        str | None,
        typer.Option(
            "--plan",
            metavar="FILE",
            help="Draw this task graph (JSON or YAML) instead, and check it: against the team if "
            "one is named, by itself if not.",
            show_default=False,
        ),
    ] = None,
    context: ContextOption = None,
    storage: StorageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Draw a team's compiled graph, or a task graph, as Mermaid text."""
    from interlock.cli.drawing import show_plan, show_team
    from interlock.cli.failures import leave_with
    from interlock.cli.given_values import parse_context
    from interlock.cli.output import Output
    from interlock.cli.team_loading import load_team
    from interlock.contracts.errors import ConfigurationError
    from interlock.orchestrator import load_task_graph

    def call(output: Output) -> int:
        desk = load_team(team, storage=storage) if team is not None else None
        if plan is not None:
            keys = tuple(parse_context(context) or ())
            return show_plan(output, plan=load_task_graph(plan), desk=desk, context_keys=keys)
        if desk is None:
            raise ConfigurationError("There is nothing to draw. Name a TEAM, or a --plan FILE.")
        return show_team(output, desk=desk)

    leave_with(call, as_json=as_json)


def schema(*, as_json: JsonOption = False) -> None:
    """Print the JSON Schema of a task graph: for editors, for planners, for programs."""
    import json

    from interlock.cli.failures import leave_with
    from interlock.cli.output import Output
    from interlock.contracts.plan import TaskGraph

    def call(output: Output) -> int:
        value = {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            **TaskGraph.model_json_schema(),
        }
        output.stdout.write(json.dumps(value, indent=None if as_json else 2) + "\n")
        return 0

    leave_with(call, as_json=as_json)
