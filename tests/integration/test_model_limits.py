"""Breakers and rates of models: real ChatOpenAI over HTTP, through the gate of every caller."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

from langchain_openai import ChatOpenAI

import interlock as il
from interlock.models.model_planner import ModelPlanner
from interlock.testing import ManualClock
from interlock.testing.manual_clock import NOON
from interlock.testing.openai_replies import fail, say
from interlock.testing.openai_server import OpenAIServer
from tests.integration.teams import Recorder, build_desk, build_step, locate

BREAKER = {"gpt-*": il.ModelLimits(breaker=il.Breaker(failures=2))}


def connect(server: OpenAIServer, model: str = "gpt-4.1-mini") -> ChatOpenAI:
    """Return a client that tries once."""
    return ChatOpenAI(base_url=server.url, api_key="none", model=model, max_retries=0, timeout=5)


def ask_with(model: ChatOpenAI, *, sync: bool = False) -> Any:
    """Return a worker that asks a model; a sync call blocks the event loop, as careless ones do."""

    async def work(brief: il.Brief) -> str:
        answer = model.invoke("hello") if sync else await model.ainvoke("hello")
        return str(answer.content)

    return work


async def test_an_open_breaker_of_a_model_lets_no_call_out(tmp_path: Path) -> None:
    """Two answers of 500 open it: the third run sends no request and takes its fallback at once."""
    clock = ManualClock(auto=True)
    with OpenAIServer() as server:
        server.script(fail(500), fail(500))
        second = Recorder("from the template")
        retry = il.Retry(max_attempts=5, backoff=timedelta(0))
        step = build_step("work", retry=retry, fallback=[il.use_worker("template")])
        agents = {"work": ask_with(connect(server)), "template": second}
        options: dict[str, Any] = {"clock": clock, "models": BREAKER}
        events = []
        async with build_desk(agents, step, storage=locate(tmp_path), **options) as desk:
            async for event in desk.astream("Test", thread_id="t1"):
                events.append(event)
            first = await desk.aresume("t1")
        async with build_desk(agents, step, storage=locate(tmp_path), **options) as desk:
            result = await desk.ainvoke("Test", thread_id="t2")
            handoffs = await desk.ahandoffs("t2", "work")
        assert len(server.requests) == 2
    assert first.outcomes["work"].attempts == 4  # two that failed, one refused, the template's
    assert (result.status, result.outputs) == ("completed", {"work": "from the template"})
    assert result.outcomes["work"].attempts == 2
    verdicts = [h.verdict for h in handoffs if h.verdict is not None]
    said = [(one.action, one.error) for one in verdicts]
    assert said == [("fallback", "BreakerOpenError"), ("accept", None)]
    changes = [event for event in events if isinstance(event, il.events.BreakerChanged)]
    assert [(one.name, one.state) for one in changes] == [("model/gpt-4.1-mini", "open")]


async def test_other_models_are_not_held_up() -> None:
    """Each model that a pattern fits has a breaker of its own; one that none fits has none."""
    with OpenAIServer() as server:
        server.script(fail(500), fail(500), say("fine"), say("fine"))
        models = [connect(server, name) for name in ("gpt-a", "gpt-a", "gpt-b", "other")]
        agents = {f"w{index}": ask_with(model) for index, model in enumerate(models)}
        policy = il.RunPolicy(max_parallel=1)
        async with build_desk(agents, models=BREAKER, policy=policy) as desk:
            result = await desk.ainvoke("Test", thread_id="t")
    statuses = [result.outcomes[f"w{index}"].status for index in range(4)]
    assert sorted(statuses) == ["accepted", "accepted", "failed", "failed"]


async def test_retry_after_of_a_429_holds_all_callers_of_the_model(tmp_path: Path) -> None:
    """One run is told to wait 30 s; another run's call of the model waits for that, too."""
    clock = ManualClock(auto=True)
    limits = {"gpt-*": il.ModelLimits(rate=il.Rate(calls=1000, per=timedelta(seconds=1)))}
    with OpenAIServer() as server:
        server.script(fail(429, retry_after=30), say("fine"))
        agents = {"work": ask_with(connect(server))}
        url = locate(tmp_path)
        async with build_desk(agents, storage=url, clock=clock, models=limits) as desk:
            first = await desk.ainvoke("Test", thread_id="t1")
            assert clock.now() == NOON
        async with build_desk(agents, storage=url, clock=clock, models=limits) as desk:
            second = await desk.ainvoke("Test", thread_id="t2")
    assert (first.status, second.status) == ("failed", "completed")
    assert clock.now() >= NOON + timedelta(seconds=30)


async def test_calls_of_a_model_are_spaced_over_workers_and_threads() -> None:
    """Six steps, async and in threads, share one model: their calls go out as its rate says."""
    clock, called = ManualClock(auto=True), []
    limits = {"gpt-4.1-mini": il.ModelLimits(rate=il.Rate(calls=1, per=timedelta(minutes=1)))}
    with OpenAIServer() as server:
        server.script(say("fine"), times=6)
        model = connect(server)

        def in_thread(brief: il.Brief) -> str:
            answer = model.invoke("hello")
            called.append(clock.now())
            return str(answer.content)

        agents = {"sync": in_thread, "async": ask_with(model)}
        steps = [build_step(f"s{index}", ("sync", "async")[index % 2]) for index in range(6)]
        async with build_desk(agents, *steps, clock=clock, models=limits) as desk:
            result = await desk.ainvoke("Test", thread_id="t")
            records = await desk._open_storage.limits.load()
    assert result.status == "completed"
    assert records[0].next_at == NOON + timedelta(minutes=6)
    assert clock.now() >= NOON + timedelta(minutes=5)


async def test_a_call_that_blocks_the_loop_is_refused_where_it_would_have_to_wait() -> None:
    """Nothing can be waited for there: the attempt fails, says so, and its retry has the turn."""
    clock = ManualClock(auto=True)
    limits = {"gpt-*": il.ModelLimits(rate=il.Rate(calls=1, per=timedelta(minutes=1)))}
    with OpenAIServer() as server:
        server.script(say("fine"), say("fine"))
        agents = {"work": ask_with(connect(server), sync=True)}
        step = build_step("work", retry=il.Retry(max_attempts=2, backoff=timedelta(seconds=1)))
        async with build_desk(agents, step, clock=clock, models=limits) as desk:
            await desk.ainvoke("Test", thread_id="t1")
            result = await desk.ainvoke("Test", thread_id="t2")
            refused = [h.verdict for h in await desk.ahandoffs("t2", "work") if h.verdict]
    assert (result.status, result.outcomes["work"].attempts) == ("completed", 2)
    assert refused[0].error == "RateLimitedError"
    assert clock.now() == NOON + timedelta(minutes=1)


async def test_a_nested_team_keeps_to_the_limits_of_the_team_around_it() -> None:
    """Calls below a step that is a team count once, under the outer team's breaker."""
    with OpenAIServer() as server:
        server.script(fail(500), fail(500))
        inner = build_desk({"ask": ask_with(connect(server))})
        outer = {"team": il.Worker(name="team", agent=inner)}
        async with build_desk(outer, models=BREAKER) as desk:
            for thread in ("t1", "t2", "t3"):
                result = await desk.ainvoke("Test", thread_id=thread)
            (record,) = await desk._open_storage.limits.load()
        assert len(server.requests) == 2
    assert (record.name, record.state, len(record.failures)) == ("model/gpt-4.1-mini", "open", 2)
    assert "model/gpt-4.1-mini" in str(result.outcomes["team"].reason)


async def test_planners_are_guarded_as_workers_are() -> None:
    """A planner's model that keeps failing is not asked any more, and the run says why."""
    with OpenAIServer() as server:
        server.script(fail(500), times=2)
        limits = il.CallLimits(retry=il.Retry(max_attempts=1), clock=ManualClock(auto=True))
        planner = ModelPlanner(model=connect(server), limits=limits)
        agents = {"work": Recorder("done")}
        policy = il.RunPolicy(max_plan_attempts=3)
        async with build_desk(agents, planner=planner, models=BREAKER, policy=policy) as desk:
            result = await asyncio.wait_for(desk.ainvoke("Test", thread_id="t"), 20)
        assert len(server.requests) == 2
    assert (result.status, "model/gpt-4.1-mini" in str(result.reason)) == ("failed", True)


async def test_an_open_breaker_sends_a_planner_to_its_second_ways() -> None:
    """A planner whose model is left alone is not asked again and again: its template runs at once."""

    class Planning:
        """A planner that asks a model."""

        fallback = (il.use_plan(il.TaskGraph(goal="g", steps=[build_step("work")])),)
        asked = 0

        async def plan(self, request: il.PlanRequest) -> il.TaskGraph:
            """Ask it."""
            self.asked += 1
            await model.ainvoke("plan")
            raise AssertionError("it does not answer")

    planner = Planning()
    with OpenAIServer() as server:
        server.script(fail(500), fail(500))
        model = connect(server)
        desk = build_desk(
            {"work": Recorder("done")},
            planner=planner,
            models=BREAKER,
            policy=il.RunPolicy(max_plan_attempts=9),
        )
        async with desk:
            result = await desk.ainvoke("g", thread_id="t")
        assert len(server.requests) == 2
    assert (result.status, planner.asked) == ("completed", 3)
    assert "BreakerOpenError" in result.notes[0]
