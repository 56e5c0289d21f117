"""A real client of a scripted server, a plan that it may be told, and the team that carries it out."""

from datetime import timedelta
from typing import Any

from langchain_openai import ChatOpenAI

import interlock as il
from interlock.models.model_planner import ModelPlanner
from interlock.models.patient_calls import CallLimits
from interlock.testing import ManualClock
from interlock.testing.openai_server import OpenAIServer

GOOD_PLAN = {
    "steps": [
        {"id": "find", "worker": "look_up", "instruction": "Find order 17"},
        {
            "id": "reply",
            "worker": "look_up",
            "instruction": "Tell the customer",
            "needs": ["find"],
            "inputs": [{"name": "order", "path": "find.said"}],
        },
    ]
}


def connect(server: OpenAIServer, **settings: Any) -> ChatOpenAI:
    """Return a client of the server that makes one call at a time and waits 0.1 s at most."""
    options = {"model": "scripted", "timeout": 0.1, "max_retries": 0, **settings}
    return ChatOpenAI(base_url=server.url, api_key="none", **options)


async def look_up(brief: il.Brief) -> dict[str, Any]:
    """Say what was asked and what it was given."""
    return {"said": brief.instruction, "given": dict(brief.inputs)}


async def run_planned(
    server: OpenAIServer, *, clock: ManualClock | None = None, rolling: bool = False
) -> il.RunResult:
    """Run a team whose planner is the server's model."""
    limits = CallLimits(timeout=timedelta(seconds=60), clock=clock or ManualClock(auto=True))
    planner = ModelPlanner(model=connect(server), limits=limits, rolling=rolling)
    async with il.Orchestrator(
        workers=[il.Worker(name="look_up", agent=look_up, description="Finds orders")],
        planner=planner,
        storage="memory://",
    ) as desk:
        return await desk.ainvoke("Answer ticket 17", thread_id="t17")


async def run_worker(server: OpenAIServer, agent: Any) -> il.RunResult:
    """Run one step whose worker is a model or an agent around one; it is tried twice."""
    step = il.Step(id="reply", worker="writer", instruction="Reply to the customer")
    async with il.Orchestrator(
        workers=[il.Worker(name="writer", agent=agent)],
        planner=il.TaskGraph(goal="Answer", steps=[step]),
        storage="memory://",
        clock=ManualClock(auto=True),
        policy=il.RunPolicy(retry=il.Retry(max_attempts=2, backoff=timedelta(seconds=1))),
    ) as desk:
        return await desk.ainvoke("Answer", thread_id="t")
