"""The fault campaign: every kind at every rate, many runs each, by every contender in turn."""

import asyncio
import math
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from interlock.bench.fault_contenders import CONTENDERS, OURS
from interlock.bench.fault_job import Job, build_job
from interlock.bench.fault_kinds import KINDS, MIX, FaultPlan
from interlock.bench.fault_run import FaultRun
from interlock.bench.fault_worker import FaultyWorker
from interlock.checkpoints import open_storage
from interlock.contracts.errors import ContractError
from interlock.contracts.storage import Storage

_AT_ONCE: Final = 8
_TIMEOUT_SECONDS: Final = 1.0
_LONG_SECONDS: Final = 60.0
_PATIENCE: Final = (1, 4, 16)
_TAIL: Final = 0.0005  # on either side: there are dozens of rows
_ROUNDING: Final = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignPlan:
    """What is to be run.

    Attributes:
        runs: Of each contender for each kind and rate.
        rates: Per attempt, 0 to 1.
        steps: Of the job.
        seed: Of the job and the faults.
        kinds: Kinds of faults, `MIX` among them.
        timeout_seconds: Of an attempt, where something can hang; a minute elsewhere. A run in
            which the machine was too slow is run anew with more, so that it makes no faults.
    """

    runs: int
    rates: Sequence[float]
    steps: int = 40
    seed: int = 1
    kinds: Sequence[str] = (*KINDS, MIX)
    timeout_seconds: float = _TIMEOUT_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultRow:
    """One contender's figures for a kind and a rate; shares are of its runs.

    Attributes:
        contender: Its name.
        kind: Of the faults; None for the row without any.
        rate: Per attempt.
        runs: How many.
        is_seen: Whether something that is declared can see every such fault.
        silently_wrong: Share that gave a wrong final value and did not say so.
        right: Share that gave the answer of a run without faults.
        completed: Share that says all is well.
        degraded: Share that says what is missing.
        failed: Share that gave up.
        escalated: Share in which a person was asked.
        attempts: A run, times those of a run without faults.
        calls: Of models, the same.
        tokens: The same.
        doubles: Effects made once more, a run.
        phantoms: Effects taken for done that never happened, a run.
        struck_steps: Steps that could be struck, over all runs; 0 where none is reviewed.
        done_steps: Of them, those that their first worker did.
        expected_steps: What 1 - q^(r+1) says of `done_steps`.
    """

    contender: str
    kind: str | None
    rate: float
    runs: int
    is_seen: bool
    silently_wrong: float
    right: float
    completed: float
    degraded: float
    failed: float
    escalated: float
    attempts: float
    calls: float
    tokens: float
    doubles: float
    phantoms: float
    struck_steps: int
    done_steps: int
    expected_steps: float

    @property
    def interval(self) -> tuple[float, float]:
        """Where the share of steps that their first worker did lies, 99.9 percent of the time."""
        if not self.struck_steps:
            return 0.0, 1.0
        return derive_interval(self.expected_steps / self.struck_steps, self.struck_steps)

    @property
    def agrees(self) -> bool:
        """Whether the share of steps lies there; true where nothing was counted."""
        if not self.struck_steps:
            return True
        low, high = self.interval
        return low - _ROUNDING <= self.done_steps / self.struck_steps <= high + _ROUNDING

    def dump(self) -> dict[str, object]:
        """Return the figures for a program."""
        return {**asdict(self), "interval": list(self.interval), "agrees": self.agrees}


Progress = Callable[[str | None, float, str], object]
"""Told before each row: the kind, the rate, the contender."""


def derive_interval(share: float, of: int) -> tuple[float, float]:
    """Return between which shares a count falls, 99.9 percent of the time.

    Exact, by summing the binomial distribution; cost is linear in `of`.

    Args:
        share: The probability of one.
        of: How many are drawn, at least one.
    """
    if not 0 < share < 1:
        return share, share
    low, high = (_find_quantile(one, of) / of for one in (share, 1 - share))
    return low, 1 - high


def _find_quantile(share: float, of: int) -> int:
    """Return the least count that is not in the lower tail."""
    left = _TAIL
    for count in range(of):
        ways = math.lgamma(of + 1) - math.lgamma(count + 1) - math.lgamma(of - count + 1)
        left -= math.exp(ways + count * math.log(share) + (of - count) * math.log1p(-share))
        if left < 0:
            return count
    return of


def run_campaign(plan: CampaignPlan, *, tell: Progress) -> list[FaultRow]:
    """Run everything, interlock on a SQLite file that is thrown away.

    Args:
        plan: What.
        tell: Told before each row.

    Raises:
        ContractError: A journal says something else than its result, or the machine is too busy.
        ConfigurationError: A contender is not installed.
    """
    with tempfile.TemporaryDirectory(prefix="interlock-bench-") as folder:
        return asyncio.run(_run(plan, Path(folder), tell))


async def _run(plan: CampaignPlan, folder: Path, tell: Progress) -> list[FaultRow]:
    job = build_job(seed=plan.seed, steps=plan.steps)
    cases = [(kind, rate) for kind in plan.kinds for rate in plan.rates]
    rows: list[FaultRow] = []
    async with open_storage(f"sqlite:///{folder / 'faults.db'}") as storage:
        for name in CONTENDERS:
            tell(None, 0.0, name)
            quiet = FaultPlan(seed=plan.seed, kind=None, rate=0.0)
            bare = await _run_all(name, [FaultyWorker(job=job, plan=quiet, run=0)], plan, storage)
            rows.append(build_row(name, quiet, bare, bare))
            for kind, rate in cases:
                tell(kind, rate, name)
                faults = FaultPlan(seed=plan.seed, kind=kind, rate=rate)
                runs = await _run_all(name, _list_workers(job, faults, plan.runs), plan, storage)
                rows.append(build_row(name, faults, runs, bare))
    return rows


def _list_workers(job: Job, faults: FaultPlan, runs: int) -> list[FaultyWorker]:
    return [FaultyWorker(job=job, plan=faults, run=run) for run in range(runs)]


async def _run_all(
    name: str, workers: Sequence[FaultyWorker], plan: CampaignPlan, storage: Storage
) -> list[FaultRun]:
    hangs = workers[0].plan.kind in {"hung", MIX}
    seconds = plan.timeout_seconds if hangs else _LONG_SECONDS
    done: list[FaultRun] = []
    for start in range(0, len(workers), _AT_ONCE):
        few = workers[start : start + _AT_ONCE]
        tasks = [_run_in_time(name, worker, storage, seconds) for worker in few]
        done += await asyncio.gather(*tasks)
    return done


async def _run_in_time(
    name: str, worker: FaultyWorker, storage: Storage, seconds: float
) -> FaultRun:
    """Return a run, anew with more time if the machine was too slow: such faults are not drawn.

    Raises:
        ContractError: It was too slow every time.
    """
    for factor in _PATIENCE:
        tried = worker.start_anew()
        done = await CONTENDERS[name](tried, storage, seconds * factor)
        if not tried.overdue:
            return done
    raise ContractError(
        f"{name}: attempts ran out of {seconds * _PATIENCE[-1]:g} s that nothing had struck. The "
        "machine is too busy to measure: leave it alone meanwhile."
    )


def build_row(
    name: str, faults: FaultPlan, runs: Sequence[FaultRun], bare: Sequence[FaultRun]
) -> FaultRow:
    """Return a contender's row.

    Args:
        name: The contender.
        faults: What went wrong.
        runs: Of it, at least one.
        bare: Runs without faults, with which attempts, calls and tokens are compared.
    """
    count = len(runs)

    def share(pick: Callable[[FaultRun], bool]) -> float:
        return sum(map(pick, runs)) / count

    def grow(pick: Callable[[FaultRun], int]) -> float:
        return sum(map(pick, runs)) / count / (sum(map(pick, bare)) / len(bare) or 1)

    return FaultRow(
        contender=name,
        kind=faults.kind,
        rate=faults.rate,
        runs=count,
        is_seen=faults.is_seen,
        silently_wrong=share(lambda run: run.is_silently_wrong),
        right=share(lambda run: run.is_right),
        completed=share(lambda run: run.end == "completed"),
        degraded=share(lambda run: run.end == "degraded"),
        failed=share(lambda run: run.end == "failed"),
        escalated=share(lambda run: run.escalations > 0),
        attempts=grow(lambda run: run.attempts),
        calls=grow(lambda run: run.calls),
        tokens=grow(lambda run: run.tokens),
        phantoms=sum(run.phantoms for run in runs) / count,
        doubles=sum(run.doubles for run in runs) / count,
        struck_steps=sum(run.struck_steps for run in runs),
        done_steps=sum(run.done_steps for run in runs),
        expected_steps=sum(run.expected_steps for run in runs),
    )


def list_misses(rows: Sequence[FaultRow]) -> list[str]:
    """Return where interlock was wrong in silence though it could see, or where rates disagree."""
    ours = [row for row in rows if row.contender.startswith(OURS)]
    wrong = [
        f"{row.contender}, {row.kind} at {row.rate:.0%}: {row.silently_wrong:.0%} of the answers wrong in silence"
        for row in ours
        if row.is_seen and row.silently_wrong
    ]
    doubled = [
        f"{row.contender}, {row.kind} at {row.rate:.0%}: effects a run: {row.doubles:.1f} made once more, "
        f"{row.phantoms:.1f} claimed only"
        for row in ours
        if row.doubles or row.phantoms
    ]
    off = [
        f"{row.contender}, {row.kind} at {row.rate:.0%}: {row.done_steps} steps done of {row.struck_steps}, "
        f"{row.expected_steps:.1f} expected"
        for row in ours
        if not row.agrees
    ]
    return [*wrong, *doubled, *off]
