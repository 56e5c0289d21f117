"""What journal, events and telemetry cost a step, each on top of the last, in one run."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Final

from interlock.bench.bench_databases import DatabasePlace
from interlock.bench.figures import Figure, derive_figure
from interlock.bench.overhead_contenders import BARE, CONTENDERS, OURS, require_exporters
from interlock.bench.stopwatch import Elapsed, set_heap_aside

_WARM_STEPS: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class OverheadRow:
    """One contender's figures on one storage.

    Attributes:
        storage: Which database, as it was asked for.
        contender: Its name.
        steps: How many it did.
        wall_ms: A step, in milliseconds.
        cpu_ms: CPU time of this process, a step, in milliseconds; a server's is not in it.
        added_cpu_ms: Of that, what interlock with its journal alone did not need in the same round.
        of_bare: Wall time over the bare `@task`'s in the same round.
    """

    storage: str
    contender: str
    steps: int
    wall_ms: Figure
    cpu_ms: Figure
    added_cpu_ms: Figure
    of_bare: Figure

    def dump(self) -> dict[str, object]:
        """Return the figures for a program."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class OverheadPlan:
    """What is to be measured.

    Attributes:
        places: Where databases may be made.
        steps: How many steps each contender does.
        rounds: How often, taking turns.
    """

    places: Sequence[DatabasePlace]
    steps: int
    rounds: int


OverheadProgress = Callable[[str, int, str, Elapsed], None]
"""Told of each measurement: the storage, the round from 1, the contender, what it needed."""


def measure_overhead(plan: OverheadPlan, *, tell: OverheadProgress) -> list[OverheadRow]:
    """Run the steps with every contender on every storage.

    Args:
        plan: What is to be measured.
        tell: Told of each measurement.

    Raises:
        ConfigurationError: A database cannot be reached, or an exporter is not installed.
        ContractError: A contender did other than it was asked for.
    """
    require_exporters()
    return [row for place in plan.places for row in _measure_place(plan, place, tell=tell)]


def _measure_place(
    plan: OverheadPlan, place: DatabasePlace, *, tell: OverheadProgress
) -> list[OverheadRow]:
    taken: dict[str, list[Elapsed]] = {name: [] for name in CONTENDERS}
    for name in CONTENDERS:  # no first one pays for imports and caches
        _measure(place, name, steps=_WARM_STEPS)
    for round_ in range(1, plan.rounds + 1):
        names = list(CONTENDERS)
        for name in names if round_ % 2 else reversed(names):
            elapsed = _measure(place, name, steps=plan.steps)
            taken[name].append(elapsed)
            tell(place.shown, round_, name, elapsed)
    return [_build_row(place.shown, name, steps=plan.steps, taken=taken) for name in CONTENDERS]


def _measure(place: DatabasePlace, name: str, *, steps: int) -> Elapsed:
    set_heap_aside()
    with place.lend() as database:
        return asyncio.run(CONTENDERS[name](database, steps))


def _build_row(
    storage: str, name: str, *, steps: int, taken: dict[str, list[Elapsed]]
) -> OverheadRow:
    by_step = 1000 / steps
    own, journal, bare = taken[name], taken[OURS], taken[BARE]
    return OverheadRow(
        storage=storage,
        contender=name,
        steps=steps,
        wall_ms=derive_figure([one.wall_seconds * by_step for one in own]),
        cpu_ms=derive_figure([one.cpu_seconds * by_step for one in own]),
        added_cpu_ms=derive_figure(
            [
                (one.cpu_seconds - other.cpu_seconds) * by_step
                for one, other in zip(own, journal, strict=True)
            ]
        ),
        of_bare=derive_figure(
            [one.wall_seconds / other.wall_seconds for one, other in zip(own, bare, strict=True)]
        ),
    )
