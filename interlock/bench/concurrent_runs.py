"""Runs a second when several share one database: ours beside LangGraph's own savers.

Each run is the appending graph of the storage benchmark with ten supersteps. LangGraph's
PostgreSQL saver lets one call in at a time; so it is measured twice, as one saver that all runs
share, and as one for each run on the same pool.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import asdict, dataclass
from typing import Any, Final, TypeAlias

from langgraph.checkpoint.base import BaseCheckpointSaver

from interlock.bench.bench_databases import BenchDatabase, DatabasePlace
from interlock.bench.figures import Figure, derive_figure
from interlock.bench.stock_savers import GiveSaver
from interlock.bench.stopwatch import Stopwatch, set_heap_aside
from interlock.bench.storage import StoragePlan
from interlock.bench.storage_loads import OURS, run_append

AT_ONCE: Final = (1, 4, 16)
SUPERSTEPS: Final = 10
SHARED: Final = "stock saver, shared"
OWN: Final = "stock saver for each run"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConcurrencyRow:
    """One contender's pace.

    Attributes:
        storage: Which database, as it was asked for.
        contender: Who.
        at_once: How many runs were under way at the same time.
        runs: How many there were in a round.
        runs_a_second: All runs by the time from the first start to the last end.
        cpu_ms: Of this process, a run.
    """

    storage: str
    contender: str
    at_once: int
    runs: int
    runs_a_second: Figure
    cpu_ms: Figure

    def dump(self) -> dict[str, object]:
        """Return the figures for a program."""
        return asdict(self)


OpenSavers: TypeAlias = Callable[[BenchDatabase], AbstractAsyncContextManager[GiveSaver]]
Progress = Callable[[str, str, int, float], None]
"""Told after each measurement: the storage, the contender, how many at once, runs a second."""


@asynccontextmanager
async def _open_ours(database: BenchDatabase) -> AsyncGenerator[GiveSaver]:
    async with database.open_ours() as storage:
        yield lambda: storage.checkpointer


@asynccontextmanager
async def _open_shared(database: BenchDatabase) -> AsyncGenerator[GiveSaver]:
    async with database.open_stock() as give_saver:
        saver = give_saver()
        yield lambda: saver


@asynccontextmanager
async def _open_own(database: BenchDatabase) -> AsyncGenerator[GiveSaver]:
    async with database.open_stock() as give_saver:
        yield give_saver


CONTENDERS: Final[Mapping[str, OpenSavers]] = {
    OURS: _open_ours,
    SHARED: _open_shared,
    OWN: _open_own,
}
"""In the order in which they take turns."""


def measure_concurrency(plan: StoragePlan, *, runs: int, tell: Progress) -> list[ConcurrencyRow]:
    """Do a number of runs on PostgreSQL with every contender, taking turns within each round.

    Args:
        plan: Where, and how many rounds; what is not PostgreSQL is left out.
        runs: How many a round.
        tell: Told of each measurement.
    """
    return [
        row
        for place in plan.places
        if place.kind == "postgresql"
        for at_once in AT_ONCE
        for row in _measure_place(place, at_once=at_once, runs=runs, rounds=plan.rounds, tell=tell)
    ]


def _measure_place(
    place: DatabasePlace, *, at_once: int, runs: int, rounds: int, tell: Progress
) -> list[ConcurrencyRow]:
    paces: dict[str, list[float]] = {name: [] for name in CONTENDERS}
    cpu: dict[str, list[float]] = {name: [] for name in CONTENDERS}
    for _ in range(rounds):
        for name, open_savers in CONTENDERS.items():
            set_heap_aside()
            with place.lend() as database:
                wall, used = asyncio.run(_measure(open_savers, database, at_once, runs))
            paces[name].append(runs / wall)
            cpu[name].append(used / runs * 1000)
            tell(place.shown, name, at_once, runs / wall)
    return [
        ConcurrencyRow(
            storage=place.shown,
            contender=name,
            at_once=at_once,
            runs=runs,
            runs_a_second=derive_figure(paces[name]),
            cpu_ms=derive_figure(cpu[name]),
        )
        for name in CONTENDERS
    ]


async def _measure(
    open_savers: OpenSavers, database: BenchDatabase, at_once: int, runs: int
) -> tuple[float, float]:
    async with open_savers(database) as give_saver:
        room = asyncio.Semaphore(at_once)

        async def run_one(number: int) -> None:
            async with room:
                saver: BaseCheckpointSaver[Any] = give_saver()
                await run_append(saver, steps=SUPERSTEPS, thread_id=f"bench-{number}")

        await run_one(runs)  # opens connections, prepares statements
        stopwatch = Stopwatch()
        async with asyncio.TaskGroup() as group:
            for number in range(runs):
                group.create_task(run_one(number))
        elapsed = stopwatch.read()
    return elapsed.wall_seconds, elapsed.cpu_seconds
