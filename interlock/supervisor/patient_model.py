"""A supervisor's model, called with patience: within a time, and again where a call was lost."""

from collections.abc import Sequence
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.runnables import Runnable

from interlock.contracts.model_errors import ModelAnswerError
from interlock.models.chat_models import name_chat_model
from interlock.models.model_answers import check_answer
from interlock.models.patient_calls import (
    CallLimits,
    bound_time,
    call_model,
    call_with_patience,
)


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
        async with bound_time(self._limits, model=self.name):
            return await call_with_patience(
                lambda: call_model(bound, messages, model=self.name),
                limits=self._limits,
                model=self.name,
            )
