"""A model's plan over a real stream: its first step runs before the server has sent the rest."""

import asyncio
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

import interlock as il
from interlock.testing import ManualClock
from interlock.testing.openai_replies import OpenAIReply, say
from interlock.testing.openai_server import OpenAIServer
from tests.models.chat_over_http import GOOD_PLAN, connect, look_up

REST = {"steps": [GOOD_PLAN["steps"][1]]}


def build_desk(server: OpenAIServer, worker: Callable[[il.Brief], Any]) -> il.Orchestrator:
    """Return a team that starts steps while the server's model still plans."""
    limits = il.CallLimits(timeout=timedelta(seconds=60), clock=ManualClock())
    planner = il.ModelPlanner(
        model=connect(server, timeout=20, stream_usage=True), limits=limits, stream=True
    )
    return il.Orchestrator(
        workers=[il.Worker(name="look_up", agent=worker, description="Finds orders")],
        planner=planner,
        storage="memory://",
    )


class Seen:
    """A worker that lets the server go on once it runs."""

    def __init__(self) -> None:
        self.running = threading.Event()
        self.did: list[str] = []

    async def __call__(self, brief: il.Brief) -> dict[str, Any]:
        """Say what was asked and given."""
        self.did.append(brief.instruction)
        self.running.set()
        return await look_up(brief)


async def test_a_step_runs_before_the_last_byte_of_its_plan_is_sent() -> None:
    """The server keeps half of the plan until the worker of the first step has been seen running."""
    seen = Seen()
    with OpenAIServer() as server:
        server.script(say(GOOD_PLAN, usage=(70, 30)).held(seen.running))
        async with build_desk(server, seen) as desk:
            result = await asyncio.wait_for(desk.ainvoke("Answer", thread_id="t"), 20)
    assert (result.status, seen.did) == ("completed", ["Find order 17", "Tell the customer"])
    assert result.outputs["reply"]["given"] == {"order": "Find order 17"}
    assert len(server.requests) == 1
    assert (result.usage.input_tokens, result.usage.output_tokens) == (70, 30)


@pytest.mark.parametrize("fault", ["cut", "garble", "finish"])
async def test_a_stream_that_breaks_off_is_gone_on_with(fault: Any) -> None:
    """The model is asked for the rest, told what stands; the first step ran once."""
    seen = Seen()
    first: OpenAIReply = say(GOOD_PLAN).held(seen.running)
    bad = {"steps": [GOOD_PLAN["steps"][0], {**GOOD_PLAN["steps"][1], "worker": "reed"}]}
    first = say(bad).held(seen.running) if fault == "finish" else first.broken(fault)
    with OpenAIServer() as server:
        server.script(first, say(REST))
        async with build_desk(server, seen) as desk:
            result = await asyncio.wait_for(desk.ainvoke("Answer", thread_id="t"), 20)
    assert (result.status, seen.did) == ("completed", ["Find order 17", "Tell the customer"])
    told = str(server.requests[1]["messages"])
    assert "Find order 17" in told
    assert {"cut": "end never arrived", "garble": "", "finish": "reed"}[fault] in told


async def test_a_cancelled_run_does_not_wait_for_its_plan() -> None:
    """It ends at once, though the server never sends the rest of the plan."""
    seen = Seen()
    never = threading.Event()
    with OpenAIServer() as server:
        server.script(say(GOOD_PLAN).held(never))
        async with build_desk(server, seen) as desk:
            run = asyncio.ensure_future(desk.ainvoke("Answer", thread_id="t"))
            await asyncio.to_thread(seen.running.wait)
            await desk.acancel("t", why="enough")
            result = await asyncio.wait_for(run, 20)
        never.set()
    assert (result.status, seen.did) == ("cancelled", ["Find order 17"])
    assert len(server.requests) == 1
