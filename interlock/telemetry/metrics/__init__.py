"""Metrics: what is counted in the journal, with the rates that follow from it."""

from interlock.telemetry.metrics.critical_path import CriticalPath, PathStep, derive_critical_path
from interlock.telemetry.metrics.derive import derive_metrics
from interlock.telemetry.metrics.fault_trails import (
    AffectedStep,
    FaultTrail,
    PassedGate,
    StepPlace,
)
from interlock.telemetry.metrics.propagation import derive_trails
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
from interlock.telemetry.metrics.what_if import Saving

__all__ = [
    "AffectedStep",
    "CriterionMetrics",
    "CriticalPath",
    "EdgeMetrics",
    "EffectMetrics",
    "FallbackMetrics",
    "FaultMetrics",
    "FaultTrail",
    "Metrics",
    "ModelMetrics",
    "PassedGate",
    "PathStep",
    "QuestionMetrics",
    "RunMetrics",
    "Saving",
    "StageMetrics",
    "StageTimes",
    "StepMetrics",
    "StepPlace",
    "WorkerMetrics",
    "derive_critical_path",
    "derive_metrics",
    "derive_trails",
]
