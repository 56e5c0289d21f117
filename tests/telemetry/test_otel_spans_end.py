"""Whatever ends a run, its spans end with it."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.outputs import ChatResult
from langgraph.types import interrupt

import interlock as il
from interlock.testing import ScriptedModel
from tests.integration.scripted_chat import ScriptedChat
from tests.supervisor.routing_chat import assign
from tests.telemetry.traces import OpenSpans, Watched, read

Ending = Callable[[il.Orchestrator, asyncio.Event], Any]


async def complete(desk: il.Orchestrator, started: asyncio.Event) -> None:
    """Let it end by itself."""


async def cancel(desk: il.Orchestrator, started: asyncio.Event) -> None:
    """Cancel it while a worker works."""
    await started.wait()
    await desk.acancel("t", why="enough")


async def drain(desk: il.Orchestrator, started: asyncio.Event) -> None:
    """Ask it to stop, and then cut it off."""
    await started.wait()
    desk.drain("deploy")
    desk.drain("deploy")


ENDINGS: dict[str, tuple[Ending, str, str | None]] = {
    "completes": (complete, "work", "completed"),
    "fails": (complete, "fail", "failed"),
    "waits": (complete, "ask", "waiting"),
    "times out": (complete, "sleep", "degraded"),
    "is cancelled": (cancel, "sleep", "cancelled"),
    "is drained": (drain, "sleep", "drained"),
}


@pytest.mark.parametrize("ending", ENDINGS)
async def test_every_span_ends(ending: str) -> None:
    """No span is left open, no run or step remembered, and the run's span says how it ended."""
    end, worker, status = ENDINGS[ending]
    watched, opened, started = Watched(), OpenSpans(), asyncio.Event()
    watched.tracers.add_span_processor(opened)
    telemetry = watched.build()

    async def work(brief: il.Brief) -> str:
        return str(await ScriptedModel("x").ainvoke("q"))

    async def fail(brief: il.Brief) -> str:
        raise LookupError

    async def ask(brief: il.Brief) -> str:
        return str(interrupt("May I?"))

    async def sleep(brief: il.Brief) -> str:
        started.set()
        await asyncio.sleep(3600)
        return "x"

    fields: dict[str, Any] = {"id": "s", "worker": worker, "instruction": "x"}
    if ending == "times out":
        fields |= {"timeout": 0.05, "fallback": [il.use_value("x")]}
    desk = il.Orchestrator(
        workers=[il.Worker(name=one.__name__, agent=one) for one in (work, fail, ask, sleep)],
        planner=il.TaskGraph(goal="g", steps=[il.Step.model_validate(fields)]),
        storage="memory://",
        telemetry=telemetry,
        name="desk",
    )
    async with desk, asyncio.TaskGroup() as group:
        group.create_task(end(desk, started))
        with suppress(il.DrainedError):
            await desk.ainvoke("g", thread_id="t")
    assert opened.names == {}
    assert (telemetry._runs, telemetry._steps) == ({}, {})
    assert read(watched.find("invoke_workflow desk"))["interlock.status"] == status
    failed = {span.name for span in watched.spans if "error.type" in read(span)}
    assert bool(failed) == (ending in {"fails", "times out", "is cancelled"})


class SilentModel(ScriptedModel):
    """A model that never answers."""

    async def _agenerate(self, *args: Any, **kwargs: Any) -> ChatResult:
        await asyncio.sleep(3600)
        raise AssertionError


async def test_calls_that_are_given_up_end() -> None:
    """A model call and a stream that their caller leaves in the middle are ended with the attempt."""
    watched, opened = Watched(), OpenSpans()
    watched.tracers.add_span_processor(opened)

    async def work(brief: il.Brief) -> str:
        with suppress(TimeoutError):
            await asyncio.wait_for(SilentModel("x").ainvoke("q"), 0.01)
        async for part in ScriptedModel("a b c d").astream("q"):
            return str(part.content)
        return "x"

    desk = il.Orchestrator(
        workers=[il.Worker(name="work", agent=work)],
        planner=il.TaskGraph(goal="g", steps=[il.Step(id="s", worker="work", instruction="x")]),
        storage="memory://",
        telemetry=watched.build(),
    )
    async with desk:
        assert (await desk.ainvoke("g", thread_id="t")).status == "completed"
    assert opened.names == {}
    assert len(watched.find_all("chat scripted")) == 2


async def test_a_supervisors_turns_are_watched() -> None:
    """`create_supervisor` gives every turn's run a span, with the routing model's calls in its plans."""
    watched = Watched()
    agent = create_agent(ScriptedModel("42"), tools=[], name="math")
    model = ScriptedChat(turns=[assign(("math", "6 * 7")), "It is 42."])
    app = il.create_supervisor([agent], model=model, telemetry=watched.build()).compile()
    await app.ainvoke({"messages": [{"role": "user", "content": "6 * 7?"}]})
    drawn = watched.draw("invoke_workflow supervisor")
    assert drawn[:3] == ["invoke_workflow supervisor", "  plan", "    chat ScriptedChat"]
    assert "      invoke_agent math" in drawn
