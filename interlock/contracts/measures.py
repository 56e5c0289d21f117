"""What storage counts for metrics: sums by step, worker, criterion and so on, exact, with no rates.

Times are whole microseconds, money is in money units of 10^-12 of the currency's unit.
`telemetry.metrics` makes metrics of them; docs/metrics.md says what each counts.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from interlock.contracts.ids import ThreadId
from interlock.contracts.replay import RecordedPlace


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasureWindow:
    """Which rows count.

    Attributes:
        thread_id: Of this thread; of all if left out.
        team: Of this team's threads, if no thread is named.
        since: What happened from then on.
        until: What happened before.
        step_prefix: Of steps whose paths begin so, such as `outer/`.
    """

    thread_id: ThreadId | None = None
    team: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    step_prefix: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepCount:
    """Steps of one path that have one status, by their newest outcomes."""

    step: str
    status: str
    number: int
    first_pass: int
    by_person: int
    by_fallback: int
    attempts: int
    input_tokens: int
    output_tokens: int
    model_calls: int
    money: int
    life_us: int
    settle_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptCount:
    """Attempts of one step by one worker on which one verdict was reached."""

    step: str
    worker: str
    action: str
    number: int
    raised: int
    first: int
    input_tokens: int
    output_tokens: int
    money: int
    queue_us: int
    brief_us: int
    work_us: int
    model_us: int
    tool_us: int
    review_us: int
    judge_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CriterionCount:
    """What one criterion of one step came to, and what it did about values known to be faulty.

    `given_up` counts findings that did not pass on outputs after which their workers were given up.
    """

    step: str
    kind: str
    words: str
    passed: int
    failed: int
    undecided: int
    caught: int
    escaped: int
    first_decided: int = 0
    first_passed: int = 0
    given_up: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeCount:
    """Handoffs from one step to another that it released, and where the time of the other went."""

    source: str
    target: str
    number: int
    attempts: int
    queue_us: int
    brief_us: int
    model_us: int
    tool_us: int
    other_us: int
    review_us: int
    promotion_us: int
    person_us: int
    life_us: int
    longest_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StageCount:
    """How long one stage of attempts took: percentiles by nearest rank."""

    stage: str
    number: int
    total_us: int
    p50_us: int
    p95_us: int
    longest_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionCount:
    """Questions of one kind."""

    kind: str
    asked: int
    answered: int
    still_open: int
    waited_us: int
    longest_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectCount:
    """Effects of one tool."""

    tool: str
    made: int
    failed: int
    unknown: int
    undone: int
    duplicates: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCount:
    """Calls of one model in one role."""

    model: str
    role: str
    calls: int
    failed: int
    unended: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    money: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FallbackCount:
    """Steps of one path that one kind of fallback settled in one status."""

    fallback: str
    step: str
    status: str
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultCount:
    """Faults of one step that were found in one way, and how many values they are about."""

    step: str
    how: str
    found: int
    values: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """All that storage counts for a window.

    Attributes:
        runs: Status and number of the runs that were accepted in it.
        escalated: Step and number of the threads on which it was asked about.
        unmeasured: Settled steps of before there were times; they count nowhere.
    """

    runs: Sequence[tuple[str, int]] = ()
    steps: Sequence[StepCount] = ()
    attempts: Sequence[AttemptCount] = ()
    criteria: Sequence[CriterionCount] = ()
    edges: Sequence[EdgeCount] = ()
    stages: Sequence[StageCount] = ()
    questions: Sequence[QuestionCount] = ()
    escalated: Sequence[tuple[str, int]] = ()
    effects: Sequence[EffectCount] = ()
    models: Sequence[ModelCount] = ()
    fallbacks: Sequence[FallbackCount] = ()
    faults: Sequence[FaultCount] = field(default=())
    unmeasured: int = 0


class MeasureLedger(Protocol):
    """Counts what is stored."""

    async def measure(self, window: MeasureWindow) -> Measures:
        """Return what a window holds, read at one instant."""
        ...

    async def list_attempts(self, window: MeasureWindow, *, most: int) -> Sequence[RecordedPlace]:
        """Return the newest attempts of a window, oldest first; `step_prefix` is the whole path."""
        ...
