"""Wall time over critical path, and CPU per step, beside plain LangGraph on the same graphs."""

import asyncio
import gc
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from interlock.bench.contenders import Contender, Timing, run_bare_tasks, run_interlock, run_waves
from interlock.bench.workflow_trace import WorkflowTrace, load_trace


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
    tasks_bytes: float

    @property
    def extra_cpu_ms(self) -> float:
        """CPU per step above LangGraph's own durable `@task`, in milliseconds."""
        return self.interlock_cpu_ms - self.tasks_cpu_ms

    def dump(self) -> dict[str, float | int | str]:
        """Return the figures for a script."""
        return {**asdict(self), "extra_cpu_ms": self.extra_cpu_ms}


def measure_makespan(
    paths: Sequence[Path], *, critical_path_seconds: float, rounds: int
) -> Iterator[MakespanRow]:
    """Yield one row a graph; the contenders take turns within each round.

    Args:
        paths: Recorded task graphs.
        critical_path_seconds: To which every graph's critical path is scaled.
        rounds: How often each contender runs each graph.

    Raises:
        ConfigurationError: A file is no task graph, or a contender cannot run.
    """
    for path in paths:
        trace = load_trace(path)
        scale = critical_path_seconds / trace.critical_path_seconds
        timings = asyncio.run(_measure(trace, scale, rounds))
        yield _build_row(trace, critical_path_seconds, timings)


async def _measure(trace: WorkflowTrace, scale: float, rounds: int) -> dict[str, list[Timing]]:
    contenders: dict[str, Contender] = {
        "interlock": run_interlock,
        "waves": run_waves,
        "tasks": run_bare_tasks,
    }
    timings: dict[str, list[Timing]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, run in contenders.items():
            # What is loaded by now is left out of garbage collection, for every contender alike.
            gc.collect()
            gc.freeze()
            with tempfile.TemporaryDirectory(prefix="interlock-bench-") as folder:
                timings[name].append(await run(trace, scale, Path(folder)))
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
        waves_ratio=wall["waves"],
        tasks_ratio=wall["tasks"],
        interlock_cpu_ms=cpu["interlock"],
        waves_cpu_ms=cpu["waves"],
        tasks_cpu_ms=cpu["tasks"],
        interlock_bytes=size["interlock"],
        tasks_bytes=size["tasks"],
    )
