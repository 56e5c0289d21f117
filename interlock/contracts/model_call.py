"""A call of a model as the gate sees it: before it goes out, and how it came back.

The gate in `nodes` makes these; guards (budgets, breakers, rate limits) are handed them.
"""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCall:
    """A model call that is about to go out.

    Attributes:
        id: LangChain's run id; unique.
        model: The model's name as its provider knows it; the class name if it has none.
        input_bytes: UTF-8 bytes of the messages and of what describes the tools.
        messages: How many messages.
        max_output_tokens: What the call itself allows, if it says.
        can_wait: Whether `wait` will be called; not for a blocking call on the event loop's thread.
    """

    id: str
    model: str
    input_bytes: int
    messages: int
    max_output_tokens: int | None = None
    can_wait: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class CallResult:
    """How a model call came back.

    Attributes:
        input_tokens: As the model reported; None if it reported nothing.
        output_tokens: The same.
        cached_input_tokens: Those of the input that were read from the provider's cache.
        error: What it raised, if it did; tokens may have been spent all the same.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_input_tokens: int = 0
    error: BaseException | None = None


class CallGuard(Protocol):
    """Somebody who may refuse a model call, delay it, and is told how it came back.

    All methods are called on the event loop's thread.
    """

    def open(self, call: ModelCall) -> None:
        """Return if the call may go out, having reserved what it needs.

        Raises:
            InterlockError: It may not; what was reserved by this guard is given back.
        """
        ...

    async def wait(self, call: ModelCall) -> None:
        """Return once the call may go out: what it needs is durable, its turn has come.

        Skipped where nobody can wait: a blocking call on the event loop's own thread.

        Raises:
            InterlockError: It may not go out after all; `close` is called.
        """
        ...

    def close(self, call: ModelCall, result: CallResult) -> None:
        """Take note of how the call came back; never raises, called once for each opened call."""
        ...
