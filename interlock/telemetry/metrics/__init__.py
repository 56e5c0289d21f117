"""Metrics: what is counted in the journal, with the rates that follow from it."""

from interlock.telemetry.metrics.derive import derive_metrics
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

__all__ = [
    "CriterionMetrics",
    "EdgeMetrics",
    "EffectMetrics",
    "FallbackMetrics",
    "FaultMetrics",
    "Metrics",
    "ModelMetrics",
    "QuestionMetrics",
    "RunMetrics",
    "StageMetrics",
    "StageTimes",
    "StepMetrics",
    "WorkerMetrics",
    "derive_metrics",
]
