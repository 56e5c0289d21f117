"""The step graph: one step's life, from its brief to its settlement.

    START -> brief -> <one node a worker> -> review -> promote -> END | brief | fallback | park
               ^                               |-> brief (retry)
               |                               |-> fallback -> brief | park | degrade
               +--- an answer takes it up ---  |-> park -> END
                                               |-> degrade -> END

From a worker the only edge leads to the supervisor's review (I1).
"""

from collections.abc import Callable, Collection, Mapping
from copy import copy
from typing import Any, Final, cast

from langchain_core.runnables import RunnableConfig
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.pregel import Pregel

from interlock.contracts.brief import Brief
from interlock.contracts.errors import ConfigurationError
from interlock.contracts.fallback import UseWorker
from interlock.contracts.plan import Step
from interlock.contracts.worker import Worker
from interlock.nodes.dispatch import AnyGraph
from interlock.nodes.run.team import Team, TeamSpec, find_team_spec
from interlock.nodes.steps.agent_call import (
    AgentResult,
    build_function_call,
    read_graph_output,
    read_team_output,
    shape_graph_input,
)
from interlock.nodes.steps.promoting import list_sources
from interlock.nodes.steps.step_brief import build_brief_node
from interlock.nodes.steps.step_channels import (
    StepChannels,
    on_channels,
    pack_update,
    unpack_state,
)
from interlock.nodes.steps.step_degrade import build_degrade_node
from interlock.nodes.steps.step_fallback import build_fallback_node
from interlock.nodes.steps.step_park import build_park_node
from interlock.nodes.steps.step_promote import build_promote_node
from interlock.nodes.steps.step_review import build_review_node
from interlock.nodes.steps.step_run import StepRun, get_step_run
from interlock.nodes.steps.step_state import (
    BRIEF,
    DEGRADE,
    FALLBACK,
    PARK,
    PROMOTE,
    REVIEW,
    STEP_NODES,
    StepState,
    derive_trigger,
)
from interlock.nodes.steps.worker_node import build_worker_runner

_RESERVED: Final = (
    *STEP_NODES,
    "checkpoint_id",
    "checkpoint_map",
    "checkpoint_ns",
    "configurable",
)
"""The step graph's own nodes, and words that LangGraph keeps for itself."""


class StepGraphParts:
    """The parts of a team's step graph that its steps run in.

    LangGraph copies every channel of a graph at every superstep, and each node has one. A step
    therefore runs in a part with only the workers that it can reach: the same nodes and channels,
    so that its checkpoints fit the whole graph, which is what is drawn.
    """

    def __init__(self) -> None:
        """Have no part yet."""
        self._parts: dict[frozenset[str], AnyGraph] = {}

    def find(self, whole: AnyGraph, step: Step, assignment: Mapping[str, Any]) -> AnyGraph:
        """Return the part that a step runs in.

        Args:
            whole: The team's step graph, always the same.
            step: Its worker, and the workers of its fallbacks, are in the part.
            assignment: So is the worker that a person was asked about, which an edited plan may
                no longer name.
        """
        ways = (way.worker for way in step.fallback if isinstance(way, UseWorker))
        asked = assignment.get("carry", {}).get("worker", step.worker)
        names = frozenset[str]((step.worker, asked, *ways))
        if names not in self._parts:
            self._parts[names] = _cut_out(whole, names)
        return self._parts[names]


def _cut_out(whole: AnyGraph, workers: Collection[str]) -> AnyGraph:
    """Return a graph with some of its workers; no node of a step that has only these leads away."""
    part = copy(whole)
    absent = whole.nodes.keys() - {START, *STEP_NODES, *workers}
    gone = {*absent, *(derive_trigger(name) for name in absent)}
    part.nodes = {name: node for name, node in whole.nodes.items() if name not in gone}
    part.channels = {name: one for name, one in whole.channels.items() if name not in gone}
    # An input that goes through START takes a superstep of its own, in every step's life.
    part.input_channels = ["assignment", derive_trigger(BRIEF)]
    return part


def build_step_graph(
    team: Team, *, build_team: Callable[[TeamSpec], AnyGraph]
) -> CompiledStateGraph[StepChannels, None, StepChannels, StepChannels]:
    """Return the compiled step graph of a team.

    Args:
        team: At work.
        build_team: Returns the compiled run graph of a nested team on the same storage.

    Raises:
        ConfigurationError: A worker cannot be one; the message says why.
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
    for worker in team.spec.workers.values():
        _require_free_name(worker)
        node = _build_worker_node(team, worker, build_team=build_team)
        metadata = {"role": "worker", "description": worker.description}
        graph.add_node(worker.name, node, metadata=metadata)
        graph.add_edge(worker.name, REVIEW)
    graph.add_edge(START, BRIEF)
    _add_routes(graph, BRIEF, [*team.spec.workers, REVIEW, PROMOTE, FALLBACK, PARK])
    _add_routes(graph, REVIEW, [PROMOTE, BRIEF, FALLBACK, PARK, DEGRADE])
    _add_routes(graph, FALLBACK, [BRIEF, PARK, DEGRADE])
    # The route that led to it stands, unless what the step publishes was refused.
    _add_routes(graph, PROMOTE, [BRIEF, FALLBACK, PARK, DEGRADE], last=PROMOTE)
    for last in (PARK, DEGRADE):
        graph.add_edge(last, END)
    return graph.compile(name="step")


def _require_free_name(worker: Worker) -> None:
    if worker.name in _RESERVED or worker.name.startswith("__"):
        raise ConfigurationError(
            f"A worker cannot be called {worker.name!r}: its node in the step graph is called "
            f"like it. Reserved: {', '.join(_RESERVED)}, and whatever begins with two "
            "underscores. Rename the worker."
        )


def _add_routes(
    graph: StateGraph[StepChannels], source: str, targets: list[str], *, last: str | None = None
) -> None:
    """Add a conditional edge that only looks up what the node decided; `last` leads to the end."""
    path_map: Any = {target: target for target in targets}
    if last is not None:
        path_map[last] = END
    graph.add_conditional_edges(source, _look_up_route, path_map)


async def _look_up_route(channels: StepChannels) -> str:
    """Return what the node decided; async, or LangGraph would call it in a thread."""
    route: str = channels["progress"]["route"]
    return route


def _build_worker_node(
    team: Team, worker: Worker, *, build_team: Callable[[TeamSpec], AnyGraph]
) -> Any:  # noqa: ANN401 - LangGraph's node types defeat both checkers
    nested = find_team_spec(worker.agent)
    run_worker = build_worker_runner(team, worker, is_team=nested is not None)
    if nested is not None:
        team_graph = build_team(nested)

        async def team_node(channels: StepChannels, config: RunnableConfig) -> StepChannels:
            run = get_step_run()
            values = run.values
            state = await unpack_state(channels, values)

            async def call(brief: Brief, scoped: RunnableConfig) -> AgentResult:
                shaped = _shape_team_input(state, brief, run)
                output = await team_graph.ainvoke(shaped, scoped)
                return await read_team_output(output, values)

            return await pack_update(channels, await run_worker(state, config, call), values)

        return team_node
    if isinstance(worker.agent, Pregel):
        agent: AnyGraph = worker.agent

        async def graph_node(channels: StepChannels, config: RunnableConfig) -> StepChannels:
            values = get_step_run().values

            async def call(brief: Brief, scoped: RunnableConfig) -> AgentResult:
                return read_graph_output(
                    await agent.ainvoke(shape_graph_input(agent, brief), scoped)
                )

            state = await unpack_state(channels, values)
            return await pack_update(channels, await run_worker(state, config, call), values)

        return graph_node
    call_function = build_function_call(worker)

    async def function_node(channels: StepChannels, config: RunnableConfig) -> StepChannels:
        values = get_step_run().values
        state = await unpack_state(channels, values)
        return await pack_update(channels, await run_worker(state, config, call_function), values)

    return function_node


def _shape_team_input(state: StepState, brief: Brief, run: StepRun) -> dict[str, Any]:
    shown = brief.dump()
    scope = f"{state['assignment'].get('scope', '')}{brief.step_id}/"
    context = {**shown["context"], **shown["inputs"]}
    refs = _merge_refs(state["assignment"])
    context.update(dict.fromkeys(refs))
    context.update({key: shown[key] for key in ("feedback", "effects") if shown.get(key)})
    shaped: dict[str, Any] = {
        "goal": brief.instruction,
        "context": context,
        "scope": scope,
        "effect_epoch": run.epoch,
    }
    if run.spaces:
        shaped["spaces"] = dict(run.spaces)
    if sources := list_sources(state):
        shaped["sources"] = [list(ref) for ref in sources]
    return {**shaped, "context_refs": refs} if refs else shaped


def _merge_refs(assignment: dict[str, Any]) -> dict[str, Any]:
    """Return the hashes of the big values that a team gets as context; inputs go first."""
    given = assignment.get("refs", {"inputs": {}, "context": {}})
    inputs = assignment["inputs"]
    context = {key: ref for key, ref in given["context"].items() if key not in inputs}
    return {**context, **given["inputs"]}
