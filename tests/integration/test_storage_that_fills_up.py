"""A disk that fills up under a worker: no fault of its attempt, and nothing is lost."""

import sqlite3
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from langgraph.graph import END, START, StateGraph
from typing_extensions import TypedDict

import interlock as il
from interlock.checkpoints import SqlStorage
from tests.integration.storages import open_staged, settles
from tests.integration.teams import Recorder, build_desk, build_step
from tests.integration.thread_reading import read_thread

BIG = "x" * 1_000_000


async def set_pages(storage: SqlStorage, spare: int) -> None:
    """Let the database grow by so many pages and no more."""

    def limit(connection: sqlite3.Connection) -> None:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages + spare}")

    await storage._database.write(limit)


class Filler:
    """Fills the disk up when it is first called, and gives more than fits."""

    def __init__(self, storage: SqlStorage) -> None:
        """Have been called never."""
        self.storage = storage
        self.calls = 0

    async def __call__(self, given: object) -> str:
        """Give a big text."""
        self.calls += 1
        if self.calls == 1:
            await set_pages(self.storage, 3)
        return BIG


class _Text(TypedDict, total=False):
    instruction: str
    text: str
    output: int


def build_graph(fill: Filler) -> Any:
    """Return a compiled graph that keeps a big text and gives its length."""

    async def read(state: _Text) -> _Text:
        return {"text": await fill(state)}

    async def count(state: _Text) -> _Text:
        return {"output": len(state["text"])}

    graph = StateGraph(_Text)
    graph.add_node("read", read)
    graph.add_node("count", count)
    graph.add_edge(START, "read")
    graph.add_edge("read", "count")
    graph.add_edge("count", END)
    return graph.compile()


def build_team(fill: Filler) -> il.Orchestrator:
    """Return a team of one that gives the length of a big text."""

    async def count(brief: il.Brief) -> int:
        return len(brief.inputs["read"])

    return build_desk(
        {"read": fill, "count": count}, build_step("read"), build_step("count", needs=["read"])
    )


def build_caller(fill: Filler) -> Callable[[il.Brief], Awaitable[int]]:
    """Return a function that asks a graph, wrapped in a broad `except` that raises its own."""

    async def call(brief: il.Brief) -> int:
        try:
            result = await build_graph(fill).ainvoke({"instruction": brief.instruction})
        except Exception as exc:
            raise RuntimeError("the graph did not work") from exc
        length: int = result["output"]
        return length

    return call


@pytest.mark.parametrize("build", [build_team, build_graph, build_caller])
async def test_a_disk_that_fills_up_under_a_worker_stops_the_run_and_fails_no_attempt(
    build: Callable[[Filler], Any],
) -> None:
    """With room again the run goes on where it stopped, whatever keeps its state below a step."""
    async with open_staged() as storage:
        fill, first = Filler(storage), Recorder("first")
        desk = build_desk(
            {"first": first, "work": build(fill)},
            build_step("first"),
            build_step("work", needs=["first"], fallback=[il.use_value("instead")]),
            storage=storage,
        )
        async with desk:
            with pytest.raises(il.StorageFullError, match="no room left"):
                await desk.ainvoke("Test", thread_id="t")
            await set_pages(storage, 100_000)
            assert (await read_thread(desk, "t")).status == "running"
            result = await desk.aresume("t")
            await read_thread(desk, "t")
    assert result.status == "completed", result.gaps
    assert result.outputs["work"] in (len(BIG), {"count": len(BIG)})
    assert (result.outcomes["work"].attempts, first.calls) == (1, 1)


async def test_a_write_that_fails_once_inside_a_team_repeats_no_settled_inner_step() -> None:
    """I6: the run stops there and goes on there, with no second attempt of the team's step."""
    first, last = Recorder("first"), Recorder("last")
    inner = build_desk(
        {"first": first, "last": last}, build_step("first"), build_step("last", needs=["first"])
    )

    async def fail() -> None:
        raise il.StorageFullError("The database has no room left.")

    async with open_staged() as storage, build_desk({"outer": inner}, storage=storage) as desk:
        storage.around_commit = (settles("outer/last"), fail)
        with pytest.raises(il.StorageFullError, match="no room left"):
            await desk.ainvoke("Test", thread_id="t")
        result = await desk.aresume("t")
        await read_thread(desk, "t")
    assert (result.status, result.outcomes["outer"].attempts) == ("completed", 1)
    assert (first.calls, last.calls) == (1, 1)


async def test_a_storage_of_the_workers_own_that_fails_is_a_failed_attempt() -> None:
    """What a worker's own database cannot do is the worker's failure, and has its fallbacks."""
    work = Recorder(il.StorageFullError("The worker's database has no room left."))
    step = build_step("work", fallback=[il.use_value("instead")])
    async with build_desk({"work": work}, step) as desk:
        result = await desk.ainvoke("Test", thread_id="t")
    assert (result.status, result.outputs) == ("degraded", {"work": "instead"})
