"""CPU, wall time and bytes a step, on our saver and on LangGraph's own, in one run."""

import asyncio
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Final

from interlock.bench.bench_databases import BenchDatabase, DatabasePlace
from interlock.bench.figures import Figure, derive_figure
from interlock.bench.stopwatch import set_heap_aside
from interlock.bench.storage_loads import (
    CONTENDERS,
    LOADS,
    STOCK,
    Limit,
    Load,
    StorageContender,
    StorageCost,
)
from interlock.contracts.errors import ConfigurationError, ContractError

_WARM_STEPS: Final = 5
_WARM_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageRow:
    """One contender's figures for one load.

    Attributes:
        storage: Which database, as it was asked for.
        load: What was run.
        contender: Who ran it.
        steps: How many were asked for.
        done: How many were done, in the round that did the fewest.
        wall_ms: A step, in milliseconds.
        cpu_ms: Of this process, a step, in milliseconds.
        bytes: By how much the database grew, a step.
        cpu_of_stock: CPU over the stock saver's in the same round; None for the stock saver, and
            where one of the two did not do all steps.
        bytes_of_stock: The same of bytes.
    """

    storage: str
    load: Load
    contender: str
    steps: int
    done: int
    wall_ms: Figure
    cpu_ms: Figure
    bytes: Figure
    cpu_of_stock: Figure | None
    bytes_of_stock: Figure | None

    @property
    def is_stopped(self) -> bool:
        """Whether a limit was reached before the last step."""
        return self.done < self.steps

    def dump(self) -> dict[str, object]:
        """Return the figures for a program."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoragePlan:
    """What is to be measured.

    Attributes:
        places: Where databases may be made.
        steps: How many steps; one row each.
        rounds: How often each contender runs each load.
        most_seconds: After which a measurement is stopped.
        most_bytes: The size of a database at which a load that appends is stopped.
    """

    places: Sequence[DatabasePlace]
    steps: Sequence[int]
    rounds: int
    most_seconds: float
    most_bytes: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One measurement, for whoever watches.

    Attributes:
        storage: Which database.
        load: What was run.
        steps: How many steps were asked for.
        round: Counted from 1.
        contender: Who ran it.
        cost: What it needed.
    """

    storage: str
    load: Load
    steps: int
    round: int
    contender: str
    cost: StorageCost


Progress = Callable[[Measured], None]


def measure_storage(plan: StoragePlan, *, tell: Progress) -> list[StorageRow]:
    """Run every load with every contender, taking turns within each round.

    Args:
        plan: What is to be measured.
        tell: Told of each measurement.

    Raises:
        ConfigurationError: A database cannot be reached.
        ContractError: A contender did other than it was asked for.
    """
    rows: list[StorageRow] = []
    for place in plan.places:
        for load in LOADS:
            for steps in plan.steps:
                rows += _measure_load(plan, place, load=load, steps=steps, tell=tell)
    return rows


def _measure_load(
    plan: StoragePlan, place: DatabasePlace, *, load: Load, steps: int, tell: Progress
) -> list[StorageRow]:
    costs: dict[str, list[StorageCost]] = {name: [] for name in CONTENDERS[load]}
    _warm_up(place, load)
    for round_ in range(1, plan.rounds + 1):
        for name, run in CONTENDERS[load].items():
            limit = Limit(plan.most_seconds, plan.most_bytes)
            set_heap_aside()
            with place.lend() as database:
                cost = asyncio.run(_measure(run, database, steps=steps, limit=limit))
            costs[name].append(cost)
            tell(
                Measured(
                    storage=place.shown,
                    load=load,
                    steps=steps,
                    round=round_,
                    contender=name,
                    cost=cost,
                )
            )
    stock = costs[STOCK]
    return [
        _build_row(place.shown, load, name, steps=steps, costs=found, stock=stock)
        for name, found in costs.items()
    ]


def _warm_up(place: DatabasePlace, load: Load) -> None:
    """Do a few steps with every contender, so that no first one pays for imports and caches."""
    for run in CONTENDERS[load].values():
        limit = Limit(_WARM_SECONDS, math.inf)
        with place.lend() as database:
            asyncio.run(_measure(run, database, steps=_WARM_STEPS, limit=limit))


async def _measure(
    run: StorageContender, database: BenchDatabase, *, steps: int, limit: Limit
) -> StorageCost:
    # Tables and indexes that hold nothing yet are no step's.
    async with database.open_ours(), database.open_stock():
        pass
    empty = database.read_bytes()
    limit.begin()
    elapsed = await run(database, steps, limit)
    if limit.count == 0 and elapsed.wall_seconds >= limit.seconds:
        raise ConfigurationError(
            f"No step was done within {limit.seconds:g} seconds. Allow more with --most-seconds, "
            "or ask for fewer steps."
        )
    if not 0 < limit.count <= steps:
        raise ContractError(
            f"{limit.count} steps were done where {steps} were asked for. The figures mean "
            "nothing; report this."
        )
    return StorageCost(steps=limit.count, elapsed=elapsed, bytes=database.read_bytes() - empty)


def _build_row(
    storage: str,
    load: Load,
    name: str,
    *,
    steps: int,
    costs: Sequence[StorageCost],
    stock: Sequence[StorageCost],
) -> StorageRow:
    pairs = list(zip(costs, stock, strict=True))
    is_whole = name != STOCK and all(c.steps == s.steps == steps for c, s in pairs)
    cpu = [(c.elapsed.cpu_seconds, s.elapsed.cpu_seconds) for c, s in pairs]
    sizes = [(float(c.bytes), float(s.bytes)) for c, s in pairs]
    return StorageRow(
        storage=storage,
        load=load,
        contender=name,
        steps=steps,
        done=min(cost.steps for cost in costs),
        wall_ms=derive_figure([c.elapsed.wall_seconds / c.steps * 1000 for c in costs]),
        cpu_ms=derive_figure([c.elapsed.cpu_seconds / c.steps * 1000 for c in costs]),
        bytes=derive_figure([c.bytes / c.steps for c in costs]),
        cpu_of_stock=_derive_share(cpu) if is_whole else None,
        bytes_of_stock=_derive_share(sizes) if is_whole else None,
    )


def _derive_share(pairs: Sequence[tuple[float, float]]) -> Figure | None:
    """Return the first of each pair by the second, or None if a second one is too small to tell."""
    if not all(whole > 0 for _, whole in pairs):
        return None
    return derive_figure([part / whole for part, whole in pairs])
