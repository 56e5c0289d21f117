"""What the fault injector injects: kinds, places, records, and the errors that it raises."""

from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from interlock.contracts.errors import TransientError
from interlock.contracts.plain import Plain

FaultKind: TypeAlias = Literal[
    "raise", "garbage", "wrong", "slow", "lost", "rate_limit", "truncated"
]
FAULT_KINDS: Final[tuple[FaultKind, ...]] = (
    "raise",
    "garbage",
    "wrong",
    "slow",
    "lost",
    "rate_limit",
    "truncated",
)
FaultTarget: TypeAlias = Literal["worker", "model", "tool"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a fault may strike. Equal places have equal faults, in every process.

    Attributes:
        thread_id: The run's thread; empty outside a run.
        step_id: The step, by path in nested teams; empty outside a run.
        attempt: From 1.
        target: What is wrapped.
        content: Of a model's or tool's call: what it was sent, as a word; empty for workers.
        call: Which of the attempt's calls with this content, from 0.
        arrival: Which call of the model or tool in the attempt, from 0. Where calls are made at the
            same time, chance decides it: nothing is drawn from it.
    """

    thread_id: str
    step_id: str
    attempt: int = 1
    target: FaultTarget = "worker"
    content: str = field(default="", repr=False)
    call: int = 0
    arrival: int = field(default=0, compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Injection:
    """One fault that was injected.

    Attributes:
        kind: Which.
        place: Where.
        name: Of the worker, model or tool.
        true_value: What the call gave, where it was made and its answer changed or lost.
        given: What was handed on in its place; None where an error was raised.
    """

    kind: FaultKind
    place: Place
    name: str
    true_value: Plain = None
    given: Plain = None


class InjectedError(TransientError):
    """A test asked for a failure here; the call was not made."""

    kind: FaultKind = "raise"
    name: str

    def __init__(self, *, name: str) -> None:
        """Name what was called."""
        super().__init__(name=name)

    def __str__(self) -> str:
        """Say that nothing happened."""
        return f"Fault injected: {self.name!r} failed before it did anything. Try again."


class LostAnswerError(InjectedError):
    """The call was made, with all its effects, and its answer was dropped."""

    kind: FaultKind = "lost"

    def __str__(self) -> str:
        """Say that the call has taken place."""
        return f"Fault injected: {self.name!r} was called, and its answer was lost on the way."


class InjectedRateLimitError(InjectedError):
    """What a provider says with 429 and Retry-After; the call was not made.

    Attributes:
        status_code: As client libraries name it.
        retry_after_seconds: How long to wait.
    """

    kind: FaultKind = "rate_limit"
    status_code: int
    retry_after_seconds: float

    def __init__(self, *, name: str, retry_after_seconds: float) -> None:
        """Name what was called, and how long to wait."""
        TransientError.__init__(
            self, name=name, status_code=429, retry_after_seconds=retry_after_seconds
        )

    def __str__(self) -> str:
        """Say how long to wait."""
        return (
            f"Fault injected: {self.name!r} is called too often (HTTP 429). Try again in "
            f"{self.retry_after_seconds:g} s."
        )
