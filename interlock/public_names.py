"""The names that `interlock` itself exports, loaded all at once on the first use of one.

Importing them imports LangGraph, which takes a second; the command line's help does not wait
for it. Called by `interlock` itself, and to be imported by nobody else.
"""

from interlock.checkpoints import REVIVABLE, open_storage
from interlock.checkpoints.strict_msgpack import switch_on_strict_msgpack
from interlock.contracts.brief import Brief, Scratchpad
from interlock.contracts.budget_errors import BudgetExhaustedError, UnpricedModelError
from interlock.contracts.clock import Clock, SystemClock
from interlock.contracts.context_errors import (
    PromotionProblem,
    PromotionRefusedError,
    UnknownFactError,
)
from interlock.contracts.context_records import FactMark, FactRecord
from interlock.contracts.context_view import ContextView
from interlock.contracts.criteria import Finding, check, expr, rubric, schema
from interlock.contracts.effect_errors import (
    AttemptOverError,
    EffectBusyError,
    EffectSettledError,
    EffectUnknownError,
    KeyReusedError,
    NoEffectScopeError,
    NotAppliedError,
    OutcomeOpenError,
    RecordedEffectError,
    RequestRefusedError,
    UnknownEffectError,
)
from interlock.contracts.effect_ledger import Transaction
from interlock.contracts.effects import EffectRecord
from interlock.contracts.encryption import Encryption
from interlock.contracts.errors import (
    AnswerError,
    ConfigurationError,
    ContractError,
    DrainedError,
    FinishedRunError,
    InterlockError,
    InvalidAnswerError,
    LeaseLostError,
    PermanentError,
    PlainValueError,
    PlanError,
    PlanProblem,
    RunError,
    SchemaVersionError,
    StaleAnswerError,
    StepTimeoutError,
    StorageBusyError,
    StorageCorruptError,
    StorageError,
    StorageFullError,
    StorageReadOnlyError,
    StorageSchemaError,
    ThreadBusyError,
    TransientError,
    UnfinishedRunError,
    UnknownQuestionError,
    UnknownThreadError,
)
from interlock.contracts.fallback import abandon, ask_person, skip, use_value, use_worker
from interlock.contracts.fault import Fault
from interlock.contracts.fault_errors import InputRefusedError, NoValueError
from interlock.contracts.handoff import Handoff, Verdict
from interlock.contracts.ids import IdempotencyKey
from interlock.contracts.judging import Judge, Judgement, JudgeRequest
from interlock.contracts.limit_errors import BreakerOpenError, RateLimitedError
from interlock.contracts.limits import Breaker, ModelLimits, Rate
from interlock.contracts.model_errors import ModelAnswerError, ModelCallError, ModelRequestError
from interlock.contracts.outcome import RunResult, StepOutcome, Usage
from interlock.contracts.plan import Need, Step, TaskGraph
from interlock.contracts.plan_fallback import use_plan
from interlock.contracts.policy import (
    Budget,
    EffectPolicy,
    Replan,
    Retry,
    RunPolicy,
    ScratchpadPolicy,
)
from interlock.contracts.prices import Price
from interlock.contracts.question import Answer, Question, approve, edit, reject, respond
from interlock.contracts.replay import (
    NoBriefError,
    Recording,
    Replay,
    ReplayFailure,
    ReplayReport,
)
from interlock.contracts.retention import Pruned, PruneReport, Retention
from interlock.contracts.run_difference import RunDifference
from interlock.contracts.run_record import RunRecord
from interlock.contracts.scratchpad import Note, scratchpad
from interlock.contracts.scratchpad_errors import ScratchpadFullError, ScratchpadOverError
from interlock.contracts.sealing_errors import SealedRowError, SealedStorageError
from interlock.contracts.shared_context import Fact, SharedContext
from interlock.contracts.storage import Storage
from interlock.contracts.worker import (
    Planner,
    PlanRequest,
    StreamingPlanner,
    Worker,
    WorkerCard,
)
from interlock.models.model_judge import ModelJudge
from interlock.models.model_planner import ModelPlanner
from interlock.models.patient_calls import CallLimits
from interlock.orchestrator import (
    Orchestrator,
    ThreadStatus,
    build_run_graph,
    load_task_graph,
)
from interlock.supervisor import (
    create_forward_message_tool,
    create_handoff_tool,
    create_supervisor,
)
from interlock.telemetry import events
from interlock.telemetry.metrics import CriticalPath, FaultTrail, Metrics
from interlock.tools.declaration import Happened
from interlock.tools.effect_scope import effects
from interlock.tools.http_keys import send_with_key, send_with_key_blocking
from interlock.tools.idempotent import idempotent
from interlock.tools.langchain_tools import make_idempotent

switch_on_strict_msgpack()

__all__ = [
    "REVIVABLE",
    "Answer",
    "AnswerError",
    "AttemptOverError",
    "Breaker",
    "BreakerOpenError",
    "Brief",
    "Budget",
    "BudgetExhaustedError",
    "CallLimits",
    "Clock",
    "ConfigurationError",
    "ContextView",
    "ContractError",
    "CriticalPath",
    "DrainedError",
    "EffectBusyError",
    "EffectPolicy",
    "EffectRecord",
    "EffectSettledError",
    "EffectUnknownError",
    "Encryption",
    "Fact",
    "FactMark",
    "FactRecord",
    "Fault",
    "FaultTrail",
    "Finding",
    "FinishedRunError",
    "Handoff",
    "Happened",
    "IdempotencyKey",
    "InputRefusedError",
    "InterlockError",
    "InvalidAnswerError",
    "Judge",
    "JudgeRequest",
    "Judgement",
    "KeyReusedError",
    "LeaseLostError",
    "Metrics",
    "ModelAnswerError",
    "ModelCallError",
    "ModelJudge",
    "ModelLimits",
    "ModelPlanner",
    "ModelRequestError",
    "Need",
    "NoBriefError",
    "NoEffectScopeError",
    "NoValueError",
    "NotAppliedError",
    "Note",
    "Orchestrator",
    "OutcomeOpenError",
    "PermanentError",
    "PlainValueError",
    "PlanError",
    "PlanProblem",
    "PlanRequest",
    "Planner",
    "Price",
    "PromotionProblem",
    "PromotionRefusedError",
    "PruneReport",
    "Pruned",
    "Question",
    "Rate",
    "RateLimitedError",
    "RecordedEffectError",
    "Recording",
    "Replan",
    "Replay",
    "ReplayFailure",
    "ReplayReport",
    "RequestRefusedError",
    "Retention",
    "Retry",
    "RunDifference",
    "RunError",
    "RunPolicy",
    "RunRecord",
    "RunResult",
    "SchemaVersionError",
    "Scratchpad",
    "ScratchpadFullError",
    "ScratchpadOverError",
    "ScratchpadPolicy",
    "SealedRowError",
    "SealedStorageError",
    "SharedContext",
    "StaleAnswerError",
    "Step",
    "StepOutcome",
    "StepTimeoutError",
    "Storage",
    "StorageBusyError",
    "StorageCorruptError",
    "StorageError",
    "StorageFullError",
    "StorageReadOnlyError",
    "StorageSchemaError",
    "StreamingPlanner",
    "SystemClock",
    "TaskGraph",
    "ThreadBusyError",
    "ThreadStatus",
    "Transaction",
    "TransientError",
    "UnfinishedRunError",
    "UnknownEffectError",
    "UnknownFactError",
    "UnknownQuestionError",
    "UnknownThreadError",
    "UnpricedModelError",
    "Usage",
    "Verdict",
    "Worker",
    "WorkerCard",
    "abandon",
    "approve",
    "ask_person",
    "build_run_graph",
    "check",
    "create_forward_message_tool",
    "create_handoff_tool",
    "create_supervisor",
    "edit",
    "effects",
    "events",
    "expr",
    "idempotent",
    "load_task_graph",
    "make_idempotent",
    "open_storage",
    "reject",
    "respond",
    "rubric",
    "schema",
    "scratchpad",
    "send_with_key",
    "send_with_key_blocking",
    "skip",
    "use_plan",
    "use_value",
    "use_worker",
]
