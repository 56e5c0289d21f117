"""What the guard costs a call, beside the bare tool and beside a DBOS step, in one run."""

import asyncio
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from interlock.bench.effect_contenders import (
    BARE,
    CONTENDERS,
    WITHOUT_TOOL,
    CallPlan,
    Tool,
)
from interlock.bench.stopwatch import Elapsed, set_heap_aside
from interlock.contracts.errors import ContractError


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectRow:
    """One contender's figures, medians over the rounds.

    Attributes:
        contender: Its name.
        at_once: How many calls were under way at the same time.
        calls: How many calls were made.
        wall_ms: Wall time a call, in milliseconds: of all calls together, by their number.
        cost_ms: Of it, what is not the tool's own: less the bare tool's, where the tool is run.
        cpu_ms: CPU time a call, in milliseconds.
    """

    contender: str
    at_once: int
    calls: int
    wall_ms: float
    cost_ms: float
    cpu_ms: float

    def dump(self) -> dict[str, float | int | str]:
        """Return the figures for a program."""
        return asdict(self)


Progress = Callable[[int, str, int, Elapsed], None]
"""Told after each measurement: the round from 1, the contender, how many at once, what it needed."""


def measure_effects(
    *, calls: int, at_once: Sequence[int], tool_seconds: float, rounds: int, tell: Progress
) -> list[EffectRow]:
    """Make the calls with every contender, taking turns within each round.

    Args:
        calls: How many, for each contender and each number at once.
        at_once: How many under way at the same time; one row each.
        tool_seconds: How long the tool itself waits in a call.
        rounds: How often each contender makes them.
        tell: Told of each measurement.

    Raises:
        ContractError: A contender made another number of effects than it was asked for.
    """
    rows: list[EffectRow] = []
    for number in at_once:
        timings: dict[str, list[Elapsed]] = {name: [] for name in CONTENDERS}
        for round_ in range(1, rounds + 1):
            for name in CONTENDERS:
                plan = CallPlan(tool=Tool(tool_seconds), calls=calls, at_once=number)
                timing = _measure(name, plan)
                timings[name].append(timing)
                tell(round_, name, number, timing)
        bare = _derive_wall_ms(timings[BARE], calls)
        rows += [_build_row(name, timings[name], calls, number, bare) for name in CONTENDERS]
    return rows


def _measure(name: str, plan: CallPlan) -> Elapsed:
    set_heap_aside()
    with tempfile.TemporaryDirectory(prefix="interlock-bench-") as folder:
        timing = asyncio.run(CONTENDERS[name](plan, Path(folder)))
    if plan.tool.made != plan.calls:
        raise ContractError(
            f"{name} made {plan.tool.made} effects where {plan.calls} were asked for. Its figures "
            "mean nothing; report this."
        )
    return timing


def _build_row(
    name: str, timings: Sequence[Elapsed], calls: int, at_once: int, bare_ms: float
) -> EffectRow:
    wall_ms = _derive_wall_ms(timings, calls)
    return EffectRow(
        contender=name,
        at_once=at_once,
        calls=calls,
        wall_ms=wall_ms,
        cost_ms=wall_ms if name in WITHOUT_TOOL else wall_ms - bare_ms,
        cpu_ms=median(t.cpu_seconds for t in timings) / calls * 1000,
    )


def _derive_wall_ms(timings: Sequence[Elapsed], calls: int) -> float:
    return median(t.wall_seconds for t in timings) / calls * 1000
