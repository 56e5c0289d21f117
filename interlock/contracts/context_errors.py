"""Errors about the shared context: the part of the tree in `errors` that promotions raise."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from interlock.contracts.errors import PermanentError, RunError
from interlock.contracts.near_names import suggest_names

RefusalKind: TypeAlias = Literal["stale", "conflict", "type", "invariant", "merge"]


@dataclass(frozen=True, slots=True)
class PromotionProblem:
    """One reason why values may not enter the shared context.

    Attributes:
        kind: `stale`: what the step was shown has changed since; `conflict`: what it offers has;
            `type`: a value is not what the fact is declared to be; `invariant`: they would break
            one; `merge`: the merge function failed.
        key: The context key; None for an invariant.
        message: What was seen, and who put it there, in words.
    """

    kind: RefusalKind
    key: str | None
    message: str


class PromotionRefusedError(PermanentError):
    """Values may not enter the shared context; nothing was written."""

    problems: Sequence[PromotionProblem]

    def __init__(self, problems: Sequence[PromotionProblem]) -> None:
        """Keep every problem."""
        super().__init__(problems=tuple(problems))

    def __str__(self) -> str:
        """List every problem."""
        words = "; ".join(problem.message for problem in self.problems)
        return f"Nothing entered the shared context: {words}"

    @property
    def is_conflict(self) -> bool:
        """Whether somebody else's change is all that is in the way."""
        return all(problem.kind in {"stale", "conflict"} for problem in self.problems)


class UnknownFactError(RunError):
    """The shared context holds no such fact."""

    key: str
    thread_id: str
    known: Sequence[str]

    def __init__(self, *, key: str, thread_id: str, known: Sequence[str]) -> None:
        """Name the key, the thread and what there is."""
        super().__init__(key=key, thread_id=thread_id, known=tuple(known))

    def __str__(self) -> str:
        """Say what there is."""
        return (
            f"The shared context of thread {self.thread_id!r} holds no fact {self.key!r}. "
            f"{suggest_names(self.key, self.known)}"
        )
