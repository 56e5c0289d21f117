"""What can go wrong when a model is asked, split by what the caller can do about it.

TransientError
+- ModelAnswerError   it answered, and the answer cannot be believed or used: ask again
+- ModelCallError     the call failed on its way: try again, not before `retry_after_seconds`
PermanentError
+- ModelRequestError  the request itself is no good, or not allowed: change it
"""

from collections.abc import Sequence
from typing import Final, Literal, TypeAlias

from interlock.contracts.errors import PermanentError, TransientError

AnswerFault: TypeAlias = Literal[
    "empty",
    "unparsable",
    "invalid",
    "length",
    "content_filter",
    "refusal",
    "truncated",
    "bad_tool_call",
]
CallFault: TypeAlias = Literal["rate_limit", "server", "timeout", "connection", "garbled"]
RequestFault: TypeAlias = Literal["bad_request", "context_length", "credentials", "not_found"]

_ANSWERS: Final[dict[AnswerFault, str]] = {
    "empty": "gave no answer",
    "unparsable": "gave an answer that is not the JSON asked for",
    "invalid": "gave an answer that does not fit",
    "length": "was cut off by its output limit. Allow it more tokens, or ask for less",
    "content_filter": "was stopped by its provider's content filter",
    "refusal": "refused to answer",
    "truncated": "gave an answer whose end never arrived",
    "bad_tool_call": "called a tool with arguments that are not JSON",
}
_CALLS: Final[dict[CallFault, str]] = {
    "rate_limit": "is called too often, says its provider",
    "server": "could not be served",
    "timeout": "did not answer in time",
    "connection": "could not be reached, or the connection broke",
    "garbled": "was answered for with something that is no answer of its protocol",
}
_REQUESTS: Final[dict[RequestFault, str]] = {
    "bad_request": "Its provider refuses the request. Correct what it names",
    "context_length": "The messages are longer than it can read. Send less, or use another model",
    "credentials": "Its provider does not let us in. Check the API key and what it may do",
    "not_found": "Its provider does not know it. Check the model's name and the base URL",
}


class ModelAnswerError(TransientError):
    """A model answered, and its answer must not be used; `problems` says all that is wrong.

    Attributes:
        fault: A stable word to branch on.
        model: What the model is called.
        problems: In words that the model can act on when it is asked again.
        answer: The beginning of what it said.
    """

    fault: AnswerFault
    model: str
    problems: Sequence[str]
    answer: str

    def __init__(
        self, *, fault: AnswerFault, model: str, problems: Sequence[str] = (), answer: str = ""
    ) -> None:
        """Name the fault, the model and what was seen."""
        super().__init__(fault=fault, model=model, problems=tuple(problems), answer=answer)

    def __str__(self) -> str:
        """List every problem, one a line."""
        words = f"Model {self.model!r} {_ANSWERS[self.fault]}."
        lines = "".join(f"\n  - {problem}" for problem in self.problems)
        seen = f"\n  It said: {self.answer!r}" if self.answer else ""
        return f"{words}{lines}{seen}"


class ModelCallError(TransientError):
    """A call of a model failed on its way; another one may succeed.

    Attributes:
        fault: A stable word to branch on.
        model: What the model is called.
        seen: What the client library raised, in words.
        status: The HTTP status, if there was a response.
        retry_after_seconds: What the provider asks us to wait, if it says.
    """

    fault: CallFault
    model: str
    seen: str
    status: int | None
    retry_after_seconds: float | None

    def __init__(
        self,
        *,
        fault: CallFault,
        model: str,
        seen: str,
        status: int | None = None,
        retry_after_seconds: float | None = None,
    ) -> None:
        """Name the fault, the model and what was seen."""
        super().__init__(
            fault=fault,
            model=model,
            seen=seen,
            status=status,
            retry_after_seconds=retry_after_seconds,
        )

    def __str__(self) -> str:
        """Say what was seen, and how long to wait."""
        wait = self.retry_after_seconds
        after = "Try again" if wait is None else f"Try again in {wait:.3g} s"
        return f"Model {self.model!r} {_CALLS[self.fault]}: {self.seen}. {after}."


class ModelRequestError(PermanentError):
    """A provider refuses a request as it stands; the same request is refused again.

    Attributes:
        fault: A stable word to branch on.
        model: What the model is called.
        seen: What the client library raised, in words.
        status: The HTTP status.
    """

    fault: RequestFault
    model: str
    seen: str
    status: int | None

    def __init__(
        self, *, fault: RequestFault, model: str, seen: str, status: int | None = None
    ) -> None:
        """Name the fault, the model and what was seen."""
        super().__init__(fault=fault, model=model, seen=seen, status=status)

    def __str__(self) -> str:
        """Say what to change."""
        return f"Model {self.model!r} was not asked: {self.seen}. {_REQUESTS[self.fault]}."
