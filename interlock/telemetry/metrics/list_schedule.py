"""How long a run takes with other durations or other limits: list scheduling by longest remaining path.

Pure. The policy is that of `contracts.plan_order` (Hu 1961; Kwok and Ahmad 1999): whenever a slot is
free, the ready step with the longest remaining path takes it. Shorter steps or more slots can make
such a schedule longer (Graham, "Bounds on multiprocessing timing anomalies", 1969): what is returned
is what the policy would have done, not a bound.
"""

import heapq
from collections.abc import Mapping
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from typing import Final

from interlock.contracts.ids import StepId

_SETTLED, _FREED, _READY = range(3)
"""What happens first of what happens at once."""

_ENDLESS: Final = 2**62


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One step as it is scheduled; times in microseconds.

    Attributes:
        needs: What it waits for, among the jobs.
        lag: From when all of that has settled until it could take a slot.
        hold: How long it holds the slot.
        pause: From there until it settles, without a slot: backoffs, people.
    """

    needs: tuple[StepId, ...] = ()
    lag: int = 0
    hold: int = 0
    pause: int = 0

    @property
    def length(self) -> int:
        """From when all that it needs has settled until it settles, if a slot is free."""
        return self.lag + self.hold + self.pause


def schedule(jobs: Mapping[StepId, Job], *, slots: int | None) -> Mapping[StepId, int]:
    """Return when each job settles, from 0. O((jobs + needs) log jobs).

    Args:
        jobs: Without cycles; needs that are none of them are ignored.
        slots: How many hold one at once; None for no limit.
    """
    return _Schedule(jobs, _ENDLESS if slots is None else slots).run()


def derive_remaining(jobs: Mapping[StepId, Job]) -> Mapping[StepId, int]:
    """Return the longest path from each job's start to the end."""
    known = {name: [need for need in job.needs if need in jobs] for name, job in jobs.items()}
    remaining = {name: job.length for name, job in jobs.items()}
    for name in reversed(tuple(TopologicalSorter(known).static_order())):
        for need in known[name]:
            remaining[need] = max(remaining[need], jobs[need].length + remaining[name])
    return remaining


@dataclass(slots=True)
class _Schedule:
    jobs: Mapping[StepId, Job]
    free: int
    ends: dict[StepId, int] = field(default_factory=dict)
    missing: dict[StepId, int] = field(default_factory=dict)
    dependents: dict[StepId, list[StepId]] = field(default_factory=dict)
    remaining: Mapping[StepId, int] = field(default_factory=dict)
    ready: list[tuple[int, StepId]] = field(default_factory=list)
    events: list[tuple[int, int, StepId]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.remaining = derive_remaining(self.jobs)
        self.dependents = {name: [] for name in self.jobs}
        for name, job in self.jobs.items():
            needs = {need for need in job.needs if need in self.jobs}
            self.missing[name] = len(needs)
            for need in needs:
                self.dependents[need].append(name)
            if not needs:
                heapq.heappush(self.events, (job.lag, _READY, name))

    def run(self) -> Mapping[StepId, int]:
        while self.events:
            now, what, name = heapq.heappop(self.events)
            self._happen(now, what, name)
            if not self.events or self.events[0][0] > now:
                self._start(now)
        return self.ends

    def _happen(self, now: int, what: int, name: StepId) -> None:
        if what == _READY:
            heapq.heappush(self.ready, (-self.remaining[name], name))
        elif what == _FREED:
            self.free += 1
        else:
            self.ends[name] = now
            for dependent in self.dependents[name]:
                self.missing[dependent] -= 1
                if self.missing[dependent] == 0:
                    heapq.heappush(self.events, (now + self.jobs[dependent].lag, _READY, dependent))

    def _start(self, now: int) -> None:
        while self.ready and self.free:
            _, name = heapq.heappop(self.ready)
            self.free -= 1
            job = self.jobs[name]
            heapq.heappush(self.events, (now + job.hold, _FREED, name))
            heapq.heappush(self.events, (now + job.hold + job.pause, _SETTLED, name))
