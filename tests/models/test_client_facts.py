"""What langchain-openai and its client really do, as far as our reading of answers relies on it.

When an upgrade changes one of these, look at what `interlock.models` does about it.
"""

import asyncio
import json

import openai
import pytest
from langchain_core.exceptions import ContextOverflowError
from langchain_core.language_models.fake_chat_models import FakeListChatModel
from pydantic import BaseModel

from interlock.models.call_failures import explain_failure
from interlock.testing.openai_replies import call, fail, say, stop_at_limit
from interlock.testing.openai_server import OpenAIServer
from tests.models.chat_over_http import connect


class Draft(BaseModel):
    """A reply to a customer."""

    text: str


async def test_a_cut_stream_raises_nothing_and_lacks_its_end() -> None:
    """Only the missing finish reason tells it from a whole answer."""
    with OpenAIServer() as server:
        server.script(say("Dear customer, it is on its way").broken("cut"), say("Done."))
        model = connect(server, streaming=True)
        cut, whole = await model.ainvoke("hi"), await model.ainvoke("hi")
    assert cut.text.startswith("Dear")
    assert "finish_reason" not in cut.response_metadata
    assert cut.response_metadata["model_provider"] == "openai"
    assert whole.response_metadata["finish_reason"] == "stop"


@pytest.mark.parametrize("streaming", [True, False])
async def test_garbled_bytes_are_no_api_error(streaming: bool) -> None:
    """They raise a plain ValueError of the JSON reader, which ours calls garbled."""
    with OpenAIServer() as server:
        server.script(say("Dear customer, it is on its way").broken("garble"))
        with pytest.raises(json.JSONDecodeError) as caught:
            await connect(server, streaming=streaming).ainvoke("hi")
    assert not isinstance(caught.value, openai.APIError)
    assert "answered for with something" in str(explain_failure(caught.value, model="m"))


async def test_a_schema_with_a_class_raises_in_spite_of_include_raw() -> None:
    """The message that was cut off can then not be seen; so we ask with a dict."""
    with OpenAIServer() as server:
        server.script(stop_at_limit('{"text": "Dear'), say('{"text": 1}'))
        model = connect(server).with_structured_output(
            Draft, method="json_schema", include_raw=True
        )
        with pytest.raises(openai.LengthFinishReasonError):
            await model.ainvoke("hi")
        with pytest.raises(ValueError, match="valid string"):
            await model.ainvoke("hi")


async def test_a_tool_that_is_not_called_is_parsed_as_none() -> None:
    """With `function_calling`, None comes without an error; it is no answer."""
    with OpenAIServer() as server:
        server.script(say("I would rather talk."))
        model = connect(server).with_structured_output(
            Draft, method="function_calling", include_raw=True
        )
        given = await model.ainvoke("hi")
    assert (given["parsed"], given["parsing_error"]) == (None, None)


async def test_dict_schemas_mend_broken_json_in_silence() -> None:
    """A cut-off object comes back completed; so we parse the message ourselves."""
    shape = {"title": "Draft", **Draft.model_json_schema()}
    with OpenAIServer() as server:
        server.script(say('{"text": "Dear custo'))
        model = connect(server).with_structured_output(shape, method="json_mode")
        assert await model.ainvoke("hi as json") == {"text": "Dear custo"}


async def test_a_context_overflow_is_known_by_its_code() -> None:
    """The code is on the error, whatever its class."""
    with OpenAIServer() as server:
        server.script(fail(400, code="context_length_exceeded"))
        with pytest.raises(openai.BadRequestError) as caught:
            await connect(server).ainvoke("hi")
    assert caught.value.code == "context_length_exceeded"
    assert not isinstance(caught.value, ContextOverflowError)
    assert getattr(explain_failure(caught.value, model="m"), "fault", "") == "context_length"


@pytest.mark.parametrize(("settings", "tokens"), [({}, None), ({"stream_usage": True}, 15)])
async def test_streams_to_other_servers_go_uncounted(
    settings: dict[str, bool], tokens: int | None
) -> None:
    """Unless `stream_usage=True`, which models made by name therefore have."""
    with OpenAIServer() as server:
        server.script(say("Done."))
        message = await connect(server, streaming=True, **settings).ainvoke("hi")
    usage = message.usage_metadata
    assert (usage and usage["total_tokens"]) == tokens


async def test_the_client_waits_outside_its_own_timeout() -> None:
    """With retries of its own it sleeps for `Retry-After`; so ours are made with none."""
    loop = asyncio.get_running_loop()
    with OpenAIServer() as server:
        server.script(fail(429, retry_after=0.2), say("Done."))
        begun = loop.time()
        await connect(server, max_retries=1, timeout=0.1).ainvoke("hi")
    assert loop.time() - begun >= 0.2


async def test_some_names_switch_the_api() -> None:
    """A name such as `gpt-5-pro` is asked through the Responses API, which few servers have."""
    with OpenAIServer() as server:
        server.script(fail(404), when=lambda request: request["path"] == "/v1/responses")
        with pytest.raises(openai.NotFoundError):
            await connect(server, model="gpt-5-pro").ainvoke("hi")


def test_the_client_does_not_use_httpx() -> None:
    """Fakes that intercept httpx see none of its calls; hence a real socket."""
    with OpenAIServer() as server:
        client = connect(server).root_client._client
    assert {cls.__module__.split(".")[0] for cls in type(client).__mro__} >= {"httpx2"}


def test_fake_models_of_langchain_know_no_tools() -> None:
    """`auto` then falls to plain text."""
    model = FakeListChatModel(responses=["x"])
    with pytest.raises(NotImplementedError):
        model.bind_tools([])
    with pytest.raises(NotImplementedError):
        model.with_structured_output(Draft)


async def test_bad_arguments_are_kept_apart() -> None:
    """They come as invalid tool calls, beside an empty text."""
    with OpenAIServer() as server:
        server.script(call("Draft", '{"text": '))
        message = await connect(server).ainvoke("hi")
    assert (message.text, message.tool_calls, len(message.invalid_tool_calls)) == ("", [], 1)
