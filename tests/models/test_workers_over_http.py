"""Models as workers over real HTTP: an answer that was cut off, filtered or refused is no output."""

import pytest
from langchain.agents import create_agent
from langchain_core.tools import tool

from interlock.testing.openai_replies import (
    OpenAIReply,
    call,
    fail,
    filter_out,
    refuse,
    say,
    stop_at_limit,
)
from interlock.testing.openai_server import OpenAIServer, UnexpectedRequestsError
from tests.models.chat_over_http import connect, run_worker

FAULTS: dict[str, OpenAIReply] = {
    "429": fail(429, retry_after=1),
    "500": fail(500),
    "slow": say("Dear customer").late(1.0),
    "malformed": say("Dear customer").broken("cut"),
    "refusal": refuse("No."),
    "length": stop_at_limit("Dear cust"),
    "filter": filter_out("Dear"),
    "bad tool call": call("look", '{"order": '),
}


@tool
def look(order: str) -> str:
    """Look an order up."""
    return f"{order} is on its way"


@pytest.mark.parametrize("kind", ["model", "agent"])
@pytest.mark.parametrize("name", FAULTS)
async def test_a_fault_is_a_failed_attempt(name: str, kind: str) -> None:
    """The step is tried again and gets the good answer; the bad one is nowhere."""
    with OpenAIServer() as server:
        server.script(FAULTS[name], say("Dear customer, it is on its way."))
        model = connect(server)
        agent = model if kind == "model" else create_agent(model, tools=[look])
        result = await run_worker(server, agent)
    assert result.outcomes["reply"].attempts == 2
    assert result.outputs == {"reply": "Dear customer, it is on its way."}


@pytest.mark.parametrize("name", FAULTS)
async def test_a_fault_that_stays_fails_the_step(name: str) -> None:
    """Nothing of a bad answer is passed off as a result."""
    with OpenAIServer() as server:
        server.script(FAULTS[name], times=2)
        result = await run_worker(server, connect(server))
    assert (result.status, result.outputs) == ("failed", {})


async def test_a_stream_that_breaks_off_is_no_answer() -> None:
    """The client raises nothing for it; the missing end is seen all the same."""
    with OpenAIServer() as server:
        server.script(say("Dear customer, it is on its way to you").broken("cut"), say("Done."))
        result = await run_worker(server, connect(server, streaming=True))
    assert result.outputs == {"reply": "Done."}


async def test_tools_and_parallel_workers_get_their_own_replies() -> None:
    """An agent's tool call and its answer pass the wire; tokens are counted."""
    with OpenAIServer() as server:
        server.script(say("It is on its way."), when="17 is on its way")
        server.script(call("look", {"order": "17"}), when="Reply to the customer")
        result = await run_worker(server, create_agent(connect(server), tools=[look]))
    assert result.outputs == {"reply": "It is on its way."}
    assert (result.usage.input_tokens, result.usage.output_tokens) == (20, 10)


async def test_the_server_is_strict() -> None:
    """A request that nobody scripted, and a script that nobody asked for, fail the test."""
    with (
        pytest.raises(UnexpectedRequestsError, match=r"asked, not scripted.*hello"),
        OpenAIServer() as server,
        pytest.raises(Exception, match="scripted 404"),
    ):
        await connect(server).ainvoke("hello")
    with pytest.raises(UnexpectedRequestsError, match="not asked for"), OpenAIServer() as server:
        server.script(say("never"))
