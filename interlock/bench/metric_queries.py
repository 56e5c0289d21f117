"""What metrics cost on journals of any size, beside reading the handoffs and counting them."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Final

from interlock.bench.bench_databases import BenchDatabase, DatabasePlace
from interlock.bench.bulk_rows import open_bulk_rows
from interlock.bench.figures import Figure
from interlock.bench.metric_scopes import (
    MetricScope,
    list_scopes,
)
from interlock.bench.stopwatch import Stopwatch
from interlock.bench.template_runs import play_templates
from interlock.testing import ManualClock

TEMPLATES: Final = 24
"""How many runs are played and copied."""

MOST_THREAD_MS: Final = 100.0
"""The aim for one thread's metrics, whatever the size of the journal."""

MOST_ALL_SECONDS: Final = 60.0
"""The aim for the metrics of a whole journal."""

_SPREAD: Final = timedelta(days=30)
_SEED: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricRow:
    """What the metrics of one scope cost on one journal.

    Attributes:
        storage: Which database, as it was asked for.
        handoffs: How many the journal holds.
        scope: Whose metrics.
        holds: How many handoffs are within it.
        metrics_ms: What `desk.ametrics` takes.
        reading_ms: What it takes to read the handoffs and count attempts; None where there are more
            than anyone would read.
        times: Reading over metrics, in the same round.
        metrics_kb: How much Python memory metrics take at most.
        reading_kb: The same of reading.
        queries_ms: What each statement takes by itself, by name.
    """

    storage: str
    handoffs: int
    scope: str
    holds: int
    metrics_ms: Figure
    reading_ms: Figure | None
    times: Figure | None
    metrics_kb: float
    reading_kb: float | None
    queries_ms: dict[str, float]

    @property
    def misses(self) -> Sequence[str]:
        """What was aimed at and not reached, in words."""
        taken = self.metrics_ms.median
        where = f"of {self.handoffs:,} handoffs on {self.storage.partition(':')[0]}"
        if self.scope == "one thread" and taken > MOST_THREAD_MS:
            return [f"One thread {where} took {taken:.0f} ms"]
        if taken > MOST_ALL_SECONDS * 1000:
            return [f"{self.scope.capitalize()} {where} took {taken / 1000:.0f} s"]
        return []

    def dump(self) -> dict[str, object]:
        """Return the figures for a program."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricPlan:
    """What is to be measured.

    Attributes:
        places: Where databases may be made.
        handoffs: How many handoffs, about; one journal each.
        rounds: How often each scope is counted each way, taking turns.
        most_read: Of how many handoffs at most are read one by one.
    """

    places: Sequence[DatabasePlace]
    handoffs: Sequence[int]
    rounds: int
    most_read: int


MetricProgress = Callable[[str, int, str, float], None]
"""Told of each measurement: the storage, the handoffs, what was done, how many seconds it took."""


def measure_metrics(plan: MetricPlan, *, tell: MetricProgress) -> list[MetricRow]:
    """Fill journals, and count them by `desk.ametrics` and by reading.

    Raises:
        ConfigurationError: A database cannot be reached.
        ContractError: The two ways do not find the same.
    """
    rows: list[MetricRow] = []
    for place in plan.places:
        for size in plan.handoffs:
            with place.lend() as database:
                rows += _measure_journal(plan, place, database, size=size, tell=tell)
    return rows


def _measure_journal(
    plan: MetricPlan,
    place: DatabasePlace,
    database: BenchDatabase,
    *,
    size: int,
    tell: MetricProgress,
) -> list[MetricRow]:
    stopwatch = Stopwatch()
    threads = asyncio.run(_play(database))
    with open_bulk_rows(database) as rows:
        handoffs = fill_to(rows, threads, size=size)
        tell(place.shown, handoffs, "filled", stopwatch.read().wall_seconds)
        scopes = list_scopes(rows)
        found = [
            _measure_scope(plan, place.shown, database, rows=rows, scope=scope, handoffs=handoffs)
            for scope in _announce(scopes, place.shown, handoffs, tell)
        ]
    return found


def _announce(
    scopes: Sequence[MetricScope], storage: str, handoffs: int, tell: MetricProgress
) -> Sequence[MetricScope]:
    del storage, handoffs, tell
    return scopes


async def _play(database: BenchDatabase) -> list[str]:
    clock = ManualClock(auto=True)
    async with database.open_ours() as storage:
        return await play_templates(storage, clock, runs=TEMPLATES, seed=_SEED)
