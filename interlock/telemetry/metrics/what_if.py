"""How much sooner a run would have ended, had one thing been otherwise.

Pure. What is compared are two answers of one model, `list_schedule`: to the recorded durations, and to
those with one thing changed. Assumed is that the durations would have stayed as they were, that all
steps could take any slot, and that a step waits for people and for backoffs after its work.
"""

import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Literal, TypeAlias

from interlock.contracts.frozen_model import FrozenModel
from interlock.contracts.ids import StepId
from interlock.telemetry.metrics.list_schedule import Job, schedule
from interlock.telemetry.metrics.run_times import StepTimes, count_us

SavingKind: TypeAlias = Literal[
    "faster_step",
    "one_more_slot",
    "unbounded",
    "first_pass",
    "first_pass_of_step",
    "people_at_once",
]

Jobs: TypeAlias = Mapping[StepId, Job]

MOST_STEPS: Final = 25
"""Of so many steps of one kind each is asked about: those that took the longest, or lost the most."""


class Saving(FrozenModel):
    """How much sooner the run would have ended, had one thing been otherwise.

    Attributes:
        kind: `faster_step`: this step's worker twice as fast; `one_more_slot`: one step more at once;
            `unbounded`: no limit; `first_pass`: every step accepted at its first attempt;
            `first_pass_of_step`: this one; `people_at_once`: people answered at once.
        step_id: Which step, where it is about one.
        saved_us: In microseconds; below 0 if the order of steps would have turned out worse.
    """

    kind: SavingKind
    step_id: StepId | None = None
    saved_us: int


def derive_savings(
    times: Mapping[StepId, StepTimes],
    start: datetime,
    *,
    slots: int | None,
    chain: Sequence[StepId],
) -> tuple[int, tuple[Saving, ...]]:
    """Return how long the model says the run took, and what would have saved how much of it.

    Costs a schedule for each of up to `MOST_STEPS` steps of the chain and as many that were tried again.

    Args:
        times: Of the run's steps.
        start: When it was accepted.
        slots: How many steps could run at once; None for no limit.
        chain: The steps that decided its end.

    Returns:
        Microseconds, and the savings, the greatest first.
    """
    jobs = {name: _build_job(times, one, start) for name, one in times.items()}
    modelled = _measure(jobs, slots)
    changes = _list_changes(times, jobs, slots, chain)
    savings = [
        Saving(
            kind=change.kind,
            step_id=change.step_id,
            saved_us=modelled - _measure(change.jobs, change.slots),
        )
        for change in changes
    ]
    return modelled, tuple(
        sorted(savings, key=lambda one: (-one.saved_us, one.kind, one.step_id or ""))
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Change:
    kind: SavingKind
    jobs: Jobs
    slots: int | None
    step_id: StepId | None = None


def _measure(jobs: Jobs, slots: int | None) -> int:
    return max(schedule(jobs, slots=slots).values(), default=0)


def _build_job(times: Mapping[StepId, StepTimes], one: StepTimes, start: datetime) -> Job:
    settled = (times[need].settled_at for need in one.needs if need in times)
    return Job(
        needs=one.needs,
        lag=count_us(max(settled, default=start), one.begun_at),
        hold=one.hold_us,
        pause=max(0, one.retry_queue_us + one.person_us + one.elsewhere_us),
    )


def _list_changes(
    times: Mapping[StepId, StepTimes], jobs: Jobs, slots: int | None, chain: Sequence[StepId]
) -> Iterator[_Change]:
    """Go through all that could have been otherwise."""
    working = [name for name in chain if times[name].work_us > 1]
    for name in heapq.nlargest(MOST_STEPS, working, key=lambda name: times[name].work_us):
        faster = replace(jobs[name], hold=jobs[name].hold - times[name].work_us // 2)
        yield _Change(kind="faster_step", step_id=name, jobs={**jobs, name: faster}, slots=slots)
    if slots is not None:
        yield _Change(kind="one_more_slot", jobs=jobs, slots=slots + 1)
        yield _Change(kind="unbounded", jobs=jobs, slots=None)
    yield from _list_retries(times, jobs, slots)
    if any(one.person_us for one in times.values()):
        answered = {
            name: replace(job, pause=max(0, job.pause - times[name].person_us))
            for name, job in jobs.items()
        }
        yield _Change(kind="people_at_once", jobs=answered, slots=slots)


def _list_retries(
    times: Mapping[StepId, StepTimes], jobs: Jobs, slots: int | None
) -> Iterator[_Change]:
    passed = {
        name: replace(
            jobs[name],
            hold=one.last_hold_us,
            pause=max(0, jobs[name].pause - one.retry_queue_us),
        )
        for name, one in times.items()
        if len(one.outputs) > 1
    }
    if passed:
        yield _Change(kind="first_pass", jobs={**jobs, **passed}, slots=slots)
    lost = {name: jobs[name].length - job.length for name, job in passed.items()}
    for name in heapq.nlargest(MOST_STEPS, lost, key=lambda name: lost[name]):
        changed = {**jobs, name: passed[name]}
        yield _Change(kind="first_pass_of_step", step_id=name, jobs=changed, slots=slots)
