"""A supervisor's model, called with patience: within a time, and again where a call was lost."""

import asyncio
from collections.abc import Sequence
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.runnables import Runnable
from langgraph.errors import GraphBubbleUp

from interlock.contracts.model_errors import ModelAnswerError, ModelCallError
from interlock.contracts.policy import derive_backoff_seconds
from interlock.models.call_failures import explain_failure
from interlock.models.chat_models import name_chat_model
from interlock.models.model_answers import check_answer
from interlock.models.structured import CallLimits


class PatientModel:
    """Calls a chat model within its limits, and says in our errors what went wrong."""

    def __init__(self, model: BaseChatModel, limits: CallLimits) -> None:
        """Take the model, and how long and how often it may be called for one turn."""
        self.model = model
        self.name = name_chat_model(model)
        self._limits = limits

    async def say(self, bound: Runnable[Any, Any], messages: Sequence[BaseMessage]) -> AIMessage:
        """Return the message that the model answers with, whole and willing.

        Args:
            bound: The model with what was bound to it.
            messages: What it is sent.

        Raises:
            ModelAnswerError: The message was cut off, filtered or refused.
            ModelCallError: No call came back within the limits.
            ModelRequestError: The provider refuses the request as it stands.
        """
        message = await self.ask(bound, messages)
        if not isinstance(message, AIMessage):
            raise ModelAnswerError(fault="empty", model=self.name)
        check_answer(message, model=self.name)
        return message

    async def ask(self, bound: Runnable[Any, Any], messages: Sequence[BaseMessage]) -> Any:  # noqa: ANN401 - what is bound may parse
        """Return whatever a Runnable around the model gives; see `say`."""
        limit = self._limits.timeout
        timer = asyncio.timeout(None if limit is None else limit.total_seconds())
        try:
            async with timer:
                return await self._repeat(bound, list(messages))
        except TimeoutError as exc:
            if not timer.expired():
                raise
            raise ModelCallError(
                fault="timeout", model=self.name, seen=f"no answer within {limit}"
            ) from exc

    async def _repeat(self, bound: Runnable[Any, Any], messages: list[BaseMessage]) -> Any:  # noqa: ANN401 - as above
        attempt = 1
        while True:
            try:
                return await self._call(bound, messages)
            except ModelCallError as exc:
                wait = self._find_wait(exc, attempt)
                if wait is None:
                    raise
                await self._limits.clock.sleep(wait)
            attempt += 1

    def _find_wait(self, failed: ModelCallError, attempt: int) -> float | None:
        """Return how long to wait before the next call; None if there will be none."""
        retry = self._limits.retry
        asked = failed.retry_after_seconds or 0.0
        if attempt >= retry.max_attempts or asked > retry.max_backoff.total_seconds():
            return None
        return max(derive_backoff_seconds(retry, attempt=attempt, seed=self.name), asked)

    async def _call(self, bound: Runnable[Any, Any], messages: list[BaseMessage]) -> Any:  # noqa: ANN401 - as above
        try:
            return await bound.ainvoke(messages)
        except GraphBubbleUp:
            raise
        except (
            Exception
        ) as exc:  # client libraries raise anything, from JSONDecodeError to IndexError
            raise explain_failure(exc, model=self.name) from exc
