"""What metrics cost on journals of any size, beside reading the handoffs and counting them."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from interlock.bench.bench_databases import BenchDatabase, DatabasePlace
from interlock.bench.bulk_rows import BulkRows, open_bulk_rows
from interlock.bench.figures import Figure, derive_figure
from interlock.bench.journal_filling import Filling, fill_journal
from interlock.bench.metric_scopes import (
    THREAD,
    Count,
    MetricScope,
    count_by_metrics,
    count_by_reading,
    list_scopes,
    time_queries,
    weigh,
)
from interlock.bench.stopwatch import Stopwatch, set_heap_aside
from interlock.bench.template_runs import play_templates
from interlock.contracts.errors import ContractError
from interlock.contracts.storage import Storage
from interlock.testing import ManualClock

MOST_THREAD_MS: Final = 100.0
"""The aim for one thread's metrics, whatever the size of the journal."""

MOST_ALL_SECONDS: Final = 60.0
"""The aim for the metrics of a whole journal."""

_LEAST_TEMPLATES: Final = 3
_MOST_TEMPLATES: Final = 24
_HANDOFFS_A_TEMPLATE: Final = 500
"""Small journals are copied from fewer runs, since playing one takes longer than copying many."""

_ENDS_AT: Final = datetime(2026, 3, 1, tzinfo=UTC)
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
            than were to be read.
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
        taken = self.metrics_ms.low  # whatever else the machine does only adds to it
        where = f"of {self.handoffs:,} handoffs on {self.storage.partition(':')[0]}"
        if self.scope == THREAD and taken > MOST_THREAD_MS:
            return [f"{self.scope} {where} took {taken:.0f} ms"]
        if taken > MOST_ALL_SECONDS * 1000:
            return [f"{self.scope} {where} took {taken / 1000:.0f} s"]
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
"""Told of each part: the storage, how many handoffs, what was done, how many seconds it took."""


def measure_metrics(plan: MetricPlan, *, tell: MetricProgress) -> list[MetricRow]:
    """Fill journals, and count them by `desk.ametrics` and by reading.

    Args:
        plan: What is to be measured.
        tell: Told of each part.

    Raises:
        ConfigurationError: A database cannot be reached.
        ContractError: The two ways do not find the same.
    """
    rows: list[MetricRow] = []
    for place in plan.places:
        for size in plan.handoffs:
            with place.lend() as database:
                rows += _Journal(plan, place.shown, database, tell).measure(size)
    return rows


class _Journal:
    """One journal on one database."""

    def __init__(
        self, plan: MetricPlan, shown: str, database: BenchDatabase, tell: MetricProgress
    ) -> None:
        self._plan = plan
        self._shown = shown
        self._database = database
        self._tell = tell
        self._handoffs = 0

    def measure(self, size: int) -> list[MetricRow]:
        """Fill it and measure every scope."""
        stopwatch = Stopwatch()
        threads = asyncio.run(self._play(size // _HANDOFFS_A_TEMPLATE))
        with open_bulk_rows(self._database) as rows:
            self._handoffs = fill_to(rows, threads, handoffs=size)
            self._tell(self._shown, self._handoffs, "filled", stopwatch.read().wall_seconds)
            return [self._measure_scope(rows, scope) for scope in list_scopes(rows)]

    async def _play(self, wanted: int) -> list[str]:
        runs = min(max(wanted, _LEAST_TEMPLATES), _MOST_TEMPLATES)
        clock = ManualClock(auto=True)
        async with self._database.open_ours(clock) as storage:
            return await play_templates(storage, clock, runs=runs, seed=_SEED)

    def _measure_scope(self, rows: BulkRows, scope: MetricScope) -> MetricRow:
        stopwatch = Stopwatch()
        queries = time_queries(rows, scope, dialect=self._database.kind)
        is_read = scope.holds <= self._plan.most_read
        taken, kilobytes = asyncio.run(self._count(scope, is_read=is_read))
        metrics, *others = taken
        self._tell(self._shown, self._handoffs, scope.name, stopwatch.read().wall_seconds)
        return MetricRow(
            storage=self._shown,
            handoffs=self._handoffs,
            scope=scope.name,
            holds=scope.holds,
            metrics_ms=derive_figure(metrics),
            reading_ms=derive_figure(others[0]) if others else None,
            times=derive_figure([slow / fast for fast, slow in zip(*taken, strict=True)])
            if others
            else None,
            metrics_kb=kilobytes[0],
            reading_kb=kilobytes[1] if others else None,
            queries_ms=queries,
        )

    async def _count(
        self, scope: MetricScope, *, is_read: bool
    ) -> tuple[list[list[float]], list[float]]:
        """Return milliseconds of each round, and kilobytes, of each way of counting."""
        ways = (count_by_metrics, count_by_reading) if is_read else (count_by_metrics,)
        async with self._database.open_ours() as storage:
            kilobytes = [await weigh(count, storage, scope) for count in ways]  # warms up, too
            rounds = [await _take_turns(ways, storage, scope) for _ in range(self._plan.rounds)]
        return [list(taken) for taken in zip(*rounds, strict=True)], kilobytes


async def _take_turns(ways: Sequence[Count], storage: Storage, scope: MetricScope) -> list[float]:
    found: list[int] = []
    taken: list[float] = []
    for count in ways:
        set_heap_aside()
        stopwatch = Stopwatch()
        found.append(await count(storage, scope))
        taken.append(stopwatch.read().wall_seconds * 1000)
    if len(set(found)) > 1:
        raise ContractError(
            f"Metrics of {scope.name} found {found[0]} attempts, and reading found {found[1]}. The "
            "figures mean nothing; report this."
        )
    return taken


def fill_to(rows: BulkRows, threads: Sequence[str], *, handoffs: int) -> int:
    """Copy runs until there are about so many handoffs; returns how many there are."""
    played = _count_handoffs(rows)
    filling = Filling(
        threads=threads,
        copies=max(1, round(handoffs / played) - 1),
        ends_at=_ENDS_AT,
        spread=_SPREAD,
        seed=_SEED,
    )
    fill_journal(rows, filling)
    return _count_handoffs(rows)


def _count_handoffs(rows: BulkRows) -> int:
    _, ((number,),) = rows.read("SELECT count(*) FROM handoffs")
    return int(number)
