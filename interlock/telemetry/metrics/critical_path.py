"""What decided when a run ended: the chain of steps behind its end, and what would have shortened it.

Pure. The chain is read from recorded times, and its stages add up to the whole, to the microsecond.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Final

from interlock.contracts.blame import ThreadLineage
from interlock.contracts.frozen_model import FrozenModel
from interlock.contracts.ids import StepId, ThreadId
from interlock.telemetry.metrics.run_times import (
    STAGES,
    StepTimes,
    count_us,
    derive_run_times,
)
from interlock.telemetry.metrics.what_if import Saving, derive_savings

_FELT: Final = 100
"""Waiting for slots counts as bound by their number from one part in so many of all work on."""


class PathStep(FrozenModel):
    """One step of the chain; times in microseconds.

    Attributes:
        step_id: By path.
        after: The step that it waited for the longest; None for the first of the chain.
        worker: Whose attempts they were.
        status: How it ended.
        attempts: How many.
        begun_at: When all that it needs had settled, and it could have its turn.
        settled_at: When it had settled.
        stages: How long it spent in each; `before`: from when `after` had settled, or the run was
            accepted, until it began.
    """

    step_id: StepId
    after: StepId | None
    worker: str | None
    status: str
    attempts: int
    begun_at: datetime
    settled_at: datetime
    stages: dict[str, int]

    @property
    def total_us(self) -> int:
        """Its part of the run's time."""
        return sum(self.stages.values())


class CriticalPath(FrozenModel):
    """What decided when a run ended; times in microseconds.

    Attributes:
        thread_id: The thread.
        scope: The path of the team, `outer/`; empty for the run itself.
        started_at: When the run was accepted; of a team, when its first step began.
        ended_at: When its last step settled, so far.
        is_over: Whether the run has ended; if not, what comes may decide its end.
        steps: The chain, first to last; their times add up to the whole.
        stages: The chain's times by stage; the same sum.
        max_parallel: How many steps the model runs at once; None for no limit.
        is_limit_seen: Whether that was seen from the record, and not given.
        modelled_us: How long the model says the run took: what the savings are compared with.
        savings: The greatest first.
    """

    thread_id: ThreadId
    scope: str = ""
    started_at: datetime | None = None
    ended_at: datetime | None = None
    is_over: bool = False
    steps: tuple[PathStep, ...] = ()
    stages: dict[str, int] = {}
    max_parallel: int | None = None
    is_limit_seen: bool = False
    modelled_us: int = 0
    savings: tuple[Saving, ...] = ()

    @property
    def total_us(self) -> int:
        """How long it took, from start to end."""
        return sum(step.total_us for step in self.steps)

    def dump(self) -> dict[str, object]:
        """Return it for a program, with what follows from it."""
        return {**self.model_dump(mode="json"), "total_us": self.total_us}


def derive_critical_path(
    lineage: ThreadLineage, *, scope: str = "", max_parallel: int | None = None
) -> CriticalPath:
    """Return what decided when a run, or a team within it, had ended.

    Args:
        lineage: Of the thread; steps that have not settled yet are left out.
        scope: The path above the team's steps, `outer/`; empty for the run's own.
        max_parallel: How many steps could run at once; left out, as the record lets it be seen.
    """
    times = derive_run_times(lineage, scope=scope)
    if not times:
        return CriticalPath(thread_id=lineage.thread_id, scope=scope, is_over=lineage.is_over)
    first = min(one.begun_at for one in times.values())
    start = lineage.accepted_at if not scope and lineage.accepted_at is not None else first
    chain = _trace_chain(times, start)
    slots = _see_limit(times) if max_parallel is None else max_parallel
    modelled_us, savings = derive_savings(
        times, start, slots=slots, chain=[step.step_id for step in chain]
    )
    return CriticalPath(
        thread_id=lineage.thread_id,
        scope=scope,
        started_at=start,
        ended_at=chain[-1].settled_at,
        is_over=lineage.is_over,
        steps=chain,
        stages={name: sum(step.stages.get(name, 0) for step in chain) for name in STAGES},
        max_parallel=slots,
        is_limit_seen=max_parallel is None and slots is not None,
        modelled_us=modelled_us,
        savings=savings,
    )


def _trace_chain(times: Mapping[StepId, StepTimes], start: datetime) -> tuple[PathStep, ...]:
    """Return the chain of steps that each waited for the one before, back from the last to settle."""
    step_id: StepId | None = max(times, key=lambda name: (times[name].settled_at, name))
    chain: list[PathStep] = []
    while step_id is not None:
        one = times[step_id]
        after = _find_deciding(times, one)
        since = start if after is None else times[after].settled_at
        row = one.row
        chain.append(
            PathStep(
                step_id=step_id,
                after=after,
                worker=row.worker,
                status=row.status,
                attempts=row.attempts,
                begun_at=one.begun_at,
                settled_at=one.settled_at,
                stages={"before": count_us(since, one.begun_at), **one.list_stages()},
            )
        )
        step_id = after
    return tuple(reversed(chain))


def _find_deciding(times: Mapping[StepId, StepTimes], one: StepTimes) -> StepId | None:
    """Return which of a step's needs settled last; among equals the first by name."""
    needs = [need for need in one.needs if need in times]
    if not needs:
        return None
    last = max(times[need].settled_at for need in needs)
    return min(need for need in needs if times[need].settled_at == last)


def _see_limit(times: Mapping[StepId, StepTimes]) -> int | None:
    """Return how many steps worked at once at most, if waiting for a turn was felt; else None."""
    waited = sum(one.first_queue_us for one in times.values())
    if waited * _FELT < sum(one.hold_us for one in times.values()) or waited == 0:
        return None
    moves = sorted(_list_moves(times))
    most = running = 0
    for _, move in moves:
        running += move
        most = max(most, running)
    return most or None


def _list_moves(times: Mapping[StepId, StepTimes]) -> Iterator[tuple[datetime, int]]:
    """Go through when attempts took slots (+1) and gave them back (-1)."""
    for one in times.values():
        turns = [output.turn_at for output in one.outputs if output.turn_at is not None]
        if turns:
            yield min(turns), 1
            yield one.settled_at, -1
