"""Judges within a step's bounds: what their models cost is in its usage, and time binds them too."""

import asyncio
from datetime import timedelta
from typing import Any

from langchain_core.messages import AIMessage
from langchain_openai import ChatOpenAI

import interlock as il
from interlock.testing import ManualClock
from interlock.testing.manual_clock import NOON
from interlock.testing.openai_replies import fail, say
from interlock.testing.openai_server import OpenAIServer
from tests.integration.scripted_chat import ScriptedChat
from tests.integration.shared_contexts import CUSTOMER, Held, customer_fact, share
from tests.integration.teams import Recorder, build_desk, build_step

USAGE = {"input_tokens": 9, "output_tokens": 1, "total_tokens": 10}


async def judge_with_model(request: il.JudgeRequest) -> bool:
    """Ask a model, whatever it says."""
    await ScriptedChat(turns=[AIMessage("yes", usage_metadata=USAGE)]).ainvoke("Well?")
    return True


async def test_i11_a_review_on_new_facts_costs_what_its_judges_used() -> None:
    """Looked at again since somebody else was quicker, a step's usage is what the table says."""
    offers = iter((4, 5))
    worker = Held(lambda brief: {"balance": next(offers)})
    step = build_step(
        "add",
        context=["balance"],
        publishes={"balance": "output.balance"},
        criteria=[
            il.expr("!has(context.balance) || context.balance <= 5"),
            il.rubric("Is a balance"),
        ],
    )
    context = share(customer_fact("balance", on_conflict="last"))
    desk = build_desk({"add": worker}, step, context=context, judges=[judge_with_model])
    async with desk:
        runs = [
            asyncio.create_task(desk.ainvoke("Go", thread_id=name, spaces=CUSTOMER))
            for name in ("t1", "t2")
        ]
        while len(worker.briefs) < 2:
            await asyncio.sleep(0)
        worker.let_go.set()
        results = await asyncio.gather(*runs)
        spent = [await desk._open_storage.load_spending(result.thread_id) for result in results]
    made = [sum(call.model_calls for call in one.calls) for one in spent]
    assert sorted(made) == [1, 2]
    assert [result.usage.model_calls for result in results] == made
    for result, one in zip(results, spent, strict=True):
        assert result.usage.tokens == sum(call.tokens for call in one.calls)


async def test_a_cancel_reaches_judges_that_look_again() -> None:
    """A run that is cancelled while an output is judged on new facts ends at once, cancelled."""
    offers, thinking = iter((4, 5)), asyncio.Event()
    looks: list[int] = []

    async def think(request: il.JudgeRequest) -> bool:
        looks.append(1)
        if len(looks) > 2:
            thinking.set()
            await asyncio.Event().wait()
        return True

    worker = Held(lambda brief: {"balance": next(offers)})
    step = build_step(
        "add",
        context=["balance"],
        publishes={"balance": "output.balance"},
        criteria=[il.expr("!has(context.balance) || true"), il.rubric("Is a balance")],
    )
    context = share(customer_fact("balance", on_conflict="last"))
    async with build_desk({"add": worker}, step, context=context, judges=[think]) as desk:
        runs = [
            asyncio.create_task(desk.ainvoke("Go", thread_id=name, spaces=CUSTOMER))
            for name in ("t1", "t2")
        ]
        while len(worker.briefs) < 2:
            await asyncio.sleep(0)
        worker.let_go.set()
        await asyncio.wait_for(thinking.wait(), 20)
        await asyncio.wait(runs, return_when=asyncio.FIRST_COMPLETED, timeout=20)
        (late,) = [name for name, run in zip(("t1", "t2"), runs, strict=True) if not run.done()]
        await desk.acancel(late, why="enough")
        results = await asyncio.wait_for(asyncio.gather(*runs), 20)
        again = await desk.aresume(late)
    assert sorted(result.status for result in results) == ["cancelled", "completed"]
    assert again.outcomes["add"].reason == "enough"


async def test_i11_a_judge_has_no_longer_than_its_run() -> None:
    """Wall time that is over cuts a judge off; what was declared for undecided rubrics holds."""
    clock = ManualClock()
    asked: list[str] = []

    async def work(brief: il.Brief) -> str:
        clock.advance(10)
        return "done"

    async def hang(request: il.JudgeRequest) -> bool:
        asked.append(request.rubric)
        await asyncio.Event().wait()
        return True

    step = build_step("a", criteria=[il.rubric("Is done", undecided="pass")])
    policy = il.RunPolicy(budget=il.Budget(wall_time=timedelta(seconds=10)))
    desk = build_desk({"a": work}, step, judges=[hang], policy=policy, clock=clock)
    async with desk, asyncio.timeout(20):
        result = await desk.ainvoke("Go", thread_id="t")
    (finding,) = result.outcomes["a"].findings
    assert asked == ["Is done"]
    assert "hang: did not answer within 0 s" in finding.message
    assert result.status == "completed"


def build_judged_desk(
    server: OpenAIServer, worker: Recorder, clock: ManualClock, **step: Any
) -> il.Orchestrator:
    """Return a team whose one step is judged by a model over HTTP, which has a breaker."""
    model = ChatOpenAI(
        base_url=server.url, api_key="none", model="gpt-4.1-mini", max_retries=0, timeout=5
    )

    async def judge_over_http(request: il.JudgeRequest) -> bool:
        return (await model.ainvoke("Is it done?")).text == "yes"

    retry = il.Retry(max_attempts=9, backoff=timedelta(0))
    made = build_step("work", retry=retry, criteria=[il.rubric("Is done")], **step)
    return build_desk(
        {"work": worker},
        made,
        judges=[judge_over_http],
        models={"gpt-*": il.ModelLimits(breaker=il.Breaker(failures=2))},
        clock=clock,
    )


async def test_judges_behind_an_open_breaker_cost_no_further_attempts() -> None:
    """Nobody can judge what a worker would do again, so the step takes its fallback chain at once."""
    clock, worker = ManualClock(auto=True), Recorder("done")
    with OpenAIServer() as server:
        server.script(fail(500), fail(500))
        desk = build_judged_desk(server, worker, clock, fallback=[il.use_value("a gap's worth")])
        async with desk, asyncio.timeout(20):
            result = await desk.ainvoke("Go", thread_id="t")
        assert len(server.requests) == 2
    assert len(worker.briefs) == 3  # two that nobody heard a judgement on, one behind the breaker
    assert result.outputs == {"work": "a gap's worth"}
    assert clock.now() == NOON


async def test_a_step_without_fallbacks_waits_until_its_judges_may_be_asked() -> None:
    """It is done again when the breaker lets a probe through, and not before."""
    clock, worker = ManualClock(auto=True), Recorder("done")
    with OpenAIServer() as server:
        server.script(fail(500), fail(500), say("yes"))
        async with build_judged_desk(server, worker, clock) as desk, asyncio.timeout(20):
            result = await desk.ainvoke("Go", thread_id="t")
        assert len(server.requests) == 3
    assert (result.status, len(worker.briefs)) == ("completed", 4)
    assert clock.now() == NOON + timedelta(seconds=30)


async def test_a_wait_for_judges_ends_with_the_runs_time() -> None:
    """Where the breaker opens again only after the wall time, nobody waits for it."""
    clock, worker = ManualClock(auto=True), Recorder("done")
    with OpenAIServer() as server:
        server.script(fail(500), fail(500))
        budget = il.Budget(wall_time=timedelta(seconds=20))
        desk = build_judged_desk(server, worker, clock, budget=budget)
        async with desk, asyncio.timeout(20):
            result = await desk.ainvoke("Go", thread_id="t")
    assert (result.status, len(worker.briefs)) == ("failed", 3)
    assert "wall time of 0:00:20 is used up" in str(result.outcomes["work"].reason)
    assert clock.now() == NOON
