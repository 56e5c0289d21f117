"""In which order to work: remaining paths, and the order in which steps are issued.

Pure functions of a plan; the same plan gives the same order on every machine, which
is what lets a resumed dispatch find its half-done steps again.
"""

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from graphlib import TopologicalSorter

from interlock.contracts.ids import StepId
from interlock.contracts.plan import Step

DEFAULT_ESTIMATE_SECONDS = 1.0
"""What a step is taken to last when its plan does not say."""


def get_estimate_seconds(step: Step) -> float:
    """Return how long a step is thought to take."""
    return DEFAULT_ESTIMATE_SECONDS if step.estimate is None else step.estimate.total_seconds()


def derive_topological_order(steps: Mapping[StepId, Step]) -> Sequence[StepId]:
    """Return the step ids, needed ones first.

    Raises:
        graphlib.CycleError: The plan has a cycle.
    """
    sorter = TopologicalSorter(
        {
            step.id: [need.step for need in step.needs if need.step in steps]
            for step in steps.values()
        }
    )
    return tuple(sorter.static_order())


def derive_remaining_seconds(steps: Mapping[StepId, Step]) -> Mapping[StepId, float]:
    """Return the longest path from each step's start to the plan's end.

    The priority of critical-path list scheduling (Hu 1961; Kwok and Ahmad 1999,
    "b-level"): the step with the longest remaining path goes first.
    """
    remaining = {step.id: get_estimate_seconds(step) for step in steps.values()}
    for step_id in reversed(derive_topological_order(steps)):
        for need in steps[step_id].needs:
            if need.step in steps:
                longer = get_estimate_seconds(steps[need.step]) + remaining[step_id]
                remaining[need.step] = max(remaining[need.step], longer)
    return remaining


def derive_issue_order(steps: Mapping[StepId, Step], *, slots: int | None) -> Sequence[StepId]:
    """Return the order in which a list schedule on estimates would start the steps.

    Topological, and close to the order in which steps become ready, so that a bounded
    window over it keeps every slot busy. O((steps + needs) log steps).

    Args:
        steps: What is left of a plan; needs outside it count as settled.
        slots: How many steps run at once; None for no limit.
    """
    return _Simulation(steps, len(steps) if slots is None else slots).run()


@dataclass
class _Simulation:
    steps: Mapping[StepId, Step]
    free: int
    order: list[StepId] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.remaining = derive_remaining_seconds(self.steps)
        self.rank = {step_id: index for index, step_id in enumerate(self.steps)}
        self.missing = {
            step.id: sum(need.step in self.steps for need in step.needs)
            for step in self.steps.values()
        }
        self.dependents: dict[StepId, list[StepId]] = {step_id: [] for step_id in self.steps}
        for step in self.steps.values():
            for need in step.needs:
                if need.step in self.steps:
                    self.dependents[need.step].append(step.id)
        self.ready: list[tuple[float, int, StepId]] = []
        self.running: list[tuple[float, int, StepId]] = []

    def run(self) -> Sequence[StepId]:
        for step_id, count in self.missing.items():
            if count == 0:
                self._push_ready(step_id)
        now = 0.0
        while self.ready or self.running:
            self._start_ready(now)
            now, _, done = heapq.heappop(self.running)
            self.free += 1
            self._release(done)
        return self.order

    def _push_ready(self, step_id: StepId) -> None:
        heapq.heappush(self.ready, (-self.remaining[step_id], self.rank[step_id], step_id))

    def _start_ready(self, now: float) -> None:
        while self.ready and self.free:
            _, rank, step_id = heapq.heappop(self.ready)
            self.free -= 1
            self.order.append(step_id)
            end = now + get_estimate_seconds(self.steps[step_id])
            heapq.heappush(self.running, (end, rank, step_id))

    def _release(self, done: StepId) -> None:
        for dependent in self.dependents[done]:
            self.missing[dependent] -= 1
            if self.missing[dependent] == 0:
                self._push_ready(dependent)
