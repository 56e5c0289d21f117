"""Metrics as tables: a row a step, a worker, a criterion, an edge and so on.

docs/metrics.md defines every field. Times are whole microseconds; a rate is None where there is
nothing to divide by.
"""

from datetime import datetime
from decimal import Decimal

from interlock.contracts.frozen_model import FrozenModel


class RunMetrics(FrozenModel):
    """Runs that were accepted in the window, by status."""

    accepted: int = 0
    running: int = 0
    waiting: int = 0
    completed: int = 0
    degraded: int = 0
    failed: int = 0
    cancelled: int = 0
    completion_rate: float | None = None


class StageTimes(FrozenModel):
    """Where the time of steps went; the stages add up to `life_us`, `elsewhere_us` being the rest."""

    queue_us: int = 0
    brief_us: int = 0
    model_us: int = 0
    tool_us: int = 0
    other_us: int = 0
    review_us: int = 0
    promotion_us: int = 0
    person_us: int = 0
    elsewhere_us: int = 0
    life_us: int = 0


class StepMetrics(FrozenModel):
    """Steps of one path, or all together."""

    step: str
    settled: int
    accepted: int
    degraded: int
    skipped: int
    failed: int
    blocked: int
    cancelled: int
    waiting: int
    decided: int
    completion_rate: float | None
    first_pass: int
    first_pass_rate: float | None
    degradation_rate: float | None
    by_person: int
    escalated: int
    escalation_rate: float | None
    by_fallback: int
    attempts: int
    attempts_per_step: float | None
    input_tokens: int
    output_tokens: int
    model_calls: int
    money: Decimal
    tokens_per_accepted: float | None
    money_per_accepted: Decimal | None


class WorkerMetrics(FrozenModel):
    """Attempts of one worker."""

    worker: str
    attempts: int
    accepted: int
    refused: int
    parked: int
    raised: int
    acceptance_rate: float | None
    first_attempts: int
    first_pass: int
    first_pass_rate: float | None
    input_tokens: int
    output_tokens: int
    money: Decimal
    tokens_per_accepted: float | None
    queue_us: int
    brief_us: int
    model_us: int
    tool_us: int
    other_us: int
    review_us: int
    judge_us: int
    given_up: int = 0
    degradation_rate: float | None = None


class CriterionMetrics(FrozenModel):
    """One criterion of one step: a gate."""

    step: str
    kind: str
    criterion: str
    decided: int
    passed: int
    failed: int
    undecided: int
    pass_rate: float | None
    caught: int
    escaped: int
    escape_rate: float | None
    first_decided: int = 0
    first_pass: int = 0
    first_pass_rate: float | None = None
    given_up: int = 0
    degradation_rate: float | None = None


class EdgeMetrics(FrozenModel):
    """Handoffs from one step to another; `source` is empty for steps that need nothing."""

    source: str
    target: str
    handoffs: int
    attempts: int
    mean_us: float
    longest_us: int
    stages: StageTimes


class StageMetrics(FrozenModel):
    """One stage over all attempts."""

    stage: str
    count: int
    total_us: int
    mean_us: float
    p50_us: int
    p95_us: int
    longest_us: int


class QuestionMetrics(FrozenModel):
    """Questions of one kind."""

    kind: str
    asked: int
    answered: int
    still_open: int
    mean_wait_us: float | None
    longest_wait_us: int


class EffectMetrics(FrozenModel):
    """Effects of one tool."""

    tool: str
    made: int
    failed: int
    unknown: int
    undone: int
    duplicates_suppressed: int


class ModelMetrics(FrozenModel):
    """Calls of one model in one role."""

    model: str
    role: str
    calls: int
    failed: int
    unended: int
    failure_rate: float | None
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    money: Decimal


class FallbackMetrics(FrozenModel):
    """One kind of fallback that settled steps of one path."""

    fallback: str
    step: str
    status: str
    steps: int


class FaultMetrics(FrozenModel):
    """Accepted values of one step that proved wrong, by how they were found."""

    step: str
    how: str
    found: int
    values: int


class Metrics(FrozenModel):
    """All metrics of a thread, of a team or of a time.

    Attributes:
        thread_id: Of this thread.
        team: Of this team.
        since: What happened from then on.
        until: What happened before.
        runs: Of the window.
        total: All steps together.
        steps: By path, in the order of paths.
        workers: By name.
        criteria: By step, then by what the criterion says.
        edges: By target and source.
        stages: Of all attempts.
        questions: By kind.
        effects: By tool.
        models: By model and role.
        fallbacks: By kind and step.
        faults: By step and how they were found.
        unmeasured: Steps that had settled before interlock kept times: they count nowhere here.
    """

    thread_id: str | None = None
    team: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    runs: RunMetrics = RunMetrics()
    total: StepMetrics
    steps: tuple[StepMetrics, ...] = ()
    workers: tuple[WorkerMetrics, ...] = ()
    criteria: tuple[CriterionMetrics, ...] = ()
    edges: tuple[EdgeMetrics, ...] = ()
    stages: tuple[StageMetrics, ...] = ()
    questions: tuple[QuestionMetrics, ...] = ()
    effects: tuple[EffectMetrics, ...] = ()
    models: tuple[ModelMetrics, ...] = ()
    fallbacks: tuple[FallbackMetrics, ...] = ()
    faults: tuple[FaultMetrics, ...] = ()
    unmeasured: int = 0
