"""The times of a run's steps, stage by stage, from the rows of its thread. Pure."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from interlock.contracts.blame import AskedPerson, ReviewedOutput, SettledStep, ThreadLineage
from interlock.contracts.ids import StepId

_MICROSECOND: Final = timedelta(microseconds=1)

STAGES: Final = (
    "before",
    "queue",
    "brief",
    "model",
    "tool",
    "other",
    "review",
    "promotion",
    "person",
    "elsewhere",
)
"""Where the time of a chain of steps goes, as docs/metrics.md defines it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTimes:
    """One step's times, in microseconds.

    Attributes:
        row: How it settled.
        begun_at: When all that it needs had settled.
        settled_at: When it settled.
        needs: The steps of the run that it waited for.
        outputs: Of its attempts, oldest first.
        person_us: How long at least one question about it was open.
    """

    row: SettledStep
    begun_at: datetime
    settled_at: datetime
    needs: tuple[StepId, ...]
    outputs: Sequence[ReviewedOutput]
    person_us: int

    @property
    def life_us(self) -> int:
        """From when all that it needs had settled until it settled."""
        return count_us(self.begun_at, self.settled_at)

    @property
    def first_queue_us(self) -> int:
        """How long its first attempt waited for its turn."""
        return self.outputs[0].queue_us if self.outputs else 0

    @property
    def work_us(self) -> int:
        """How long its worker worked, over all attempts."""
        return sum(output.work_us for output in self.outputs)

    @property
    def hold_us(self) -> int:
        """How long it held a slot: briefs, work, reviews, and settling."""
        return self.row.settle_us + sum(_count_hold(output) for output in self.outputs)

    @property
    def last_hold_us(self) -> int:
        """The same, had its last attempt been its only one."""
        return self.row.settle_us + (_count_hold(self.outputs[-1]) if self.outputs else 0)

    @property
    def retry_queue_us(self) -> int:
        """How long its later attempts waited: backoffs, mostly."""
        return sum(output.queue_us for output in self.outputs[1:])

    @property
    def elsewhere_us(self) -> int:
        """What is left of its life; below 0 where a person was asked while it worked."""
        spent = self.first_queue_us + self.retry_queue_us + self.hold_us + self.person_us
        return self.life_us - spent

    def list_stages(self) -> Mapping[str, int]:
        """Return how long each stage took, together its life."""
        outputs = self.outputs
        model, tool = sum(o.model_us for o in outputs), sum(o.tool_us for o in outputs)
        return {
            "queue": self.first_queue_us + self.retry_queue_us,
            "brief": sum(o.brief_us for o in outputs),
            "model": model,
            "tool": tool,
            "other": self.work_us - model - tool,
            "review": sum(o.review_us for o in outputs),
            "promotion": self.row.settle_us,
            "person": self.person_us,
            "elsewhere": self.elsewhere_us,
        }


def _count_hold(output: ReviewedOutput) -> int:
    return output.brief_us + output.work_us + output.review_us


def count_us(begin: datetime, end: datetime) -> int:
    """Return the microseconds between two instants."""
    return (end - begin) // _MICROSECOND


def derive_run_times(lineage: ThreadLineage, *, scope: str) -> Mapping[StepId, StepTimes]:
    """Return the times of the steps that began, each as it settled last, in the order they settled.

    Args:
        lineage: Of the thread.
        scope: The path above the steps, `outer/`; empty for the run's own.
    """
    newest: dict[StepId, SettledStep] = {}
    for row in lineage.outcomes:
        if row.step_id.startswith(scope) and "/" not in row.step_id[len(scope) :]:
            newest[row.step_id] = row
    rows = _ThreadRows(lineage, newest)
    settled = sorted(newest.values(), key=lambda row: row.seq)
    times = ((row.step_id, rows.build_times(row)) for row in settled if row.status != "waiting")
    return {step_id: one for step_id, one in times if one is not None}


class _ThreadRows:
    """A thread's rows by step."""

    def __init__(self, lineage: ThreadLineage, newest: Mapping[StepId, SettledStep]) -> None:
        self._newest = newest
        self._outputs: dict[StepId, list[tuple[datetime, ReviewedOutput]]] = defaultdict(list)
        for output in lineage.outputs:
            if output.turn_at is not None:
                self._outputs[output.step_id].append((output.turn_at, output))
        self._needs: dict[StepId, set[StepId]] = defaultdict(set)
        last: dict[StepId, str] = {}  # a later plan may have changed what a step waits for
        for wait in sorted(lineage.waits, key=lambda wait: wait.superstep, reverse=True):
            if last.setdefault(wait.step_id, wait.superstep) == wait.superstep:
                self._needs[wait.step_id].add(wait.need)
        self._asked: dict[StepId, list[AskedPerson]] = defaultdict(list)
        for question in lineage.questions:
            self._asked[question.step_id].append(question)

    def build_times(self, row: SettledStep) -> StepTimes | None:
        """Return a step's times; None if it never began."""
        begun, settled = row.begun_at, row.settled_at
        if begun is None or settled is None:
            return None
        asked = (
            (max(one.asked_at, begun), min(one.answered_at or settled, settled))
            for one in self._asked[row.step_id]
        )
        # Attempts on a branch that a fork has left are of another time.
        own = [o for turn, o in self._outputs[row.step_id] if begun <= turn <= settled]
        return StepTimes(
            row=row,
            begun_at=begun,
            settled_at=settled,
            needs=tuple(sorted(filter(self._is_before(row), self._needs[row.step_id]))),
            outputs=own,
            person_us=_measure_union(asked),
        )

    def _is_before(self, row: SettledStep) -> Callable[[StepId], bool]:
        return lambda need: need in self._newest and self._newest[need].seq < row.seq


def _measure_union(intervals: Iterable[tuple[datetime, datetime]]) -> int:
    total, reached = 0, datetime.min.replace(tzinfo=UTC)
    for begin, end in sorted(intervals):
        fresh = max(begin, reached)
        if end > fresh:
            total += count_us(fresh, end)
            reached = end
    return total
