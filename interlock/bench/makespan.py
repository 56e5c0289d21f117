"""Wall time over critical path, and CPU per step, beside plain LangGraph on the same graphs."""

import asyncio
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Final

from interlock.bench.contenders import Contender, Timing, run_bare_tasks, run_interlock, run_waves
from interlock.bench.stopwatch import set_heap_aside
from interlock.bench.workflow_trace import WorkflowTrace

MOST_RATIO: Final = 1.10
"""The aim for wall time over critical path."""

MOST_EXTRA_CPU_MS: Final = 3.0
"""The aim for CPU per step above LangGraph's bare durable `@task`, in milliseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MakespanRow:
    """One graph's figures, medians over the rounds.

    Attributes:
        graph: Its name.
        steps: How many.
        critical_path_seconds: Scaled.
        interlock_ratio: Wall time over critical path.
        waves_ratio: The same, LangGraph in waves of `Send`.
        tasks_ratio: The same, LangGraph's bare durable `@task`.
        interlock_cpu_ms: CPU per step.
        waves_cpu_ms: The same.
        tasks_cpu_ms: The same.
        interlock_bytes: Database bytes per step.
        waves_bytes: The same.
        tasks_bytes: The same.
    """

    graph: str
    steps: int
    critical_path_seconds: float
    interlock_ratio: float
    waves_ratio: float
    tasks_ratio: float
    interlock_cpu_ms: float
    waves_cpu_ms: float
    tasks_cpu_ms: float
    interlock_bytes: float
    waves_bytes: float
    tasks_bytes: float

    @property
    def extra_cpu_ms(self) -> float:
        """CPU per step above LangGraph's own durable `@task`, in milliseconds."""
        return self.interlock_cpu_ms - self.tasks_cpu_ms

    @property
    def misses(self) -> Sequence[str]:
        """What was aimed at and not reached, in words."""
        words: list[str] = []
        if self.interlock_ratio > MOST_RATIO:
            words.append(f"{self.graph} took {self.interlock_ratio:.3f} x its critical path")
        if self.extra_cpu_ms > MOST_EXTRA_CPU_MS:
            words.append(
                f"{self.graph} needed {self.extra_cpu_ms:.2f} ms of CPU per step above bare @task"
            )
        return words

    def dump(self) -> dict[str, float | int | str]:
        """Return the figures for a program."""
        return {**asdict(self), "extra_cpu_ms": self.extra_cpu_ms}


Progress = Callable[[int, str, Timing], None]
"""Told after each measurement: the round from 1, the contender, what it needed."""

CONTENDERS: Final[Mapping[str, Contender]] = {
    "interlock": run_interlock,
    "LangGraph waves": run_waves,
    "bare @task": run_bare_tasks,
}


def measure_makespan(
    trace: WorkflowTrace, *, critical_path_seconds: float, rounds: int, tell: Progress
) -> MakespanRow:
    """Run one graph with every contender, taking turns within each round.

    Args:
        trace: A recorded task graph.
        critical_path_seconds: To which its critical path is scaled.
        rounds: How often each contender runs it.
        tell: Told of each measurement.

    Raises:
        ConfigurationError: A contender cannot run, or did not finish.
    """
    scale = critical_path_seconds / trace.critical_path_seconds
    timings = asyncio.run(_measure(trace, scale, rounds, tell))
    return _build_row(trace, critical_path_seconds, timings)


async def _measure(
    trace: WorkflowTrace, scale: float, rounds: int, tell: Progress
) -> dict[str, list[Timing]]:
    timings: dict[str, list[Timing]] = {name: [] for name in CONTENDERS}
    for number in range(1, rounds + 1):
        for name, run in CONTENDERS.items():
            set_heap_aside()
            with tempfile.TemporaryDirectory(prefix="interlock-bench-") as folder:
                timing = await run(trace, scale, Path(folder))
            timings[name].append(timing)
            tell(number, name, timing)
    return timings


def _build_row(
    trace: WorkflowTrace, critical_path: float, timings: dict[str, list[Timing]]
) -> MakespanRow:
    count = len(trace.tasks)
    wall = {k: median(t.wall_seconds for t in v) / critical_path for k, v in timings.items()}
    cpu = {k: median(t.cpu_seconds for t in v) / count * 1000 for k, v in timings.items()}
    size = {k: median(t.database_bytes for t in v) / count for k, v in timings.items()}
    return MakespanRow(
        graph=trace.name,
        steps=count,
        critical_path_seconds=critical_path,
        interlock_ratio=wall["interlock"],
        waves_ratio=wall["LangGraph waves"],
        tasks_ratio=wall["bare @task"],
        interlock_cpu_ms=cpu["interlock"],
        waves_cpu_ms=cpu["LangGraph waves"],
        tasks_cpu_ms=cpu["bare @task"],
        interlock_bytes=size["interlock"],
        waves_bytes=size["LangGraph waves"],
        tasks_bytes=size["bare @task"],
    )
