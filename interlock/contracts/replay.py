"""What replaying a recorded brief came to, beside what was recorded."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from interlock.contracts.brief import Brief
from interlock.contracts.criteria import Finding
from interlock.contracts.effects import EffectRecord
from interlock.contracts.errors import ContractError, RunError
from interlock.contracts.frozen_model import FrozenModel
from interlock.contracts.ids import PayloadHash, StepId, ThreadId, WorkerName
from interlock.contracts.near_names import suggest_names
from interlock.contracts.plain import Plain, freeze
from interlock.contracts.plan import Step
from interlock.contracts.safe_words import word_value
from interlock.contracts.scratchpad import Scratchpad

ReplayChange: TypeAlias = Literal["same", "now_accepted", "now_refused", "not_comparable"]

_VALUE_CHARS: Final = 300

RECORDED: Final = "recorded"
"""In the place of a worker: nobody works, the recorded output is judged anew."""

_NOT_CRITERIA: Final = frozenset({"context", "bounds"})
"""Kinds of findings that no criterion made: the shared context's, and those of judges cut off."""


class ReplaySide(FrozenModel):
    """One side of the comparison.

    Attributes:
        worker: Who worked.
        value: The output; None where there was none.
        error: What was raised, in words, if anything was.
        asked: What the worker asked a person, if it stopped for that.
        accepted: Whether all criteria passed; None where nobody can say.
        findings: One a criterion.
    """

    worker: str
    value: Plain = None
    error: str | None = None
    asked: str | None = None
    accepted: bool | None = None
    findings: tuple[Finding, ...] = ()

    @property
    def is_refused_by_others(self) -> bool:
        """Whether it was refused although no criterion has failed."""
        failed = {finding.kind for finding in self.findings if not finding.passed}
        return bool(failed) and failed <= _NOT_CRITERIA


class Recording(FrozenModel):
    """One recorded attempt, whole: all that it takes to work on its brief once more.

    Attributes:
        thread_id: The thread.
        path: Of the step.
        superstep: In which the attempt was made.
        attempt: From 1.
        step: As the plan in force had it.
        brief: As it was shown.
        brief_hash: Of the brief, as the journal has it (I4).
        output: What came back, and the verdict.
        effects: Of the step, with their answers, oldest first.
        teams: The workers of the steps above, outermost first, which are whole teams.
    """

    thread_id: ThreadId
    path: StepId
    superstep: str
    attempt: int
    step: Step
    brief: dict[str, Any]
    brief_hash: PayloadHash
    output: ReplaySide
    effects: tuple[EffectRecord, ...] = ()
    teams: tuple[WorkerName, ...] = ()

    @property
    def attempt_suffix(self) -> str:
        """How the attempt's path ends, as effects name it."""
        return f"{self.step.id}@{self.superstep}#{self.attempt}"

    def build_brief(self) -> Brief:
        """Return the brief as it was shown, without its deadline.

        Raises:
            ContractError: It is not what the journal's hash says (I4).
        """
        shown = self.brief
        brief = Brief(
            step_id=StepId(shown["step_id"]),
            attempt=shown["attempt"],
            instruction=shown["instruction"],
            inputs=freeze(shown["inputs"]),
            context=freeze(shown["context"]),
            criteria=tuple(shown["criteria"]),
            feedback=tuple(shown["feedback"]),
            effects=tuple(shown.get("effects", ())),
            scratchpad=Scratchpad(tuple(shown["scratchpad"])),
        )
        if brief.derive_hash() != self.brief_hash:
            raise ContractError(
                f"I4: the brief of step {self.path!r}, attempt {self.attempt}, cannot be made again "
                "as it was: its hash differs from the journal's. Was it written by another version "
                "of interlock?"
            )
        return brief


class Replay(FrozenModel):
    """A recorded brief, worked on and judged once more.

    Attributes:
        thread_id: The thread.
        step: The step, by path.
        attempt: The attempt.
        brief_hash: Of the brief, as the journal has it and as it was shown again (I4).
        recorded: What the journal has.
        replayed: What came of it now.
        is_same_value: Whether both outputs are equal.
        change: How the verdict would change; not known where the worker asked, where it called for
            an effect of which there is no record, or where the shared context had refused.
        effects_answered: Guarded calls that were answered from the ledger.
        effects_refused: Guarded calls that have no recorded answer, in words; they were not made.
    """

    thread_id: ThreadId
    step: StepId
    attempt: int
    brief_hash: PayloadHash
    recorded: ReplaySide
    replayed: ReplaySide
    is_same_value: bool
    change: ReplayChange
    effects_answered: int = 0
    effects_refused: tuple[str, ...] = ()

    def explain(self) -> str:
        """Return what came of it in a few lines, for an assertion."""
        side = self.replayed
        failed = "; ".join(
            f"{one.criterion}: {one.message}" for one in side.findings if not one.passed
        )
        why = (
            "; ".join(self.effects_refused)
            or side.error
            or (f"stopped to ask: {side.asked}" if side.asked else failed)
            or "accepted"
        )
        return (
            f"Step {self.step!r}, attempt {self.attempt} of thread {self.thread_id!r}: {why}. "
            f"Value: {word_value(side.value, _VALUE_CHARS)}. Recorded: "
            f"{word_value(self.recorded.value, _VALUE_CHARS)}."
        )


class ReplayFailure(FrozenModel):
    """A recorded brief that could not be replayed.

    Attributes:
        thread_id: The thread.
        step: The step, by path.
        attempt: The attempt.
        why: In words.
    """

    thread_id: ThreadId
    step: StepId
    attempt: int
    why: str


class ReplayReport(FrozenModel):
    """Many recorded briefs, replayed: what a new prompt, model or criterion would change.

    Attributes:
        replays: Oldest first.
        failures: Those that could not be replayed; they count nowhere.
    """

    replays: tuple[Replay, ...] = ()
    failures: tuple[ReplayFailure, ...] = ()

    def count(self, change: ReplayChange) -> int:
        """Return how many verdicts would change in this way."""
        return sum(one.change == change for one in self.replays)

    @property
    def changed(self) -> tuple[Replay, ...]:
        """Those whose verdict would be another."""
        return tuple(one for one in self.replays if one.change in {"now_accepted", "now_refused"})

    @property
    def left_out(self) -> tuple[Replay, ...]:
        """Those whose verdicts cannot be compared."""
        return tuple(one for one in self.replays if one.change == "not_comparable")

    @property
    def compared(self) -> int:
        """How many there are whose verdicts can be compared."""
        return len(self.replays) - self.count("not_comparable")


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedPlace:
    """Where an attempt stands in the journal.

    Attributes:
        thread_id: The thread.
        step: The step, by path.
        superstep: In which it was made.
        attempt: From 1.
    """

    thread_id: ThreadId
    step: StepId
    superstep: str
    attempt: int


class NoBriefError(RunError):
    """The journal has no such brief."""

    thread_id: str
    step_id: str
    attempt: int | None
    known: Sequence[str]

    def __init__(
        self, *, thread_id: str, step_id: str, attempt: int | None, known: Sequence[str]
    ) -> None:
        """Name what was asked for, and what there is."""
        super().__init__(thread_id=thread_id, step_id=step_id, attempt=attempt, known=tuple(known))

    def __str__(self) -> str:
        """Say which steps or attempts have briefs."""
        if self.attempt is None or self.step_id not in self.known:
            return (
                f"Step {self.step_id!r} of thread {self.thread_id!r} has no brief in the journal. "
                f"{suggest_names(self.step_id, self.known)}"
            )
        return (
            f"Step {self.step_id!r} of thread {self.thread_id!r} had no attempt {self.attempt} that "
            "was reviewed. `interlock handoffs` lists them."
        )
