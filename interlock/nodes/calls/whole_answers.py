"""Lets no half answer of a model reach an agent that would act on it.

A LangChain callback handler below a node's config, beside the gate. A review sees what a worker
returns; what happens inside of it, such as a tool call that a broken stream cut in two and the
client library then completed, is only seen here.
"""

from typing import Any

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, LLMResult

from interlock.models.model_answers import require_whole


class WholeAnswers(BaseCallbackHandler):
    """Raises to whoever called a model whose answer is not whole."""

    raise_error = True
    run_inline = True

    def on_llm_end(self, response: LLMResult, **kwargs: Any) -> None:  # noqa: ANN401 - LangChain's
        """Look at each message that came.

        Raises:
            ModelAnswerError: Its end is missing.
        """
        del kwargs
        for turn in response.generations:
            for generation in turn:
                if isinstance(generation, ChatGeneration) and isinstance(
                    generation.message, AIMessage
                ):
                    about = generation.message.response_metadata
                    name = str(about.get("model_name") or "of the worker")
                    require_whole(generation.message, model=name)
