"""What comes of answers that no scripted reply can be: bodies of the wrong shape, schemas ignored."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
import requests
import tiktoken.registry
from langchain_core.messages import HumanMessage
from pydantic import BaseModel

import interlock as il
from interlock.models.call_failures import explain_failure
from interlock.models.structured import StructuredModel
from interlock.testing import ManualClock
from interlock.testing.openai_replies import filter_out, say
from interlock.testing.openai_server import OpenAIServer
from tests.models.body_server import BodyServer, serve
from tests.models.chat_over_http import GOOD_PLAN, connect, look_up

BODIES: dict[str, tuple[str, type[Exception]]] = {
    "no choice": ('{"choices": []}', IndexError),
    "choices of nothing": ('{"choices": null}', TypeError),
    "a choice of nothing": ('{"choices": [{}]}', AttributeError),
    "a page": ("<html>busy</html>", ValueError),
    "an error without a status": ('{"error": {"message": "busy"}}', ValueError),
}
PROSE = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1_767_268_800,
    "model": "scripted",
    "status": "completed",
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "tools": [],
    "output": [
        {
            "type": "message",
            "id": "msg_1",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": "Rather not.", "annotations": []}],
        }
    ],
}


class Draft(BaseModel):
    """A reply to a customer."""

    text: str


def connect_to(server: BodyServer, **settings: Any) -> Any:
    """Return a client of it."""
    return connect(server, timeout=5, **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", BODIES)
async def test_a_body_of_the_wrong_shape_raises_anything(name: str) -> None:
    """No API error, but whatever Python raises first; ours calls it garbled, to be tried again."""
    body, kind = BODIES[name]
    with serve(body) as server, pytest.raises(kind) as caught:
        await connect_to(server).ainvoke("hi")
    assert not isinstance(caught.value, openai.APIError)
    assert getattr(explain_failure(caught.value, model="m"), "fault", None) == "garbled"


@pytest.mark.parametrize("name", BODIES)
async def test_a_planner_outlives_such_a_body(name: str) -> None:
    """It is asked again within the same attempt, and the run completes."""
    plan = {"role": "assistant", "content": str(GOOD_PLAN).replace("'", '"')}
    good = {"choices": [{"index": 0, "message": plan, "finish_reason": "stop"}]}
    with serve(BODIES[name][0], good) as server:
        limits = il.CallLimits(clock=ManualClock(auto=True))
        planner = il.ModelPlanner(model=connect_to(server), limits=limits)
        async with il.Orchestrator(
            workers=[il.Worker(name="look_up", agent=look_up)],
            planner=planner,
            policy=il.RunPolicy(max_plan_attempts=1),
            storage="memory://",
        ) as desk:
            result = await desk.ainvoke("Answer ticket 17", thread_id="t17")
    assert (result.status, len(server.paths)) == ("completed", 2)


async def test_a_filtered_answer_raises_in_spite_of_include_raw() -> None:
    """With a schema and a class, the client hides the message that was stopped."""
    with OpenAIServer() as server:
        server.script(filter_out('{"text": "Dear'))
        model = connect(server, timeout=5).with_structured_output(
            Draft, method="json_schema", include_raw=True
        )
        with pytest.raises(openai.ContentFilterFinishReasonError) as caught:
            await model.ainvoke("hi")
    assert getattr(explain_failure(caught.value, model="m"), "fault", None) == "content_filter"


async def test_a_responses_api_that_ignores_the_schema_is_asked_otherwise() -> None:
    """Prose comes back without an error; it is refused, and the next question brings a tool."""
    with serve(PROSE) as server:
        model = StructuredModel(connect_to(server, use_responses_api=True))
        for _ in range(2):
            with pytest.raises(il.ModelAnswerError) as caught:
                await model.ask([HumanMessage("hi")], Draft)
    assert caught.value.fault == "unparsable"
    assert set(server.paths) == {"/v1/responses"}
    first, second = server.requests
    assert first["text"]["format"]["type"] == "json_schema"
    assert [tool["name"] for tool in second["tools"]] == ["Draft"]


@contextlib.contextmanager
def watch_downloads(monkeypatch: pytest.MonkeyPatch, cache: Path) -> Iterator[list[str]]:
    """Stand between the process and the network: note what is asked for, and let nothing through."""
    seen: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def note() -> None:
            with contextlib.suppress(OSError):
                while True:
                    caller, _ = listener.accept()
                    with caller:
                        seen.append(caller.recv(4096).decode("latin-1").split("\r\n")[0])

        threading.Thread(target=note, daemon=True).start()
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{listener.getsockname()[1]}")
        monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(cache))
        monkeypatch.setattr(tiktoken.registry, "ENCODINGS", {})
        yield seen


@pytest.mark.parametrize("model", ["gpt-4.1", "a-name-that-nobody-knows"])
async def test_counting_tokens_reaches_for_the_network(
    model: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """`get_num_tokens` loads an encoding at run time, of some model for a name that it does not know.

    So nothing of ours calls it: a run with a token budget reserves, counts and ends without.
    """
    with watch_downloads(monkeypatch, tmp_path) as seen, OpenAIServer() as server:
        chat = connect(server, model=model, timeout=5)
        with pytest.raises(requests.RequestException):
            chat.get_num_tokens("How many are these?")
        assert seen
        assert {line.split()[0] for line in seen} == {"CONNECT"}
        seen.clear()
        server.script(say("Done.", usage=(12, 3)))
        step = il.Step(id="reply", worker="writer", instruction="Reply")
        async with il.Orchestrator(
            workers=[il.Worker(name="writer", agent=chat)],
            planner=il.TaskGraph(goal="Answer", steps=[step]),
            policy=il.RunPolicy(budget=il.Budget(tokens=100_000)),
            storage="memory://",
        ) as desk:
            result = await desk.ainvoke("Answer", thread_id="t")
    assert (result.status, result.usage.tokens, seen) == ("completed", 15, [])
