"""What of a model's message is believed: never one that was cut off, filtered or refused.

Providers say how an answer ended in the message's metadata; a stream that breaks off raises
nothing and merely lacks that word.
"""

from collections.abc import Mapping
from typing import Any, Final

from langchain_core.messages import AIMessage

from interlock.contracts.model_errors import AnswerFault, ModelAnswerError
from interlock.contracts.safe_words import clean_words

_FAULTS: Final[Mapping[str, AnswerFault]] = {
    "length": "length",
    "max_tokens": "length",
    "max_output_tokens": "length",
    "model_context_window_exceeded": "length",
    "content_filter": "content_filter",
    "content_filtered": "content_filter",
    "safety": "content_filter",
    "recitation": "content_filter",
    "prohibited_content": "content_filter",
    "refusal": "refusal",
}
"""What providers call an end that spoils the answer, in small letters."""

_END_WORDS: Final = ("finish_reason", "stop_reason", "done_reason", "stopReason")
_EXCERPT: Final = 300


def check_answer(message: AIMessage, *, model: str) -> None:
    """Return if a message came whole and willingly.

    Raises:
        ModelAnswerError: It did not: `length`, `content_filter`, `refusal` or `truncated`.
    """
    refusal = find_refusal(message)
    fault = "refusal" if refusal else find_fault(message)
    if fault is not None:
        problems = (f"The model said: {refusal}",) if refusal else ()
        raise ModelAnswerError(
            fault=fault, model=model, problems=problems, answer=quote_answer(message)
        )


def check_message(message: AIMessage) -> None:
    """Return if a message that is a worker's output came whole, and tries no call that fails.

    Raises:
        ModelAnswerError: It did not, or does.
    """
    model = str(message.response_metadata.get("model_name") or "of the worker")
    check_answer(message, model=model)
    if message.invalid_tool_calls:
        raise ModelAnswerError(fault="bad_tool_call", model=model, answer=quote_answer(message))


def require_whole(message: AIMessage, *, model: str) -> None:
    """Return if a message may be acted on while its caller still works.

    Client libraries complete what was cut off, in silence: half a tool call becomes a call with
    half an amount, half an object one with half a text. So data whose end is missing goes no
    further than here. Prose that hit its limit is its caller's to judge.

    Raises:
        ModelAnswerError: Its end never arrived, or it is data that was cut off.
    """
    fault = find_fault(message)
    is_cut = fault in {"length", "content_filter"} and _is_data(message)
    if fault is not None and (fault == "truncated" or is_cut):
        raise ModelAnswerError(fault=fault, model=model, answer=quote_answer(message))


def _is_data(message: AIMessage) -> bool:
    is_call = bool(message.tool_calls or message.invalid_tool_calls)
    return is_call or message.text.lstrip().startswith(("{", "[", "```"))


def find_refusal(message: AIMessage) -> str | None:
    """Return what a model said when it refused, or None."""
    said = message.additional_kwargs.get("refusal")
    blocks = message.content if isinstance(message.content, list) else ()
    for block in blocks:
        if isinstance(block, dict) and block.get("type") == "refusal":
            said = block.get("refusal") or "no"
    return clean_words(str(said), _EXCERPT) if said else None


def find_fault(message: AIMessage) -> AnswerFault | None:
    """Return what is wrong with how a message ended, or None."""
    about: Mapping[str, Any] = message.response_metadata
    ends = [str(about[word]) for word in _END_WORDS if about.get(word)]
    details = about.get("incomplete_details")
    if isinstance(details, Mapping):
        ends.append(str(details.get("reason")))
    for end in ends:
        if (fault := _FAULTS.get(end.lower())) is not None:
            return fault
    return "truncated" if _lacks_end(about, ends) else None


def _lacks_end(about: Mapping[str, Any], ends: list[str]) -> bool:
    """Return whether a provider that always says how an answer ended did not."""
    if about.get("model_provider") != "openai":
        return False
    return about.get("status", "") != "completed" and not ends


def quote_answer(message: AIMessage) -> str:
    """Return the beginning of what a message says."""
    calls = [call.get("args") for call in message.invalid_tool_calls]
    return clean_words(str(message.text or (calls[0] if calls else "")), _EXCERPT)
