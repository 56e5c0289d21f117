"""I11: attempts, tokens and time stay within budget over retries, resumes and parallel steps."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from langgraph.checkpoint.memory import InMemorySaver

import interlock as il
from interlock.testing import ManualClock
from tests.integration.gates import Gate
from tests.integration.scripted_chat import ScriptedChat
from tests.integration.teams import (
    Recorder,
    build_desk,
    build_plan,
    build_step,
    build_workers,
    give,
    locate,
)
from tests.integration.waiting import wait_until

RETRY = il.Retry(max_attempts=9, backoff=timedelta(0))


def spend(tokens: int) -> ScriptedChat:
    """Return a model whose every call costs this much."""
    usage = {"input_tokens": tokens - 1, "output_tokens": 1, "total_tokens": tokens}
    return ScriptedChat(turns=[AIMessage("no good", usage_metadata=usage)])


async def test_i11_parallel_steps_start_no_more_attempts_than_the_run_may() -> None:
    """Six steps could start at once; three may."""
    gate = asyncio.Event()
    started: list[str] = []

    async def work(brief: il.Brief) -> str:
        started.append(brief.step_id)
        if len(started) == 3:
            gate.set()
        await gate.wait()
        return "done"

    steps = [build_step(f"s{n}", "work") for n in range(6)]
    policy = il.RunPolicy(budget=il.Budget(attempts=3))
    async with build_desk({"work": work}, *steps, policy=policy) as desk, asyncio.timeout(20):
        result = await desk.ainvoke("Test", thread_id="t")
    assert len(started) == 3
    statuses = sorted(outcome.status for outcome in result.outcomes.values())
    assert statuses == ["accepted"] * 3 + ["failed"] * 3
    words = [outcome.reason for outcome in result.outcomes.values() if outcome.reason]
    assert words == ["the run's budget of 3 attempts is used up"] * 3


async def test_i11_a_spent_budget_starts_no_other_worker_but_takes_what_costs_nothing() -> None:
    """Of the chain, `use_worker` is passed over and the declared value is taken."""
    other = Recorder("other")
    step = build_step(
        "bad", retry=RETRY, fallback=[il.use_worker("other"), il.use_value("declared")]
    )
    policy = il.RunPolicy(budget=il.Budget(attempts=2))
    bad = Recorder(ValueError("no"))
    async with build_desk({"bad": bad, "other": other}, step, policy=policy) as desk:
        result = await desk.ainvoke("Test", thread_id="t")
    assert (bad.calls, other.calls) == (2, 0)
    assert result.outputs == {"bad": "declared"}
    assert result.outcomes["bad"].status == "degraded"


@pytest.mark.parametrize("level", ["run", "step"])
async def test_i11_tokens_of_refused_attempts_count(level: str) -> None:
    """At 1000 tokens a refused attempt, a budget of 2500 lets two calls out and not the third."""
    model = spend(1000)
    budget = il.Budget(tokens=2500)
    step = build_step(
        "say",
        criteria=[il.expr("output == 'good'")],
        retry=RETRY,
        budget=budget if level == "step" else None,
    )
    policy = il.RunPolicy(budget=budget) if level == "run" else None
    async with build_desk({"say": model}, step, policy=policy) as desk:
        result = await desk.ainvoke("Test", thread_id="t")
        tokens = [h.input_tokens + h.output_tokens for h in await desk.ahandoffs("t", "say")]
    assert len(model.heard) == 2
    assert result.usage == il.Usage(attempts=3, input_tokens=1998, output_tokens=2, model_calls=2)
    assert tokens == [0, 1000, 0, 1000, 0, 0, 0]
    reason = str(result.outcomes["say"].reason)
    assert f"The {level}'s budget of 2500 tokens does not allow this call" in reason
    assert "(2000 tokens spent)" in reason


async def test_i11_tokens_of_a_nested_team_count_once() -> None:
    """The team spends 1000 of 2500 tokens, so that one more call may go out, and no second one."""
    model = spend(1000)
    steps = (
        build_step("team"),
        build_step("more", "model", needs=["team"]),
        build_step("last", "model", needs=["more"]),
    )
    policy = il.RunPolicy(budget=il.Budget(tokens=2500))
    agents = {"team": build_desk({"model": model}), "model": model}
    async with build_desk(agents, *steps, policy=policy) as desk:
        result = await desk.ainvoke("Test", thread_id="t")
    statuses = {step: outcome.status for step, outcome in result.outcomes.items()}
    assert statuses == {"team": "accepted", "more": "accepted", "last": "failed"}
    assert "The run's budget of 2500 tokens" in str(result.outcomes["last"].reason)
    assert result.usage.tokens == 2000


async def test_i11_what_others_use_up_while_a_step_waits_is_used_up() -> None:
    """Three attempts in all: when the second of `flaky` may start, two others have been made."""
    clock = ManualClock()
    gate = Gate()
    flaky, other = Recorder(ValueError("no"), "done"), Recorder("other")
    steps = (
        build_step("flaky", retry=il.Retry(max_attempts=2, jitter=0)),
        build_step("gate"),
        build_step("other", needs=["gate"]),
    )
    policy = il.RunPolicy(budget=il.Budget(attempts=3))
    agents = {"flaky": flaky, "gate": gate, "other": other}
    async with build_desk(agents, *steps, policy=policy, clock=clock) as desk:
        run = asyncio.create_task(desk.ainvoke("Test", thread_id="t"))
        await wait_until(lambda: clock.sleeping and gate.starts)
        gate.opened.set()
        await wait_until(lambda: other.calls)
        clock.advance(1)
        result = await run
    assert flaky.calls == 1
    assert "budget of 3 attempts is used up" in str(result.outcomes["flaky"].reason)


@pytest.mark.parametrize("is_nested", [False, True])
async def test_i11_tokens_of_refused_attempts_count_after_a_restart(
    tmp_path: Path, is_nested: bool
) -> None:
    """Closed while the step waits for its next attempt, the run has spent what it had spent."""
    clock = ManualClock()
    model, other = spend(1000), spend(1000)

    async def say(brief: il.Brief) -> str:
        await model.ainvoke("hello")
        raise ConnectionError("lost")

    def build() -> il.Orchestrator:
        retry = il.Retry(max_attempts=9, backoff=timedelta(seconds=5), jitter=0)
        agents = {"say": say, "other": other}
        steps = (build_step("say", retry=retry), build_step("other"))
        policy = il.RunPolicy(budget=il.Budget(tokens=3500))
        if is_nested:
            inner = build_desk(agents, *steps)
            return build_desk({"in": inner}, policy=policy, clock=clock, storage=locate(tmp_path))
        return build_desk(agents, *steps, policy=policy, clock=clock, storage=locate(tmp_path))

    async with build() as desk:
        run = asyncio.create_task(desk.ainvoke("Test", thread_id="t"))
        await wait_until(lambda: clock.sleeping and other.heard)
        async with asyncio.timeout(20):
            while len([h for h in await desk.ahandoffs("t") if h.kind == "output"]) < 2:
                await asyncio.sleep(0)
        await _stop(run)
    async with build() as desk:
        run = asyncio.create_task(desk.aresume("t"))
        for _ in range(2):
            await wait_until(lambda: clock.sleeping)
            clock.advance(10)
        result = await run
        spent = sum(h.input_tokens + h.output_tokens for h in await desk.ahandoffs("t"))
    assert (len(model.heard), spent) == (2, 3000)
    assert result.usage.tokens == 3000
    outcome = result.outcomes["in" if is_nested else "say"]
    assert "run's budget of 3500 tokens does not allow this call" in str(outcome.reason)
    assert "(3000 tokens spent)" in str(outcome.reason)


async def _stop(run: "asyncio.Task[Any]") -> None:
    run.cancel()
    await asyncio.gather(run, return_exceptions=True)


async def test_i11_an_attempt_that_a_crash_cut_off_is_counted_once(tmp_path: Path) -> None:
    """With a budget of one attempt, the interrupted attempt is run again and accepted."""
    started = asyncio.Event()
    calls: list[int] = []

    async def work(brief: il.Brief) -> str:
        calls.append(brief.attempt)
        started.set()
        if len(calls) == 1:
            await asyncio.Event().wait()
        return "done"

    def build() -> il.Orchestrator:
        policy = il.RunPolicy(budget=il.Budget(attempts=1))
        return build_desk({"work": work}, policy=policy, storage=locate(tmp_path))

    async with build() as desk:
        run = asyncio.create_task(desk.ainvoke("Test", thread_id="t"))
        await started.wait()
        await _stop(run)
    async with build() as desk:
        result = await desk.aresume("t")
    assert calls == [1, 1]
    assert result.outputs == {"work": "done"}
    assert result.usage.attempts == 1


@pytest.mark.parametrize("attempts", [1, 2])
async def test_i11_an_attempt_whose_checkpoint_is_lost_is_counted_once(attempts: int) -> None:
    """The journal knows an attempt that no checkpoint knows: handed over again, it is the same."""
    gate = Gate()
    work = Recorder(gate, *[ValueError("no")] * (attempts - 1), "done")
    plan = build_plan(build_step("work", retry=RETRY))
    policy = il.RunPolicy(budget=il.Budget(attempts=attempts))
    config: Any = {"configurable": {"thread_id": "t"}}
    async with il.open_storage("memory://") as storage:

        def build() -> Any:
            workers = build_workers({"work": work})
            graph = il.build_run_graph(
                workers=workers, planner=plan, policy=policy, storage=storage
            )
            return graph.compile(checkpointer=InMemorySaver())

        run = asyncio.create_task(build().ainvoke({"goal": "x"}, config, durability="sync"))
        await gate.started.wait()
        await _stop(run)
        state = await build().ainvoke({"goal": "x"}, config, durability="sync")
    assert state["result"]["outputs"] == {"work": "done"}, state["result"]
    assert [brief.attempt for brief in work.briefs] == [1, *range(1, attempts + 1)]


async def test_i11_a_steps_time_goes_on_while_a_person_thinks() -> None:
    """Answered after three minutes of two, the step tries no more; the person is told why."""
    clock = ManualClock()
    bad = Recorder(ValueError("no"))
    budget = il.Budget(wall_time=timedelta(minutes=2))
    step = build_step("bad", budget=budget, fallback=[il.ask_person()])
    async with build_desk({"bad": bad}, step, clock=clock) as desk:
        waiting = await desk.ainvoke("Test", thread_id="t")
        clock.advance(180)
        again = await desk.aanswer("t", {waiting.questions[0].id: il.respond("try")})
    assert (again.status, bad.calls) == ("waiting", 1)
    assert "the step's wall time of 0:02:00 is used up" in again.questions[0].description


@pytest.mark.parametrize("level", ["run", "step"])
async def test_i11_no_attempt_is_waited_for_that_would_start_too_late(level: str) -> None:
    """With two minutes in all, a wait of one hour is not begun."""
    clock = ManualClock()
    bad = Recorder(ValueError("no"))
    budget = il.Budget(wall_time=timedelta(minutes=2))
    hour = timedelta(hours=1)
    step = build_step(
        "bad",
        retry=il.Retry(max_attempts=3, backoff=hour, max_backoff=hour, jitter=0),
        budget=budget if level == "step" else None,
        fallback=[il.use_value("declared")],
    )
    policy = il.RunPolicy(budget=budget) if level == "run" else None
    async with build_desk({"bad": bad}, step, policy=policy, clock=clock) as desk:
        async with asyncio.timeout(20):
            result = await desk.ainvoke("Test", thread_id="t")
    assert (bad.calls, clock.sleeping) == (1, 0)
    assert f"the {level}'s wall time of 0:02:00 is used up" in str(result.outcomes["bad"].reason)


@pytest.mark.parametrize("level", ["run", "step"])
async def test_i11_time_goes_on_while_nobody_drives_the_run(tmp_path: Path, level: str) -> None:
    """Stopped for three minutes of two, the resumed run starts no further attempt."""
    clock = ManualClock()
    bad = Recorder(ValueError("no"))
    budget = il.Budget(wall_time=timedelta(minutes=2))

    def build() -> il.Orchestrator:
        step = build_step(
            "bad",
            retry=il.Retry(max_attempts=3, backoff=timedelta(seconds=60), jitter=0),
            budget=budget if level == "step" else None,
        )
        policy = il.RunPolicy(budget=budget) if level == "run" else None
        return build_desk({"bad": bad}, step, policy=policy, clock=clock, storage=locate(tmp_path))

    async with build() as desk:
        run = asyncio.create_task(desk.ainvoke("Test", thread_id="t"))
        await wait_until(lambda: clock.sleeping)
        await _stop(run)
    clock.advance(180)
    async with build() as desk:
        result = await desk.aresume("t")
    assert bad.calls == 1
    assert f"the {level}'s wall time" in str(result.outcomes["bad"].reason)


async def test_i11_an_attempt_is_cut_off_when_the_runs_time_is_over() -> None:
    """A worker that hangs without a timeout of its own ends with the run's wall time."""

    async def hang(brief: il.Brief) -> str:
        await asyncio.Event().wait()
        return "never"

    policy = il.RunPolicy(budget=il.Budget(wall_time=timedelta(milliseconds=200)))
    step = build_step("hang", retry=RETRY, fallback=[il.use_value("declared")])
    async with build_desk({"hang": hang, "quick": give(1)}, step, policy=policy) as desk:
        async with asyncio.timeout(20):
            result = await desk.ainvoke("Test", thread_id="t")
    assert result.outputs == {"hang": "declared"}
    assert result.outcomes["hang"].attempts == 1
    assert "wall time" in str(result.outcomes["hang"].reason)
