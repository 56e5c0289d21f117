"""A strict chat model for tests: it says what it was told to say, to whom it was told to say it.

A call that the script does not expect fails there, and again in `assert_done`, since a team takes
the failure of a worker for a failure and goes on.
"""

import json
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from operator import itemgetter
from types import TracebackType
from typing import Any, Literal, Self

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.output_parsers import (
    JsonOutputParser,
    PydanticOutputParser,
    PydanticToolsParser,
)
from langchain_core.output_parsers.openai_tools import JsonOutputKeyToolsParser
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable, RunnableLambda, RunnablePassthrough
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_json_schema, convert_to_openai_tool
from pydantic import BaseModel, PrivateAttr

from interlock.testing.script import Script, ScriptedCall, When
from interlock.testing.scripted_replies import ReplyLike, parse_reply
from interlock.tools.effect_scope import CURRENT_SCOPE

StructuredMethod = Literal["json_schema", "function_calling", "json_mode"]


class ScriptedModel(BaseChatModel):
    """Answers from a script, in order or by what a call says; strict at both ends.

    Works with tools, structured output, streams, sync and async. Copies and bound views share the
    script. Use it in a `with` block, or call `assert_done` at the end.

    Attributes:
        model_name: What it calls itself, in metadata and to budgets and prices.
    """

    model_name: str = "scripted"
    _script: Script = PrivateAttr(default_factory=Script)

    def __init__(self, *replies: ReplyLike, model_name: str = "scripted", **fields: Any) -> None:  # noqa: ANN401 - pydantic's fields
        """Expect as many calls as there are replies, in this order.

        Args:
            replies: Texts, values for structured output, exceptions, messages or `ModelReply`s.
            model_name: What it calls itself.
            fields: Of a LangChain chat model, such as `disable_streaming`.
        """
        own: dict[str, Any] = {**fields, "model_name": model_name}
        super().__init__(**own)
        self.script(*replies)

    def script(
        self,
        *replies: ReplyLike,
        when: When | None = None,
        worker: str | None = None,
        times: int | None = 1,
    ) -> Self:
        """Expect calls, and say how each is answered; returns the model.

        Args:
            replies: For the first, second ... call that fits.
            when: A text that stands in the call's messages, or a function of the `ScriptedCall`.
                Scripts are looked through in order; None fits all.
            worker: Only for calls that this worker makes in a run.
            times: How often each reply is given; None is any number, none included.
        """
        parsed = [parse_reply(reply) for reply in replies]
        self._script.expect(parsed, when=when, worker=worker, times=times)
        return self

    @property
    def calls(self) -> tuple[ScriptedCall, ...]:
        """What it was sent, in order of arrival, unexpected calls included."""
        return self._script.calls

    def assert_done(self) -> None:
        """Return if every call was expected and every reply was taken.

        Raises:
            UnexpectedCallError: They differ; the message lists how.
        """
        self._script.check()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Compare calls and script, where the block itself did not fail."""
        if kind is None:
            self.assert_done()

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | None = None,
        **kwargs: Any,  # noqa: ANN401 - as LangChain's
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Return a view on the same script that is offered tools."""
        formatted = [convert_to_openai_tool(tool) for tool in tools]
        return self.bind(tools=formatted, tool_choice=tool_choice, **kwargs)

    def with_structured_output(
        self,
        schema: dict[str, Any] | type,
        *,
        include_raw: bool = False,
        method: StructuredMethod = "json_schema",
        **kwargs: Any,  # noqa: ANN401 - as LangChain's
    ) -> Runnable[LanguageModelInput, Any]:
        """Return a view on the same script whose answers are parsed, as OpenAI's models do it.

        Args:
            schema: A pydantic class, or a JSON Schema.
            include_raw: Whether to return `raw`, `parsed` and `parsing_error`.
            method: How the value is asked for.
            kwargs: Bound to the calls.
        """
        kwargs.pop("strict", None)
        asked, parser = self._build_structured(schema, method, kwargs)
        if not include_raw:
            return asked | parser
        parsed = RunnablePassthrough.assign(
            parsed=itemgetter("raw") | parser, parsing_error=lambda _: None
        )
        failed = RunnablePassthrough.assign(parsed=lambda _: None)
        return {"raw": asked} | parsed.with_fallbacks([failed], exception_key="parsing_error")

    def _build_structured(
        self, schema: dict[str, Any] | type, method: StructuredMethod, options: dict[str, Any]
    ) -> tuple[Runnable[LanguageModelInput, Any], Runnable[Any, Any]]:
        is_class = isinstance(schema, type) and issubclass(schema, BaseModel)
        parser: Runnable[Any, Any]
        if method == "function_calling":
            name = convert_to_openai_tool(schema)["function"]["name"]
            if is_class:
                parser = PydanticToolsParser(tools=[schema], first_tool_only=True)  # type: ignore[list-item]
            else:
                parser = JsonOutputKeyToolsParser(key_name=name, first_tool_only=True)
            return self.bind_tools([schema], tool_choice=name, **options), parser
        form: dict[str, Any] = {"type": "json_object"}
        if method == "json_schema":
            form = {"type": "json_schema", "json_schema": convert_to_json_schema(schema)}
        parser = PydanticOutputParser(pydantic_object=schema) if is_class else JsonOutputParser()  # type: ignore[arg-type]
        return self.bind(response_format=form, **options), RunnableLambda(_require_text) | parser

    @property
    def _llm_type(self) -> str:
        return "interlock-scripted"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model_name": self.model_name}

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,  # noqa: ANN401 - as LangChain's
    ) -> ChatResult:
        del run_manager
        message = self._take(messages, {**kwargs, **({"stop": stop} if stop else {})})
        return ChatResult(generations=[ChatGeneration(message=message)])

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,  # noqa: ANN401 - as LangChain's
    ) -> ChatResult:
        del run_manager
        return self._generate(messages, stop, **kwargs)

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,  # noqa: ANN401 - as LangChain's
    ) -> Iterator[ChatGenerationChunk]:
        message = self._take(messages, {**kwargs, **({"stop": stop} if stop else {})})
        for chunk in _split(message):
            if run_manager is not None:
                run_manager.on_llm_new_token(chunk.text, chunk=chunk)
            yield chunk

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,  # noqa: ANN401 - as LangChain's
    ) -> AsyncIterator[ChatGenerationChunk]:
        for chunk in self._stream(messages, stop, **kwargs):
            if run_manager is not None:
                await run_manager.on_llm_new_token(chunk.text, chunk=chunk)
            yield chunk

    def _take(self, messages: list[BaseMessage], options: dict[str, Any]) -> AIMessage:
        scope = CURRENT_SCOPE.get()
        tools = tuple(tool["function"]["name"] for tool in options.get("tools") or ())
        call = ScriptedCall(
            number=0,
            messages=tuple(messages),
            tools=tools,
            options={name: option for name, option in options.items() if name != "tools"},
            worker=(str(scope.worker) or None) if scope is not None else None,
            step_id=(str(scope.step_id) or None) if scope is not None else None,
        )
        call, reply = self._script.take(call)
        if isinstance(reply, AIMessage):
            return reply.model_copy(deep=True)
        if reply.error is not None:
            raise reply.error
        chosen: Any = options.get("tool_choice")
        return reply.build_message(
            number=call.number,
            model=self.model_name,
            tools=(chosen,) if chosen in tools else tools,
            must_call=bool(tools) and chosen not in {None, "auto", "none"},
        )


def _require_text(message: AIMessage) -> AIMessage:
    """Refuse a tool call where JSON was asked for, as a provider would."""
    if message.tool_calls and not message.text:
        names = [call["name"] for call in message.tool_calls]
        raise ValueError(f"the model called {names!r} where it was asked for JSON text")
    return message


def _split(message: AIMessage) -> Iterator[ChatGenerationChunk]:
    """Yield a message in pieces: its words, its tool calls, then how it ended and what it cost."""
    for word in message.text.splitlines(keepends=True):
        for piece in _split_line(word):
            yield ChatGenerationChunk(message=AIMessageChunk(content=piece))
    for place, call in enumerate(message.tool_calls):
        part = {
            "name": call["name"],
            "args": json.dumps(call["args"]),
            "id": call["id"],
            "index": place,
            "type": "tool_call_chunk",
        }
        yield ChatGenerationChunk(message=AIMessageChunk(content="", tool_call_chunks=[part]))  # type: ignore[list-item]
    yield ChatGenerationChunk(
        message=AIMessageChunk(
            content="",
            response_metadata=message.response_metadata,
            usage_metadata=message.usage_metadata,
            chunk_position="last",
        )
    )


def _split_line(line: str) -> Iterator[str]:
    words = line.split(" ")
    for place, word in enumerate(words):
        yield word if place == len(words) - 1 else f"{word} "
