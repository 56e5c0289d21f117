"""Which step, worker, edge or validator is the problem: the rows of metrics, the worst first.

Pure. Every order ends with names, so that it is the same for the same metrics.
"""

from collections.abc import Sequence
from typing import Final

from interlock.telemetry.metrics.tables import (
    CriterionMetrics,
    EdgeMetrics,
    Metrics,
    StageTimes,
    StepMetrics,
    WorkerMetrics,
)

_WORTH_TELLING: Final = 0.05
"""Of the whole time."""


def rank_steps(metrics: Metrics) -> Sequence[StepMetrics]:
    """Return steps by how often they ended with less than was asked for.

    Blocked steps are victims of others: they only decide between steps that are else the same.
    """

    def judge(row: StepMetrics) -> tuple[int, int, int, int, str]:
        spared = row.first_pass - row.accepted
        return (row.accepted - row.decided, spared, -row.blocked, -row.attempts, row.step)

    return sorted(metrics.steps, key=judge)


def rank_workers(metrics: Metrics) -> Sequence[WorkerMetrics]:
    """Return workers by how many of their attempts were refused."""

    def judge(row: WorkerMetrics) -> tuple[int, float, str]:
        return (-row.refused, row.acceptance_rate or 0.0, row.worker)

    return sorted(metrics.workers, key=judge)


def rank_edges(metrics: Metrics) -> Sequence[EdgeMetrics]:
    """Return edges by the time that they took in all."""

    def judge(row: EdgeMetrics) -> tuple[int, str, str]:
        return (-row.stages.life_us, row.target, row.source)

    return sorted(metrics.edges, key=judge)


def rank_criteria(metrics: Metrics) -> Sequence[CriterionMetrics]:
    """Return validators by how many faulty values they let pass, then by what they refused."""

    def judge(row: CriterionMetrics) -> tuple[int, int, int, str, str]:
        return (-row.escaped, -row.failed, -row.undecided, row.step, row.criterion)

    return sorted(metrics.criteria, key=judge)


def list_shares(stages: StageTimes) -> Sequence[tuple[str, float]]:
    """Return the stages that took a twentieth of the time or more, the longest first, as shares."""
    spent = {
        name.removesuffix("_us"): int(getattr(stages, name))
        for name in StageTimes.model_fields
        if name != "life_us"
    }
    whole = max(1, stages.life_us)
    shares = [(name, used / whole) for name, used in spent.items()]
    return sorted((one for one in shares if one[1] >= _WORTH_TELLING), key=lambda one: -one[1])
