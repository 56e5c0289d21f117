"""LangChain tools under guard: any BaseTool, also those that MCP adapters make.

The guarded tool is a copy whose class runs the original's `_run` and `_arun` under guard, so that
validation, injected arguments, error handling and response formats stay what they are.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import replace
from datetime import timedelta
from functools import cache, partial
from typing import Any, ClassVar, Final, cast

from langchain_core.messages import ToolMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import run_in_executor
from langchain_core.tools import BaseTool
from langgraph.types import Command
from pydantic import BaseModel

from interlock.contracts.effects import EffectKind
from interlock.contracts.errors import ConfigurationError, PlainValueError
from interlock.contracts.ids import IdempotencyKey
from interlock.contracts.limits import Breaker, Rate
from interlock.contracts.plain import Plain, parse_plain
from interlock.tools.declaration import EffectDeclaration, Function
from interlock.tools.declared_tools import find_declarations
from interlock.tools.guarded_call import call_guarded, call_guarded_blocking

_CALL_ID: ContextVar[str | None] = ContextVar("interlock_tool_call_id", default=None)
"""Of the model's tool call that is being delivered."""

_MESSAGE: Final = "tool_message"
_COMMAND: Final = "command"
_CONTENT: Final = "content"


def make_idempotent(  # noqa: PLR0913 - one word each for what a tool can say of itself
    tool: BaseTool,
    *,
    effect: EffectKind = "write",
    probe: Function | None = None,
    undo: Function | None = None,
    natural: bool = False,
    irreversible: bool = False,
    permanent_errors: Sequence[type[Exception]] = (),
    key_from: Sequence[str] | Callable[..., object] | None = None,
    wait: timedelta | None = None,
    breaker: Breaker | None = None,
    rate: Rate | None = None,
) -> BaseTool:
    """Return a copy of a LangChain tool that is guarded as `idempotent` guards a function.

    Only what the model passes makes the key: injected arguments arrive as before and do not count.
    Arguments that the tool's schema refuses never reach the ledger.

    Args:
        tool: Any BaseTool, sync or async. It stays as it is.
        effect: As for `idempotent`, like all that follow.
        probe: The same.
        undo: The same.
        natural: The same.
        irreversible: The same.
        permanent_errors: The same.
        key_from: The same.
        wait: The same.
        breaker: The same.
        rate: The same.

    Raises:
        ConfigurationError: It is no BaseTool, is guarded already, or the declaration cannot work.
    """
    if not isinstance(tool, BaseTool):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ConfigurationError(
            f"make_idempotent() was given {tool!r}. Give it a LangChain tool; decorate a function "
            "with @il.idempotent(...) instead."
        )
    if find_declarations(tool):
        raise ConfigurationError(
            f"Tool {tool.name!r} is guarded already. Use it as it is, or guard the tool that it "
            "was made of."
        )
    declaration = EffectDeclaration(
        tool=tool.name,
        effect=effect,
        probe=probe,
        undo=undo,
        natural=natural,
        irreversible=irreversible,
        permanent_errors=tuple(permanent_errors),
        key_from=key_from,
        wait=wait,
        breaker=breaker,
        rate=rate,
    )
    return guard_tool(tool, declaration)


def guard_tool(tool: BaseTool, declaration: EffectDeclaration) -> BaseTool:
    """Return a copy of a tool that runs under guard, as declared."""
    getattr(tool, "_injected_args_keys", None)  # read from the signature of `_run`, then kept
    guarded = tool.model_copy()
    if tool.args_schema is None:
        guarded.args_schema = tool.get_input_schema()  # made of the signature too
    original = type(tool)
    defaults = {
        name: value
        for name, value in (_read_defaults(tool.tool_call_schema) or {}).items()
        if value is not _REQUIRED
    }
    declaration = replace(declaration, defaults=defaults)
    fields: dict[str, Any] = {
        "effect_declaration": declaration,
        "__annotations__": {"effect_declaration": ClassVar[EffectDeclaration]},
        "__module__": __name__,
        "__doc__": original.__doc__,
    }
    kind: Any = type(f"Guarded{original.__name__}", (_Guarded, original), fields)
    guarded.__class__ = kind
    return guarded


class _Guarded:
    """Put before a tool's own class."""

    effect_declaration: ClassVar[EffectDeclaration]

    def run(self, *args: Any, tool_call_id: str | None = None, **kwargs: Any) -> Any:  # noqa: ANN401 - the tool's
        """Run, remembering which tool call is delivered."""
        token = _CALL_ID.set(tool_call_id)
        try:
            return _get_super(self).run(*args, tool_call_id=tool_call_id, **kwargs)
        finally:
            _CALL_ID.reset(token)

    async def arun(self, *args: Any, tool_call_id: str | None = None, **kwargs: Any) -> Any:  # noqa: ANN401 - the tool's
        """Run, remembering which tool call is delivered."""
        token = _CALL_ID.set(tool_call_id)
        try:
            return await _get_super(self).arun(*args, tool_call_id=tool_call_id, **kwargs)
        finally:
            _CALL_ID.reset(token)

    def _run(
        self,
        *args: Any,  # noqa: ANN401 - the tool's
        config: RunnableConfig,
        run_manager: Any = None,  # noqa: ANN401 - LangChain's
        **kwargs: Any,  # noqa: ANN401 - the tool's
    ) -> Any:  # noqa: ANN401 - the tool's
        own = _get_super(self)._run  # noqa: SLF001 - the method that this one stands for
        call = partial(own, *args, **_fill_in(own, kwargs, config, run_manager))
        call_id = _CALL_ID.get()
        return call_guarded_blocking(
            self.effect_declaration,
            _select_arguments(cast("BaseTool", self), args, kwargs),
            lambda _key: call(),
            codec=LangChainCodec(cast("BaseTool", self).response_format, call_id),
            tool_call_id=call_id,
        )

    async def _arun(
        self,
        *args: Any,  # noqa: ANN401 - the tool's
        config: RunnableConfig,
        run_manager: Any = None,  # noqa: ANN401 - LangChain's
        **kwargs: Any,  # noqa: ANN401 - the tool's
    ) -> Any:  # noqa: ANN401 - the tool's
        above = _get_super(self)
        inherited = BaseTool._arun  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        has_async = above._arun.__func__ is not inherited  # noqa: SLF001 - as LangChain asks
        own = above._arun if has_async else above._run  # noqa: SLF001 - as above
        call = partial(own, *args, **_fill_in(own, kwargs, config, run_manager))
        call_id = _CALL_ID.get()

        async def run(_key: IdempotencyKey) -> object:
            return await call() if has_async else await run_in_executor(None, call)

        return await call_guarded(
            self.effect_declaration,
            _select_arguments(cast("BaseTool", self), args, kwargs),
            run,
            codec=LangChainCodec(cast("BaseTool", self).response_format, call_id),
            tool_call_id=call_id,
        )


def _get_super(tool: _Guarded) -> Any:  # noqa: ANN401 - the tool as its own class sees it
    return super(_Guarded, tool)


def _fill_in(
    function: Callable[..., Any],
    kwargs: Mapping[str, Any],
    config: RunnableConfig,
    run_manager: Any,  # noqa: ANN401 - LangChain's
) -> dict[str, Any]:
    """Return the arguments of the tool's own method: what LangChain adds, where it asks for it."""
    filled = dict(kwargs)
    for name, parameter in inspect.signature(function).parameters.items():
        if name == "run_manager":
            filled[name] = run_manager
        elif name == "config" or parameter.annotation is RunnableConfig:
            filled[name] = config
    return filled


def _select_arguments(
    tool: BaseTool, args: Sequence[object], kwargs: Mapping[str, object]
) -> dict[str, Plain]:
    """Return what makes the key: what the model passes, without what equals its default."""
    defaults = _read_defaults(tool.tool_call_schema)
    found: dict[str, Plain] = {}
    for name, value in kwargs.items():
        if defaults is not None and name not in defaults:
            continue  # injected: no model sees it
        plain = parse_plain(value, name=f"argument {name!r}")
        if defaults is None or defaults[name] is _REQUIRED or defaults[name] != plain:
            found[name] = plain
    if args:
        found["input"] = parse_plain(list(args), name="argument 'input'")
    return found


_REQUIRED: Final = object()


def _read_defaults(schema: Any) -> Mapping[str, Any] | None:  # noqa: ANN401 - a class or a JSON Schema
    """Return the visible arguments with their plain defaults; None if the schema does not say."""
    if isinstance(schema, dict):
        properties = schema.get("properties")
        if not isinstance(properties, dict):
            return None
        return {
            name: one.get("default", _REQUIRED) if isinstance(one, dict) else _REQUIRED
            for name, one in properties.items()
        }
    if isinstance(schema, type) and issubclass(schema, BaseModel):
        return _read_model_defaults(schema)
    return None


@cache
def _read_model_defaults(model: type[BaseModel]) -> Mapping[str, Any]:
    found: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        found[name] = _REQUIRED
        if not field.is_required():
            try:
                found[name] = parse_plain(field.get_default(call_default_factory=True))
            except (PlainValueError, TypeError, ValueError):
                continue
    return found


class LangChainCodec:
    """Answers of LangChain tools: content, content with an artifact, a message, a command."""

    def __init__(self, response_format: str, tool_call_id: str | None) -> None:
        """Give messages back under a tool call's id."""
        self._has_artifact = response_format == "content_and_artifact"
        self._tool_call_id = tool_call_id

    def encode(self, value: object) -> Plain:
        """Return an answer as a plain value.

        Raises:
            PlainValueError: It holds something that cannot be stored.
        """
        if isinstance(value, ToolMessage):
            return {_MESSAGE: _dump_message(value)}
        if isinstance(value, Command):
            return {_COMMAND: _dump_command(value)}
        if self._has_artifact:
            content, artifact = value if isinstance(value, tuple) else (value, None)
            return {
                _CONTENT: parse_plain(content, name="the answer"),
                "artifact": parse_plain(artifact, name="the artifact"),
            }
        return parse_plain(value, name="the answer")

    def decode(self, answer: Plain) -> object:
        """Return a recorded answer as the tool would give it."""
        if isinstance(answer, dict) and len(answer) == 1:
            if _MESSAGE in answer:
                return self._build_message(answer[_MESSAGE])
            if _COMMAND in answer:
                return self._build_command(answer[_COMMAND])
        if self._has_artifact and isinstance(answer, dict) and answer.keys() == _PAIR:
            return answer[_CONTENT], answer["artifact"]
        return answer

    def _build_message(self, dumped: dict[str, Plain]) -> ToolMessage:
        return ToolMessage(**{**dumped, "tool_call_id": self._tool_call_id or ""})

    def _build_command(self, dumped: dict[str, Plain]) -> Command[Any]:
        update = dumped["update"]
        if isinstance(update, dict) and "tool_messages" in dumped:
            messages = [self._build_message(one) for one in dumped["tool_messages"]]
            update = {**update, dumped["channel"]: messages}
        return Command(update=update, goto=dumped["goto"])


_PAIR: Final = frozenset({_CONTENT, "artifact"})


def _dump_message(message: ToolMessage) -> dict[str, Plain]:
    dumped: dict[str, Plain] = parse_plain(
        {
            "content": message.content,
            "artifact": message.artifact,
            "status": message.status,
            "name": message.name,
        },
        name="the message",
    )
    return dumped


def _dump_command(command: Command[Any]) -> dict[str, Plain]:
    """Return a command's plain form: an update of plain values and tool messages, and names to go to.

    Raises:
        PlainValueError: It holds anything else.
    """
    if command.graph is not None or command.resume is not None:
        raise PlainValueError(path="the command", seen="a command for another graph, or a resume")
    goto = [command.goto] if isinstance(command.goto, str) else list(cast("Any", command.goto))
    dumped: dict[str, Plain] = {"goto": parse_plain(goto, name="the command's goto")}
    update = command.update
    if isinstance(update, dict):
        for name, value in update.items():
            if isinstance(value, list) and value and all(_is_tool_message(one) for one in value):
                dumped["channel"] = name
                dumped["tool_messages"] = [_dump_message(one) for one in value]
                update = {key: item for key, item in update.items() if key != name}
                break
    dumped["update"] = parse_plain(update, name="the command's update")
    return dumped


def _is_tool_message(value: object) -> bool:
    return isinstance(value, ToolMessage)
