"""How one run of the fault campaign ended, whoever ran it."""

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

RunEnd: TypeAlias = Literal["completed", "degraded", "waiting", "failed"]

TRIES: Final = 3
"""Attempts of each worker at a step: one, and two retries."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultRun:
    """One run's figures.

    Attributes:
        end: `completed` if whoever ran it says that all is well.
        has_answer: Whether there is a final answer at all.
        is_right: Whether it is the answer of a run without faults.
        is_silently_wrong: Whether it differs from what follows from the declared gaps.
        attempts: Of all steps.
        calls: Of models.
        tokens: That models used.
        doubles: Effects that were made once more.
        phantoms: Effects that are taken for done and never happened.
        struck_steps: Steps that started and at which the fault can strike.
        done_steps: Of them, those accepted from their first worker within its attempts.
        expected_steps: How many of them are expected to be: the sum of 1 - q^(r+1), with q the
            probability that an attempt is struck so that it is refused, and r retries.
        escalations: Questions put to a person.
    """

    end: RunEnd
    has_answer: bool
    is_right: bool
    is_silently_wrong: bool
    attempts: int
    calls: int
    tokens: int
    doubles: int
    phantoms: int
    struck_steps: int = 0
    done_steps: int = 0
    expected_steps: float = 0.0
    escalations: int = 0
