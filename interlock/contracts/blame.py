"""What storage knows of where outputs went, as rows: what faults and critical paths are derived from.

`telemetry.metrics` derives both from these; docs/metrics.md says how.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol

from interlock.contracts.fault import Fault
from interlock.contracts.ids import StepId, ThreadId
from interlock.contracts.measures import MeasureWindow


class StepRef(NamedTuple):
    """Names one settling of one step: a fork settles it again, in another superstep."""

    thread_id: ThreadId
    superstep: str
    step_id: StepId


@dataclass(frozen=True, slots=True, kw_only=True)
class SettledStep:
    """One outcome of a step, as it is stored.

    Attributes:
        seq: Outcomes of one thread in the order in which they were written.
        superstep: In which it settled, or parked.
        step_id: By path.
        status: Terminal, or `waiting`.
        worker: Who made its value.
        attempts: Used so far, over all supersteps.
        fallback: The kind of the fallback that settled it.
        begun_at: When all that it needs had settled.
        settled_at: When it was written; None in rows of before times were kept.
        settle_us: From the last verdict on it until then, in microseconds.
        tokens: Of all its attempts.
        money: The same, in 10^-12 of the currency's unit.
    """

    seq: int
    superstep: str
    step_id: StepId
    status: str
    worker: str | None
    attempts: int
    fallback: str | None
    begun_at: datetime | None
    settled_at: datetime | None
    settle_us: int
    tokens: int
    money: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StepWait:
    """A step waits for another's output, in one superstep; `is_read`: and its brief shows of it."""

    superstep: str
    step_id: StepId
    need: StepId
    is_read: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewedOutput:
    """One output as the journal holds it; times in whole microseconds.

    Attributes:
        superstep: In which it was handed over.
        step_id: By path.
        attempt: From 1.
        sender: Its worker, or `person`.
        turn_at: When the attempt had its turn; None for a decision on an output of before.
        started_at: When the brief was handed to the worker.
        queue_us: From the last verdict, or from when all needs had settled, to its turn.
        brief_us: From there to the brief.
        work_us: From there to the output.
        model_us: Of the work, while a model was called.
        tool_us: Of the work, while a tool was called and no model.
        review_us: From the output to the verdict.
    """

    superstep: str
    step_id: StepId
    attempt: int
    sender: str
    turn_at: datetime | None
    started_at: datetime | None
    queue_us: int
    brief_us: int
    work_us: int
    model_us: int
    tool_us: int
    review_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CalledTool:
    """One call of a tool, within an attempt."""

    step_id: StepId
    attempt: int
    tool: str
    started_at: datetime
    ended_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedPerson:
    """A question about a step; `answered_at` is None as long as nobody has answered."""

    step_id: StepId
    asked_at: datetime
    answered_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FactPassage:
    """An attempt was shown a fact that a step published, or one that was merged from it.

    Attributes:
        superstep: Of the step that published it.
        step_id: That step, by path.
        reader: The step that was shown it, perhaps on another thread.
        attempt: Of the reader.
        key: The context key.
    """

    superstep: str
    step_id: StepId
    reader: StepRef
    attempt: int
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadLineage:
    """All that a thread's journal says of who was given what.

    Attributes:
        thread_id: The thread.
        accepted_at: When its run was accepted; None if no run is written down.
        is_over: Whether its run has ended: a step that has not settled by then was pruned.
        outcomes: In the order in which they were written.
        waits: What its steps wait for.
        outputs: Oldest first.
        tools: Calls of tools within their attempts.
        questions: About its steps, oldest first.
        passages: Of the facts that its steps have published, and of those merged from them.
    """

    thread_id: ThreadId
    accepted_at: datetime | None = None
    is_over: bool = False
    outcomes: Sequence[SettledStep] = ()
    waits: Sequence[StepWait] = ()
    outputs: Sequence[ReviewedOutput] = ()
    tools: Sequence[CalledTool] = ()
    questions: Sequence[AskedPerson] = ()
    passages: Sequence[FactPassage] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class GateResult:
    """What one criterion had come to on a value that proved faulty.

    Attributes:
        kind: Of the criterion.
        words: The criterion, in words.
        result: `passed`, `failed` or `undecided`.
    """

    kind: str
    words: str
    result: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundFault:
    """A fault, with what the criteria of its own step had come to on the value."""

    fault: Fault
    gates: Sequence[GateResult] = ()


class BlameLedger(Protocol):
    """Reads where outputs went."""

    async def list_faults(self, window: MeasureWindow) -> Sequence[FoundFault]:
        """Return the faults that were found in a window, the first found first."""
        ...

    async def load_lineage(self, thread_id: ThreadId) -> ThreadLineage:
        """Return what a thread's journal says of who was given what, read at one instant."""
        ...
