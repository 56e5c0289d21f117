"""Faults: values that were accepted, and later known to be wrong."""

from datetime import datetime
from typing import Literal, TypeAlias

from interlock.contracts.frozen_model import FrozenModel
from interlock.contracts.ids import StepId, ThreadId

FaultHow: TypeAlias = Literal["rejected", "corrected", "retracted", "final_check", "reported"]


class Blame(FrozenModel):
    """Somebody finds that a step's accepted value is wrong; which attempt made it, storage knows.

    Attributes:
        id: Deterministic: a replay writes no second row.
        thread_id: Of the step.
        step_id: Whose value it is, by path; empty if it is known by the fact that it published.
        fact: Space, key and version of that fact.
        how: `rejected`: by a step that was given the value; `corrected`, `retracted`: by a person, as
            a fact; `final_check`: by a check of what the run came to; `reported`: by anybody else.
        found_by: The path of the step that found it, or who did.
        found_thread: The thread on which it was found.
        found_superstep: The superstep of the finder's attempt; empty outside a run.
        found_attempt: The finder's attempt; 0 outside a run.
        found_at: When.
        why: In words.
    """

    id: str
    thread_id: ThreadId
    step_id: StepId
    fact: tuple[str, str, int] | None = None
    how: FaultHow
    found_by: str
    found_thread: ThreadId
    found_superstep: str = ""
    found_attempt: int = 0
    found_at: datetime
    why: str | None = None


class Fault(FrozenModel):
    """A blame, with the attempt that it is about.

    Attributes:
        blame: As it was found.
        superstep: In which the step had settled.
        attempt: The attempt whose value was accepted; 0 for a declared value.
    """

    blame: Blame
    superstep: str
    attempt: int
