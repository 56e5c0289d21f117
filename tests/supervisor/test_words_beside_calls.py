"""What a supervisor's model says beside its calls, and what its own tools are told of a call."""

from typing import Annotated, Any

import pytest
from langchain_core.messages import AIMessage
from langchain_core.tools import InjectedToolCallId, tool

import interlock as il
from tests.supervisor.routing_chat import USER, RoutingChat, assign, build_agent, calls

_THOUGHT: dict[str, Any] = {"type": "thinking", "thinking": "a knows", "signature": "s1"}
_TEXT: dict[str, Any] = {"type": "text", "text": "I'll ask a."}


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("I'll ask a.", "I'll ask a."),
        ([_THOUGHT, _TEXT, {"type": "tool_use", "id": "call-0"}], [_THOUGHT, _TEXT]),
        (" \n", ""),
    ],
)
async def test_words_beside_a_handoff_are_kept(said: Any, kept: Any) -> None:
    """Text and reasoning beside a call are told in the conversation, and to the model next time."""
    handoff = AIMessage(content=said, tool_calls=assign(("a", "Find")).tool_calls)
    model = RoutingChat(turns=[handoff, assign(("a", "Look")), "Done"])
    app = il.create_supervisor([build_agent("a", "one", "two")], model=model).compile()
    result = await app.ainvoke(USER)
    told = [m.content for m in result["messages"] if m.name == "supervisor"]
    assert told == [kept, "", "Done"]
    for heard, turns in zip(model.heard[1:], ([kept], [kept, ""]), strict=True):
        assert [m.content for m in heard if isinstance(m, AIMessage)] == turns


async def test_a_tool_is_told_the_id_of_its_call() -> None:
    """A tool of the supervisor that asks for its call's id gets it: the step's."""

    @tool
    def look_up(key: str, call_id: Annotated[str, InjectedToolCallId]) -> dict[str, str]:
        """Look up."""
        return {"key": key, "call": call_id}

    model = RoutingChat(turns=[calls(("look_up", {"key": "é"})), lambda seen: seen[-1].text])
    app = il.create_supervisor([build_agent("a")], model=model, tools=[look_up]).compile()
    result = await app.ainvoke(USER)
    assert result["messages"][-1].text == '[t1_1] {"key": "é", "call": "t1_1"}'
    assert result["interlock"]["status"] == "completed"
