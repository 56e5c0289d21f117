"""Facts as they are stored: versions of spaces, who made them, from what, and who was shown them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple, TypeAlias

from interlock.contracts.criteria import Finding
from interlock.contracts.frozen_model import FrozenModel
from interlock.contracts.ids import PayloadHash, StepId, ThreadId, WorkerName
from interlock.contracts.plain import Plain
from interlock.contracts.shared_context import ConflictRule, describe_space

VersionKind: TypeAlias = Literal["seed", "promotion", "correction", "retraction"]


class FactRef(NamedTuple):
    """Names one version of one fact, for ever."""

    space: str
    key: str
    version: int


class ContextVersion(FrozenModel):
    """One version of a space: who made it, and from what.

    Attributes:
        space: The space.
        version: Counted from 1 in each space.
        kind: `seed`: a run was started with it; `promotion`: by a step; the others by a person.
        thread_id: The thread it was made on.
        superstep: Checkpoint id of the dispatch superstep, for promotions.
        epoch: The run's effect epoch.
        step_id: The step's path, for promotions.
        attempt: The attempt that was accepted, from 1.
        worker: Who made the value; for a person's edit, whose output was edited.
        brief_hash: Names the brief of that attempt in the journal.
        findings: Of the review, one a criterion.
        base: Context key to the version that the attempt was shown or built on; 0 for none.
        kept: Keys that were offered and did not enter, each with the reason in words.
        why: What the person said.
        at: When.
    """

    space: str = ""
    version: int = 0
    kind: VersionKind
    thread_id: ThreadId
    superstep: str = ""
    epoch: int = 0
    step_id: StepId | None = None
    attempt: int = 0
    worker: WorkerName | None = None
    brief_hash: PayloadHash | None = None
    findings: tuple[Finding, ...] = ()
    base: dict[str, int] = {}
    kept: dict[str, str] = {}
    why: str | None = None
    at: datetime

    @property
    def is_by_person(self) -> bool:
        """Whether a person made it, with no run's help."""
        return self.kind in {"correction", "retraction"}

    def describe(self) -> str:
        """Return who made it, in words."""
        match self.kind:
            case "seed":
                return f"the start of thread {self.thread_id!r}"
            case "promotion":
                return f"step {self.step_id!r} of thread {self.thread_id!r} (attempt {self.attempt}, {self.worker})"
            case "correction" | "retraction":
                return f"a person ({self.kind}: {self.why})"


class FactRecord(FrozenModel):
    """One version of one fact.

    Attributes:
        space: Where it lives.
        key: The context key.
        version: The version of the space in which it came to be.
        state: Whether there is a value, or a person has taken it back.
        value: None once retracted.
        rule: Under which it entered.
        plan_order: The place of its step in the plan's order, from 0; -1 where no step made it.
        replaces: The version of the same fact that a person corrected or retracted with it.
        made: The version, with who made it and from what.
    """

    space: str
    key: str
    version: int
    state: Literal["fact", "retracted"] = "fact"
    value: Plain = None
    rule: ConflictRule = "refuse"
    plan_order: int = -1
    replaces: int | None = None
    made: ContextVersion

    @property
    def is_held(self) -> bool:
        """Whether it has a value."""
        return self.state == "fact"

    @property
    def ref(self) -> FactRef:
        """Its name."""
        return FactRef(self.space, self.key, self.version)

    def describe(self) -> str:
        """Return what it is, in words."""
        return f"{self.key!r} (version {self.version} of {describe_space(self.space)})"


class FactUse(FrozenModel):
    """An attempt was shown a version of a fact."""

    space: str
    key: str
    version: int
    thread_id: ThreadId
    superstep: str
    step_id: StepId
    attempt: int

    @property
    def ref(self) -> FactRef:
        """What was shown."""
        return FactRef(self.space, self.key, self.version)


class FactMark(FrozenModel):
    """A version of a fact rests on one that a person has taken back, or is that one.

    Attributes:
        space: Of the marked fact.
        key: Of the marked fact.
        version: Of the marked fact.
        cause_space: Of what was taken back.
        cause_key: Of what was taken back.
        cause_version: The version that was taken back.
        kind: Whether it was corrected or retracted.
        why: What the person said.
        at: When.
    """

    space: str
    key: str
    version: int
    cause_space: str
    cause_key: str
    cause_version: int
    kind: VersionKind
    why: str | None = None
    at: datetime

    @property
    def ref(self) -> FactRef:
        """What is marked."""
        return FactRef(self.space, self.key, self.version)

    @property
    def cause(self) -> FactRef:
        """What was taken back."""
        return FactRef(self.cause_space, self.cause_key, self.cause_version)

    @property
    def is_cause(self) -> bool:
        """Whether it is itself what was taken back."""
        return self.ref == self.cause

    def describe_cause(self) -> str:
        """Return what was taken back, and why, in words."""
        verb = "corrected" if self.kind == "correction" else "retracted"
        why = f": {self.why}" if self.why else ""
        place = f"version {self.cause_version} of {describe_space(self.cause_space)}"
        return f"{self.cause_key!r} ({place}), which was {verb}{why}"


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedFact:
    """A fact that a step is to be shown, or is going to publish.

    Attributes:
        space: Where it lives.
        key: The context key.
        base: In the thread's own space, the version that this branch of the run knows, 0 for
            none: of later ones only a person's count. None in a named space: the newest counts.
    """

    space: str
    key: str
    base: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Where one version of a fact comes from, and where it went.

    Attributes:
        fact: The fact.
        sources: Facts that it rests on: shown to its step, or behind the outputs it was shown.
        uses: Attempts that were shown it.
        marks: What it rests on that was taken back.
    """

    fact: FactRecord
    sources: Sequence[FactRef] = ()
    uses: Sequence[FactUse] = ()
    marks: Sequence[FactMark] = ()


Facts: TypeAlias = Mapping[str, FactRecord]
"""Facts by context key; a key without one is not there."""
