"""What a scripted OpenAI-compatible server can do with one request: answers and faults."""

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

WireFault: TypeAlias = Literal["none", "cut", "stall", "garble", "hang", "reset"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAIReply:
    """One scripted reply; made by `say`, `call`, `refuse`, `stop_at_limit`, `filter_out`, `fail`.

    Attributes:
        message: The assistant's message, in the API's own form.
        finish_reason: As the API says it.
        usage: Tokens, input and output.
        status: Of HTTP; anything but 200 sends `error`.
        error: The API's error object.
        headers: More of them, such as `Retry-After`.
        fault: What happens on the wire: `cut` ends in the middle, `stall` goes silent there,
            `garble` sends bytes there that are no JSON, `hang` sends nothing at all, `reset`
            breaks the connection at once.
        delay_seconds: Before the first byte.
        held_until: Where it is set, only half is sent before the event is.
    """

    message: Mapping[str, Any] = field(default_factory=dict)
    finish_reason: str = "stop"
    usage: tuple[int, int] = (10, 5)
    status: int = 200
    error: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    fault: WireFault = "none"
    delay_seconds: float = 0.0
    held_until: threading.Event | None = None

    def late(self, seconds: float) -> "OpenAIReply":
        """Return the same reply, sent later."""
        return replace(self, delay_seconds=seconds)

    def held(self, until: threading.Event) -> "OpenAIReply":
        """Return the same reply, of which the second half is sent once an event is set."""
        return replace(self, held_until=until)

    def broken(self, fault: WireFault) -> "OpenAIReply":
        """Return the same reply, spoilt on the wire."""
        return replace(self, fault=fault)


def say(answer: str | Mapping[str, Any], *, usage: tuple[int, int] = (10, 5)) -> OpenAIReply:
    """Return the reply that says a text, or a value as JSON."""
    text = answer if isinstance(answer, str) else json.dumps(answer)
    return OpenAIReply(message={"content": text}, usage=usage)


def call(tool: str, arguments: str | Mapping[str, Any]) -> OpenAIReply:
    """Return the reply that calls a tool; arguments as text are sent as they are, valid or not."""
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    function = {"name": tool, "arguments": text}
    calls = [{"id": f"call_{tool}", "type": "function", "function": function}]
    return OpenAIReply(message={"content": None, "tool_calls": calls}, finish_reason="tool_calls")


def refuse(words: str) -> OpenAIReply:
    """Return the reply of a model that refuses."""
    return OpenAIReply(message={"content": None, "refusal": words})


def stop_at_limit(text: str) -> OpenAIReply:
    """Return the reply that its output limit has cut off."""
    return OpenAIReply(message={"content": text}, finish_reason="length")


def filter_out(text: str = "") -> OpenAIReply:
    """Return the reply that the provider's content filter has stopped."""
    return OpenAIReply(message={"content": text}, finish_reason="content_filter")


def fail(status: int, *, code: str | None = None, retry_after: float | None = None) -> OpenAIReply:
    """Return the reply that is an error of HTTP, with the API's error object."""
    headers = {} if retry_after is None else {"Retry-After": f"{retry_after:g}"}
    error = {"message": f"scripted {status}", "type": "scripted", "code": code, "param": None}
    return OpenAIReply(status=status, error=error, headers=headers)
