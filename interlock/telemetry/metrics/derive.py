"""From what storage counts to metrics: sums by step and by worker, and the rates that follow.

Pure; every formula stands in docs/metrics.md.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from interlock.contracts.measures import (
    AttemptCount,
    CriterionCount,
    EdgeCount,
    Measures,
    MeasureWindow,
    ModelCount,
    QuestionCount,
    StageCount,
    StepCount,
)
from interlock.contracts.prices import dump_money
from interlock.telemetry.metrics.tables import (
    CriterionMetrics,
    EdgeMetrics,
    EffectMetrics,
    FallbackMetrics,
    FaultMetrics,
    Metrics,
    ModelMetrics,
    QuestionMetrics,
    RunMetrics,
    StageMetrics,
    StageTimes,
    StepMetrics,
    WorkerMetrics,
)

_DECIDED = ("accepted", "degraded", "skipped", "failed")


def derive_metrics(measures: Measures, window: MeasureWindow) -> Metrics:
    """Return the metrics of what storage has counted in a window."""
    escalated = Counter(dict(measures.escalated))
    by_step: dict[str, list[StepCount]] = defaultdict(list)
    for count in measures.steps:
        by_step[count.step].append(count)
    return Metrics(
        thread_id=window.thread_id,
        team=window.team,
        since=window.since,
        until=window.until,
        runs=_derive_runs(dict(measures.runs)),
        total=_derive_total(measures.steps, escalated=escalated.total()),
        steps=tuple(
            _derive_step(step, counts, escalated=escalated[step])
            for step, counts in sorted(by_step.items())
        ),
        workers=_derive_workers(measures.attempts),
        criteria=tuple(_derive_criterion(count) for count in measures.criteria),
        edges=tuple(_derive_edge(count) for count in measures.edges),
        stages=tuple(_derive_stage(count) for count in measures.stages),
        questions=tuple(_derive_questions(count) for count in measures.questions),
        effects=tuple(
            EffectMetrics(
                tool=count.tool,
                made=count.made,
                failed=count.failed,
                unknown=count.unknown,
                undone=count.undone,
                duplicates_suppressed=count.duplicates,
            )
            for count in measures.effects
        ),
        models=tuple(_derive_model(count) for count in measures.models),
        fallbacks=tuple(
            FallbackMetrics(
                fallback=count.fallback, step=count.step, status=count.status, steps=count.number
            )
            for count in measures.fallbacks
        ),
        faults=tuple(
            FaultMetrics(step=count.step, how=count.how, found=count.found, values=count.values)
            for count in measures.faults
        ),
        unmeasured=measures.unmeasured,
    )


def divide(part: float, whole: int) -> float | None:
    """Return a share, or None where there is nothing to divide by."""
    return part / whole if whole else None


def _derive_runs(counted: Mapping[str, int]) -> RunMetrics:
    ended = sum(counted.get(name, 0) for name in ("completed", "degraded", "failed"))
    return RunMetrics(
        accepted=sum(counted.values()),
        completion_rate=divide(counted.get("completed", 0), ended),
        **counted,
    )


def _derive_total(counts: Sequence[StepCount], *, escalated: int) -> StepMetrics:
    """Return all steps together; what a nested team used is in the step whose team it is."""
    paths = {count.step for count in counts}
    once = [
        replace(count, input_tokens=0, output_tokens=0, model_calls=0, money=0)
        if _is_within(count.step, paths)
        else count
        for count in counts
    ]
    return _derive_step("", once, escalated=escalated)


def _is_within(path: str, paths: Collection[str]) -> bool:
    """Return whether a path lies below another one."""
    return any(path[:end] in paths for end, sign in enumerate(path) if sign == "/")


def _derive_step(step: str, counts: Sequence[StepCount], *, escalated: int) -> StepMetrics:
    by_status: Counter[str] = Counter()
    for count in counts:
        by_status[count.status] += count.number
    settled = [count for count in counts if count.status != "waiting"]
    decided = sum(by_status[status] for status in _DECIDED)
    accepted = by_status["accepted"]
    first_pass = sum(count.first_pass for count in counts if count.status == "accepted")
    attempted = sum(count.attempts for count in counts)
    tokens = sum(count.input_tokens + count.output_tokens for count in counts)
    money = sum(count.money for count in counts)
    return StepMetrics(
        step=step,
        settled=sum(count.number for count in settled),
        accepted=accepted,
        degraded=by_status["degraded"],
        skipped=by_status["skipped"],
        failed=by_status["failed"],
        blocked=by_status["blocked"],
        cancelled=by_status["cancelled"],
        waiting=by_status["waiting"],
        decided=decided,
        completion_rate=divide(accepted, decided),
        first_pass=first_pass,
        first_pass_rate=divide(first_pass, decided),
        degradation_rate=divide(by_status["degraded"] + by_status["skipped"], decided),
        by_person=sum(count.by_person for count in settled),
        escalated=escalated,
        escalation_rate=divide(escalated, decided + by_status["waiting"]),
        by_fallback=sum(count.by_fallback for count in settled),
        attempts=attempted,
        attempts_per_step=divide(attempted, decided),
        input_tokens=sum(count.input_tokens for count in counts),
        output_tokens=sum(count.output_tokens for count in counts),
        model_calls=sum(count.model_calls for count in counts),
        money=dump_money(money),
        tokens_per_accepted=divide(tokens, accepted),
        money_per_accepted=dump_money(money // accepted) if accepted else None,
    )


def _derive_workers(counts: Iterable[AttemptCount]) -> tuple[WorkerMetrics, ...]:
    by_worker: dict[str, list[AttemptCount]] = defaultdict(list)
    for count in counts:
        by_worker[count.worker].append(count)
    return tuple(_derive_worker(name, found) for name, found in sorted(by_worker.items()))


def _derive_worker(worker: str, counts: Sequence[AttemptCount]) -> WorkerMetrics:
    by_action: Counter[str] = Counter()
    for count in counts:
        by_action[count.action] += count.number
    attempts, accepted = by_action.total(), by_action["accept"]
    first = sum(count.first for count in counts)
    first_pass = sum(count.first for count in counts if count.action == "accept")
    tokens = sum(count.input_tokens + count.output_tokens for count in counts)
    given_up = by_action["fallback"] + by_action["degrade"]
    return WorkerMetrics(
        worker=worker,
        attempts=attempts,
        accepted=accepted,
        refused=attempts - accepted - by_action["park"],
        parked=by_action["park"],
        raised=sum(count.raised for count in counts),
        acceptance_rate=divide(accepted, attempts),
        first_attempts=first,
        first_pass=first_pass,
        first_pass_rate=divide(first_pass, first),
        input_tokens=sum(count.input_tokens for count in counts),
        output_tokens=sum(count.output_tokens for count in counts),
        money=dump_money(sum(count.money for count in counts)),
        tokens_per_accepted=divide(tokens, accepted),
        queue_us=sum(count.queue_us for count in counts),
        brief_us=sum(count.brief_us for count in counts),
        model_us=sum(count.model_us for count in counts),
        tool_us=sum(count.tool_us for count in counts),
        other_us=sum(count.work_us - count.model_us - count.tool_us for count in counts),
        review_us=sum(count.review_us for count in counts),
        judge_us=sum(count.judge_us for count in counts),
        given_up=given_up,
        degradation_rate=divide(given_up, accepted + given_up),
    )


def _derive_criterion(count: CriterionCount) -> CriterionMetrics:
    decided = count.passed + count.failed + count.undecided
    return CriterionMetrics(
        step=count.step,
        kind=count.kind,
        criterion=count.words,
        decided=decided,
        passed=count.passed,
        failed=count.failed,
        undecided=count.undecided,
        pass_rate=divide(count.passed, decided),
        caught=count.caught,
        escaped=count.escaped,
        escape_rate=divide(count.escaped, count.caught + count.escaped),
        first_decided=count.first_decided,
        first_pass=count.first_passed,
        first_pass_rate=divide(count.first_passed, count.first_decided),
        given_up=count.given_up,
        degradation_rate=divide(count.given_up, decided),
    )


def _derive_edge(count: EdgeCount) -> EdgeMetrics:
    known = (
        count.queue_us
        + count.brief_us
        + count.model_us
        + count.tool_us
        + count.other_us
        + count.review_us
        + count.promotion_us
        + count.person_us
    )
    return EdgeMetrics(
        source=count.source,
        target=count.target,
        handoffs=count.number,
        attempts=count.attempts,
        mean_us=count.life_us / count.number,
        longest_us=count.longest_us,
        stages=StageTimes(
            queue_us=count.queue_us,
            brief_us=count.brief_us,
            model_us=count.model_us,
            tool_us=count.tool_us,
            other_us=count.other_us,
            review_us=count.review_us,
            promotion_us=count.promotion_us,
            person_us=count.person_us,
            elsewhere_us=count.life_us - known,
            life_us=count.life_us,
        ),
    )


def _derive_stage(count: StageCount) -> StageMetrics:
    return StageMetrics(
        stage=count.stage,
        count=count.number,
        total_us=count.total_us,
        mean_us=count.total_us / count.number,
        p50_us=count.p50_us,
        p95_us=count.p95_us,
        longest_us=count.longest_us,
    )


def _derive_questions(count: QuestionCount) -> QuestionMetrics:
    return QuestionMetrics(
        kind=count.kind,
        asked=count.asked,
        answered=count.answered,
        still_open=count.still_open,
        mean_wait_us=divide(count.waited_us, count.answered),
        longest_wait_us=count.longest_us,
    )


def _derive_model(count: ModelCount) -> ModelMetrics:
    return ModelMetrics(
        model=count.model,
        role=count.role,
        calls=count.calls,
        failed=count.failed,
        unended=count.unended,
        failure_rate=divide(count.failed, count.calls),
        input_tokens=count.input_tokens,
        output_tokens=count.output_tokens,
        cached_tokens=count.cached_tokens,
        money=dump_money(count.money),
    )
