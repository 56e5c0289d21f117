"""Turns that are kept in memory: closed once nobody can go on with them, through the front door."""

import asyncio
import threading
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import Command, interrupt

import interlock as il
from interlock.supervisor.turn_memories import TurnMemories
from tests.supervisor.routing_chat import USER, RoutingChat, assign


def count_open() -> int:
    """Return how many storages are open: each has a thread of its own."""
    return sum(thread.name.startswith("storage ") for thread in threading.enumerate())


@pytest.fixture(name="before")
def count_before() -> int:
    """Return how many storages were open before the test."""
    return count_open()


def build_app(node: Any, *turns: Any, checkpointer: Any = None) -> Any:
    """Return a supervisor, in memory, of one agent that does what the node does."""
    builder = StateGraph(MessagesState)
    builder.add_node("work", node)
    builder.add_edge(START, "work")
    model = RoutingChat(turns=list(turns))
    workflow = il.create_supervisor([builder.compile(name="agent")], model=model)
    return workflow.compile(checkpointer=checkpointer)


def name_thread(name: str) -> Any:
    """Return the config of a conversation."""
    return {"configurable": {"thread_id": name}}


def ask(state: Any) -> Any:
    """Ask a person, and say what was answered."""
    return {"messages": [AIMessage(f"They said {interrupt('ok?')}")]}


async def test_calls_that_are_cancelled_leave_nothing_open(before: int) -> None:
    """A call that nobody can resume closes its turn's memory when the client goes away."""
    started = asyncio.Event()

    async def hang(state: Any) -> Any:
        started.set()
        await asyncio.Event().wait()

    app = build_app(hang, *[assign(("agent", "work"))] * 3)
    for _ in range(3):
        started.clear()
        call = asyncio.ensure_future(app.ainvoke(USER))
        await started.wait()
        assert count_open() > before
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
    assert count_open() <= before


async def test_a_new_message_closes_the_turn_that_waited(before: int) -> None:
    """A turn that asked a person is closed when a new message takes its place; others stay."""
    turns = [assign(("agent", "work")), assign(("agent", "work")), "New", "Done"]
    app = build_app(ask, *turns, checkpointer=InMemorySaver())
    for thread in ("left", "kept"):
        assert (await app.ainvoke(USER, name_thread(thread)))["__interrupt__"]
    assert count_open() == before + 2
    told = await app.ainvoke({"messages": [("user", "Never mind")]}, name_thread("left"))
    assert told["messages"][-1].text == "New"
    assert count_open() == before + 1
    result = await app.ainvoke(Command(resume="yes"), name_thread("kept"))
    assert "They said yes" in [message.text for message in result["messages"]]
    assert count_open() <= before


async def test_the_memories_that_wait_are_bounded(before: int) -> None:
    """Beyond its bound a map of waiting turns gives up the one left longest, none that is in use."""
    memories = TurnMemories(None, max_kept=3)

    async def visit(thread: str) -> Any:
        async with memories.lend(thread, place=thread, is_resumable=True) as memory:
            return memory

    async with memories.lend("used", place="used", is_resumable=True) as used:
        first, second = await visit("first"), await visit("second")
        assert await visit("first") is first
        await visit("third")
        assert await visit("used") is used
    assert await visit("second") is not second
    assert count_open() == before + 3
    for thread in ("first", "second", "third", "used"):
        async with memories.lend(thread, place=thread, is_resumable=False):
            pass
    assert count_open() <= before
