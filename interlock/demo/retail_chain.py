"""A ticket's calls as a plain LangGraph chain: retried, timed out, and looked at by nobody."""

from collections.abc import Mapping
from typing import Annotated, Any

from langgraph.graph import END, START, StateGraph
from typing_extensions import TypedDict

from interlock.demo.bare_calls import BareCalls, BareEnd, Calls, build_retries


def _merge(left: dict[str, Any], right: dict[str, Any]) -> dict[str, Any]:
    return {**left, **right}


class _State(TypedDict):
    answers: Annotated[dict[str, Any], _merge]


async def run_retail_chain(bare: BareCalls, calls: Calls, *, tries: int) -> BareEnd:
    """Make the calls in order, each in a node of its own.

    Args:
        bare: Makes them.
        calls: What is to be called.
        tries: Attempts of each.
    """
    builder = StateGraph(_State)
    previous = START
    for step, (tool, arguments) in calls.items():
        node = _build_link(bare, step, tool, arguments)
        builder.add_node(step, node, retry_policy=build_retries(tries), timeout=bare.seconds)
        builder.add_edge(previous, step)
        previous = step
    builder.add_edge(previous, END)
    try:
        state = await builder.compile().ainvoke({"answers": {}})
    except Exception:  # noqa: BLE001 - whatever a chain dies of, it says so
        return BareEnd(answers=None, attempts=bare.attempts.total())
    return BareEnd(answers=state["answers"], attempts=bare.attempts.total())


def _build_link(bare: BareCalls, step: str, tool: str, arguments: Mapping[str, Any]) -> Any:  # noqa: ANN401 - a node
    async def link(state: _State) -> dict[str, Any]:
        del state
        return {"answers": {step: await bare.make(step, tool, arguments)}}

    return link
