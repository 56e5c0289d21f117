"""Everything of ours that a checkpoint may hold, and the serializer that revives only that.

A type that is missing here comes back from a checkpoint as a plain dict, and a type of
somebody else is never constructed at all. LangGraph adds the types that a compiled graph's
schemas name.
"""

from typing import Final

from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from interlock.contracts.criteria import (
    CheckCriterion,
    ExpressionCriterion,
    Finding,
    RubricCriterion,
    SchemaCriterion,
)
from interlock.contracts.errors import PlanProblem
from interlock.contracts.fallback import Abandon, AskPerson, Skip, UseValue, UseWorker
from interlock.contracts.handoff import Handoff, Verdict
from interlock.contracts.outcome import RunResult, StepOutcome, Usage
from interlock.contracts.plan import Need, Step, TaskGraph
from interlock.contracts.policy import (
    Budget,
    EffectPolicy,
    Replan,
    Retry,
    RunPolicy,
    ScratchpadPolicy,
)
from interlock.contracts.prices import Price
from interlock.contracts.question import Answer, Question
from interlock.contracts.run_record import RunRecord
from interlock.contracts.worker import WorkerCard

REVIVABLE: Final[tuple[type, ...]] = (
    Abandon,
    Answer,
    AskPerson,
    Budget,
    CheckCriterion,
    EffectPolicy,
    ExpressionCriterion,
    Finding,
    Handoff,
    Need,
    PlanProblem,
    Price,
    Question,
    Replan,
    Retry,
    RubricCriterion,
    RunPolicy,
    RunRecord,
    RunResult,
    SchemaCriterion,
    ScratchpadPolicy,
    Skip,
    Step,
    StepOutcome,
    TaskGraph,
    Usage,
    UseValue,
    UseWorker,
    Verdict,
    WorkerCard,
)


def build_serializer() -> JsonPlusSerializer:
    """Return a serializer that revives `REVIVABLE` and LangGraph's own safe types only."""
    return JsonPlusSerializer(allowed_msgpack_modules=REVIVABLE)
