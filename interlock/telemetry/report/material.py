"""What a report is made from, as storage and journal give it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from interlock.contracts.blame import ThreadLineage
from interlock.contracts.effects import EffectRecord
from interlock.contracts.handoff import Handoff
from interlock.contracts.ids import QuestionId
from interlock.contracts.plan_version import PlanVersion
from interlock.contracts.question import Question
from interlock.contracts.run_record import RunRecord
from interlock.contracts.spending import StoredCall
from interlock.contracts.storage import RecordedAnswer
from interlock.telemetry.metrics.critical_path import CriticalPath
from interlock.telemetry.metrics.fault_trails import FaultTrail
from interlock.telemetry.metrics.tables import Metrics


@dataclass(frozen=True, slots=True, kw_only=True)
class RunMaterial:
    """All that a report on one run shows.

    Attributes:
        run: The run.
        handoffs: Its journal with payloads, oldest first.
        plans: Versions of its own plan, and of those of teams within it, by their paths.
        lineage: Who was given what, with times.
        metrics: Of the thread.
        trails: Of its faults.
        critical: What decided its end.
        effects: Of its tools.
        calls: Of models.
        questions: Open ones.
        answers: Recorded ones, with their questions.
        now: When the report is made.
        command: How a payload that is cut is read in full.
    """

    run: RunRecord
    handoffs: Sequence[Handoff]
    plans: Mapping[str, Sequence[PlanVersion]]
    lineage: ThreadLineage
    metrics: Metrics
    trails: Sequence[FaultTrail] = ()
    critical: CriticalPath | None = None
    effects: Sequence[EffectRecord] = ()
    calls: Sequence[StoredCall] = ()
    questions: Sequence[Question] = ()
    answers: Mapping[QuestionId, RecordedAnswer] = field(default_factory=dict)
    now: datetime
    command: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ManyMaterial:
    """All that a report on many runs shows.

    Attributes:
        metrics: Of the window.
        days: Metrics by day, the first day first, each with its date.
        runs: The newest runs of the window.
        trails: Of faults found in it.
        now: When the report is made.
    """

    metrics: Metrics
    days: Sequence[tuple[str, Metrics]] = ()
    runs: Sequence[RunRecord] = ()
    trails: Sequence[FaultTrail] = ()
    now: datetime
