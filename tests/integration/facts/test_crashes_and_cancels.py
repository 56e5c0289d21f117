"""What a crash, a cancelled call or a repeated node may cost: never a settled step (16 to 26)."""

import asyncio
import collections
from pathlib import Path
from typing import Any

import pytest

import interlock as il
from tests.integration.facts.doomed_team import (
    build_doomed_desk,
    list_starts,
    run_until_killed,
)
from tests.integration.stopped_clock import StoppedClock
from tests.integration.teams import Recorder, build_desk, build_step, give, locate
from tests.integration.thread_reading import read_thread, resume_twice


def list_routers(desk: il.Orchestrator) -> dict[str, Any]:
    """Return every router of the run graph and of the step graph below it, by its node."""
    found: dict[str, Any] = {}
    graphs = [desk.graph, *(graph for _, graph in desk.graph.get_subgraphs(recurse=False))]
    for graph in graphs:
        for node, branches in graph.builder.branches.items():  # type: ignore[attr-defined]
            for branch in branches.values():
                found[node] = branch
    return found


async def test_routers_only_look_up_what_their_node_wrote() -> None:
    """Row 16: every router is total over its path map, and returns the state's route unchanged."""
    routers = list_routers(build_desk({"one": give(1), "two": give(2)}))
    assert {"supervisor", "brief", "review", "fallback"} <= routers.keys()
    for node, branch in routers.items():
        assert branch.ends, node
        for route, target in branch.ends.items():
            looked_up = await branch.path.ainvoke({"route": route, "progress": {"route": route}})
            assert looked_up == route
            assert target == ("__end__" if route == node else route)  # promote has settled the step


async def test_every_node_that_dies_right_before_its_route_is_followed_is_resumed() -> None:
    """Row 16: stopped after any superstep of the run graph, the thread still reaches its end."""
    agents = {"one": give(1), "two": give(2)}
    async with il.open_storage("memory://") as storage:
        graph = il.build_run_graph(
            workers=[il.Worker(name=name, agent=agent) for name, agent in agents.items()],
            planner=il.TaskGraph(goal="Test", steps=[build_step("one"), build_step("two")]),
            storage=storage,
        ).compile(
            checkpointer=storage.checkpointer,
            interrupt_after=["intake", "planner", "supervisor", "dispatch"],
        )
        config: Any = {"configurable": {"thread_id": "t"}}
        await graph.ainvoke({"goal": "Test"}, config, durability="sync")
        stops = 0
        while (await graph.aget_state(config)).next:
            stops += 1
            await graph.ainvoke(None, config, durability="sync")
        state = (await graph.aget_state(config)).values
    assert stops == 5
    assert state["result"]["outputs"] == {"one": 1, "two": 2}
    assert state["status"] == "completed"


@pytest.mark.parametrize("place", ["a", "c", "d"])
async def test_a_run_killed_inside_a_step_is_listed_and_resumed_where_it_stopped(
    tmp_path: Path, place: str
) -> None:
    """Rows 14, 17, 18: kill -9 in the first, a middle and the last step loses and repeats nothing.

    A step that had settled before the kill is never started again; the context is still there.
    """
    await asyncio.to_thread(run_until_killed, tmp_path, "diamond", at=place)
    before = list_starts(tmp_path)
    async with build_doomed_desk(tmp_path, "diamond") as desk:
        status = await read_thread(desk, "t")
        assert status.status == "running"
        settled = {h.step_id for h in await desk.ahandoffs("t") if h.kind == "output"}
        result = await desk.aresume("t")
        assert result == await resume_twice(desk, "t")
        assert (await read_thread(desk, "t")).status == "completed"
    assert result.status == "completed"
    assert result.outputs == {step: {"step": step, "tenant": "north"} for step in "abcd"}
    starts = collections.Counter(list_starts(tmp_path))
    assert all(starts[str(step)] == 1 for step in settled)
    assert starts[place] == 2
    assert set(before) <= set(starts)


async def test_an_attempt_that_fails_repeats_no_other_step() -> None:
    """Rows 20, 21: retries happen inside the step; what runs beside it starts once."""
    flaky = Recorder(ValueError("first"), ValueError("second"), "third time")
    beside = Recorder("beside")
    after = Recorder(lambda brief: brief.inputs["flaky"])
    async with build_desk(
        {"flaky": flaky, "beside": beside, "after": after},
        build_step("beside"),
        build_step("flaky", retry=il.Retry(max_attempts=3)),
        build_step("after", needs=["flaky", "beside"]),
        clock=StoppedClock(),
    ) as desk:
        result = await desk.ainvoke("Test", thread_id="t")
    assert result.outputs["after"] == "third time"
    assert (flaky.calls, beside.calls, after.calls) == (3, 1, 1)
    assert [brief.attempt for brief in flaky.briefs] == [1, 2, 3]


def test_no_node_that_awaits_tasks_has_a_retry_policy() -> None:
    """Rows 20, 21: LangGraph's own retries would start running children a second time."""
    desk = build_desk({"one": give(1)})
    graphs = [desk.graph, *(graph for _, graph in desk.graph.get_subgraphs(recurse=False))]
    for graph in graphs:
        assert all(not node.retry_policy for node in graph.nodes.values())


async def test_same_results_whatever_order_steps_finish_in() -> None:
    """Row 21: results are matched to their steps, though LangGraph matches them by call order."""
    gates = {name: asyncio.Event() for name in "abc"}

    async def work(brief: il.Brief) -> str:
        await gates[brief.step_id].wait()
        return f"made by {brief.step_id}"

    steps = [build_step(name, "work") for name in "abc"]
    async with build_desk({"work": work}, *steps) as desk:
        run = asyncio.create_task(desk.ainvoke("Test", thread_id="t"))
        for name in "cba":
            gates[name].set()
            await asyncio.sleep(0)
        result = await run
    assert result.outputs == {name: f"made by {name}" for name in "abc"}


async def test_what_a_worker_keeps_to_itself_does_not_count_on_resume(tmp_path: Path) -> None:
    """Row 22: only returned values and notes are kept; a later attempt sees its notes."""

    async def work(brief: il.Brief) -> Any:
        brief.scratchpad.append(f"tried {brief.attempt}")
        if brief.attempt < 3:
            raise ValueError("again")
        return list(brief.scratchpad)

    async with build_desk(
        {"work": work},
        build_step("work", retry=il.Retry(max_attempts=3)),
        storage=locate(tmp_path),
        clock=StoppedClock(),
    ) as desk:
        result = await desk.ainvoke("Test", thread_id="t")
    assert result.outputs["work"] == ["tried 1", "tried 2", "tried 3"]


async def test_a_cancelled_call_can_be_resumed_and_runs_only_what_was_unfinished(
    tmp_path: Path,
) -> None:
    """Row 23: cancelling the awaiting task stops the workers and keeps what had settled."""
    started = asyncio.Event()
    stopped: list[str] = []
    fast = Recorder("fast")

    async def hang(brief: il.Brief) -> str:
        if fast.calls and stopped:
            return "resumed"
        started.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            stopped.append(brief.step_id)
            raise
        return "never"

    steps = (build_step("fast"), build_step("slow", "hang", needs=["fast"]))
    async with build_desk({"fast": fast, "hang": hang}, *steps, storage=locate(tmp_path)) as desk:
        run = asyncio.create_task(desk.ainvoke("Test", thread_id="t"))
        await started.wait()
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        assert stopped == ["slow"]
        assert (await read_thread(desk, "t")).status == "running"
        result = await desk.aresume("t")
    assert result.outputs == {"fast": "fast", "slow": "resumed"}
    assert fast.calls == 1


async def test_many_cancelled_calls_leave_the_storage_usable(tmp_path: Path) -> None:
    """Row 24: forty runs cancelled at forty moments break no connection and lose no run."""
    clock = StoppedClock()
    agents = {"a": give("a"), "b": give("b")}
    steps = (build_step("a"), build_step("b", needs=["a"]))
    async with build_desk(agents, *steps, storage=locate(tmp_path), clock=clock) as desk:
        for number in range(40):
            run = asyncio.create_task(desk.ainvoke("Test", thread_id=f"t{number}"))
            for _ in range(number):
                await asyncio.sleep(0)
            run.cancel()
            await asyncio.gather(run, return_exceptions=True)
        for number in range(40):
            try:
                await desk.astatus(f"t{number}")
            except il.UnknownThreadError:
                result = await desk.ainvoke("Test", thread_id=f"t{number}")
            else:
                result = await desk.aresume(f"t{number}")
            assert result.status == "completed"


def nest(depth: int) -> Any:
    """Return a dict nested this deep."""
    value: Any = {}
    for _ in range(depth):
        value = {"a": value}
    return value


@pytest.mark.parametrize(
    "value", [lambda: None, 2**70, nest(300), {"deep": [{1: "int key"}]}], ids=type
)
async def test_what_no_checkpoint_holds_fails_at_its_step_and_keeps_the_others(
    tmp_path: Path, value: Any
) -> None:
    """Row 26: the attempt fails with the value's path; siblings settle; a resume re-runs none."""
    sibling = Recorder("kept")
    bad = Recorder(lambda brief: {"x": value})
    async with build_desk(
        {"bad": bad, "sibling": sibling},
        build_step("bad"),
        build_step("sibling"),
        storage=locate(tmp_path),
    ) as desk:
        result = await desk.ainvoke("Test", thread_id="t")
        assert result.status == "failed"
        assert result.outputs == {"sibling": "kept"}
        assert "output.x" in str(result.outcomes["bad"].reason)
        (refused,) = [h for h in await desk.ahandoffs("t", "bad") if h.kind == "output"]
        assert refused.verdict is not None
        assert refused.verdict.error == "PlainValueError"
        await read_thread(desk, "t")
        await resume_twice(desk, "t")
    assert (bad.calls, sibling.calls) == (1, 1)


async def test_another_limit_after_a_restart_finds_half_done_steps_again(tmp_path: Path) -> None:
    """I6: with other settings, a half-done team goes on inside itself, and attempts count on."""
    started, is_second = asyncio.Event(), False
    inner_calls: collections.Counter[str] = collections.Counter()

    async def wait(brief: il.Brief) -> str:
        if not is_second:
            await asyncio.Event().wait()
        return brief.step_id

    async def work(brief: il.Brief) -> str:
        inner_calls[brief.step_id] += 1
        if brief.step_id == "second" and not is_second:
            started.set()
            await asyncio.Event().wait()
        return brief.step_id

    def build(max_parallel: int) -> il.Orchestrator:
        inner = build_desk(
            {"work": work},
            build_step("first", "work"),
            build_step("second", "work", needs=["first"]),
        )
        return build_desk(
            {"wait": wait, "team": inner},
            build_step("a", "wait"),
            build_step("b", "wait", needs=["a"]),
            build_step("team"),
            storage=locate(tmp_path),
            policy=il.RunPolicy(max_parallel=max_parallel),
        )

    async with build(2) as desk:
        run = asyncio.create_task(desk.ainvoke("Test", thread_id="t"))
        await started.wait()
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)
    is_second = True
    async with build(1) as desk:
        result = await desk.aresume("t")
        briefs = [(h.step_id, h.attempt) for h in await desk.ahandoffs("t") if h.kind == "brief"]
    assert result.status == "completed"
    assert inner_calls == {"first": 1, "second": 2}
    assert len(briefs) == len(set(briefs))
