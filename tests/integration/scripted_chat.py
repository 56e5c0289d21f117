"""A chat model that says what it was told to say, tools and structured output included."""

from collections.abc import Sequence
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable


class ScriptedChat(BaseChatModel):
    """Answers call by call from a script; the place in it is the number of model turns shown.

    That makes it stateless: a call that is repeated after a crash is answered alike.
    """

    turns: list[Any]
    heard: list[list[BaseMessage]] = []

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        self.heard.append(list(messages))
        turn = self.turns[sum(isinstance(message, AIMessage) for message in messages)]
        message = turn if isinstance(turn, AIMessage) else AIMessage(turn)
        return ChatResult(generations=[ChatGeneration(message=message.model_copy(deep=True))])

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Runnable[Any, AIMessage]:
        """Return itself: the script knows which tools it calls."""
        return self


def call_tools(**calls: dict[str, Any]) -> AIMessage:
    """Return a model turn that calls each tool once, by name, with these arguments."""
    return AIMessage(
        "",
        tool_calls=[
            {"name": name, "args": args, "id": f"call-{name}"} for name, args in calls.items()
        ],
        usage_metadata={"input_tokens": 7, "output_tokens": 3, "total_tokens": 10},
    )
