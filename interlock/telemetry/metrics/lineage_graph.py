"""The graph of who was given whose output, over settlings of steps, also across threads.

Pure. Built once from rows; a look-up costs what it returns. A step that was put aside and goes on in
a later superstep is one vertex, the one that settles it; a fork is another.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from interlock.contracts.blame import ReviewedOutput, SettledStep, StepRef, ThreadLineage
from interlock.contracts.ids import StepId, ThreadId
from interlock.telemetry.metrics.fault_trails import Passage

_WITH_VALUE: Final = frozenset({"accepted", "degraded"})
_DECLARED: Final = frozenset({"use_value", "skip", "abandon"})
"""Fallbacks whose values no worker made."""

_ENDLESS: Final = 2**63


class Reading(NamedTuple):
    """A step was given a value.

    Attributes:
        reader: Who.
        by: How.
        is_last: Whether the attempt that was given it is the reader's last.
    """

    reader: StepRef
    by: Passage
    is_last: bool


class LineageGraph:
    """Who was given whose output."""

    def __init__(self, lineages: Iterable[ThreadLineage]) -> None:
        """Build it from all that is known of some threads."""
        self._threads = {one.thread_id: _Thread(one) for one in lineages}
        self._readings: dict[StepRef, dict[StepRef, Reading]] = defaultdict(dict)
        self._waiters: dict[StepRef, dict[StepRef, None]] = defaultdict(dict)
        for thread in self._threads.values():
            self._add_waits(thread)
            self._add_teams(thread)
        for thread in self._threads.values():
            self._add_passages(thread)

    def knows(self, thread_id: ThreadId) -> bool:
        """Return whether a thread's rows are in it."""
        return thread_id in self._threads

    def find_step(self, ref: StepRef) -> SettledStep | None:
        """Return how a step settled; None while it works, or if its thread is not known."""
        thread = self._threads.get(ref.thread_id)
        return thread.rows.get((ref.superstep, ref.step_id)) if thread is not None else None

    def find_status(self, ref: StepRef) -> str:
        """Return how a step ended, or `waiting`, `running`, or `pruned` where no row is left of it."""
        row, thread = self.find_step(ref), self._threads.get(ref.thread_id)
        if row is not None:
            return row.status
        return "pruned" if thread is not None and thread.lineage.is_over else "running"

    def find_settling(self, ref: StepRef) -> StepRef:
        """Return where a step settled that was at work, or put aside, in some superstep."""
        thread = self._threads.get(ref.thread_id)
        return ref if thread is None else thread.find_settling(ref.superstep, ref.step_id)

    def list_readings(self, ref: StepRef) -> Sequence[Reading]:
        """Return who was given a step's value, in order."""
        return sorted(self._readings.get(ref, {}).values())

    def list_waiters(self, ref: StepRef) -> Sequence[StepRef]:
        """Return who waits for a step, whether it reads of its output or not."""
        return sorted(self._waiters.get(ref, {}))

    def hands_on(self, ref: StepRef) -> bool:
        """Return whether a step's value was made by a worker, from what it was given."""
        row, thread = self.find_step(ref), self._threads.get(ref.thread_id)
        if row is None or thread is None or row.status not in _WITH_VALUE:
            return False
        return row.fallback not in _DECLARED and not thread.is_by_person(row)

    def find_maker(self, ref: StepRef) -> str | None:
        """Return who made a step's value: its worker or `person`; None if the plan declares it."""
        row, thread = self.find_step(ref), self._threads.get(ref.thread_id)
        if row is None or thread is None or row.fallback in _DECLARED:
            return None
        return "person" if thread.is_by_person(row) else row.worker

    def _note(self, source: StepRef, reading: Reading) -> None:
        known = self._readings[source].get(reading.reader)
        if known is None or (reading.is_last and not known.is_last):
            self._readings[source][reading.reader] = reading

    def _add_waits(self, thread: "_Thread") -> None:
        for wait in thread.lineage.waits:
            source = thread.find_source(wait.superstep, wait.step_id, wait.need)
            if source is None:
                continue
            reader = thread.find_settling(wait.superstep, wait.step_id)
            self._waiters[source][reader] = None
            row = self.find_step(reader)
            if wait.is_read and (row is None or row.attempts > 0):
                self._note(source, Reading(reader, "output", is_last=True))

    def _add_teams(self, thread: "_Thread") -> None:
        """Let the outputs that a team hands up reach the step whose worker it is."""
        for source, outer in thread.list_handed_up():
            self._note(source, Reading(outer, "team", is_last=True))

    def _add_passages(self, thread: "_Thread") -> None:
        for passage in thread.lineage.passages:
            source = StepRef(thread.lineage.thread_id, passage.superstep, passage.step_id)
            reader = self.find_settling(passage.reader)
            row = self.find_step(reader)
            is_last = row is None or row.attempts == passage.attempt
            self._note(source, Reading(reader, "fact", is_last=is_last))


class _Thread:
    """The rows of one thread, to be looked up."""

    def __init__(self, lineage: ThreadLineage) -> None:
        self.lineage = lineage
        self.rows = {(row.superstep, row.step_id): row for row in lineage.outcomes}
        self._by_step: dict[StepId, list[SettledStep]] = defaultdict(list)
        for row in lineage.outcomes:
            self._by_step[row.step_id].append(row)
        self._outputs: dict[tuple[StepId, int], list[ReviewedOutput]] = defaultdict(list)
        for output in lineage.outputs:
            self._outputs[output.step_id, output.attempt].append(output)

    def find_settling(self, superstep: str, step_id: StepId) -> StepRef:
        row = self.rows.get((superstep, step_id))
        if row is not None and row.status == "waiting":
            later = [one for one in self._by_step[step_id] if one.seq >= row.seq]
            ended = [one for one in later if one.status != "waiting"]
            superstep = (ended[0] if ended else later[-1]).superstep
        return StepRef(self.lineage.thread_id, superstep, step_id)

    def find_source(self, superstep: str, step_id: StepId, need: StepId) -> StepRef | None:
        """Return the settling of a need that a step was given: of its superstep, or the last before."""
        row = self.rows.get((superstep, need))
        if row is None or row.status == "waiting":
            own = self.rows.get((superstep, step_id))
            before = own.seq if own is not None else _ENDLESS
            settled = [
                one
                for one in self._by_step.get(need, ())
                if one.status != "waiting" and one.seq < before
            ]
            row = settled[-1] if settled else None
        return None if row is None else StepRef(self.lineage.thread_id, row.superstep, need)

    def is_by_person(self, row: SettledStep) -> bool:
        """Return whether a person has put another value in the place of the worker's."""
        outputs = self._outputs.get((row.step_id, row.attempts), ())
        return any(o.sender == "person" and o.superstep == row.superstep for o in outputs)

    def list_handed_up(self) -> Iterator[tuple[StepRef, StepRef]]:
        """Go through what nested teams hand up: steps that none of the same team needs, and to whom."""
        within: dict[StepId, list[SettledStep]] = defaultdict(list)
        for row in self.lineage.outcomes:
            above, slash, _ = row.step_id.rpartition("/")
            if slash and row.status != "waiting":
                within[StepId(above)].append(row)
        needed = self._list_needed() if within else frozenset[tuple[str, StepId]]()
        for step_id, rows in within.items():
            for outer in self._by_step.get(step_id, ()):
                if outer.status == "waiting" or outer.attempts == 0:
                    continue
                for row in self._list_made_for(outer, rows):
                    if (row.superstep, row.step_id) not in needed:
                        yield self._name(row), self._name(outer)

    def _list_made_for(
        self, outer: SettledStep, rows: Sequence[SettledStep]
    ) -> Sequence[SettledStep]:
        """Return the steps of a team in the last attempt of the step above, each as it settled last."""
        begun = self._find_start(outer)
        if begun is None:
            return ()
        last = {
            row.step_id: row
            for row in rows
            if row.seq < outer.seq and row.settled_at is not None and row.settled_at >= begun
        }
        return list(last.values())

    def _find_start(self, row: SettledStep) -> datetime | None:
        outputs = [o for o in self._outputs.get((row.step_id, row.attempts), ()) if o.started_at]
        own = [output for output in outputs if output.superstep == row.superstep]
        found = own or outputs
        return found[-1].started_at if found else None

    def _list_needed(self) -> frozenset[tuple[str, StepId]]:
        sources = (
            self.find_source(wait.superstep, wait.step_id, wait.need) for wait in self.lineage.waits
        )
        return frozenset((ref.superstep, ref.step_id) for ref in sources if ref is not None)

    def _name(self, row: SettledStep) -> StepRef:
        return StepRef(self.lineage.thread_id, row.superstep, row.step_id)
