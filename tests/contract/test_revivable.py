"""What a checkpoint may revive, and what it must not."""

from datetime import UTC, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import ormsgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from interlock.checkpoints import REVIVABLE, SqlStorage, require_strict_msgpack
from interlock.checkpoints.revivable import build_serializer
from interlock.contracts import criteria, errors, fallback, frozen_model
from interlock.contracts.criteria import (
    CheckCriterion,
    ExpressionCriterion,
    Finding,
    RubricCriterion,
    SchemaCriterion,
)
from interlock.contracts.errors import ConfigurationError, PlanProblem
from interlock.contracts.fallback import Abandon, AskPerson, Skip, UseValue, UseWorker
from interlock.contracts.frozen_model import FrozenModel
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

PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.text(st.characters(exclude_categories=["Cs"]), max_size=5), inner, max_size=3
        )
    ),
    max_leaves=6,
)


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
WORD = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True)
OBJECT = st.dictionaries(TEXT, PLAIN, max_size=3)
SPAN = st.timedeltas(timedelta(microseconds=1), timedelta(days=400))
INSTANT = st.datetimes(timezones=st.just(UTC))
COUNT = st.integers(1, 2**40)

RETRY = st.builds(Retry, max_attempts=COUNT, backoff=SPAN, multiplier=st.floats(1, 9))
MONEY = st.none() | st.just(Decimal("0.25"))
BUDGET = st.builds(Budget, attempts=st.none() | COUNT, money=MONEY, wall_time=st.none() | SPAN)
CRITERION = (
    st.builds(ExpressionCriterion, expression=TEXT)
    | st.builds(SchemaCriterion, json_schema=OBJECT)
    | st.builds(CheckCriterion, name=TEXT)
    | st.builds(RubricCriterion, text=TEXT)
)
FALLBACK = (
    st.builds(UseWorker, worker=WORD)
    | st.builds(UseValue, value=PLAIN)
    | st.builds(Skip, gap=TEXT)
    | st.builds(AskPerson, prompt=st.none() | TEXT)
    | st.builds(Abandon)
)
NEED = st.builds(Need, step=WORD, accept_degraded=st.booleans())
STEP = st.builds(
    Step,
    id=WORD,
    worker=WORD,
    instruction=TEXT,
    needs=st.lists(NEED, max_size=2),
    arguments=OBJECT,
    criteria=st.lists(CRITERION, max_size=2),
    fallback=st.lists(FALLBACK, max_size=2),
    output_schema=st.none() | OBJECT,
    retry=st.none() | RETRY,
    timeout=st.none() | SPAN,
    budget=st.none() | BUDGET,
)
FINDING = st.builds(Finding, passed=st.booleans(), message=TEXT, evidence=PLAIN)
VERDICT = st.builds(Verdict, action=st.just("retry"), findings=st.lists(FINDING, max_size=2))
QUESTION = st.builds(
    Question,
    id=WORD,
    thread_id=TEXT,
    kind=st.just("output"),
    name=TEXT,
    args=PLAIN,
    description=TEXT,
    allowed=st.just(("approve", "edit")),
    shown_hash=TEXT,
    asked_at=INSTANT,
)
USAGE = st.builds(
    Usage, attempts=COUNT, input_tokens=COUNT, output_tokens=COUNT, money=st.just(Decimal("1.50"))
)
OUTCOME = st.builds(
    StepOutcome,
    step_id=WORD,
    status=st.sampled_from(["accepted", "waiting", "failed"]),
    value=PLAIN,
    rests_on=st.lists(WORD, max_size=2),
    findings=st.lists(FINDING, max_size=2),
    published=OBJECT,
    question=st.none() | QUESTION,
    usage=USAGE,
    carry=st.none() | OBJECT,
)
VALUES: dict[type, st.SearchStrategy[Any]] = {
    Abandon: st.builds(Abandon),
    Answer: st.builds(Answer, type=st.just("edit"), value=PLAIN, message=st.none() | TEXT),
    AskPerson: st.builds(AskPerson, prompt=TEXT),
    Budget: BUDGET,
    CheckCriterion: st.builds(CheckCriterion, name=TEXT),
    ExpressionCriterion: st.builds(ExpressionCriterion, expression=TEXT, message=TEXT),
    Finding: FINDING,
    Handoff: st.builds(
        Handoff,
        id=WORD,
        thread_id=TEXT,
        superstep=TEXT,
        kind=st.just("output"),
        sender=TEXT,
        receiver=TEXT,
        payload=PLAIN,
        payload_hash=TEXT,
        verdict=VERDICT,
        ended_at=INSTANT,
    ),
    Need: NEED,
    PlanProblem: st.builds(PlanProblem, code=TEXT, message=TEXT, step_id=st.none() | WORD),
    Question: QUESTION,
    Price: st.builds(Price, input=st.decimals(0, 100, places=6), output=st.just(Decimal("0.15"))),
    Replan: st.builds(Replan, max_times=COUNT),
    Retry: RETRY,
    RubricCriterion: st.builds(RubricCriterion, text=TEXT),
    RunPolicy: st.builds(RunPolicy, retry=RETRY, budget=BUDGET, drain_grace=SPAN),
    RunRecord: st.builds(
        RunRecord,
        thread_id=TEXT,
        goal=TEXT,
        context=OBJECT,
        accepted_at=INSTANT,
        updated_at=INSTANT,
        result=PLAIN,
    ),
    RunResult: st.builds(
        RunResult,
        status=st.just("degraded"),
        outputs=st.dictionaries(WORD, PLAIN, max_size=2),
        outcomes=st.dictionaries(WORD, OUTCOME, max_size=2),
        questions=st.lists(QUESTION, max_size=1),
        usage=USAGE,
        thread_id=TEXT,
    ),
    SchemaCriterion: st.builds(SchemaCriterion, json_schema=OBJECT),
    ScratchpadPolicy: st.builds(ScratchpadPolicy),
    Skip: st.builds(Skip, gap=TEXT),
    Step: STEP,
    StepOutcome: OUTCOME,
    TaskGraph: st.builds(TaskGraph, goal=TEXT, steps=st.lists(STEP, max_size=3)),
    Usage: USAGE,
    UseValue: st.builds(UseValue, value=PLAIN),
    UseWorker: st.builds(UseWorker, worker=WORD),
    EffectPolicy: st.builds(EffectPolicy),
    Verdict: VERDICT,
    WorkerCard: st.builds(
        WorkerCard, name=WORD, description=TEXT, output_schema=st.none() | OBJECT
    ),
}


@pytest.mark.parametrize("kind", REVIVABLE, ids=lambda kind: kind.__name__)
def test_every_revivable_type_round_trips(kind: type) -> None:
    """A value of every type that a state may hold comes back equal, and as that type."""
    serde = build_serializer()
    values = VALUES[kind]

    @settings(max_examples=20, deadline=None, database=None)
    @given(value=values, others=st.lists(values, max_size=2))
    def check(value: object, others: list[object]) -> None:
        for held in (value, [value, *others], {"key": value}):
            revived = serde.loads_typed(serde.dumps_typed(held))
            assert revived == held
        assert type(serde.loads_typed(serde.dumps_typed(value))) is kind

    check()


def test_every_model_of_the_contracts_that_a_state_may_hold_is_revivable() -> None:
    """A criterion, fallback or plan type that is added later cannot be forgotten here."""
    from interlock.contracts import handoff, outcome, plan, policy, question, run_record

    rooms = (criteria, fallback, handoff, outcome, plan, policy, question, run_record)
    models = {
        found
        for room in rooms
        for found in vars(room).values()
        if isinstance(found, type) and issubclass(found, FrozenModel)
    } - {frozen_model.FrozenModel}
    assert models <= set(REVIVABLE)
    assert errors.PlanProblem in REVIVABLE


def test_names_are_unique() -> None:
    """Strict mode matches module and name, so no two types may share both."""
    names = [(kind.__module__, kind.__name__) for kind in REVIVABLE]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("code", [0, 1, 2, 4, 5])
def test_forged_row_calls_nothing(code: Any, tmp_path: Path) -> None:
    """A row that names os.system comes back as its arguments; nothing is called."""
    marker = tmp_path / "called"
    command = f"touch {marker}"
    argument: Any = {0: command, 1: [command], 2: {"command": command}}.get(code, {"a": command})
    forged = ormsgpack.packb(ormsgpack.Ext(code, ormsgpack.packb(("os", "system", argument))))
    assert build_serializer().loads_typed(("msgpack", forged)) == argument
    assert not marker.exists()


async def test_forged_row_in_the_database_is_blocked(storage: SqlStorage, tmp_path: Path) -> None:
    """A channel value that somebody put into the database is read without calling anything."""
    marker = tmp_path / "called"
    forged = ormsgpack.packb(ormsgpack.Ext(0, ormsgpack.packb(("os", "system", f"touch {marker}"))))
    from langgraph.checkpoint.base import empty_checkpoint

    checkpoint = empty_checkpoint()
    checkpoint["channel_values"] = {"a": 1}
    checkpoint["channel_versions"] = {"a": "1"}
    config = {"configurable": {"thread_id": "t", "checkpoint_ns": ""}}
    await storage.checkpointer.aput(config, checkpoint, {}, {"a": "1"})
    await storage._database.write(
        lambda c: c.execute("UPDATE channel_values SET data = ?", (forged,)) and None,
        lane="t",
    )
    found = await storage.checkpointer.aget_tuple(config)
    assert found.checkpoint["channel_values"] == {"a": f"touch {marker}"}
    assert not marker.exists()


def test_other_models_are_not_constructed() -> None:
    """A type that is not listed comes back as plain data."""

    class Mine(BaseModel):
        a: int = 1

    serde = build_serializer()
    assert serde.loads_typed(serde.dumps_typed(Mine())) == {"a": 1}


def test_lax_langgraph_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without strict mode no storage is built, and the message says how to get it."""
    from langgraph.checkpoint.serde import _msgpack

    require_strict_msgpack()
    monkeypatch.setattr(_msgpack, "STRICT_MSGPACK_ENABLED", False)
    with pytest.raises(ConfigurationError, match="LANGGRAPH_STRICT_MSGPACK"):
        require_strict_msgpack()
