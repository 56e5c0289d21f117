"""Rows 3 and 6 of the facts: a worker's `@task`s over pauses, cancelled calls and restarts."""

import asyncio
import collections
from pathlib import Path
from typing import Any

from langgraph.func import task
from langgraph.types import interrupt

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
