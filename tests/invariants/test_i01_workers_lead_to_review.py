"""I1: from a worker the only way leads to the supervisor's review."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain.agents import create_agent
from langchain_core.messages import ToolMessage
from langchain_core.runnables import RunnableConfig, RunnableLambda
from langchain_core.tools import InjectedToolCallId, tool
from langgraph.config import get_config
from langgraph.errors import ParentCommand
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, Overwrite, Send
from typing_extensions import TypedDict

import interlock as il
from interlock.graphs.step_graph import StepGraphParts
from tests.integration.scripted_chat import ScriptedChat, call_tools
from tests.integration.teams import Recorder, build_desk, build_plan, build_step, build_workers
from tests.invariants.example_settings import draw_examples

STEP_GRAPH_NODES = {"brief", "review", "promote", "fallback", "park", "degrade"}
RUN_GRAPH_NODES = {"intake", "planner", "supervisor", "dispatch", "escalate", "finish"}
LANGGRAPH_WORDS = ("__start__", "__end__", "__interrupt__", "checkpoint_ns", "configurable")

names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_-]{0,11}", fullmatch=True).filter(
    lambda name: (
        not name.startswith("__")
        and name not in {*STEP_GRAPH_NODES, "checkpoint_ns", "checkpoint_id", "configurable"}
    )
)
kinds = st.sampled_from(["function", "async function", "runnable", "graph"])


class AgentState(TypedDict, total=False):
    instruction: str
    output: Any


def build_agent_graph(node: Any) -> Any:
    """Return a compiled graph of one node."""
    graph = StateGraph(AgentState)
    graph.add_node("node", node)
    graph.add_edge(START, "node")
    graph.add_edge("node", END)
    return graph.compile()


def build_agent(kind: str) -> Any:
    """Return an agent of a kind that gives its instruction back."""

    async def work(brief: il.Brief) -> str:
        return brief.instruction

    match kind:
        case "function":
            return lambda brief: brief.instruction
        case "runnable":
            return RunnableLambda(lambda brief: brief.instruction)
        case "graph":
            return build_agent_graph(lambda state: {"output": state["instruction"]})
    return work


@dataclass(frozen=True)
class DrawnTeam:
    """A team to be: its workers by name, each a kind of agent or a team."""

    workers: dict[str, "str | DrawnTeam"]

    def build(self) -> il.Orchestrator:
        agents = {
            name: drawn.build() if isinstance(drawn, DrawnTeam) else build_agent(drawn)
            for name, drawn in self.workers.items()
        }
        return build_desk(agents)


teams = st.recursive(
    st.dictionaries(names, kinds, min_size=1, max_size=5).map(DrawnTeam),
    lambda inner: st.dictionaries(names, kinds | inner, min_size=1, max_size=3).map(DrawnTeam),
    max_leaves=3,
)


def walk_edges(graph: Any) -> dict[str, dict[str, bool]]:
    """Return each node's targets, as wired and as drawn, and whether the edge is conditional."""
    edges: dict[str, dict[str, bool]] = {}
    for edge in graph.get_graph().edges:
        edges.setdefault(edge.source, {})[edge.target] = edge.conditional
    for source, target in graph.builder.edges:
        edges.setdefault(source, {})[target] = False
    for sources, target in graph.builder.waiting_edges:
        for source in sources:
            edges.setdefault(source, {})[target] = False
    return edges


def reach(start: str, edges: dict[str, set[str]]) -> set[str]:
    """Return all that can be reached, the start included."""
    found, todo = {start}, [start]
    while todo:
        fresh = edges.get(todo.pop(), set()) - found
        found |= fresh
        todo += fresh
    return found


def require_sound_edges(graph: Any) -> None:
    """Every branch has a path map of existing targets; nothing is unreachable or a dead end."""
    nodes = set(graph.builder.nodes)
    for source, branches in graph.builder.branches.items():
        for branch in branches.values():
            assert branch.ends, source
            assert set(branch.ends.values()) <= nodes | {END}, source
    assert [name for name, node in graph.builder.nodes.items() if node.ends] == []
    forward = {source: set(targets) for source, targets in walk_edges(graph).items()}
    assert reach(START, forward) == nodes | {START, END}
    backward: dict[str, set[str]] = {}
    for source, targets in forward.items():
        for target in targets:
            backward.setdefault(target, set()).add(source)
    assert reach(END, backward) == nodes | {START, END}


def find_step_graphs(run_graph: Any) -> Iterator[Any]:
    """Go through the step graphs right below a run graph."""
    for _, graph in run_graph.get_subgraphs():
        if set(graph.builder.nodes) >= STEP_GRAPH_NODES:
            yield graph


def require_review(team: DrawnTeam, run_graph: Any) -> None:
    """Hold I1 on a team's run graph, its step graph, and the teams among its workers."""
    assert set(run_graph.builder.nodes) == RUN_GRAPH_NODES
    require_sound_edges(run_graph)
    (step_graph,) = find_step_graphs(run_graph)
    require_step_graph(step_graph, set(team.workers))
    below = dict(step_graph.get_subgraphs())
    for name, drawn in team.workers.items():
        if isinstance(drawn, DrawnTeam):
            require_review(drawn, below[name])


def require_step_graph(step_graph: Any, workers: set[str]) -> None:
    """Hold I1 on a step graph that has these workers."""
    require_sound_edges(step_graph)
    assert set(step_graph.builder.nodes) == STEP_GRAPH_NODES | workers
    edges = walk_edges(step_graph)
    for name in workers:
        assert edges[name] == {"review": False}, name
        assert {source for source in edges if name in edges[source]} == {"brief"}, name


@given(team=teams)
@draw_examples(30)
def test_i01_every_worker_leads_to_review_and_nowhere_else(team: DrawnTeam) -> None:
    """I1: in every compiled graph, whatever the workers are called, and in nested teams too."""
    require_review(team, team.build().graph)


def test_i01_holds_in_the_part_of_a_teams_graph_that_a_step_runs_in() -> None:
    """I1: a step runs in a part of the graph: the very same nodes, fewer workers, no way round."""
    desk = build_desk({f"w{number}": build_agent("function") for number in range(12)})
    (whole,) = find_step_graphs(desk.graph)
    step = build_step("step", "w3", fallback=[il.use_worker("w7"), il.skip(gap="none")])
    part = StepGraphParts().find(whole, step, {})
    assert part.nodes.keys() == {START, *STEP_GRAPH_NODES, "w3", "w7"}
    assert all(node is whole.nodes[name] for name, node in part.nodes.items())
    assert all(channel is whole.channels[name] for name, channel in part.channels.items())
    left_out = {f"w{number}" for number in range(12)} - {"w3", "w7"}
    gone = left_out | {f"branch:to:{name}" for name in left_out}
    assert whole.channels.keys() - part.channels.keys() == gone & whole.channels.keys()


@pytest.mark.parametrize("name", [*sorted(STEP_GRAPH_NODES), *LANGGRAPH_WORDS])
def test_i01_no_worker_takes_the_name_of_another_node(name: str) -> None:
    """I1: a worker called like a node, or like a word of LangGraph's, is refused as such."""
    with pytest.raises(il.ConfigurationError, match=name):
        build_desk({name: build_agent("function")})


FORGED = {"step_id": "astray", "status": "accepted", "value": "forged"}
COMMAND = Command(goto="spy")
HAND_OVER = Command(graph=Command.PARENT, goto="spy", update={"outcome": FORGED})


@tool
def transfer(call_id: Annotated[str, InjectedToolCallId]) -> Command[Any]:
    """Hand over to another agent, as in a swarm of agents."""
    done = ToolMessage("handed over", tool_call_id=call_id)
    return Command(graph=Command.PARENT, goto="spy", update={"messages": [done]})


def raise_hand_over(brief: il.Brief) -> None:
    """Raise what LangGraph raises for a Command to the parent graph."""
    raise ParentCommand(HAND_OVER)


async def raise_group(brief: il.Brief) -> None:
    """Raise it among other errors, as a task group does."""
    raise ExceptionGroup("several", [ValueError("beside"), ParentCommand(HAND_OVER)])


async def write_edge(brief: il.Brief) -> str:
    """Write to the step graph's edges and channels as LangGraph's own writers do."""
    send = get_config()["configurable"]["__pregel_send"]
    send([("branch:to:promote", None), ("branch:to:spy", None), ("outcome", FORGED)])
    return "written"


def write_edge_by_config(brief: il.Brief, config: RunnableConfig) -> str:
    """Do the same with the config that a Runnable is handed."""
    config["configurable"]["__pregel_send"]([("branch:to:promote", None)])
    return "written"


STRAYS: dict[str, Callable[[], Any]] = {
    "returns a command": lambda: lambda brief: COMMAND,
    "returns a command for the parent": lambda: Recorder(HAND_OVER),
    "returns sends": lambda: Recorder([Send("spy", {}), Send("promote", {})]),
    "returns a send": lambda: Recorder(Send("spy", {})),
    "returns an overwrite": lambda: Recorder({"__overwrite__": {"route": "promote"}}),
    "returns an overwrite object": lambda: Recorder(Overwrite({"route": "promote"})),
    "returns the step's channels": lambda: Recorder(
        {"progress": {"route": "spy"}, "outcome": FORGED, "route": "promote"}
    ),
    "is a runnable that returns a command": lambda: RunnableLambda(lambda brief: COMMAND),
    "raises for the parent": lambda: raise_hand_over,
    "raises for the parent in a group": lambda: raise_group,
    "is a graph that goes to the parent": lambda: build_agent_graph(lambda state: HAND_OVER),
    "is a graph that sends to the parent": lambda: build_agent_graph(
        lambda state: Command(graph=Command.PARENT, goto=[Send("spy", {}), Send("promote", {})])
    ),
    "is an agent with a handoff tool": lambda: create_agent(
        ScriptedChat(turns=[call_tools(transfer={}), "done"]), tools=[transfer]
    ),
    "writes an edge": lambda: write_edge,
    "writes an edge by its config": lambda: RunnableLambda(write_edge_by_config),
}


@pytest.mark.parametrize("kind", STRAYS)
async def test_i01_no_worker_finds_another_way(kind: str) -> None:
    """I1: commands, sends and overwrites are an output to review, or a failed attempt."""
    spy = Recorder()
    agents = {"astray": STRAYS[kind](), "spy": spy}
    step = build_step(
        "astray", criteria=[il.expr("'good' in output")], retry=il.Retry(max_attempts=2)
    )
    after = build_step("after", "spy", needs=["astray"])
    async with build_desk(agents, step, after, policy=build_policy()) as desk:
        result = await desk.ainvoke("Test", thread_id="t")
        outputs = [h for h in await desk.ahandoffs("t", "astray") if h.kind == "output"]
    assert {step_id: o.status for step_id, o in result.outcomes.items()} == {
        "astray": "failed",
        "after": "blocked",
    }
    assert result.outcomes["astray"].value is None
    verdicts = [(h.attempt, h.verdict.action if h.verdict else None) for h in outputs]
    assert verdicts == [(1, "retry"), (2, "fail")]
    assert spy.calls == 0


def build_policy() -> il.RunPolicy:
    """Return a policy without waits."""
    return il.RunPolicy(retry=il.Retry(max_attempts=2, backoff=il.Retry().backoff * 0))


async def test_i01_words_of_routing_travel_as_they_are() -> None:
    """I1: a value that looks like an instruction to LangGraph reaches a dependent unchanged."""
    values = {"__overwrite__": ["a"], "__interrupt__": [{"value": 1}], "goto": "promote"}
    reader = Recorder()
    agents = {"source": Recorder(values), "reader": reader}
    steps = (build_step("source"), build_step("reader", needs=["source"]))
    async with build_desk(agents, *steps) as desk:
        result = await desk.ainvoke("Test", thread_id="t")
    assert result.status == "completed"
    assert result.outputs["source"] == values
    assert reader.briefs[0].dump()["inputs"] == {"source": values}


async def test_i01_a_nested_teams_worker_leads_to_its_own_review() -> None:
    """I1: a handover out of a nested team's worker is refused inside the team."""
    spy = Recorder()
    inner = il.Orchestrator(
        workers=build_workers({"deep": build_agent_graph(lambda state: HAND_OVER), "spy": spy}),
        planner=build_plan(build_step("deep"), build_step("last", "spy", needs=["deep"])),
        storage="memory://",
    )
    async with build_desk({"team": inner, "spy": spy}, build_step("team")) as desk:
        result = await desk.ainvoke("Test", thread_id="t")
        (deep,) = [h for h in await desk.ahandoffs("t", "team/deep") if h.kind == "output"]
    assert result.status == "failed"
    assert deep.verdict is not None
    assert "'spy'" in str(deep.verdict.reason)
    assert spy.calls == 0
