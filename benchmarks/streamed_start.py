"""How early the first step starts when its plan streams in, beside one that comes whole.

    python benchmarks/streamed_start.py [--steps 8] [--think 0.1] [--work 0.1]

The planner takes so many seconds to say each step of a chain, the worker as many for each step. Real
time, storage in memory, no model.
"""

import argparse
import asyncio
import time
from collections.abc import AsyncIterator

import interlock as il


class Thinker:
    """Says the steps of a chain one by one, or all at once after the same time."""

    def __init__(self, *, steps: int, think: float, stream: bool) -> None:
        """Plan a chain; seconds a step."""
        ids = [f"s{place}" for place in range(steps)]
        self._steps = [
            il.Step(id=name, worker="clerk", instruction=name, needs=ids[max(place - 1, 0) : place])
            for place, name in enumerate(ids)
        ]
        self._think = think
        self.stream = stream

    async def plan(self, request: il.PlanRequest) -> il.TaskGraph:
        """Return the whole."""
        await asyncio.sleep(self._think * len(self._steps))
        return il.TaskGraph(goal=request.goal, steps=self._steps)

    async def astream_plan(self, request: il.PlanRequest) -> AsyncIterator[il.Step | il.TaskGraph]:
        """Yield step after step."""
        for step in self._steps:
            await asyncio.sleep(self._think)
            yield step
        yield il.TaskGraph(goal=request.goal, steps=self._steps)


async def measure(options: argparse.Namespace, *, stream: bool) -> tuple[float, float]:
    """Return the seconds to the first step's start and to the run's end."""
    begun = time.perf_counter()
    starts: list[float] = []

    async def clerk(brief: il.Brief) -> str:
        starts.append(time.perf_counter() - begun)
        await asyncio.sleep(options.work)
        return brief.instruction

    planner = Thinker(steps=options.steps, think=options.think, stream=stream)
    async with il.Orchestrator(
        workers=[il.Worker(name="clerk", agent=clerk)], planner=planner, storage="memory://"
    ) as desk:
        begun = time.perf_counter()
        result = await desk.ainvoke("Measure", thread_id="t")
    if result.status != "completed":
        raise SystemExit(f"The run is {result.status}: {result.gaps}")
    return starts[0], time.perf_counter() - begun


async def main() -> None:
    """Print both, and how they compare."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--think", type=float, default=0.1)
    parser.add_argument("--work", type=float, default=0.1)
    options = parser.parse_args()
    await measure(options, stream=False)  # imports and caches, not counted
    whole, streamed = [await measure(options, stream=stream) for stream in (False, True)]
    for name, (first, end) in (("whole", whole), ("streamed", streamed)):
        print(f"{name:>8}: first step after {first:.3f} s, end after {end:.3f} s")
    print(
        f"   ratio: {whole[0] / streamed[0]:.1f} to the first step, {whole[1] / streamed[1]:.1f} to the end"
    )


if __name__ == "__main__":
    asyncio.run(main())
