"""Replays within bounds: budgets, what a run would not let through, and what cannot be read."""

from datetime import timedelta
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.tools import tool
from langgraph.types import interrupt

import interlock as il
from interlock.checkpoints.storage import SqlStorage
from interlock.testing import ModelReply, ScriptedModel
from tests.integration.shared_contexts import share
from tests.integration.teams import Recorder, build_desk, build_plan, build_step, give


class PanicError(BaseException):
    """No Exception, as what a panic in Rust raises is none."""


async def test_i11_the_steps_budget_bounds_what_a_replay_calls() -> None:
    """A worker that calls more than it did is stopped at the step's budget, and nothing is counted."""
    model = ScriptedModel(*["hi"] * 3)
    calls = 1

    async def work(brief: il.Brief) -> int:
        for _ in range(calls):
            await model.ainvoke("hello")
        return calls

    step = build_step("work", budget=il.Budget(model_calls=2))
    async with build_desk({"work": work}, step) as desk:
        await desk.ainvoke("Work", thread_id="t")
        calls = 5
        done = await desk.areplay("t", "work")
        used = (await desk.astatus("t")).usage.model_calls
    assert "BudgetExhaustedError" in str(done.replayed.error)
    assert len(model.calls) == 3
    assert used == 1


async def test_i11_judges_of_a_replay_are_bounded_too() -> None:
    """The budget that the worker has used up lets no judge be asked."""
    model = ScriptedModel(*["hi"] * 2)
    asked: list[str] = []

    async def judge(output: Any, brief: il.Brief) -> bool:
        asked.append((await model.ainvoke("judge")).text)
        return True

    async def work(brief: il.Brief) -> str:
        return (await model.ainvoke("hello")).text

    step = build_step("work", budget=il.Budget(model_calls=1))
    async with build_desk({"work": work}, step, checks={"judge": judge}) as desk:
        await desk.ainvoke("Work", thread_id="t")
        done = await desk.areplay("t", "work", criteria=[il.check("judge")])
    assert (done.change, asked) == ("now_refused", [])
    assert "budget" in done.replayed.findings[0].message


@pytest.mark.parametrize("is_wrapped", [True, False])
async def test_i05_an_agents_guarded_tool_answers_the_models_new_call(is_wrapped: bool) -> None:
    """The recorded answer comes back under the id that the model gave its call now."""
    paid: list[str] = []

    @tool
    def refund(order: str) -> str:
        """Pay."""
        paid.append(order)
        return f"paid {order}"

    calling = ModelReply.calling(refund={"order": "o1"})
    model = ScriptedModel(calling, "done", calling, "done")
    if is_wrapped:
        agent = create_agent(model, tools=[il.make_idempotent(refund, effect="write")])
    else:
        agent = create_agent(model, tools=[refund], middleware=[il.IdempotentTools()])
    async with build_desk({"pay": agent}) as desk:
        await desk.ainvoke("Pay", thread_id="t")
        done = await desk.areplay("t", "pay")
    assert (done.change, done.is_same_value, done.effects_answered, paid) == (
        "same",
        True,
        1,
        ["o1"],
    )
    answers = [call.messages[-1] for call in model.calls if call.messages[-1].type == "tool"]
    assert [(one.text, one.tool_call_id) for one in answers] == [
        ("paid o1", "call-1-0"),
        ("paid o1", "call-3-0"),
    ]


async def test_what_a_run_would_refuse_is_refused_in_a_replay() -> None:
    """A worker that swallows its own question, and one that raises what is no Exception."""

    async def swallow(brief: il.Brief) -> Any:
        try:
            return interrupt("may I?")
        except Exception:
            return "yes"

    async def panic(brief: il.Brief) -> Any:
        raise PanicError("index out of bounds")

    async with build_desk({"work": give("yes")}) as desk:
        await desk.ainvoke("Work", thread_id="t")
        swallowed = await desk.areplay("t", "work", worker=il.Worker(name="w", agent=swallow))
        many = await desk.areplay_many(worker=il.Worker(name="w", agent=panic))
    assert swallowed.change == "now_refused"
    assert "caught the pause" in str(swallowed.replayed.error)
    assert [one.replayed.error for one in many.replays] == ["PanicError: index out of bounds"]


async def test_what_the_shared_context_had_refused_is_not_compared() -> None:
    """A replay promotes nothing, so it does not know what the context would say of an output."""
    step = build_step(
        "count",
        publishes={"n": "output"},
        retry=il.Retry(max_attempts=2, backoff=timedelta(0)),
    )
    context = share(il.Fact(name="n", type={"type": "integer"}))
    async with build_desk({"count": Recorder("one", 1)}, step, context=context) as desk:
        await desk.ainvoke("Count", thread_id="t")
        report = await desk.areplay_many(worker="recorded")
    assert [(one.attempt, one.change) for one in report.replays] == [
        (1, "not_comparable"),
        (2, "same"),
    ]


async def test_criteria_may_name_checks_of_the_team_within() -> None:
    """They are looked for where the step is worked on; what no team knows is refused at once."""
    inner = build_desk({"say": give(1)}, checks={"of_inner": lambda output, brief: output == 2})
    async with build_desk({"team": inner}) as desk:
        await desk.ainvoke("Say", thread_id="t")
        one = await desk.areplay("t", "team/say", criteria=[il.check("of_inner")])
        many = await desk.areplay_many(step="team/say", criteria=[il.check("of_inner")])
        with pytest.raises(il.ConfigurationError, match="of_nobody"):
            await desk.areplay_many(criteria=[il.check("of_nobody")])
    assert [one.change, *(done.change for done in many.replays)] == ["now_refused"] * 2


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Count how often a journal is read whole."""
    threads: list[str] = []
    load = SqlStorage.load_handoffs

    async def count(self: Any, thread_id: Any, **options: Any) -> Any:
        threads.append(thread_id)
        return await load(self, thread_id, **options)

    monkeypatch.setattr(SqlStorage, "load_handoffs", count)
    return threads


async def test_many_attempts_of_a_thread_read_its_journal_once(read: list[str]) -> None:
    """The cost of a replay does not grow with the run that it is of."""
    async with build_desk({f"s{n}": give(n) for n in range(9)}) as desk:
        for thread in ("t1", "t2"):
            await desk.ainvoke("Work", thread_id=thread)
        read.clear()
        report = await desk.areplay_many()
    assert (report.count("same"), sorted(read)) == (18, ["t1", "t2"])


async def test_an_attempt_is_judged_by_the_plan_that_was_in_force() -> None:
    """What a fork has planned otherwise is nothing to the attempts of the branch that it left."""
    plans = [build_plan(build_step("work", criteria=[il.expr(f"output == {n}")])) for n in (2, 1)]
    config: Any = {"configurable": {"thread_id": "t"}}
    async with build_desk({"work": give(1)}, planner=lambda request: plans.pop(0)) as desk:
        refused = await desk.ainvoke("Work", thread_id="t", stepwise=True)
        history = [state async for state in desk.graph.aget_state_history(config)]
        unplanned = next(state for state in history if state.next == ("planner",))
        await desk.graph.ainvoke(None, unplanned.config, durability="sync")
        replays = (await desk.areplay_many(worker="recorded")).replays
    assert (refused.status, plans) == ("failed", [])
    assert [(one.recorded.accepted, one.change) for one in replays] == [
        (False, "same"),
        (True, "same"),
    ]
