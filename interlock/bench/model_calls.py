"""What a model call costs that is reserved for and written down before it goes out, in one run."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from typing import Final, Protocol

from interlock.bench.bench_databases import parse_place
from interlock.bench.call_contenders import (
    CONTENDERS,
    PLAIN,
    CallDatabase,
    MemoryPlace,
    ModelCallPlan,
    WaitingChat,
)
from interlock.bench.figures import Figure, derive_figure
from interlock.bench.stopwatch import Elapsed, set_heap_aside
from interlock.contracts.errors import ContractError

MEMORY: Final = "memory"
"""What asks for storage that ends with the process."""

_WARM_CALLS: Final = 3


class CallPlace(Protocol):
    """Where storage is lent."""

    @property
    def shown(self) -> str:
        """How it is named to people."""
        ...

    def lend(self) -> AbstractContextManager[CallDatabase]:
        """Lend an empty one, and throw it away at the end of the block."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRow:
    """One contender's figures.

    Attributes:
        storage: Which, as it was asked for.
        contender: Its name.
        at_once: How many calls were under way at the same time.
        calls: How many calls were made.
        wall_ms: A call, in milliseconds: of all calls together, by their number.
        cpu_ms: CPU time of this process, a call, in milliseconds.
        added_ms: Of the wall time, what the plain node of the same round did not need.
        of_plain: Wall time over the plain node's in the same round.
    """

    storage: str
    contender: str
    at_once: int
    calls: int
    wall_ms: Figure
    cpu_ms: Figure
    added_ms: Figure
    of_plain: Figure

    def dump(self) -> dict[str, object]:
        """Return the figures for a program."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallBench:
    """What is to be measured.

    Attributes:
        places: Where storage is lent.
        calls: How many calls, for each contender and each number at once.
        at_once: How many under way at the same time; one row each.
        model_seconds: How long the model itself takes for an answer.
        rounds: How often each contender makes them.
    """

    places: Sequence[CallPlace]
    calls: int
    at_once: Sequence[int]
    model_seconds: float
    rounds: int


CallProgress = Callable[[str, int, str, int, Elapsed], None]
"""Told after each measurement: the storage, the round from 1, the contender, how many at once, what
it needed."""


def parse_call_place(text: str) -> CallPlace:
    """Return where `memory`, `sqlite` or a PostgreSQL URL lets a benchmark keep things.

    Raises:
        ConfigurationError: It is none of them, or the stock saver for it is not installed.
    """
    return MemoryPlace() if text == MEMORY else parse_place(text)


def measure_calls(bench: CallBench, *, tell: CallProgress) -> list[CallRow]:
    """Make the calls with every contender on every storage, taking turns within each round.

    Args:
        bench: What is to be measured.
        tell: Told of each measurement.

    Raises:
        ConfigurationError: A database cannot be reached.
        ContractError: A contender made another number of calls than it was asked for.
    """
    rows: list[CallRow] = []
    for place in bench.places:
        for name in CONTENDERS:  # no first one pays for imports and caches
            _measure(place, name, calls=_WARM_CALLS, at_once=1, seconds=0)
        for at_once in bench.at_once:
            rows += _measure_rounds(bench, place, at_once=at_once, tell=tell)
    return rows


def _measure_rounds(
    bench: CallBench, place: CallPlace, *, at_once: int, tell: CallProgress
) -> list[CallRow]:
    taken: dict[str, list[Elapsed]] = {name: [] for name in CONTENDERS}
    for round_ in range(1, bench.rounds + 1):
        for name in CONTENDERS:
            elapsed = _measure(
                place, name, calls=bench.calls, at_once=at_once, seconds=bench.model_seconds
            )
            taken[name].append(elapsed)
            tell(place.shown, round_, name, at_once, elapsed)
    return [
        _build_row(place.shown, name, at_once=at_once, calls=bench.calls, taken=taken)
        for name in CONTENDERS
    ]


def _measure(place: CallPlace, name: str, *, calls: int, at_once: int, seconds: float) -> Elapsed:
    plan = ModelCallPlan(model=WaitingChat(seconds=seconds), calls=calls, at_once=at_once)
    set_heap_aside()
    with place.lend() as database:
        elapsed = asyncio.run(CONTENDERS[name](plan, database))
    if plan.model.made != calls:
        raise ContractError(
            f"{name} made {plan.model.made} calls where {calls} were asked for. Its figures mean "
            "nothing; report this."
        )
    return elapsed


def _build_row(
    storage: str, name: str, *, at_once: int, calls: int, taken: dict[str, list[Elapsed]]
) -> CallRow:
    walls = [one.wall_seconds / calls * 1000 for one in taken[name]]
    plain = [one.wall_seconds / calls * 1000 for one in taken[PLAIN]]
    return CallRow(
        storage=storage,
        contender=name,
        at_once=at_once,
        calls=calls,
        wall_ms=derive_figure(walls),
        cpu_ms=derive_figure([one.cpu_seconds / calls * 1000 for one in taken[name]]),
        added_ms=derive_figure([ours - bare for ours, bare in zip(walls, plain, strict=True)]),
        of_plain=derive_figure([ours / bare for ours, bare in zip(walls, plain, strict=True)]),
    )
