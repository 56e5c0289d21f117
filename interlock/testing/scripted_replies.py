"""What a scripted model says in one call: text, a value, tool calls, or an error."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from langchain_core.messages import AIMessage
from pydantic import BaseModel

from interlock.contracts.errors import ConfigurationError


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelReply:
    """One reply of a scripted model, where a text, a value or an exception does not say it all.

    Attributes:
        text: What it says.
        value: What it answers where structured output is asked for: given as JSON, or as the
            arguments of the one tool that it must call.
        tool_calls: Tools that it calls, with their arguments.
        error: Raised instead of an answer.
        finish_reason: How it says that it ended; None leaves it unsaid, as a broken stream does.
        usage: Tokens, input and output.
    """

    text: str = ""
    value: Mapping[str, Any] | BaseModel | None = None
    tool_calls: Sequence[tuple[str, Mapping[str, Any]]] = ()
    error: BaseException | type[BaseException] | None = None
    finish_reason: str | None = "stop"
    usage: tuple[int, int] = (10, 5)

    @classmethod
    def calling(cls, **calls: Mapping[str, Any]) -> "ModelReply":
        """Return the reply that calls each of these tools once, by name, with these arguments."""
        return cls(tool_calls=tuple(calls.items()), finish_reason="tool_calls")

    def build_message(
        self, *, number: int, model: str, tools: Sequence[str], must_call: bool
    ) -> AIMessage:
        """Return the message, as a provider would send it.

        Args:
            number: Of the call, for the ids of tool calls.
            model: What the model is called.
            tools: The names of the tools that it was offered.
            must_call: Whether it must call one of them.
        """
        calls, text = list(self.tool_calls), self.text
        if self.value is not None:
            if must_call and tools:
                calls.append((tools[0], self._dump_value()))
            else:
                text = json.dumps(self._dump_value())
        sent, given = self.usage
        about: dict[str, Any] = {"model_name": model}
        if self.finish_reason is not None:
            about["finish_reason"] = self.finish_reason
        return AIMessage(
            content=text,
            tool_calls=[
                {"name": name, "args": dict(arguments), "id": f"call-{number}-{place}"}
                for place, (name, arguments) in enumerate(calls)
            ],
            response_metadata=about,
            usage_metadata={
                "input_tokens": sent,
                "output_tokens": given,
                "total_tokens": sent + given,
            },
        )

    def _dump_value(self) -> dict[str, Any]:
        if isinstance(self.value, BaseModel):
            return self.value.model_dump(mode="json")
        return dict(self.value or {})


ReplyLike: TypeAlias = (
    ModelReply
    | AIMessage
    | str
    | Mapping[str, Any]
    | BaseModel
    | BaseException
    | type[BaseException]
)
"""A reply, or what is short for one: a text, a value, an exception, a message as it is."""


def parse_reply(reply: object) -> ModelReply | AIMessage:
    """Return a reply from what is short for one.

    Raises:
        ConfigurationError: It is nothing that a model can say.
    """
    match reply:
        case ModelReply() | AIMessage():
            return reply
        case str():
            return ModelReply(text=reply)
        case Mapping() | BaseModel():
            return ModelReply(value=reply)
        case BaseException():
            return ModelReply(error=reply)
        case type() if issubclass(reply, BaseException):
            return ModelReply(error=reply)
        case _:
            raise ConfigurationError(
                f"A model cannot say {reply!r}. Script a text, a mapping or pydantic object for "
                "structured output, an exception, an AIMessage or a ModelReply."
            )
