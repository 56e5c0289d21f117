import operator
import sqlite3
from collections.abc import AsyncIterator
from datetime import timedelta
from itertools import chain
from typing import Annotated, Any

import pytest
from langgraph.channels import DeltaChannel
from langgraph.checkpoint.conformance import checkpointer_test, validate
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, interrupt
from typing_extensions import TypedDict

from interlock.checkpoints import SqlStorage, open_storage
from interlock.contracts.errors import ConfigurationError
from interlock.contracts.outcome import StepOutcome

CONFIG: dict[str, Any] = {"configurable": {"thread_id": "t"}}
TTL = timedelta(minutes=1)


class State(TypedDict):
    n: int
    log: Annotated[list[int], operator.add]
    big: str


def build_counter(steps: int) -> StateGraph:
    """Return a graph that counts to `steps`, one superstep a number."""
    graph = StateGraph(State)
    graph.add_node("count", lambda state: {"n": state["n"] + 1, "log": [state["n"]]})
    graph.add_edge(START, "count")
    graph.add_conditional_edges(
        "count", lambda state: "count" if state["n"] < steps else END, ["count", END]
    )
    return graph


async def measure(storage: SqlStorage) -> int:
    """Return how many bytes of values and documents the saver keeps."""

    def operation(connection: sqlite3.Connection) -> Any:
        counted = (
            "SELECT coalesce(sum(length(document)), 0) FROM checkpoints",
            "SELECT coalesce(sum(length(data)), 0) FROM channel_values",
            "SELECT coalesce(sum(length(data)), 0) FROM task_writes",
            "SELECT coalesce(sum(length(data)), 0) FROM blobs",
        )
        return sum(connection.execute(statement).fetchone()[0] for statement in counted)

    return await storage._database.read(operation)


async def test_saver_passes_the_conformance_suite(url: str) -> None:
    """LangGraph's own suite finds every capability, optional ones included, and no failure."""

    @checkpointer_test(name="interlock")
    async def factory() -> AsyncIterator[Any]:
        async with open_storage(url) as storage:
            yield storage.checkpointer

    report = await validate(factory)
    failures = [line for result in report.results.values() for line in result.failures or ()]
    assert failures == []
    assert all(result.detected and result.passed for result in report.results.values())


async def test_bytes_per_superstep_stay_flat(storage: SqlStorage) -> None:
    """Neither the number of supersteps nor a big unchanged channel makes a superstep dearer."""

    class Flat(TypedDict):
        n: int
        big: str

    def build(steps: int) -> Any:
        graph = StateGraph(Flat)
        graph.add_node("count", lambda state: {"n": state["n"] + 1})
        graph.add_edge(START, "count")
        graph.add_conditional_edges(
            "count", lambda state: "count" if state["n"] < steps else END, ["count", END]
        )
        return graph.compile(checkpointer=storage.checkpointer)

    sizes = []
    for steps in (10, 20, 40):
        before = await measure(storage)
        config = {"configurable": {"thread_id": f"t{steps}"}, "recursion_limit": 100}
        await build(steps).ainvoke({"n": 0, "big": "x" * 100_000}, config, durability="sync")
        sizes.append(await measure(storage) - before)
    assert sizes[2] - sizes[1] == pytest.approx(2 * (sizes[1] - sizes[0]), rel=0.05)
    assert (sizes[2] - sizes[1]) / 20 < 2500


async def test_big_value_is_stored_once(storage: SqlStorage) -> None:
    """A value that passes through input, task write and channel is kept in one copy."""
    graph = StateGraph(State)
    graph.add_node("copy", lambda state: {"big": state["big"]})
    graph.add_edge(START, "copy")
    compiled = graph.compile(checkpointer=storage.checkpointer)
    big = "y" * 1_000_000
    await compiled.ainvoke({"n": 0, "log": [], "big": big}, CONFIG, durability="sync")
    assert await measure(storage) < 2_100_000  # alone, and inside the input as a whole
    assert (await compiled.aget_state(CONFIG)).values["big"] == big


async def test_history_can_be_read_and_replayed(storage: SqlStorage) -> None:
    """Every past state is there, and a run can start again from any of them."""
    compiled = build_counter(5).compile(checkpointer=storage.checkpointer)
    start = {"n": 0, "log": [], "big": ""}
    await compiled.ainvoke(start, CONFIG, durability="sync")
    history = [snapshot async for snapshot in compiled.aget_state_history(CONFIG)]
    assert [one.values.get("n") for one in history] == [5, 4, 3, 2, 1, 0, None]
    third = next(one for one in history if one.values.get("n") == 3)
    again = await compiled.ainvoke(None, third.config, durability="sync")
    assert again["log"] == [0, 1, 2, 3, 4]
    limited = [one async for one in compiled.aget_state_history(CONFIG, limit=2)]
    assert len(limited) == 2


async def test_forks_do_not_mix_values(storage: SqlStorage) -> None:
    """Two branches from one checkpoint keep their own values, whichever was written last."""
    compiled = build_counter(3).compile(checkpointer=storage.checkpointer)
    await compiled.ainvoke({"n": 0, "log": [], "big": ""}, CONFIG, durability="sync")
    history = [snapshot async for snapshot in compiled.aget_state_history(CONFIG)]
    base = next(one for one in history if one.values.get("n") == 1)
    left = await compiled.aupdate_state(base.config, {"n": 10, "log": [10]})
    right = await compiled.aupdate_state(base.config, {"n": 20, "log": [20]})
    assert (await compiled.aget_state(left)).values["log"] == [0, 10]
    assert (await compiled.aget_state(right)).values["log"] == [0, 20]
    assert (await compiled.aget_state(history[0].config)).values["log"] == [0, 1, 2]


async def test_interrupt_survives_a_new_storage(lasting_url: str) -> None:
    """A paused thread is resumed by another storage object on the same file."""

    def build(saver: Any) -> Any:
        graph = StateGraph(State)
        graph.add_node("ask", lambda state: {"n": interrupt("how many?")})
        graph.add_edge(START, "ask")
        return graph.compile(checkpointer=saver)

    async with open_storage(lasting_url) as first:
        compiled = build(first.checkpointer)
        await compiled.ainvoke({"n": 0, "log": [], "big": ""}, CONFIG, durability="sync")
    async with open_storage(lasting_url) as second:
        compiled = build(second.checkpointer)
        (asked,) = (await compiled.aget_state(CONFIG)).interrupts
        result = await compiled.ainvoke(Command(resume={asked.id: 7}), CONFIG, durability="sync")
    assert result["n"] == 7


async def test_subgraphs_keep_their_own_namespace(storage: SqlStorage) -> None:
    """A subgraph that pauses under a held lease goes on inside itself."""
    started: list[str] = []

    def first(state: Any) -> Any:
        started.append("first")
        return {"n": 1}

    child = StateGraph(State)
    child.add_node("first", first)
    child.add_node("ask", lambda state: {"log": [interrupt("?")]})
    child.add_edge(START, "first")
    child.add_edge("first", "ask")
    parent = StateGraph(State)
    parent.add_node("child", child.compile())
    parent.add_edge(START, "child")
    compiled = parent.compile(checkpointer=storage.checkpointer)
    await storage.acquire_lease("t", ttl=TTL)
    await compiled.ainvoke({"n": 0, "log": [], "big": ""}, CONFIG, durability="sync")
    (asked,) = (await compiled.aget_state(CONFIG)).interrupts
    done = await compiled.ainvoke(Command(resume={asked.id: 4}), CONFIG, durability="sync")
    assert (done["log"], started) == ([4], ["first"])


async def test_unseen_namespace_costs_no_query(
    storage: SqlStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the lease is held, a namespace that was never written is answered from memory."""
    await storage.acquire_lease("t", ttl=TTL)

    def refuse(*_args: object, **_kwargs: object) -> None:
        raise AssertionError("a query was made")

    monkeypatch.setattr(storage._database, "read", refuse)
    config = {"configurable": {"thread_id": "t", "checkpoint_ns": "step:1"}}
    assert await storage.checkpointer.aget_tuple(config) is None


async def test_copies_with_an_allowlist_share_everything_else(storage: SqlStorage) -> None:
    """LangGraph's clone of the saver writes to the same database under the same leases."""
    clone = storage.checkpointer.with_allowlist([("somewhere", "Thing")])
    assert clone is not storage.checkpointer
    assert clone._database is storage.checkpointer._database
    assert clone._leases is storage.checkpointer._leases
    assert clone.get_next_version(None, None) != storage.checkpointer.get_next_version(None, None)


async def test_hostile_filter_keys_are_only_compared(storage: SqlStorage) -> None:
    """CVE-2025-67644: a metadata key that looks like SQL matches nothing and harms nothing."""
    compiled = build_counter(2).compile(checkpointer=storage.checkpointer)
    await compiled.ainvoke({"n": 0, "log": [], "big": ""}, CONFIG, durability="sync")
    hostile = {"source') OR 1=1; DROP TABLE checkpoints; --": "loop"}
    assert [one async for one in storage.checkpointer.alist(CONFIG, filter=hostile)] == []
    kept = [one async for one in storage.checkpointer.alist(CONFIG, filter={"source": "loop"})]
    assert len(kept) == 3


async def test_long_histories_are_listed_page_by_page(storage: SqlStorage) -> None:
    """A listing longer than a page is complete, in order and without repeats."""
    compiled = build_counter(150).compile(checkpointer=storage.checkpointer)
    config = {**CONFIG, "recursion_limit": 400}
    await compiled.ainvoke({"n": 0, "log": [], "big": ""}, config, durability="sync")
    ids = [one.checkpoint["id"] async for one in storage.checkpointer.alist(CONFIG)]
    assert len(ids) == 152
    assert ids == sorted(set(ids), reverse=True)


async def test_sync_methods_answer_from_another_thread(storage: SqlStorage) -> None:
    """The sync twins work where LangGraph calls them: outside the event loop."""
    import asyncio

    compiled = build_counter(3).compile(checkpointer=storage.checkpointer)

    def run() -> Any:
        compiled.invoke({"n": 0, "log": [], "big": ""}, CONFIG, durability="sync")
        saver = storage.checkpointer
        saver.copy_thread("t", "copy")
        saver.prune(["copy"])
        listed = len(list(saver.list({"configurable": {"thread_id": "copy"}})))
        saver.delete_thread("copy")
        saver.delete_for_runs(["none"])
        return compiled.get_state(CONFIG).values["n"], listed

    assert await asyncio.to_thread(run) == (3, 1)


async def test_pruned_thread_goes_on(storage: SqlStorage) -> None:
    """Keeping only the newest checkpoint drops old values and leaves the thread usable."""
    compiled = build_counter(20).compile(checkpointer=storage.checkpointer)
    start = {"n": 0, "log": [], "big": "x" * 10_000}
    await compiled.ainvoke(start, CONFIG, durability="sync")
    before = await measure(storage)
    await storage.checkpointer.aprune(["t"])
    assert await measure(storage) < before / 2
    assert (await compiled.aget_state(CONFIG)).values["big"] == start["big"]
    with pytest.raises(ConfigurationError):
        await storage.checkpointer.aprune(["t"], strategy="some")


async def test_delta_channels_are_rebuilt_and_survive_pruning(storage: SqlStorage) -> None:
    """A channel stored as deltas has its full value back, also after a prune."""

    class Log(TypedDict):
        items: Annotated[
            list[int], DeltaChannel(lambda old, new: [*old, *chain.from_iterable(new)])
        ]

    graph = StateGraph(Log)
    graph.add_node("add", lambda state: {"items": [len(state["items"])]})
    graph.add_edge(START, "add")
    graph.add_conditional_edges(
        "add", lambda state: "add" if len(state["items"]) < 6 else END, ["add", END]
    )
    compiled = graph.compile(checkpointer=storage.checkpointer)
    await compiled.ainvoke({"items": [0]}, CONFIG, durability="sync")
    expected = [0, 1, 2, 3, 4, 5]
    assert (await compiled.aget_state(CONFIG)).values["items"] == expected
    await storage.checkpointer.aprune(["t"])
    assert (await compiled.aget_state(CONFIG)).values["items"] == expected


async def test_our_types_come_back_as_themselves(storage: SqlStorage) -> None:
    """A state typed loosely still revives our contracts, because REVIVABLE names them."""

    class Loose(TypedDict):
        value: Any

    outcome = StepOutcome(step_id="read", status="accepted", value={"a": [1]})
    graph = StateGraph(Loose)
    graph.add_node("keep", lambda state: {"value": [outcome]})
    graph.add_edge(START, "keep")
    compiled = graph.compile(checkpointer=storage.checkpointer)
    await compiled.ainvoke({"value": None}, CONFIG, durability="sync")
    assert (await compiled.aget_state(CONFIG)).values["value"] == [outcome]
