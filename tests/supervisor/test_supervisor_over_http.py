"""A supervisor's model behind a real client and real HTTP."""

from typing import Any

import interlock as il
from interlock.testing import ManualClock
from interlock.testing.openai_replies import call, fail, say
from interlock.testing.openai_server import OpenAIServer
from tests.models.chat_over_http import connect
from tests.supervisor.routing_chat import USER, build_agent


async def run(server: OpenAIServer) -> tuple[dict[str, Any], float]:
    """Run one turn with the server's model; return its result, and the seconds it waited."""
    clock = ManualClock(auto=True)
    begun = clock.now()
    app = il.create_supervisor(
        [build_agent("math", "3"), build_agent("text")],
        model=connect(server),
        limits=il.CallLimits(clock=clock),
    ).compile()
    result = await app.ainvoke(USER)
    return result, (clock.now() - begun).total_seconds()


async def test_handoffs_over_http() -> None:
    """The provider is sent a tool with the workers as a closed set; its call is carried out."""
    with OpenAIServer() as server:
        server.script(fail(429, retry_after=7), times=1)
        server.script(call("assign", {"worker": "nobody", "task": "Add"}), times=1)
        server.script(call("assign", {"worker": "math", "task": "Add"}), times=1)
        server.script(say("It is 3"), times=1)
        result, waited = await run(server)
    assert result["messages"][-1].text == "It is 3"
    assert 7 <= waited < 8  # as the provider asked
    (tool,) = server.requests[0]["tools"]
    assert tool["function"]["parameters"]["properties"]["worker"]["enum"] == ["math", "text"]
    told = [message["content"] for message in server.requests[-1]["messages"]]
    assert told[-1] == "[t1_1] 3"
    assert result["interlock"]["usage"]["input_tokens"] == 30


async def test_a_wait_that_is_too_long_is_not_waited_for() -> None:
    """A provider that asks for an hour ends the turn, which says why."""
    with OpenAIServer() as server:
        server.script(fail(429, retry_after=3600), times=3)
        result, waited = await run(server)
    assert result["interlock"]["status"] == "failed"
    assert "429" in result["messages"][-1].text
    assert waited == 0
