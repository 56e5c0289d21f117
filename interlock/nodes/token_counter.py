"""Counts the tokens that models report while a worker runs, whoever calls them."""

import threading
from typing import Any

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, LLMResult


class TokenCounter(BaseCallbackHandler):
    """A callback handler; every model call below its config reports to it, in any thread."""

    def __init__(self) -> None:
        """Start at zero."""
        super().__init__()
        self._lock = threading.Lock()
        self.input_tokens = 0
        self.output_tokens = 0

    def on_llm_end(self, response: LLMResult, **kwargs: Any) -> None:  # noqa: ANN401 - LangChain's
        """Add what a model call reports; nothing if it reports nothing."""
        del kwargs
        for generations in response.generations:
            for generation in generations:
                if isinstance(generation, ChatGeneration):
                    self._add(generation.message)

    def _add(self, message: object) -> None:
        reported = message.usage_metadata if isinstance(message, AIMessage) else None
        if reported is not None:
            with self._lock:
                self.input_tokens += reported["input_tokens"]
                self.output_tokens += reported["output_tokens"]
