"""The step graph: one step's life, from its brief to its settlement.

    START -> brief -> <one node a worker> -> review -> promote -> END
               ^                               |-> brief (retry)
               |                               |-> fallback -> brief | park | degrade
               +--- an answer takes it up ---  |-> park -> END
                                               |-> degrade -> END

From a worker the only edge leads to the supervisor's review (I1).
"""

from collections.abc import Callable
from typing import Any, cast

from langchain_core.runnables import RunnableConfig
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.pregel import Pregel

from interlock.contracts.brief import Brief
from interlock.contracts.errors import ConfigurationError
from interlock.contracts.worker import Worker
from interlock.nodes.agent_call import (
    AgentResult,
    build_function_call,
    read_graph_output,
    read_team_output,
    shape_graph_input,
)
from interlock.nodes.step_brief import build_brief_node
from interlock.nodes.step_channels import (
    StepChannels,
    on_channels,
    pack_update,
    unpack_state,
)
from interlock.nodes.step_degrade import build_degrade_node
from interlock.nodes.step_fallback import build_fallback_node
from interlock.nodes.step_park import build_park_node
from interlock.nodes.step_promote import build_promote_node
from interlock.nodes.step_review import build_review_node
from interlock.nodes.step_state import (
    BRIEF,
    DEGRADE,
    FALLBACK,
    PARK,
    PROMOTE,
    REVIEW,
    STEP_NODES,
    StepState,
)
from interlock.nodes.team import Team, TeamSpec
from interlock.nodes.worker_node import build_worker_runner

AnyGraph = Pregel[Any, Any, Any, Any]


def build_step_graph(
    team: Team, *, build_team: Callable[[TeamSpec], AnyGraph]
) -> CompiledStateGraph[StepChannels, None, StepChannels, StepChannels]:
    """Return the compiled step graph of a team.

    Args:
        team: At work.
        build_team: Returns the compiled run graph of a nested team on the same storage.
    """
    graph = StateGraph(StepChannels)
    nodes: dict[str, Any] = {
        BRIEF: build_brief_node(team),
        REVIEW: build_review_node(team),
        PROMOTE: build_promote_node(team),
        FALLBACK: build_fallback_node(team),
        PARK: build_park_node(team),
        DEGRADE: build_degrade_node(team),
    }
    for name, node in nodes.items():
        graph.add_node(name, cast(Any, on_channels(node)), metadata={"role": "supervisor"})
    names = [worker.name for worker in team.spec.workers.values()]
    for worker in team.spec.workers.values():
        if worker.name in STEP_NODES:
            raise ConfigurationError(
                f"A worker cannot be called {worker.name!r}: the step graph has a node of that "
                f"name. Reserved: {', '.join(STEP_NODES)}. Rename the worker."
            )
        _add_worker(graph, team, worker, build_team=build_team)
        graph.add_edge(worker.name, REVIEW)
    graph.add_edge(START, BRIEF)
    _add_routes(graph, BRIEF, [*names, REVIEW, PROMOTE, FALLBACK, PARK])
    _add_routes(graph, REVIEW, [PROMOTE, BRIEF, FALLBACK, PARK, DEGRADE])
    _add_routes(graph, FALLBACK, [BRIEF, PARK, DEGRADE])
    for last in (PROMOTE, PARK, DEGRADE):
        graph.add_edge(last, END)
    return graph.compile(name="step")


def _add_routes(graph: StateGraph[StepChannels], source: str, targets: list[str]) -> None:
    """Add a conditional edge that only looks up what the node decided."""
    path_map: Any = {target: target for target in targets}
    graph.add_conditional_edges(source, _look_up_route, path_map)


def _look_up_route(channels: StepChannels) -> str:
    route: str = channels["progress"]["route"]
    return route


def _add_worker(
    graph: StateGraph[StepChannels],
    team: Team,
    worker: Worker,
    *,
    build_team: Callable[[TeamSpec], AnyGraph],
) -> None:
    run_worker = build_worker_runner(team, worker)
    metadata = {"role": "worker", "description": worker.description}
    nested = find_team_spec(worker.agent)
    if nested is not None:
        team_graph = build_team(nested)

        async def team_node(channels: StepChannels, config: RunnableConfig) -> StepChannels:
            state = unpack_state(channels)

            async def call(brief: Brief, scoped: RunnableConfig) -> AgentResult:
                output = await team_graph.ainvoke(_shape_team_input(state, brief), scoped)
                return read_team_output(output)

            return pack_update(channels, await run_worker(state, config, call))

        graph.add_node(worker.name, cast(Any, team_node), metadata=metadata)
    elif isinstance(worker.agent, Pregel):
        agent: AnyGraph = worker.agent

        async def graph_node(channels: StepChannels, config: RunnableConfig) -> StepChannels:
            async def call(brief: Brief, scoped: RunnableConfig) -> AgentResult:
                return read_graph_output(
                    await agent.ainvoke(shape_graph_input(agent, brief), scoped)
                )

            update = await run_worker(unpack_state(channels), config, call)
            return pack_update(channels, update)

        graph.add_node(worker.name, cast(Any, graph_node), metadata=metadata)
    else:
        call_function = build_function_call(worker)

        async def function_node(channels: StepChannels, config: RunnableConfig) -> StepChannels:
            update = await run_worker(unpack_state(channels), config, call_function)
            return pack_update(channels, update)

        graph.add_node(worker.name, cast(Any, function_node), metadata=metadata)


def _shape_team_input(state: StepState, brief: Brief) -> dict[str, Any]:
    shown = brief.dump()
    scope = f"{state['assignment'].get('scope', '')}{brief.step_id}/"
    context = {**shown["context"], **shown["inputs"]}
    if shown["feedback"]:
        context["feedback"] = shown["feedback"]
    return {"goal": brief.instruction, "context": context, "scope": scope}


def find_team_spec(agent: object) -> TeamSpec | None:
    """Return the declaration behind a team: an Orchestrator, or a run graph that we built."""
    spec = getattr(agent, "team_spec", None)
    if spec is None:
        spec = getattr(getattr(agent, "builder", None), "team_spec", None)
    return spec if isinstance(spec, TeamSpec) else None
