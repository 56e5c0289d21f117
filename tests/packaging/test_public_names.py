"""What a user can import, pinned; and that importing it costs nothing until it is used."""

import inspect
import json
import subprocess
import sys

import pytest

import interlock as il
from interlock.checkpoints import REVIVABLE

ERRORS = [
    "AnswerError",
    "AttemptOverError",
    "BreakerOpenError",
    "BudgetExhaustedError",
    "ConfigurationError",
    "ContractError",
    "DrainedError",
    "EffectBusyError",
    "EffectSettledError",
    "EffectUnknownError",
    "FinishedRunError",
    "InterlockError",
    "InvalidAnswerError",
    "Judge",
    "JudgeRequest",
    "Judgement",
    "KeyReusedError",
    "LeaseLostError",
    "ModelAnswerError",
    "ModelCallError",
    "ModelRequestError",
    "NoBriefError",
    "NoEffectScopeError",
    "NotAppliedError",
    "OutcomeOpenError",
    "PermanentError",
    "PlainValueError",
    "PlanError",
    "PromotionRefusedError",
    "RateLimitedError",
    "RecordedEffectError",
    "Replan",
    "RequestRefusedError",
    "RunError",
    "SchemaVersionError",
    "ScratchpadFullError",
    "ScratchpadOverError",
    "SealedRowError",
    "SealedStorageError",
    "StaleAnswerError",
    "StepTimeoutError",
    "StorageBusyError",
    "StorageCorruptError",
    "StorageError",
    "StorageFullError",
    "StorageReadOnlyError",
    "StorageSchemaError",
    "ThreadBusyError",
    "TransientError",
    "UnfinishedRunError",
    "UnknownEffectError",
    "UnknownFactError",
    "UnknownQuestionError",
    "UnknownThreadError",
    "UnpricedModelError",
]
MODELS = [
    "Answer",
    "Breaker",
    "Brief",
    "Budget",
    "CallLimits",
    "Clock",
    "ContextView",
    "CriticalPath",
    "EffectPolicy",
    "EffectRecord",
    "Encryption",
    "Fact",
    "FactMark",
    "FactRecord",
    "Fault",
    "FaultTrail",
    "Finding",
    "Handoff",
    "Happened",
    "IdempotencyKey",
    "InputRefusedError",
    "Metrics",
    "ModelJudge",
    "ModelLimits",
    "ModelPlanner",
    "Need",
    "NoValueError",
    "Note",
    "Orchestrator",
    "PlanProblem",
    "PlanRequest",
    "Planner",
    "Price",
    "PromotionProblem",
    "PruneReport",
    "Pruned",
    "Question",
    "Rate",
    "Recording",
    "Replay",
    "ReplayFailure",
    "ReplayReport",
    "Retention",
    "Retry",
    "RunDifference",
    "RunPolicy",
    "RunRecord",
    "RunResult",
    "Scratchpad",
    "ScratchpadPolicy",
    "SharedContext",
    "Step",
    "StepOutcome",
    "Storage",
    "StreamingPlanner",
    "SystemClock",
    "TaskGraph",
    "ThreadStatus",
    "Transaction",
    "Usage",
    "Verdict",
    "Worker",
    "WorkerCard",
]
FUNCTIONS = [
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
METHODS = {
    "ainvoke": ["goal", "thread_id", "context", "spaces", "stepwise"],
    "aresume": ["thread_id"],
    "aanswer": ["thread_id", "answers"],
    "astream": ["goal", "thread_id", "context", "answers", "spaces", "stepwise"],
    "aquestions": ["thread_id"],
    "ashown": ["question"],
    "astatus": ["thread_id"],
    "acancel": ["thread_id", "why"],
    "areplan": ["thread_id", "why"],
    "aplan": ["thread_id", "step"],
    "acheck_plan": ["thread_id", "plan", "step"],
    "aedit_plan": ["thread_id", "plan", "why"],
    "acheck_edit": ["thread_id", "plan"],
    "aprune": ["retention", "dry_run"],
    "ahandoffs": ["thread_id", "step"],
    "aeffects": ["thread_id", "step"],
    "ascratchpad": ["thread_id", "step"],
    "acontext": ["thread_id", "version", "step"],
    "aretract": ["thread_id", "key", "why"],
    "acorrect": ["thread_id", "key", "value", "why"],
    "invoke": ["goal", "thread_id", "context", "spaces"],
    "resume": ["thread_id"],
    "answer": ["thread_id", "answers"],
    "drain": ["reason"],
}


def run_python(code: str) -> list[str]:
    """Return the JSON list that a fresh interpreter prints for this code."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded: list[str] = json.loads(done.stdout)
    return loaded


def test_public_names_are_pinned() -> None:
    """A name is added or dropped on purpose, here and in the changelog, never by accident."""
    assert sorted(il.__all__) == sorted([*ERRORS, *MODELS, *FUNCTIONS, "REVIVABLE", "events"])
    assert len(set(il.__all__)) == len(il.__all__)
    for name in il.__all__:
        assert getattr(il, name) is not None


@pytest.mark.parametrize("name", METHODS)
def test_the_facade_has_the_calls_that_are_promised(name: str) -> None:
    """Names and parameters of the facade are what users type."""
    parameters = list(inspect.signature(getattr(il.Orchestrator, name)).parameters.values())[1:]
    assert [parameter.name for parameter in parameters] == METHODS[name]
    assert all(p.kind is p.KEYWORD_ONLY for p in parameters[2:])


def test_the_package_says_what_it_does_not_have() -> None:
    """An unknown name is an AttributeError as of any module."""
    assert "Orchestrator" in dir(il)
    with pytest.raises(AttributeError, match="'interlock' has no attribute 'Orchestrater'"):
        il.Orchestrater  # type: ignore[attr-defined]  # noqa: B018


def test_the_middleware_for_agents_says_what_it_needs() -> None:
    """`il.IdempotentTools` loads langchain only when it is used, and names it where it is missing."""
    assert "IdempotentTools" in dir(il)
    code = (
        "import sys, json; sys.modules['langchain'] = None; import interlock as il; il.Step;"
        "\ntry: il.IdempotentTools\nexcept il.ConfigurationError as exc: print(json.dumps([str(exc)]))"
    )
    (words,) = run_python(code)
    assert "pip install langchain" in words


def test_importing_the_package_imports_nothing_else() -> None:
    """`import interlock` alone loads neither LangGraph nor pydantic: the names come on first use."""
    heavy = "['langgraph', 'langchain_core', 'pydantic', 'rich', 'yaml', 'sqlite3', 'asyncio']"
    code = "import sys, json, interlock; print(json.dumps([n for n in %s if n in sys.modules]))"
    assert run_python(code % heavy) == []
    assert run_python(
        code.replace("interlock;", "interlock; interlock.Step;") % "['langgraph']"
    ) == ["langgraph"]


def test_the_help_of_the_command_line_loads_no_framework() -> None:
    """Help comes at once: LangGraph is loaded by the commands that need it."""
    loaded = run_python(
        "import sys, json; import interlock.cli.main;"
        "print(json.dumps([n for n in ['langgraph', 'langchain_core'] if n in sys.modules]))"
    )
    assert loaded == []


def test_what_a_checkpoint_may_revive_is_pinned() -> None:
    """No other type is ever built from stored bytes; a new one is added on purpose."""
    names = [
        "Abandon",
        "Answer",
        "AskPerson",
        "Budget",
        "CheckCriterion",
        "EffectPolicy",
        "ExpressionCriterion",
        "Finding",
        "Handoff",
        "Need",
        "PlanProblem",
        "Price",
        "Question",
        "Replan",
        "Retry",
        "RubricCriterion",
        "RunPolicy",
        "RunRecord",
        "RunResult",
        "SchemaCriterion",
        "ScratchpadPolicy",
        "Skip",
        "Step",
        "StepOutcome",
        "TaskGraph",
        "Usage",
        "UseValue",
        "UseWorker",
        "Verdict",
        "WorkerCard",
    ]
    assert sorted(kind.__name__ for kind in REVIVABLE) == sorted(names)
    assert all(kind.__module__.startswith("interlock.contracts.") for kind in REVIVABLE)
