"""What a client library raised while a model was called, as one of our errors.

Client libraries are optional, and behind LangChain any of them may raise. So failures are known
by what they carry (a status, a code, headers) and by the names of their classes, never by text.
"""

from typing import Final

from interlock.contracts.call_failures import find_status
from interlock.contracts.errors import InterlockError
from interlock.contracts.model_errors import (
    CallFault,
    ModelAnswerError,
    ModelCallError,
    ModelRequestError,
    RequestFault,
)
from interlock.contracts.retry_after import find_retry_after
from interlock.contracts.safe_words import word_error

_TRANSIENT_STATUS: Final = frozenset({408, 409, 425, 429})
_REQUESTS: Final[dict[int, RequestFault]] = {
    401: "credentials",
    403: "credentials",
    404: "not_found",
    413: "context_length",
}
_LENGTH_CODES: Final = frozenset({"context_length_exceeded", "string_above_max_length"})
_SPENT_CODES: Final = frozenset({"insufficient_quota", "billing_hard_limit_reached"})
_SERVER_STATUS: Final = 500
_TIMEOUTS: Final = ("Timeout",)
_CONNECTIONS: Final = ("Connect", "Transport", "Protocol", "RequestError", "ReadError")
_OURS: Final = (NotImplementedError, ImportError, NameError, AssertionError)


def explain_failure(error: Exception, *, model: str) -> Exception:
    """Return our error for what a model's call raised; the error itself where it is not the call's.

    Args:
        error: As raised by the client library, LangChain or a callback.
        model: What the model is called.
    """
    if isinstance(error, (InterlockError, *_OURS)):
        return error
    names = [cls.__name__ for cls in type(error).__mro__]
    seen = f"{names[0]}: {word_error(error, 300)}".rstrip(".")
    if "LengthFinishReasonError" in names:
        return ModelAnswerError(fault="length", model=model)
    if "ContentFilterFinishReasonError" in names:
        return ModelAnswerError(fault="content_filter", model=model)
    if "OpenAIRefusalError" in names:
        return ModelAnswerError(fault="refusal", model=model, problems=(seen,))
    status = find_status(error)
    if (fault := _find_request_fault(error, status, names)) is not None:
        return ModelRequestError(fault=fault, model=model, seen=seen, status=status)
    return ModelCallError(
        fault=_find_call_fault(status, names),
        model=model,
        seen=seen,
        status=status,
        retry_after_seconds=find_retry_after(error),
    )


def _find_request_fault(
    error: Exception, status: int | None, names: list[str]
) -> RequestFault | None:
    code: object = getattr(error, "code", None)
    if code in _LENGTH_CODES or "ContextOverflowError" in names:
        return "context_length"
    if code in _SPENT_CODES:
        return "credentials"
    if status is None or status in _TRANSIENT_STATUS or not 400 <= status < _SERVER_STATUS:  # noqa: PLR2004 - RFC 9110
        return None
    return _REQUESTS.get(status, "bad_request")


def _find_call_fault(status: int | None, names: list[str]) -> CallFault:
    if status == 429:  # noqa: PLR2004 - RFC 6585
        return "rate_limit"
    if status in _TRANSIENT_STATUS or (status is not None and status >= _SERVER_STATUS):
        return "server"
    if any(word in name for name in names for word in _TIMEOUTS):
        return "timeout"
    if any(word in name for name in names for word in _CONNECTIONS):
        return "connection"
    return "garbled"
