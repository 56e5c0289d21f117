"""A strict scripted model, and agents made of it, for supervisors."""

from collections.abc import Sequence
from typing import Any

from langchain.agents import create_agent
from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable
from pydantic import BaseModel, PrivateAttr

USER = {"messages": [{"role": "user", "content": "What is the headcount, in total?"}]}


class RoutingChat(BaseChatModel):
    """Says one turn after the other, whatever it is shown; more calls than turns fail."""

    turns: list[Any]
    _heard: list[list[BaseMessage]] = PrivateAttr(default_factory=list)
    _offered: list[Any] = PrivateAttr(default_factory=list)

    @property
    def _llm_type(self) -> str:
        return "routing"

    @property
    def heard(self) -> list[list[BaseMessage]]:
        """What it was sent, call by call."""
        return self._heard

    @property
    def offered(self) -> list[Any]:
        """The tools of each call."""
        return self._offered

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        self._heard.append(list(messages))
        self._offered.append(kwargs.get("tools", []))
        turn = self.turns[len(self._heard) - 1]
        turn = turn(messages) if callable(turn) else turn
        message = turn if isinstance(turn, AIMessage) else AIMessage(turn)
        return ChatResult(generations=[ChatGeneration(message=message.model_copy(deep=True))])

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Runnable[Any, AIMessage]:
        """Remember what it may call."""
        return self.bind(tools=list(tools))

    def with_structured_output(self, schema: Any, **kwargs: Any) -> Runnable[Any, Any]:
        """Read its next turn as JSON."""

        def parse(message: AIMessage) -> BaseModel:
            return schema.model_validate_json(message.text)

        return self | parse


def calls(*made: tuple[str, dict[str, Any]]) -> AIMessage:
    """Return a model turn that makes these tool calls."""
    return AIMessage(
        "",
        tool_calls=[
            {"name": name, "args": arguments, "id": f"call-{number}"}
            for number, (name, arguments) in enumerate(made)
        ],
    )


def assign(*tasks: tuple[str, str]) -> AIMessage:
    """Return a model turn that gives each agent its task."""
    return calls(*(("assign", {"worker": agent, "task": task}) for agent, task in tasks))


def build_agent(name: str, *turns: Any, tools: Sequence[Any] = ()) -> Any:
    """Return a real `create_agent` agent on a scripted model."""
    return create_agent(RoutingChat(turns=list(turns)), tools=list(tools), name=name)
