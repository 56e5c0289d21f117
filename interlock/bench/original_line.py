"""Steps one after the other by langgraph-supervisor, for the fault campaigns: a model hands over each.

One clerk does them all. A step's value is what the clerk said last before it handed back.
"""

import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, TypeAlias

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.types import RetryPolicy

from interlock.bench.original_supervisor import build_original
from interlock.bench.recording_chat import RecordingChat

Work: TypeAlias = Callable[[int, Sequence[object]], Awaitable[object]]
"""Does the step of an index, from 0, given the values of those before it."""

_CLERK: Final = "clerk"


async def run_line(
    steps: Sequence[str], work: Work, *, retry: RetryPolicy, seconds: float
) -> list[object]:
    """Do the steps in order and return their values, out of JSON where they are JSON.

    Args:
        steps: By name.
        work: Does one.
        retry: Of the clerk's node.
        seconds: The timeout of an attempt.

    Raises:
        ConfigurationError: langgraph-supervisor is not installed.
        Exception: Whatever an attempt has died of.
    """

    def decide(number: int) -> AIMessage:
        if number >= len(steps):
            return AIMessage("All steps are done.")
        call = {"name": f"transfer_to_{_CLERK}", "args": {}, "id": f"call{number}"}
        return AIMessage(f"Do step {steps[number]}.", tool_calls=[call])

    clerk = _build_clerk(work, retry, seconds)
    app = build_original([clerk], model=RecordingChat(reply=decide), prompt="Do the job.")
    state = await app.ainvoke({"messages": [HumanMessage("Do all steps")]})
    return _list_values(state["messages"])


def _build_clerk(work: Work, retry: RetryPolicy, seconds: float) -> Any:  # noqa: ANN401 - a compiled graph
    async def do(state: MessagesState) -> dict[str, Any]:
        values = _list_values(state["messages"])
        made = await work(len(values), values)
        text = made if isinstance(made, str) else json.dumps(made)
        return {"messages": [AIMessage(text, name=_CLERK)]}

    builder = StateGraph(MessagesState)
    node: Any = do
    builder.add_node("work", node, retry_policy=retry, timeout=seconds)
    builder.add_edge(START, "work")
    builder.add_edge("work", END)
    return builder.compile(name=_CLERK)


def _list_values(messages: Sequence[AnyMessage]) -> list[object]:
    """Return what the clerk said, in order, without the notes of being handed back."""
    return [
        read_value(message.text)
        for message in messages
        if isinstance(message, AIMessage)
        and message.name == _CLERK
        and not message.response_metadata.get("__is_handoff_back")
    ]


def read_value(made: object) -> object:
    """Return a value, out of JSON where it is a text; a text that is none stays as it is."""
    if not isinstance(made, str):
        return made
    try:
        return json.loads(made)
    except ValueError:
        return made
