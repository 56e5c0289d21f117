"""Asking a model for a value of a class, whatever way of answering in JSON it knows.

Used by the planner, judges and the routing supervisor. A message is read by ours alone: parsed
leniently, validated strictly, refused with all problems at once. Calls that fail on their way are
repeated within the time that the caller gives, honouring `Retry-After`; answers are not: what to
say to the model next is the caller's to know.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Generic, TypeVar

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.runnables import Runnable
from langgraph.errors import GraphBubbleUp
from pydantic import BaseModel

from interlock.contracts.errors import ConfigurationError
from interlock.contracts.model_errors import ModelAnswerError, ModelRequestError
from interlock.models.answer_methods import Method, add_schema, bind_method, list_methods
from interlock.models.answer_parsing import parse_answer
from interlock.models.call_failures import explain_failure
from interlock.models.chat_models import name_chat_model, resolve_chat_model
from interlock.models.patient_calls import CallLimits, bound_time, call_model, call_with_patience

Answer = TypeVar("Answer", bound=BaseModel)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered(Generic[Answer]):
    """What a model answered.

    Attributes:
        value: Of the class that was asked for.
        raw: The message that it was read from.
        method: How the model was told the shape.
        model: What the model is called.
    """

    value: Answer
    raw: AIMessage
    method: Method
    model: str

    @property
    def usage(self) -> Mapping[str, Any]:
        """Tokens as the model reports them; empty if it does not."""
        return self.raw.usage_metadata or {}


async def ask_for(
    model: BaseChatModel | str,
    messages: Sequence[BaseMessage],
    schema: type[Answer],
    *,
    method: Method = "auto",
    limits: CallLimits | None = None,
) -> Answered[Answer]:
    """Return what a model answers, as a value of the class.

    Args:
        model: A chat model or `provider:model`.
        messages: What it is told; the schema is added where the method does not carry it.
        schema: The class; bounds in it keep small models inside their output limit.
        method: How it is told the shape.
        limits: Time and repetitions.

    Raises:
        ModelAnswerError: Its answer cannot be used; lists all problems, for the next question.
        ModelCallError: No call came back within the limits.
        ModelRequestError: The provider refuses the request as it stands.
    """
    return await StructuredModel(model, method=method, limits=limits).ask(messages, schema)


class StructuredModel:
    """A model with a way of answering in JSON; with `auto` it remembers which one works."""

    def __init__(
        self,
        model: BaseChatModel | str,
        *,
        method: Method = "auto",
        limits: CallLimits | None = None,
    ) -> None:
        """Take a chat model or `provider:model`; the arguments are those of `ask_for`."""
        self.model = resolve_chat_model(model)
        self.name = name_chat_model(self.model)
        self._methods = list_methods(self.model, method)
        self._limits = limits or CallLimits()
        self._first = 0

    async def ask(self, messages: Sequence[BaseMessage], schema: type[Answer]) -> Answered[Answer]:
        """Return what the model answers; see `ask_for`."""
        async with bound_time(self._limits, model=self.name) as until:
            return await self._try_methods(messages, schema, until)

    async def stream(
        self, messages: Sequence[BaseMessage], schema: type[BaseModel]
    ) -> AsyncIterator[AIMessage]:
        """Yield the message so far, each time more of it has come; the last one is the whole.

        Whoever reads it checks the last one's end before believing it. A call that fails is not
        repeated once a part of it was yielded.
        """
        last: AIMessage | None = None
        async with bound_time(self._limits, model=self.name):
            for method, bound in self._list_bound(schema):
                try:
                    async for message in self._stream_once(
                        bound, add_schema(messages, schema, method)
                    ):
                        last = message
                        yield message
                except ModelRequestError as exc:
                    if last is not None or not self._go_on_after(exc, method):
                        raise
                else:
                    return

    async def _stream_once(
        self, bound: Runnable[Any, Any], messages: list[BaseMessage]
    ) -> AsyncIterator[AIMessage]:
        whole: Any = None
        try:
            async for part in bound.astream(messages):
                piece = part.get("raw") if isinstance(part, dict) else part
                if isinstance(piece, AIMessage):
                    whole = piece if whole is None else whole + piece
                    yield whole
        except (GraphBubbleUp, GeneratorExit):
            raise
        except Exception as exc:
            raise explain_failure(exc, model=self.name) from exc

    async def _try_methods(
        self, messages: Sequence[BaseMessage], schema: type[Answer], until: datetime | None
    ) -> Answered[Answer]:
        for method, bound in self._list_bound(schema):
            sent = add_schema(messages, schema, method)
            try:
                message = await call_with_patience(
                    partial(self._call, bound, sent),
                    limits=self._limits,
                    model=self.name,
                    until=until,
                )
                value = parse_answer(message, schema, model=self.name)
            except ModelRequestError as exc:
                if not self._go_on_after(exc, method):
                    raise
            except ModelAnswerError as exc:
                if exc.fault in {"unparsable", "empty"}:
                    self._skip(method)  # many servers ignore a schema: the next way next time
                raise
            else:
                return Answered(value=value, raw=message, method=method, model=self.name)
        raise self._refuse_methods()

    def _list_bound(self, schema: type[BaseModel]) -> Sequence[tuple[Method, Runnable[Any, Any]]]:
        bound: list[tuple[Method, Runnable[Any, Any]]] = [
            (method, runnable)
            for method in self._methods[self._first :]
            if (runnable := bind_method(self.model, schema, method)) is not None
        ]
        if not bound:
            raise self._refuse_methods()
        return bound

    def _refuse_methods(self) -> ConfigurationError:
        tried = ", ".join(self._methods)
        return ConfigurationError(
            f"Model {self.name!r} knows none of these ways to answer in JSON: {tried}. "
            "Use method='auto' or method='text'."
        )

    def _go_on_after(self, refused: ModelRequestError, method: Method) -> bool:
        """Return whether the next way may do where a provider refused this one; remembers it."""
        return refused.fault == "bad_request" and self._skip(method)

    def _skip(self, method: Method) -> bool:
        """Begin behind a way from now on; False if it is the last."""
        following = self._methods.index(method) + 1
        if following >= len(self._methods):
            return False
        self._first = max(self._first, following)
        return True

    async def _call(self, bound: Runnable[Any, Any], messages: list[BaseMessage]) -> AIMessage:
        given = await call_model(bound, messages, model=self.name)
        message = given.get("raw") if isinstance(given, dict) else given
        if not isinstance(message, AIMessage):
            raise ModelAnswerError(fault="empty", model=self.name)
        return message
