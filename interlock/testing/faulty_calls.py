"""Chat models and tools whose calls go through a fault injector.

A copy of the model or tool gets a subclass of its own class, so that all else about it (bound
tools, structured output, schema, provider) stays what it is.
"""

import functools
import inspect
import json
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextvars import ContextVar
from typing import Any, Protocol, TypeVar, cast

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessageChunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.tools import BaseTool

from interlock.contracts.clock import Clock
from interlock.contracts.errors import ConfigurationError
from interlock.testing.injected_faults import FaultKind, FaultTarget, Place
from interlock.testing.sent_calls import name_sent

_T = TypeVar("_T")
_INSIDE: ContextVar[bool] = ContextVar("interlock_testing_faulty_call", default=False)
"""Whether a faulty call is being made: what it calls of the same object has no draw of its own."""


class Faults(Protocol):
    """What of an injector is used here."""

    clock: Clock
    slow_seconds: float

    def choose(self, place: Place) -> FaultKind | None:
        """Return what strikes at a place."""
        ...

    def take_place(self, target: FaultTarget, name: str, *, content: str) -> Place:
        """Return the place of a call that was sent something."""
        ...

    def fail_before(self, kind: FaultKind | None, place: Place, *, name: str) -> None:
        """Raise what strikes before a call."""
        ...

    def change_after(
        self,
        kind: FaultKind | None,
        place: Place,
        *,
        value: Any,  # noqa: ANN401 - a model's text, a tool's answer
        name: str,
    ) -> Any:  # noqa: ANN401 - the same
        """Return what is handed on of a call's answer."""
        ...


def make_faulty_model(model: BaseChatModel, faults: Faults) -> BaseChatModel:
    """Return a copy of a model whose calls go through an injector."""
    name = _name_model(model)

    def change(kind: FaultKind | None, place: Place, result: Any) -> Any:  # noqa: ANN401
        return _change_result(faults, kind, place, result, name=name)

    methods: dict[str, Any] = {}
    for method in ("_generate", "_agenerate"):
        make = _make_async if method.startswith("_a") else _make_sync
        if method == "_generate" or _has_own(model, method):
            methods[method] = make(_get(model, method), faults, ("model", name), change)
    if _has_own(model, "_stream"):
        methods["_stream"] = _make_stream(_get(model, "_stream"), faults, name)
    if _has_own(model, "_astream"):
        methods["_astream"] = _make_async_stream(_get(model, "_astream"), faults, name)
    return _subclass(model, methods)


def make_faulty_tool(tool: _T, faults: Faults) -> _T:
    """Return a tool or a function whose calls go through an injector.

    Raises:
        ConfigurationError: It is neither.
    """
    if not isinstance(tool, BaseTool):
        return cast(_T, _make_faulty_function(tool, faults))
    name = tool.name

    def change(kind: FaultKind | None, place: Place, result: Any) -> Any:  # noqa: ANN401
        return faults.change_after(kind, place, value=result, name=name)

    methods = {"_run": _make_sync(_get(tool, "_run"), faults, ("tool", name), change)}
    if _get(tool, "_arun") is not getattr(BaseTool, "_arun"):  # noqa: B009 - a private name
        methods["_arun"] = _make_async(_get(tool, "_arun"), faults, ("tool", name), change)
    return _subclass(tool, methods)


def _make_faulty_function(tool: Any, faults: Faults) -> Any:  # noqa: ANN401 - any function
    if not inspect.isfunction(tool) and not inspect.ismethod(tool):
        raise ConfigurationError(
            f"{tool!r} is no tool that can be given faults. Give a LangChain tool or a function; "
            "of what `idempotent` returns, wrap the function under it."
        )
    name = tool.__name__
    make = _make_async if inspect.iscoroutinefunction(tool) else _make_sync
    return make(
        tool,
        faults,
        ("tool", name),
        lambda kind, place, value: faults.change_after(kind, place, value=value, name=name),
    )


_Change = Callable[[FaultKind | None, Place, Any], Any]


def _make_async(
    method: Callable[..., Awaitable[Any]],
    faults: Faults,
    target: tuple[FaultTarget, str],
    change: _Change,
) -> Callable[..., Awaitable[Any]]:
    @functools.wraps(method)
    async def call(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as the method
        if _INSIDE.get():
            return await method(*args, **kwargs)
        sent = name_sent(args, kwargs, is_model=target[0] == "model")
        place = faults.take_place(*target, content=sent)
        kind = faults.choose(place)
        faults.fail_before(kind, place, name=target[1])
        if kind == "slow":
            await faults.clock.sleep(faults.slow_seconds)
        token = _INSIDE.set(True)
        try:
            value = await method(*args, **kwargs)
        finally:
            _INSIDE.reset(token)
        return change(kind, place, value)

    return call


def _make_sync(
    method: Callable[..., Any],
    faults: Faults,
    target: tuple[FaultTarget, str],
    change: _Change,
) -> Callable[..., Any]:
    @functools.wraps(method)
    def call(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as the method
        if _INSIDE.get():
            return method(*args, **kwargs)
        sent = name_sent(args, kwargs, is_model=target[0] == "model")
        place = faults.take_place(*target, content=sent)
        kind = faults.choose(place)
        faults.fail_before(kind, place, name=target[1])
        _wait_if_slow(kind, faults)
        token = _INSIDE.set(True)
        try:
            value = method(*args, **kwargs)
        finally:
            _INSIDE.reset(token)
        return change(kind, place, value)

    return call


def _wait_if_slow(kind: FaultKind | None, faults: Faults) -> None:
    """Block the calling thread, as a sync call that is slow does; no clock is asked."""
    if kind == "slow":
        threading.Event().wait(faults.slow_seconds)


def _make_stream(
    method: Callable[..., Iterator[ChatGenerationChunk]], faults: Faults, name: str
) -> Callable[..., Iterator[ChatGenerationChunk]]:
    @functools.wraps(method)
    def stream(*args: Any, **kwargs: Any) -> Iterator[ChatGenerationChunk]:  # noqa: ANN401
        if _INSIDE.get():
            yield from method(*args, **kwargs)
            return
        sent = name_sent(args, kwargs, is_model=True)
        place = faults.take_place("model", name, content=sent)
        kind = faults.choose(place)
        faults.fail_before(kind, place, name=name)
        _wait_if_slow(kind, faults)
        if kind in {None, "slow"}:
            yield from method(*args, **kwargs)
            return
        yield from _change_chunks(faults, kind, place, list(method(*args, **kwargs)), name=name)

    return stream


def _make_async_stream(
    method: Callable[..., AsyncIterator[ChatGenerationChunk]], faults: Faults, name: str
) -> Callable[..., AsyncIterator[ChatGenerationChunk]]:
    @functools.wraps(method)
    async def stream(*args: Any, **kwargs: Any) -> AsyncIterator[ChatGenerationChunk]:  # noqa: ANN401
        chunks = method(*args, **kwargs)
        sent = name_sent(args, kwargs, is_model=True)
        place = None if _INSIDE.get() else faults.take_place("model", name, content=sent)
        kind = None if place is None else faults.choose(place)
        if place is None or kind is None:
            async for chunk in chunks:
                yield chunk
            return
        faults.fail_before(kind, place, name=name)
        if kind == "slow":
            await faults.clock.sleep(faults.slow_seconds)
            async for chunk in chunks:
                yield chunk
            return
        for chunk in _change_chunks(faults, kind, place, [c async for c in chunks], name=name):
            yield chunk

    return stream


def _change_chunks(
    faults: Faults,
    kind: FaultKind | None,
    place: Place,
    chunks: Sequence[ChatGenerationChunk],
    *,
    name: str,
) -> Iterator[ChatGenerationChunk]:
    """Yield what is left of a stream: one cut off ends early, and nobody says so."""
    text = "".join(chunk.text for chunk in chunks)
    whole = functools.reduce(lambda left, right: left + right, chunks)
    if not text and kind != "truncated":
        result = ChatResult(generations=[ChatGeneration(message=whole.message)])
        changed = _change_result(faults, kind, place, result, name=name).generations[0].message
        assert isinstance(changed, BaseMessageChunk)  # noqa: S101 - a copy of a chunk
        yield ChatGenerationChunk(message=changed)
        return
    given = faults.change_after(kind, place, value=text, name=name)
    if kind == "truncated":
        yield from chunks[: len(chunks) // 2]
        return
    message = whole.message.model_copy(update={"content": _write_text(given)})
    yield ChatGenerationChunk(message=message)


def _change_result(
    faults: Faults, kind: FaultKind | None, place: Place, result: ChatResult, *, name: str
) -> ChatResult:
    """Return a whole answer as a fault leaves it; tool calls count when there is no text."""
    if kind is None:
        return result
    generation = result.generations[0]
    message = generation.message
    calls = message.tool_calls if isinstance(message, AIMessage) else []
    value: Any = [call["args"] for call in calls] if calls and not message.text else message.text
    given = faults.change_after(kind, place, value=value, name=name)
    if kind not in {"garbage", "wrong", "truncated"}:
        return result
    if isinstance(message, AIMessage) and calls and not message.text:
        message = _change_calls(message, given)
    else:
        message = message.model_copy(update={"content": _write_text(given)})
    if kind == "truncated":
        about = {**message.response_metadata, "finish_reason": "length"}
        message = message.model_copy(update={"response_metadata": about})
    changed = ChatGeneration(message=message, generation_info=generation.generation_info)
    return ChatResult(generations=[changed], llm_output=result.llm_output)


def _change_calls(message: AIMessage, given: Any) -> AIMessage:  # noqa: ANN401 - any JSON value
    """Return a message whose tool calls have other arguments, or ones that are no arguments."""
    kept: list[Any] = []
    broken: list[Any] = []
    for place, call in enumerate(message.tool_calls):
        arguments = given[place] if isinstance(given, list) and place < len(given) else given
        if isinstance(arguments, dict):
            kept.append({**call, "args": arguments})
        else:
            words = {"args": str(arguments), "error": "injected", "type": "invalid_tool_call"}
            broken.append({**call, **words})
    changed = {"tool_calls": kept, "invalid_tool_calls": broken}
    if isinstance(message, AIMessageChunk):  # pieces that are added up would bring the old ones
        calls = [*kept, *broken]
        changed["tool_call_chunks"] = [
            {**part, "args": _write_arguments(call["args"])}
            for part, call in zip(message.tool_call_chunks, calls, strict=False)
        ]
    return message.model_copy(update=changed)


def _write_arguments(arguments: Any) -> str:  # noqa: ANN401 - an object, or what is none
    return arguments if isinstance(arguments, str) else json.dumps(arguments)


def _write_text(given: Any) -> str:  # noqa: ANN401 - a user's function may give anything
    return given if isinstance(given, str) else str(given)


def _get(original: object, method: str) -> Any:  # noqa: ANN401 - any of LangChain's methods
    """Return a method as the class has it, unbound."""
    return getattr(type(original), method)


def _has_own(model: BaseChatModel, method: str) -> bool:
    return _get(model, method) is not getattr(BaseChatModel, method)


def _name_model(model: BaseChatModel) -> str:
    for attribute in ("model_name", "model"):
        name = getattr(model, attribute, None)
        if isinstance(name, str):
            return name
    return type(model).__name__


def _subclass(original: _T, methods: dict[str, Any]) -> _T:
    """Return a shallow copy whose class has other methods."""
    source: Any = original
    kind = type(source)
    faulty = type(kind.__name__, (kind,), {"__module__": kind.__module__, **methods})
    copy = source.model_copy()
    object.__setattr__(copy, "__class__", faulty)
    return copy  # type: ignore[no-any-return]
