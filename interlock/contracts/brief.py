"""The brief: all that a worker is shown for one attempt (I4)."""

from dataclasses import dataclass
from datetime import datetime

from interlock.contracts.ids import PayloadHash, StepId
from interlock.contracts.plain import FrozenDict, Plain, derive_hash, thaw
from interlock.contracts.scratchpad import Scratchpad

__all__ = ["Brief", "Scratchpad"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Brief:
    """All that a worker is shown for one attempt; deep-frozen.

    Attributes:
        step_id: The step.
        attempt: Counts from 1 over workers, restarts and resumes of the step.
        instruction: What to do.
        inputs: Name to value; the step's `arguments` included.
        context: The declared keys of the shared context.
        criteria: What the output must satisfy, in words.
        feedback: Why earlier attempts were not accepted, and what people answered, in words.
        effects: What earlier attempts of the step changed outside and still stands, in words.
        deadline: When this attempt is cut off; None if it is not.
        scratchpad: Own notes; the only thing here that a worker may add to.
    """

    step_id: StepId
    attempt: int
    instruction: str
    inputs: FrozenDict
    context: FrozenDict
    criteria: tuple[str, ...] = ()
    feedback: tuple[str, ...] = ()
    effects: tuple[str, ...] = ()
    deadline: datetime | None = None
    scratchpad: Scratchpad

    def dump(self) -> dict[str, Plain]:
        """Return what is shown as a fresh plain dict, notes included.

        The deadline is left out: it says when, not what, and a replay of the attempt after a
        crash has another one.
        """
        shown: dict[str, Plain] = {
            "step_id": self.step_id,
            "attempt": self.attempt,
            "instruction": self.instruction,
            "inputs": thaw(self.inputs),
            "context": thaw(self.context),
            "criteria": list(self.criteria),
            "feedback": list(self.feedback),
            "scratchpad": list(self.scratchpad),
        }
        return {**shown, "effects": list(self.effects)} if self.effects else shown

    def derive_hash(self) -> PayloadHash:
        """Return the SHA-256 of the dumped brief; the journal holds it (I4)."""
        return derive_hash(self.dump())
