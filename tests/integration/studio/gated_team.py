"""A team whose second step hangs as long as there is no file `gate`."""

import asyncio
import functools
from pathlib import Path

import interlock as il
from langgraph.graph import StateGraph


async def start(brief: il.Brief) -> str:
    """Return at once."""
    return f"attempt {brief.attempt}"


async def wait(brief: il.Brief) -> str:
    """Return what the gate says if it is there; else never return."""
    del brief
    gate = Path("gate")
    if not await asyncio.to_thread(gate.exists):
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
