"""The shared context as people look at it: facts, where they come from, what rests on what."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from interlock.contracts.context_records import FactMark, FactRecord, FactRef, Provenance
from interlock.contracts.ids import StepId, ThreadId
from interlock.contracts.plain import FrozenDict, freeze


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextView:
    """The shared context of a thread, as it stands or stood.

    Attributes:
        thread_id: The thread.
        version: Of the thread's own space; 0 if it has no fact of its own.
        newest: The newest version of that space.
        facts: By context key, in order; those that a person has retracted too.
        marks: By context key, what a fact rests on that was taken back.
        resting: Settled steps of the thread whose output rests on something taken back.
    """

    thread_id: ThreadId
    version: int
    newest: int
    facts: Mapping[str, FactRecord] = field(default_factory=dict)
    marks: Mapping[str, tuple[FactMark, ...]] = field(default_factory=dict)
    resting: Mapping[StepId, FactMark] = field(default_factory=dict)

    @property
    def values(self) -> FrozenDict:
        """The value of every fact that is held, by context key."""
        held = {key: fact.value for key, fact in self.facts.items() if fact.is_held}
        frozen: FrozenDict = freeze(held)
        return frozen


@dataclass(frozen=True, slots=True, kw_only=True)
class FactStory:
    """Where a fact comes from, and what rests on it.

    Attributes:
        thread_id: The thread that was asked about.
        key: The context key.
        versions: Every version, oldest first.
        outputs: The steps whose outputs the maker of a version was given, by version; those of
            this thread only.
        dependents: The steps that were given outputs of what was shown a version, or the output
            that it was taken from, directly or not, by version; each as its thread and its id.
        facts: The facts that rest on a version, directly or not, by version.
    """

    thread_id: ThreadId
    key: str
    versions: tuple[Provenance, ...]
    outputs: Mapping[int, tuple[StepId, ...]] = field(default_factory=dict)
    dependents: Mapping[int, tuple[tuple[ThreadId, StepId], ...]] = field(default_factory=dict)
    facts: Mapping[int, tuple[FactRef, ...]] = field(default_factory=dict)
