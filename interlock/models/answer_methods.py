"""The ways in which a model is told what shape its answer must have, and which a model knows."""

import inspect
from collections.abc import Sequence
from typing import Any, Final, Literal, TypeAlias

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage, HumanMessage
from langchain_core.runnables import Runnable, RunnableParallel, RunnableSequence
from pydantic import BaseModel

from interlock.models.answer_schema import name_schema, render_schema, render_schema_text
from interlock.prompts import load_prompt

Method: TypeAlias = Literal["auto", "json_schema", "function_calling", "json_mode", "text"]
"""`auto` takes the first that the model knows: json_schema, function_calling, text."""

_UNBINDABLE: Final = (NotImplementedError, TypeError, ValueError)
"""What models raise for a method that they do not know."""


def list_methods(model: BaseChatModel, method: Method) -> Sequence[Method]:
    """Return what to try, in order: the one that is asked for, or all that the model may know."""
    if method != "auto":
        return (method,)
    cls = type(model)
    found: list[Method] = []
    if _prefers_schema(cls):
        found.append("json_schema")
    if cls.bind_tools is not BaseChatModel.bind_tools:
        found.append("function_calling")
    return (*found, "text")


def _prefers_schema(cls: type[BaseChatModel]) -> bool:
    """Return whether a model's class structures output by schema unless told otherwise."""
    if cls.with_structured_output is BaseChatModel.with_structured_output:
        return False
    method = inspect.signature(cls.with_structured_output).parameters.get("method")
    return method is not None and method.default == "json_schema"


def bind_method(
    model: BaseChatModel, schema: type[BaseModel], method: Method
) -> Runnable[Any, Any] | None:
    """Return the model told to answer so, giving messages or `{"raw": message}`; None if it cannot.

    LangChain's own reading of answers is left aside: it mends what is broken in silence, and
    raises before the message can be seen.
    """
    try:
        if method == "function_calling":
            return model.bind_tools([_describe_tool(schema)], tool_choice=name_schema(schema))
        if method == "json_mode":
            asked = model.with_structured_output(None, method=method, include_raw=True)  # type: ignore[arg-type]
            return _leave_out_reader(asked)
        if method == "json_schema":
            return _bind_schema(model, schema)
    except _UNBINDABLE:
        return None
    return model


def _bind_schema(model: BaseChatModel, schema: type[BaseModel]) -> Runnable[Any, Any]:
    shape, is_strict = render_schema(schema)
    named = {"title": name_schema(schema), "description": name_schema(schema), **shape}
    options: dict[str, Any] = {"method": "json_schema", "include_raw": True}
    if "strict" in inspect.signature(type(model).with_structured_output).parameters:
        options["strict"] = is_strict
    return _leave_out_reader(model.with_structured_output(named, **options))


def _leave_out_reader(asked: Runnable[Any, Any]) -> Runnable[Any, Any]:
    """Return the model without LangChain's reader behind it, which holds a stream back to its end.

    Where it is built in another way it stays as it is, and the message comes whole.
    """
    first = asked.first if isinstance(asked, RunnableSequence) else None
    if isinstance(first, RunnableParallel) and list(first.steps__) == ["raw"]:
        return first.steps__["raw"]
    return asked


def _describe_tool(schema: type[BaseModel]) -> dict[str, Any]:
    shape, is_strict = render_schema(schema)
    about = shape.get("description") or "Give the answer."
    function = {"name": name_schema(schema), "description": about, "parameters": shape}
    return {"type": "function", "function": {**function, "strict": is_strict}}


def add_schema(
    messages: Sequence[BaseMessage], schema: type[BaseModel], method: Method
) -> list[BaseMessage]:
    """Return the messages, with the schema in words where the method itself does not carry it."""
    if method not in {"json_mode", "text"}:
        return list(messages)
    words = load_prompt("answer_shape").substitute(schema=render_schema_text(schema)).strip()
    *before, last = messages
    if isinstance(last, HumanMessage) and isinstance(last.content, str):
        return [*before, HumanMessage(f"{last.content}\n\n{words}")]
    return [*messages, HumanMessage(words)]
