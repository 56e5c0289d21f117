"""Streams that break off inside a worker: the attempt fails, and nothing acts on the half that came.

Client libraries complete a cut tool call or JSON object in silence, so that half an amount looks
like a whole one. It is stopped before an agent sees it.
"""

from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from pydantic import BaseModel

import interlock as il
from interlock.models.model_answers import require_whole
from interlock.testing.openai_replies import OpenAIReply, call, filter_out, say, stop_at_limit
from interlock.testing.openai_server import OpenAIServer
from tests.models.chat_over_http import connect, run_worker

PAID: list[int] = []
CENTS = 1234567890123456
PAY = call("pay", {"cents": CENTS, "order": "A17"})
SHAPE = {
    "title": "draft",
    "description": "A reply",
    "type": "object",
    "properties": {"text": {"type": "string"}},
}


class Draft(BaseModel):
    """A reply to a customer."""

    text: str


@pytest.fixture(autouse=True)
def _forget() -> None:
    PAID.clear()


@tool
def pay(cents: int, order: str = "the last one") -> str:
    """Pay money back."""
    PAID.append(cents)
    return f"paid {cents} for {order}"


async def test_the_client_completes_a_cut_tool_call_in_silence() -> None:
    """What came of the amount is a number too, and it is not marked as invalid."""
    with OpenAIServer() as server:
        server.script(PAY.broken("cut"))
        message = await connect(server, timeout=5, streaming=True).ainvoke("hi")
    assert message.invalid_tool_calls == []
    (made,) = message.tool_calls
    assert 0 < made["args"]["cents"] < CENTS


def limit(reply: OpenAIReply) -> OpenAIReply:
    """Return the reply, ended by its output limit."""
    return OpenAIReply(message=reply.message, finish_reason="length")


CUTS = {"stream": PAY.broken("cut"), "limit": limit(call("pay", '{"cents": 1234'))}


@pytest.mark.parametrize("name", CUTS)
async def test_an_agent_acts_on_no_half_tool_call(name: str) -> None:
    """The attempt fails at the cut; the next one pays once, in full."""
    with OpenAIServer() as server:
        server.script(say("Done."), when=f"paid {CENTS}")
        server.script(CUTS[name], PAY)
        agent = create_agent(connect(server, timeout=5, streaming=True), tools=[pay])
        result = await run_worker(server, agent)
    assert (PAID, result.outputs) == ([CENTS], {"reply": "Done."})
    assert result.outcomes["reply"].attempts == 2


async def test_an_agent_whose_last_words_are_cut_has_said_nothing() -> None:
    """Half a reply is no reply, though the tool call before it was good."""
    with OpenAIServer() as server:
        server.script(
            say("It will be paid back to you on").broken("cut"),
            say("It will be paid back to you."),
            when="paid",
        )
        server.script(PAY)
        agent = create_agent(connect(server, timeout=5, streaming=True), tools=[pay])
        result = await run_worker(server, agent)
    assert result.outputs == {"reply": "It will be paid back to you."}
    assert (result.outcomes["reply"].attempts, PAID) == (2, [CENTS])


@pytest.mark.parametrize("streaming", [True, False])
@pytest.mark.parametrize("method", ["json_mode", "function_calling"])
async def test_structured_output_is_never_a_completed_half(method: str, streaming: bool) -> None:
    """With a schema as a dict the client mends a cut object; no worker returns one."""
    text = '{"text": "Dear custo'
    half = stop_at_limit(text) if method == "json_mode" else limit(call("draft", text))
    whole: Any = {"text": "Dear customer"}
    good = say(whole) if method == "json_mode" else call("draft", whole)
    with OpenAIServer() as server:
        server.script(half, good)
        model = connect(server, timeout=5, streaming=streaming).with_structured_output(
            SHAPE, method=method
        )
        result = await run_worker(server, model)
    assert result.outputs == {"reply": whole}
    assert result.outcomes["reply"].attempts == 2


@pytest.mark.parametrize("method", ["ainvoke", "invoke"])
async def test_a_call_inside_a_function_is_seen_too(method: str) -> None:
    """However deep in a worker's own code a model is called, in a thread as well."""
    with OpenAIServer() as server:
        model = connect(server, timeout=5, streaming=True)
        server.script(PAY.broken("cut"), PAY)

        async def act(brief: il.Brief) -> int:
            said = await RunnableLambda(model.bind_tools([pay]).invoke).ainvoke(brief.instruction)
            return int(said.tool_calls[0]["args"]["cents"])

        async def act_awaiting(brief: il.Brief) -> int:
            said = await model.bind_tools([pay]).ainvoke(brief.instruction)
            return int(said.tool_calls[0]["args"]["cents"])

        result = await run_worker(server, act if method == "invoke" else act_awaiting)
    assert result.outputs == {"reply": CENTS}
    assert result.outcomes["reply"].attempts == 2


async def test_prose_at_its_limit_is_its_callers_to_judge() -> None:
    """A worker may ask a model for one word; only data that was cut is stopped."""
    with OpenAIServer() as server:
        server.script(stop_at_limit("yes"))
        model = connect(server, timeout=5, max_tokens=1)

        async def classify(brief: il.Brief) -> bool:
            return (await model.ainvoke(brief.instruction)).text == "yes"

        result = await run_worker(server, classify)
    assert result.outputs == {"reply": True}


@pytest.mark.parametrize(
    ("message", "is_cut"),
    [
        (filter_out('{"text": "D'), True),
        (filter_out("Dear"), False),
        (stop_at_limit("```json\n{"), True),
        (stop_at_limit(' [{"text": '), True),
        (say('{"text": "D'), False),
    ],
)
def test_what_counts_as_cut(message: OpenAIReply, is_cut: bool) -> None:
    """Data that ended at a limit or a filter; how it looks is not enough by itself."""
    about = {"model_provider": "openai", "finish_reason": message.finish_reason}
    said = AIMessage(message.message["content"], response_metadata=about)
    if not is_cut:
        require_whole(said, model="m")
        return
    with pytest.raises(il.ModelAnswerError):
        require_whole(said, model="m")
