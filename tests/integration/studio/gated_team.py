"""A team whose second step hangs as long as there is no file `gate`."""

import asyncio
import functools
from pathlib import Path

from langgraph.config import get_stream_writer
from langgraph.graph import StateGraph

import interlock as il


async def start(brief: il.Brief) -> str:
    """Return at once."""
    return f"attempt {brief.attempt}"


async def wait(brief: il.Brief) -> str:
    """Return what the gate says if it is there; else say so and never return."""
    del brief
    gate = Path("gate")
    if not await asyncio.to_thread(gate.exists):
        get_stream_writer()({"waiting": True})
        await asyncio.Event().wait()
    return await asyncio.to_thread(gate.read_text)


PLAN = il.TaskGraph(
    goal="Pass the gate",
    steps=[
        il.Step(id="first", worker="starter", instruction="Begin"),
        il.Step(id="second", worker="waiter", instruction="Wait", needs=["first"]),
    ],
)


@functools.cache
def make_graph() -> StateGraph:
    """Return the run graph."""
    return il.build_run_graph(
        workers=[il.Worker(name="starter", agent=start), il.Worker(name="waiter", agent=wait)],
        planner=PLAN,
        storage="sqlite:///.langgraph_api/gated_team.db",
    )
