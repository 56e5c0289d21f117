"""The run graph: from a goal to an honest result.

    START -> intake -> planner -> supervisor -> planner | dispatch | escalate | finish -> END
                                      ^            |          |         |
                                      +------------+----------+---------+

Nodes decide and write their decision to the state; the conditional edge only looks it up.
"""

from typing import Any

from langgraph.graph import END, START, StateGraph

from interlock.graphs.step_graph import StepGraphParts, build_step_graph
from interlock.nodes.dispatch import AnyGraph, build_dispatch_node
from interlock.nodes.escalate import build_escalate_node
from interlock.nodes.finish import build_finish_node
from interlock.nodes.intake import build_intake_node
from interlock.nodes.planner import build_planner_node
from interlock.nodes.run.run_state import (
    RUN_ROUTES,
    NestedRunInput,
    RunContext,
    RunInput,
    RunState,
    SpacedRunInput,
)
from interlock.nodes.run.team import Team, TeamSpec
from interlock.nodes.supervisor import build_supervisor_node


class RunGraph(StateGraph[RunState, RunContext, RunInput, RunState]):
    """A team's run graph, not compiled; it knows the team's declaration."""

    team_spec: TeamSpec


def build_graph(team: Team, *, input_schema: type[RunInput] | None = None) -> RunGraph:
    """Return the run graph of a team at work.

    The whole step graph stands in the dispatch node's closure, where LangGraph finds it for
    drawing.

    Args:
        team: At work.
        input_schema: What starts a run; left out, what a person fills in: a form in Studio.
    """
    if input_schema is None:
        input_schema = SpacedRunInput if team.spec.list_roles() else RunInput
    step_graph = build_step_graph(team, build_team=lambda spec: _build_nested(team, spec))
    graph = RunGraph(RunState, context_schema=RunContext, input_schema=input_schema)
    graph.team_spec = team.spec
    nodes: dict[str, tuple[Any, str]] = {
        "intake": (build_intake_node(team), "intake"),
        "planner": (build_planner_node(team), "planner"),
        "supervisor": (build_supervisor_node(team), "supervisor"),
        "dispatch": (
            build_dispatch_node(team, step_graph, find_part=StepGraphParts().find),
            "supervisor",
        ),
        "escalate": (build_escalate_node(team), "person"),
        "finish": (build_finish_node(team), "supervisor"),
    }
    for name, (node, role) in nodes.items():
        graph.add_node(name, node, metadata={"role": role})
    graph.add_edge(START, "intake")
    graph.add_edge("intake", "planner")
    for worked in ("planner", "dispatch", "escalate"):
        graph.add_edge(worked, "supervisor")
    graph.add_conditional_edges(
        "supervisor", _look_up_route, {route: route for route in RUN_ROUTES}
    )
    graph.add_edge("finish", END)
    return graph


async def _look_up_route(state: RunState) -> str:
    """Return what the supervisor decided; async, or LangGraph would call it in a thread."""
    return state["route"]


def _build_nested(team: Team, spec: TeamSpec) -> AnyGraph:
    """Return a nested team's compiled graph: its own rules, the outer team's storage and clock.

    What is live is shared, so that drains and cancels reach it and budgets count it.
    """
    nested = Team.build(
        spec, open_storage=team.open_storage, clock=team.clock, telemetry=team.telemetry
    )
    nested.listeners = team.listeners
    nested.live = team.live
    nested.models = {**team.models, **spec.models}
    team.tools.update(nested.tools)
    nested.tools = team.tools
    compiled: AnyGraph = build_graph(nested, input_schema=NestedRunInput).compile(name="team")
    return compiled
