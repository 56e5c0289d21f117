"""I11: model calls are reserved before they go out; models themselves keep the count here."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.structured_output import ToolStrategy
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.tools import tool
from pydantic import BaseModel

import interlock as il
from interlock.testing import ManualClock
from tests.integration.scripted_chat import ScriptedChat
from tests.integration.teams import Recorder, build_desk, build_step, locate
from tests.integration.waiting import wait_until

PRICES = {"gpt-*": il.Price(input=Decimal(1), output=Decimal("0.5"))}


class CountingModel(ScriptedChat):
    """Says the same at every call, and keeps the count of what it was asked for."""

    model_name: str = "gpt-test"
    said: AIMessage
    gate: asyncio.Event | None = None
    turns: list[Any] = []

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> Any:
        return {"ls_model_name": self.model_name, "ls_model_type": "chat"}

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        self.heard.append(list(messages))
        return ChatResult(generations=[ChatGeneration(message=self.said.model_copy(deep=True))])

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        result = self._generate(messages)
        if self.gate is not None:
            await self.gate.wait()
        return result

    @property
    def spent(self) -> int:
        """Tokens of all calls."""
        usage = self.said.usage_metadata
        assert usage is not None
        return usage["total_tokens"] * len(self.heard)


def build_model(
    text: str = "no good", *, tokens: int = 1000, tools: dict[str, Any] | None = None, **more: Any
) -> CountingModel:
    """Return a model whose every call costs so many tokens, 100 of them coming back."""
    calls = [{"name": name, "args": args, "id": "1"} for name, args in (tools or {}).items()]
    said = AIMessage(
        text,
        tool_calls=calls,
        usage_metadata={
            "input_tokens": tokens - 100,
            "output_tokens": 100,
            "total_tokens": tokens,
        },
    )
    return CountingModel(said=said, **more)


def read_reason(result: il.RunResult, step_id: str) -> str:
    """Return why a step was not accepted."""
    return str({str(step): outcome for step, outcome in result.outcomes.items()}[step_id].reason)


class Wanted(BaseModel):
    """What the model never says."""

    number: int


@tool
def look() -> str:
    """Look once more."""
    return "nothing"


def build_agent(kind: str, model: CountingModel) -> Any:
    """Return a real agent that never comes to an end."""
    if kind == "tools":
        return create_agent(model, [look])
    return create_agent(model, response_format=ToolStrategy(Wanted))


@pytest.mark.parametrize(
    ("kind", "calls"), [("tools", {"look": {}}), ("response_format", {"Wanted": {"number": "x"}})]
)
@pytest.mark.parametrize("budget", [il.Budget(model_calls=4), il.Budget(tokens=4900)])
async def test_i11_an_agents_own_loop_stops_at_the_steps_budget(
    kind: str, calls: dict[str, Any], budget: il.Budget
) -> None:
    """`create_agent` would call for ever; its fourth call is the last, and the step says why."""
    model = build_model(tools=calls)
    step = build_step("loop", budget=budget, fallback=[il.use_value("declared")])
    async with build_desk({"loop": build_agent(kind, model)}, step) as desk:
        result = await desk.ainvoke("Test", thread_id="t")
        status = await desk.astatus("t")
    most = budget.model_calls or 4  # of a conversation that grows, the fourth call may be refused
    assert most - (budget.model_calls is None) <= len(model.heard) <= most
    assert (result.status, result.outputs) == ("degraded", {"loop": "declared"})
    assert "The step's budget of" in read_reason(result, "loop")
    assert result.usage.model_calls == status.usage.model_calls == len(model.heard)
    assert result.usage.tokens == status.usage.tokens == model.spent


async def test_i11_an_agent_that_swallows_refusals_is_cut_off() -> None:
    """A worker that catches everything and asks again ends as a failed attempt, not the run."""
    model = build_model()
    refused: list[Exception] = []

    async def stubborn(brief: il.Brief) -> str:
        while True:
            try:
                await model.ainvoke("please")
            except il.BudgetExhaustedError as exc:
                refused.append(exc)
            await asyncio.sleep(0)

    step = build_step("ask", "stubborn", budget=il.Budget(model_calls=2))
    async with build_desk({"stubborn": stubborn}, step) as desk, asyncio.timeout(20):
        result = await desk.ainvoke("Test", thread_id="t")
    assert (len(model.heard), len(refused)) == (2, 7)  # the eighth it could not catch
    assert result.status == "failed"
    assert "budget of 2 model calls" in read_reason(result, "ask")


async def test_i11_money_is_counted_exactly_and_bounds() -> None:
    """At 900 + 50 millionths a call, 0.0025 lets two calls out."""
    model = build_model()
    policy = il.RunPolicy(budget=il.Budget(money=Decimal("0.0025")), prices=PRICES)
    retry = il.Retry(max_attempts=9, backoff=timedelta(0))
    step = build_step("say", criteria=[il.expr("output == 'good'")], retry=retry)
    async with build_desk({"say": model}, step, policy=policy) as desk:
        result = await desk.ainvoke("Test", thread_id="t")
    assert len(model.heard) == 2
    assert result.usage.money == Decimal("0.001900")
    assert "The run's budget of 0.0025 of money" in read_reason(result, "say")


async def test_i11_a_bound_on_money_needs_a_price() -> None:
    """A model that nobody priced is not called; the step says what to add."""
    model = build_model(model_name="other")
    policy = il.RunPolicy(budget=il.Budget(money=Decimal(1)), prices=PRICES)
    async with build_desk({"say": model}, policy=policy) as desk:
        result = await desk.ainvoke("Test", thread_id="t")
    assert not model.heard
    assert "prices={'other': Price(" in read_reason(result, "say")


async def test_i11_parallel_calls_wait_for_what_may_return() -> None:
    """Sixty steps, more than an executor has threads, share room for four calls at a time.

    Each reserves 4,000 tokens and uses 1,000: none is refused, and none waits for ever.
    """
    running: list[int] = []
    model = build_model()

    async def say(brief: il.Brief) -> str:
        await model.bind(max_tokens=4000).ainvoke("x")
        running.append(1)
        return "said"

    steps = [build_step(f"s{n}", "say") for n in range(60)]
    policy = il.RunPolicy(budget=il.Budget(tokens=76_000), max_parallel=None)
    async with build_desk({"say": say}, *steps, policy=policy) as desk, asyncio.timeout(30):
        result = await desk.ainvoke("Test", thread_id="t")
    assert model.spent == result.usage.tokens == 60_000
    assert result.status == "completed"


async def test_i11_a_step_reserves_its_budget_as_a_whole_and_waits_for_it() -> None:
    """Two steps of 6 calls each in a run of 8: the second starts when the first has settled."""
    started: list[str] = []
    gate = asyncio.Event()

    async def work(brief: il.Brief) -> str:
        started.append(brief.step_id)
        await gate.wait()
        return "done"

    budget = il.Budget(model_calls=6)
    steps = [build_step(name, "work", budget=budget) for name in ("one", "two")]
    policy = il.RunPolicy(budget=il.Budget(model_calls=8))
    async with build_desk({"work": work}, *steps, policy=policy) as desk, asyncio.timeout(20):
        run = asyncio.create_task(desk.ainvoke("Test", thread_id="t"))
        await wait_until(lambda: started)
        for _ in range(50):
            await asyncio.sleep(0)
        assert len(started) == 1
        gate.set()
        result = await run
    assert (len(started), result.status) == (2, "completed")


async def test_i11_a_step_that_can_never_reserve_goes_to_its_fallbacks() -> None:
    """A step that asks for more than its run has does not start, and says so."""
    work = Recorder("done")
    step = build_step("work", budget=il.Budget(model_calls=9), fallback=[il.use_value("declared")])
    policy = il.RunPolicy(budget=il.Budget(model_calls=8))
    async with build_desk({"work": work}, step, policy=policy) as desk:
        result = await desk.ainvoke("Test", thread_id="t")
    assert (work.calls, result.outputs) == (0, {"work": "declared"})
    reason = read_reason(result, "work")
    assert "the run's budget of 8 model calls cannot bear 9 more" in reason


async def test_i11_a_low_balance_degrades_before_the_wall() -> None:
    """Below a half, a step with fallbacks takes them at once; one without may use the rest."""
    model, cheap = build_model("fine"), build_model("cheap", tokens=200, model_name="gpt-small")
    steps = (
        build_step("first", "model"),
        build_step("second", "model", needs=["first"], fallback=[il.use_worker("cheap")]),
        build_step("third", "cheap", needs=["second"]),
    )
    policy = il.RunPolicy(budget=il.Budget(tokens=1600, low=0.5))
    async with build_desk({"model": model, "cheap": cheap}, *steps, policy=policy) as desk:
        result = await desk.ainvoke("Test", thread_id="t")
        refusals = [h for h in await desk.ahandoffs("t", "second") if h.kind == "brief"]
    assert (len(model.heard), len(cheap.heard)) == (1, 2)
    assert result.outputs == {"first": "fine", "second": "cheap", "third": "cheap"}
    assert [h.receiver for h in refusals] == ["cheap"]


async def test_i11_a_nested_step_has_no_later_deadline_than_the_attempt_above() -> None:
    """The team's own steps may take an hour; the outer attempt has a minute."""
    clock = ManualClock()
    inner = Recorder("done")
    hour, minute = timedelta(hours=1), timedelta(minutes=1)
    nested = build_desk({"inner": inner}, build_step("inner", timeout=hour))
    async with build_desk(
        {"team": nested}, build_step("team", timeout=minute), clock=clock
    ) as desk:
        await desk.ainvoke("Test", thread_id="t")
    assert inner.briefs[0].deadline == clock.now() + minute


def loop_on_tools(model: CountingModel) -> dict[str, Any]:
    """Return a team whose one agent loops on its tools."""
    return {"agents": {"loop": build_agent("tools", model)}}


def loop_in_a_team(model: CountingModel) -> dict[str, Any]:
    """Return a team within a team, whose agent loops on its tools."""
    return {"agents": {"team": build_desk({"loop": build_agent("tools", model)})}}


def plan_for_ever(model: CountingModel) -> dict[str, Any]:
    """Return a team whose planner asks a model for one more step, again and again."""

    async def plan(request: il.PlanRequest) -> il.TaskGraph:
        await model.ainvoke("what next?")
        old = request.previous.steps if request.previous else ()
        return il.TaskGraph(
            goal="x", steps=(*old, build_step(f"s{len(old)}", "work")), is_open=True
        )

    return {"agents": {"work": Recorder("done")}, "planner": plan}


@pytest.mark.parametrize("kind", [loop_on_tools, loop_in_a_team, plan_for_ever])
async def test_i11_over_five_resumes_no_more_is_spent_than_the_budget(
    tmp_path: Path, kind: Callable[[CountingModel], dict[str, Any]]
) -> None:
    """Stopped in the middle of a call five times and gone on with, the run keeps to 12 calls."""
    heard: list[Any] = []

    def build(gate: asyncio.Event | None, stop_at: int) -> il.Orchestrator:
        model = build_model(tools={"look": {}}, gate=gate)
        model.heard = heard
        budget = il.Budget(model_calls=12, tokens=20_000)
        return build_desk(
            **kind(model), policy=il.RunPolicy(budget=budget), storage=locate(tmp_path)
        )

    for resume in range(6):
        async with build(asyncio.Event(), resume) as desk:
            before = len(heard)
            start = desk.aresume("t") if resume else desk.ainvoke("Test", thread_id="t")
            run = asyncio.create_task(start)
            await wait_until(lambda before=before: len(heard) > before)
            run.cancel()
            await asyncio.gather(run, return_exceptions=True)
    async with build(None, 99) as desk, asyncio.timeout(30):
        result = await desk.aresume("t")
        reasons = [str(outcome.reason) for outcome in result.outcomes.values()]
    assert 6 < len(heard) <= 12
    assert result.status in {"failed", "degraded"}
    said = " ".join([*reasons, str(result.reason), *result.gaps])
    assert "budget of" in said, said


async def test_i11_first_calls_of_a_model_go_out_one_at_a_time() -> None:
    """While nobody knows how long its answers are, all that is left is held for the first."""
    model = build_model("fine", tokens=510)
    model.gate = asyncio.Event()

    async def work(brief: il.Brief) -> int:
        asked = [asyncio.ensure_future(model.ainvoke("hello")) for _ in range(5)]
        await wait_until(lambda: bool(model.heard))
        for _ in range(50):
            await asyncio.sleep(0)
        assert model.gate is not None
        assert len(model.heard) == 1
        model.gate.set()
        answers = await asyncio.gather(*asked, return_exceptions=True)
        return sum(isinstance(answer, AIMessage) for answer in answers)

    policy = il.RunPolicy(budget=il.Budget(tokens=1600))
    async with build_desk({"work": work}, policy=policy) as desk:
        result = await desk.ainvoke("Test", thread_id="t")
    assert result.outputs == {"work": 3}
    assert model.spent == result.usage.tokens == 1530


async def leave_by_cancel(model: CountingModel) -> None:
    """Cancel a call's task."""
    first = asyncio.ensure_future(model.ainvoke("hello"))
    await wait_until(lambda: bool(model.heard))
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)


async def leave_by_timeout(model: CountingModel) -> None:
    """Leave a call, and stay in its task."""
    with suppress(TimeoutError):
        async with asyncio.timeout(0.01):
            await model.ainvoke("hello")


@pytest.mark.parametrize("leave", [leave_by_cancel, leave_by_timeout])
@pytest.mark.parametrize("is_elsewhere", [False, True])
async def test_i11_a_call_that_nobody_awaits_holds_nothing(leave: Any, is_elsewhere: bool) -> None:
    """Others go on, though LangChain never tells how it ended; it counts for what was sent."""
    model = build_model("fine", tokens=510)
    model.gate = asyncio.Event()

    async def work(brief: il.Brief) -> str:
        await leave(model)
        model.gate = None
        call = model.ainvoke("hello")
        answer = await (asyncio.gather(call) if is_elsewhere else call)
        return str((answer[0] if is_elsewhere else answer).content)

    policy = il.RunPolicy(budget=il.Budget(tokens=1600))
    async with build_desk({"work": work}, policy=policy) as desk, asyncio.timeout(20):
        result = await desk.ainvoke("Test", thread_id="t")
        book = await desk._open_storage.load_spending("t")
    assert (result.outputs, result.usage.tokens) == ({"work": "fine"}, 510)
    assert sum(call.model_calls for call in book.calls) == 2


async def test_i11_a_call_that_is_awaited_is_waited_for() -> None:
    """One that takes its time is not taken for given up: within a generator, or beside others."""
    model = build_model("fine", tokens=510)
    model.gate = asyncio.Event()

    async def ask() -> AsyncIterator[str]:
        yield str((await model.ainvoke("hello")).content)

    async def read() -> list[str]:
        return [word async for word in ask()]

    async def work(brief: il.Brief) -> int:
        asked = [asyncio.ensure_future(read()), asyncio.ensure_future(model.ainvoke("hello"))]
        await wait_until(lambda: bool(model.heard))
        await asyncio.sleep(1.2)  # longer than who waits looks
        assert len(model.heard) == 1
        assert model.gate is not None
        model.gate.set()
        return len(await asyncio.gather(*asked))

    policy = il.RunPolicy(budget=il.Budget(tokens=1600))
    async with build_desk({"work": work}, policy=policy) as desk, asyncio.timeout(20):
        result = await desk.ainvoke("Test", thread_id="t")
    assert (result.outputs, result.usage.tokens) == ({"work": 2}, 1020)


@pytest.mark.parametrize(
    ("error", "tokens"),
    [
        (ConnectionResetError("by peer"), True),
        (TimeoutError(), True),
        (ConnectionRefusedError("nobody there"), False),
        (ValueError("no such model"), False),
    ],
)
async def test_i11_an_answer_that_was_lost_counts_for_what_was_reserved(
    error: Exception, tokens: bool
) -> None:
    """It may have been paid; a call that never reached the model was not. Causes count, too."""

    class Losing(CountingModel):
        async def _agenerate(self, *args: Any, **kwargs: Any) -> ChatResult:
            raise RuntimeError("the call failed") from error

    model = Losing(said=AIMessage(""), heard=[])

    async def work(brief: il.Brief) -> str:
        return str((await model.bind(max_tokens=100).ainvoke("hello")).content)

    async with build_desk({"work": work}) as desk:
        await desk.ainvoke("Test", thread_id="t")
        (call,) = (await desk._open_storage.load_spending("t")).calls
    assert (call.tokens > 100) is tokens


@pytest.mark.parametrize("level", ["run", "step"])
async def test_i11_little_time_degrades_before_the_wall(level: str) -> None:
    """Once less than half of the wall time is left, a step with fallbacks takes them at once."""
    clock = ManualClock()
    budget = il.Budget(wall_time=timedelta(seconds=10), low=0.5)

    async def slow(brief: il.Brief) -> str:
        clock.advance(6)
        raise ValueError("not yet")

    second = Recorder("late")
    step = build_step(
        "a",
        "slow",
        retry=il.Retry(max_attempts=5, backoff=timedelta(0)),
        fallback=[il.use_value("declared")],
        budget=budget if level == "step" else None,
    )
    last = build_step("b", "second", needs=[il.Need(step="a", accept_degraded=True)])
    policy = il.RunPolicy(budget=budget if level == "run" else il.Budget())
    agents = {"slow": slow, "second": second}
    async with build_desk(agents, step, last, policy=policy, clock=clock) as desk:
        result = await desk.ainvoke("Test", thread_id="t")
    assert (result.outcomes["a"].attempts, result.outputs["a"]) == (1, "declared")
    assert (result.status, second.calls) == ("degraded", 1)
    assert f"the {level}'s time is low" in " ".join(result.gaps)


async def test_i11_a_fork_gets_nothing_back(tmp_path: Path) -> None:
    """What the abandoned branch has used is used: the fork has what is left, and says so."""
    model = build_model("fine")
    steps = (build_step("a", "model"), build_step("b", "model", needs=["a"]))
    policy = il.RunPolicy(budget=il.Budget(model_calls=3))
    config: Any = {"configurable": {"thread_id": "t"}}
    async with build_desk(
        {"model": model}, *steps, policy=policy, storage=locate(tmp_path)
    ) as desk:
        await desk.ainvoke("Test", thread_id="t")
        history = [one async for one in desk.graph.aget_state_history(config)]
        before = next(one for one in history if one.next == ("dispatch",))
    async with build_desk(
        {"model": model}, *steps, policy=policy, storage=locate(tmp_path)
    ) as desk:
        fork = await desk.graph.aupdate_state(before.config, {"outcomes": {}}, as_node="planner")
        forked = await desk.graph.ainvoke(None, fork, durability="sync")
    assert len(model.heard) == 3
    assert [forked["outcomes"][step]["status"] for step in ("a", "b")] == ["accepted", "failed"]
    assert "budget of 3 model calls is used up" in forked["outcomes"]["b"]["reason"]
