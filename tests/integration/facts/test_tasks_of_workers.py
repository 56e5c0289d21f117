"""Rows 3 and 6 of the facts: a worker's `@task`s over pauses, cancelled calls and restarts."""

import asyncio
import collections
from pathlib import Path
from typing import Any

from langgraph.func import task
from langgraph.graph import END, START, StateGraph
from langgraph.types import interrupt
from typing_extensions import TypedDict

import interlock as il
from tests.integration.teams import build_desk, locate

CALLS: collections.Counter[str] = collections.Counter()


@task
async def look_up(name: str) -> str:
    """Count a call."""
    CALLS[name] += 1
    return name.upper()


@task
async def ask(name: str) -> Any:
    """Ask a person."""
    CALLS[name] += 1
    return interrupt(f"What about {name}?")


async def test_a_finished_task_of_a_worker_runs_once_over_all_its_pauses() -> None:
    """What a worker's `@task`s returned before a question is there after the answer."""
    CALLS.clear()

    async def work(brief: il.Brief) -> list[Any]:
        found = [await look_up("a"), await look_up("b")]
        found.append(interrupt("Go on?"))
        found.append(await look_up("c"))
        return [*found, interrupt("And now?")]

    async with build_desk({"work": work}) as desk:
        result = await desk.ainvoke("Test", thread_id="t")
        for value in (1, 2):
            (question,) = result.questions
            result = await desk.aanswer("t", {question.id: il.edit(value)})
    assert result.outputs == {"work": ["A", "B", 1, "C", 2]}
    assert CALLS == {"a": 1, "b": 1, "c": 1}


async def test_a_task_that_ended_beside_one_that_asks_is_kept() -> None:
    """Of `@task`s at once, one asks a person; the others' results wait for the answer."""
    CALLS.clear()

    async def work(brief: il.Brief) -> list[Any]:
        return list(await asyncio.gather(look_up("a"), ask("b"), look_up("c")))

    async with build_desk({"work": work}) as desk:
        (question,) = (await desk.ainvoke("Test", thread_id="t")).questions
        result = await desk.aanswer("t", {question.id: il.edit("yes")})
    assert result.outputs == {"work": ["A", "yes", "C"]}
    assert (CALLS["a"], CALLS["c"]) == (1, 1)


async def test_a_finished_task_of_a_worker_is_not_run_again_after_a_restart(tmp_path: Path) -> None:
    """A call that is cancelled in the middle, and a new process: what had ended is not repeated."""
    CALLS.clear()
    started, is_second = asyncio.Event(), False

    async def work(brief: il.Brief) -> list[Any]:
        found = [await look_up("a"), await look_up("b")]
        if not is_second:
            started.set()
            await asyncio.Event().wait()
        return found

    async with build_desk({"work": work}, storage=locate(tmp_path)) as desk:
        run = asyncio.create_task(desk.ainvoke("Test", thread_id="t"))
        await started.wait()
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)
    is_second = True
    async with build_desk({"work": work}, storage=locate(tmp_path)) as desk:
        result = await desk.aresume("t")
    assert result.outputs == {"work": ["A", "B"]}
    assert CALLS == {"a": 1, "b": 1}


class _Pair(TypedDict, total=False):
    left: Any
    right: Any


def build_pair() -> Any:
    """Return a graph of two nodes at once; one looks something up, the other asks a person."""

    async def left(state: _Pair) -> _Pair:
        CALLS["left"] += 1
        return {"left": "found"}

    async def right(state: _Pair) -> _Pair:
        return {"right": interrupt("Which one?")}

    graph = StateGraph(_Pair)
    for node in (left, right):
        graph.add_node(node.__name__, node)
        graph.add_edge(START, node.__name__)
        graph.add_edge(node.__name__, END)
    return graph.compile()


async def test_a_graph_inside_a_task_keeps_what_its_finished_nodes_gave() -> None:
    """A node that ended beside one that asks, in a graph that a `@task` calls, runs once."""
    CALLS.clear()
    graph = build_pair()

    @task
    async def call() -> Any:
        return await graph.ainvoke({})

    async def work(brief: il.Brief) -> Any:
        return await call()

    async with build_desk({"work": work}) as desk:
        (question,) = (await desk.ainvoke("Test", thread_id="t")).questions
        result = await desk.aanswer("t", {question.id: il.edit("this")})
    assert result.outputs == {"work": {"left": "found", "right": "this"}}
    assert CALLS == {"left": 1}


async def test_a_question_beside_a_task_is_asked_and_answered_once_in_every_stream() -> None:
    """A worker two teams down that calls a `@task` before it asks: one question, one answer."""
    CALLS.clear()

    async def work(brief: il.Brief) -> Any:
        return [await look_up("a"), interrupt("Go on?")]

    async with build_desk({"outer": build_desk({"inner": build_desk({"work": work})})}) as desk:
        events = [event async for event in desk.astream("Test", thread_id="t")]
        (question,) = await desk.aquestions("t")
        answers = {question.id: il.approve()}
        events += [event async for event in desk.astream(thread_id="t", answers=answers)]
        handoffs = await desk.ahandoffs("t")
    told = [e.handoff.id for e in events if isinstance(e, il.events.HandoffRecorded)]
    assert sorted(told) == sorted(handoff.id for handoff in handoffs)
    assert len([e for e in events if isinstance(e, il.events.QuestionAsked)]) == 1
