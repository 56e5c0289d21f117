"""`IdempotentTools`: guards every tool of a `create_agent` agent at once.

langchain is no dependency of interlock: whoever uses this has it, since `create_agent` is part of it.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any, Final

from langchain.agents.middleware import AgentMiddleware
from langchain.agents.middleware.types import ModelRequest, ModelResponse
from langchain_core.messages import AIMessage, AnyMessage, ToolMessage
from langchain_core.tools import BaseTool
from langgraph.prebuilt.tool_node import ToolCallRequest
from langgraph.types import Command

from interlock.contracts.effect_ledger import ListEffects
from interlock.contracts.effects import EffectRecord
from interlock.contracts.errors import ConfigurationError
from interlock.tools.declaration import EffectDeclaration
from interlock.tools.declared_tools import find_declarations
from interlock.tools.effect_scope import CURRENT_SCOPE, EffectScope
from interlock.tools.langchain_tools import LangChainCodec, guard_tool

_CUT_OFF: Final = "This call was cut off before it ended. {} Say so, or call the tool again."


class IdempotentTools(AgentMiddleware[Any, Any]):
    """Guards an agent's tools, and mends a history that was cut off in a tool call.

    Every tool is taken for one that writes, unless it is named in `reads`. One that is guarded
    already is left as it is. Before each model call, a tool call that has no answer in the history,
    because its process died or its attempt was cut off, gets one: what the ledger has recorded for
    it, or that it was cut off. Providers refuse a history without.
    """

    def __init__(
        self,
        *,
        reads: Collection[str] = (),
        tools: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        """Guard the tools of the agent that this is a middleware of.

        Args:
            reads: Names of tools that change nothing.
            tools: By tool name, what `il.idempotent` can be told: `probe`, `undo`, `natural` and so
                on. Name the middleware in `Worker(tools=[...])` if one has an `undo` or is
                irreversible, so that the supervisor knows it after a restart.

        Raises:
            ConfigurationError: A tool is both, or its declaration cannot work.
        """
        super().__init__()
        declared = {name: dict(fields) for name, fields in (tools or {}).items()}
        if both := set(reads) & declared.keys():
            raise ConfigurationError(
                f"IdempotentTools names {sorted(both)} in reads and in tools. Keep one."
            )
        for name in reads:
            declared[name] = {"effect": "read"}
        self.effect_declarations: dict[str, EffectDeclaration] = {
            name: _declare(name, fields) for name, fields in declared.items()
        }
        self._guarded: dict[int, tuple[BaseTool, BaseTool]] = {}

    def wrap_tool_call(
        self,
        request: ToolCallRequest,
        handler: Callable[[ToolCallRequest], ToolMessage | Command[Any]],
    ) -> ToolMessage | Command[Any]:
        """Run a tool call under guard."""
        return handler(self._guard(request))

    async def awrap_tool_call(
        self,
        request: ToolCallRequest,
        handler: Callable[[ToolCallRequest], Awaitable[ToolMessage | Command[Any]]],
    ) -> ToolMessage | Command[Any]:
        """Run a tool call under guard."""
        return await handler(self._guard(request))

    def wrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], ModelResponse[Any]]
    ) -> ModelResponse[Any]:
        """Call the model with a history in which every tool call has its answer."""
        scope = CURRENT_SCOPE.get()
        if not _find_unanswered(request.messages):
            return handler(request)
        listed: Sequence[EffectRecord] = ()
        if scope is not None:
            listed = scope.ledger.apply_blocking(_ask_for_effects(scope))
        return handler(request.override(messages=mend_history(request.messages, listed)))

    async def awrap_model_call(
        self,
        request: ModelRequest[Any],
        handler: Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]],
    ) -> ModelResponse[Any]:
        """Call the model with a history in which every tool call has its answer."""
        scope = CURRENT_SCOPE.get()
        if not _find_unanswered(request.messages):
            return await handler(request)
        listed: Sequence[EffectRecord] = ()
        if scope is not None:
            listed = await scope.ledger.apply(_ask_for_effects(scope))
        return await handler(request.override(messages=mend_history(request.messages, listed)))

    def _guard(self, request: ToolCallRequest) -> ToolCallRequest:
        tool = request.tool
        if tool is None:
            return request  # no such tool: whoever called for it is told so
        if id(tool) not in self._guarded:
            self._guarded[id(tool)] = (tool, self._guard_tool(tool))
        return request.override(tool=self._guarded[id(tool)][1])

    def _guard_tool(self, tool: BaseTool) -> BaseTool:
        if find_declarations(tool):
            return tool
        known = self.effect_declarations.get(tool.name)
        if known is None:
            known = self.effect_declarations[tool.name] = _declare(tool.name, {})
        return guard_tool(tool, known)


def _declare(name: str, fields: Mapping[str, Any]) -> EffectDeclaration:
    try:
        return EffectDeclaration(tool=name, **fields)
    except TypeError as exc:
        raise ConfigurationError(f"IdempotentTools cannot declare tool {name!r}: {exc}.") from exc


def _ask_for_effects(scope: EffectScope) -> ListEffects:
    return ListEffects(thread_id=scope.thread_id, step_id=scope.step_id or None, answers=True)


def _find_unanswered(messages: Sequence[AnyMessage]) -> list[str]:
    answered = {one.tool_call_id for one in messages if isinstance(one, ToolMessage)}
    return [
        str(call["id"])
        for one in messages
        if isinstance(one, AIMessage)
        for call in one.tool_calls
        if call["id"] not in answered
    ]


def mend_history(
    messages: Sequence[AnyMessage], effects: Sequence[EffectRecord]
) -> list[AnyMessage]:
    """Return a history in which every tool call has an answer, right behind its message.

    Args:
        messages: The history.
        effects: What the ledger knows of the step; found by the tool call that called for it.
    """
    unanswered = set(_find_unanswered(messages))
    mended: list[AnyMessage] = []
    for message in messages:
        mended.append(message)
        if isinstance(message, AIMessage):
            mended += [
                _answer(str(call["id"]), call["name"], effects)
                for call in message.tool_calls
                if call["id"] in unanswered
            ]
    return mended


def _answer(call_id: str, name: str, effects: Sequence[EffectRecord]) -> ToolMessage:
    effect = next((one for one in effects if _is_called_for(one, call_id)), None)
    if effect is not None and effect.state == "done" and effect.error is None:
        answer = LangChainCodec("content", call_id).decode(effect.answer)
        if isinstance(answer, ToolMessage):
            return answer
        if not isinstance(answer, Command):
            return ToolMessage(content=str(answer), name=name, tool_call_id=call_id)
    words = "It has not been run."
    if effect is not None:
        words = {
            "done": "It has taken effect.",
            "failed": f"It failed: {effect.error.message if effect.error else ''}.",
            "intended": "It has not taken effect.",
        }.get(effect.state, "Whether it took effect is not known.")
    return ToolMessage(
        content=_CUT_OFF.format(words), name=name, tool_call_id=call_id, status="error"
    )


def _is_called_for(effect: EffectRecord, call_id: str) -> bool:
    return any(use.place.endswith(f"!{call_id}") for use in effect.uses)
