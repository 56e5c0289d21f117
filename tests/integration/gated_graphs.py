"""Compiled LangGraph graphs that stop at gates of their own."""

from collections.abc import Sequence
from typing import Annotated, Any

from langgraph.graph import END, START, StateGraph
from langgraph.types import interrupt
from typing_extensions import TypedDict


def _join(left: list[Any], right: list[Any]) -> list[Any]:
    return sorted([*left, *right], key=str)


class GateState(TypedDict, total=False):
    """What a gated graph remembers."""

    instruction: str
    answers: Annotated[list[Any], _join]
    output: Any


class GateCounts(dict[str, int]):
    """How often each node's body was begun."""

    def add(self, name: str) -> None:
        """Count one more."""
        self[name] = self.get(name, 0) + 1


def build_gated_graph(counts: GateCounts, gates: Sequence[str], *, parallel: bool = False) -> Any:
    """Return a graph: `before`, then the gates one after another or all at once, then `after`.

    Each gate asks one question and keeps what it was answered; `after` hands the answers back.
    """
    graph = StateGraph(GateState)

    def before(state: GateState) -> GateState:
        counts.add("before")
        return {"answers": []}

    def after(state: GateState) -> GateState:
        counts.add("after")
        return {"output": {"answers": state["answers"]}}

    def build_gate(name: str) -> Any:
        def gate(state: GateState) -> GateState:
            counts.add(name)
            return {"answers": [[name, interrupt({"gate": name})]]}

        return gate

    graph.add_node("before", before)
    graph.add_node("after", after, defer=parallel)
    graph.add_edge(START, "before")
    last = "before"
    for name in gates:
        graph.add_node(name, build_gate(name))
        graph.add_edge("before" if parallel else last, name)
        last = name
        if parallel:
            graph.add_edge(name, "after")
    if not parallel:
        graph.add_edge(last, "after")
    graph.add_edge("after", END)
    return graph.compile()
