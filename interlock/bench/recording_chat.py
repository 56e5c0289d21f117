"""A scripted chat model that writes down how much it is sent."""

import json
from collections.abc import Callable, Sequence
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable
from pydantic import PrivateAttr


class RecordingChat(BaseChatModel):
    """Answers the n-th call, from 0, with `reply(n)`; counts the characters of every call."""

    reply: Callable[[int], AIMessage]
    _sent: list[int] = PrivateAttr(default_factory=list[int])

    @property
    def _llm_type(self) -> str:
        return "recording"

    @property
    def sent(self) -> Sequence[int]:
        """Characters of all messages, call by call."""
        return self._sent

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,  # noqa: ANN401 - LangChain's own signature
    ) -> ChatResult:
        del stop, run_manager, kwargs
        self._sent.append(sum(count_characters(message) for message in messages))
        message = self.reply(len(self._sent) - 1)
        return ChatResult(generations=[ChatGeneration(message=message)])

    def bind_tools(
        self,
        tools: Sequence[Any],
        **kwargs: Any,  # noqa: ANN401 - LangChain's own signature
    ) -> Runnable[Any, AIMessage]:
        """Return itself: the script knows which tools it calls, and tools are not counted."""
        del tools, kwargs
        return self


def count_characters(message: BaseMessage) -> int:
    """Return the characters of a message: its text, and the calls of tools in it."""
    calls = message.tool_calls if isinstance(message, AIMessage) else []
    called = sum(len(call["name"]) + len(json.dumps(call["args"])) for call in calls)
    return len(message.text) + called
