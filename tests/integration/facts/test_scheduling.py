"""No barrier, no lost join, no deadlock, no runaway loop (rows 27 to 40)."""

import asyncio
import threading
from datetime import timedelta
from typing import Any

import pytest

import interlock as il
from tests.integration.stopped_clock import StoppedClock
from tests.integration.teams import Recorder, build_desk, build_plan, build_step, give
from tests.integration.thread_reading import read_thread


async def test_a_chain_of_fast_steps_ends_before_a_slow_one_beside_it() -> None:
    """Row 27: `fast2` ends while `slow`, in the same superstep, still works."""
    chain_ended = asyncio.Event()
    order: list[str] = []

    async def slow(brief: il.Brief) -> str:
        await chain_ended.wait()
        order.append("slow")
        return "slow"

    async def fast(brief: il.Brief) -> str:
        order.append(brief.step_id)
        if brief.step_id == "fast2":
            chain_ended.set()
        return brief.step_id

    async with build_desk(
        {"slow": slow, "fast": fast},
        build_step("slow"),
        build_step("fast1", "fast"),
        build_step("fast2", "fast", needs=["fast1"]),
    ) as desk:
        async with asyncio.timeout(20):
            result = await desk.ainvoke("Test", thread_id="t")
    assert result.status == "completed"
    assert order == ["fast1", "fast2", "slow"]


async def test_a_join_over_uneven_branches_runs_once_with_all_of_them() -> None:
    """Row 28: one branch of one step and one of three meet in one run of the join."""
    join = Recorder(lambda brief: dict(brief.inputs))
    async with build_desk(
        {"work": give("x"), "join": join},
        build_step("short", "work"),
        build_step("long1", "work"),
        build_step("long2", "work", needs=["long1"]),
        build_step("long3", "work", needs=["long2"]),
        build_step("join", needs=["short", "long3"]),
    ) as desk:
        result = await desk.ainvoke("Test", thread_id="t")
    assert result.outputs["join"] == {"short": "x", "long3": "x"}
    assert join.calls == 1


@pytest.mark.parametrize(
    ("fallback", "accepts", "status"),
    [
        ([il.skip(gap="no data")], True, "accepted"),
        ([il.skip(gap="no data")], False, "blocked"),
        ([il.use_value("stand-in")], True, "accepted"),
        ([il.abandon()], True, "blocked"),
        ([], True, "blocked"),
    ],
)
async def test_a_join_over_a_step_that_was_not_accepted_settles(
    fallback: list[Any], accepts: bool, status: str
) -> None:
    """Row 29: skipped, degraded or failed, a needed step always lets its join settle."""
    join = Recorder("joined")
    async with build_desk(
        {"good": give("good"), "bad": Recorder(ValueError("no")), "join": join},
        build_step("good"),
        build_step("bad", fallback=fallback),
        build_step("join", needs=["good", il.Need(step="bad", accept_degraded=accepts)]),
        build_step("after", "good", needs=["join"]),
    ) as desk:
        result = await desk.ainvoke("Test", thread_id="t")
        await read_thread(desk, "t")
    assert result.outcomes["join"].status == status
    assert join.calls == (1 if status == "accepted" else 0)
    assert set(result.outcomes) == {"good", "bad", "join", "after"}
    assert result.status != "completed"
    assert any("bad" in gap for gap in result.gaps)


async def test_a_stream_ends_with_one_step_at_a_time() -> None:
    """Row 30: with `max_parallel=1` every step runs, no two at once, and the stream ends."""
    at_once: list[int] = [0, 0]

    async def work(brief: il.Brief) -> str:
        at_once[0] += 1
        at_once[1] = max(at_once)
        await asyncio.sleep(0)
        at_once[0] -= 1
        return brief.step_id

    steps = [build_step(f"s{n}", "work") for n in range(6)]
    join = build_step("join", "work", needs=[step.id for step in steps])
    desk = build_desk({"work": work}, *steps, join, policy=il.RunPolicy(max_parallel=1))
    async with desk, asyncio.timeout(20):
        events = [event async for event in desk.astream("Test", thread_id="t")]
    last = events[-1]
    assert isinstance(last, il.events.RunStopped)
    assert last.result.status == "completed"
    assert at_once[1] == 1
    settled = [e.step_id for e in events if isinstance(e, il.events.StepSettled)]
    assert sorted(settled) == sorted([*(step.id for step in steps), "join"])


@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_sixty_four_steps_that_wait_for_each_other_end(kind: str) -> None:
    """Row 31: 64 workers that are all at work before the first may end starve no pool."""
    count = 64
    all_in = asyncio.Barrier(count)
    all_threads_in = threading.Barrier(count, timeout=20)

    async def wait_async(brief: il.Brief) -> str:
        await all_in.wait()
        return brief.step_id

    def wait_sync(brief: il.Brief) -> str:
        all_threads_in.wait()
        return brief.step_id

    steps = [build_step(f"s{n}", "work") for n in range(count)]
    desk = build_desk(
        {"work": wait_async if kind == "async" else wait_sync},
        *steps,
        policy=il.RunPolicy(max_parallel=None),
    )
    async with desk, asyncio.timeout(30):
        result = await desk.ainvoke("Test", thread_id="t")
    assert result.status == "completed"
    assert len(result.outputs) == count


async def test_a_planner_that_never_plans_well_is_asked_a_bounded_number_of_times() -> None:
    """Row 32: the run fails after `max_plan_attempts`, also when it is resumed after that."""
    asked: list[il.PlanRequest] = []

    def plan(request: il.PlanRequest) -> il.TaskGraph:
        asked.append(request)
        return build_plan(build_step("x", "nobody"))

    async with build_desk({"work": give(1)}, planner=plan) as desk:
        result = await desk.ainvoke("Test", thread_id="t")
        for _ in range(5):
            assert await desk.aresume("t") == result
    assert result.status == "failed"
    assert "nobody" in str(result.reason)
    assert [request.attempt for request in asked] == [1, 2, 3]


async def test_attempts_stay_within_the_budget_over_five_resumes() -> None:
    """Row 32: a person who keeps asking for another try cannot pass the run's budget."""
    bad = Recorder(ValueError("no"))
    async with build_desk(
        {"bad": bad},
        build_step("bad", fallback=[il.ask_person()], retry=il.Retry(max_attempts=2)),
        policy=il.RunPolicy(budget=il.Budget(attempts=5)),
        clock=StoppedClock(),
    ) as desk:
        result = await desk.ainvoke("Test", thread_id="t")
        for _ in range(5):
            assert result.status == "waiting"
            result = await desk.aanswer("t", {result.questions[0].id: il.respond("again")})
            if result.status != "waiting":
                break
        assert bad.calls == 5
        if result.status == "waiting":
            result = await desk.aanswer("t", {result.questions[0].id: il.reject("enough")})
    assert result.status == "failed"
    assert [brief.attempt for brief in bad.briefs] == [1, 2, 3, 4, 5]


def test_no_node_with_a_conditional_edge_has_a_static_one_too() -> None:
    """Row 33: LangGraph would follow both."""
    desk = build_desk({"one": give(1)})
    graphs = [desk.graph, *(graph for _, graph in desk.graph.get_subgraphs(recurse=False))]
    for graph in graphs:
        sources = {source for source, _ in graph.builder.edges}  # type: ignore[attr-defined]
        assert not sources & set(graph.builder.branches)  # type: ignore[attr-defined]


def test_every_route_leads_to_a_node_and_every_node_is_reached() -> None:
    """Rows 34, 35: no route names a node that is not there, and no node hangs loose."""
    desk = build_desk({"one": give(1), "two": give(2)})
    graphs = [desk.graph, *(graph for _, graph in desk.graph.get_subgraphs(recurse=False))]
    assert len(graphs) > 1
    for graph in graphs:
        builder = graph.builder  # type: ignore[attr-defined]
        targets = {target for _, target in builder.edges}
        for branches in builder.branches.values():
            targets |= {end for branch in branches.values() for end in branch.ends.values()}
        assert targets - {"__end__"} == set(builder.nodes)


async def test_a_plan_that_names_no_worker_of_the_team_is_refused_before_it_runs() -> None:
    """Row 34: a hallucinated name is a problem with the nearest known name, never a silent end."""
    work = Recorder()
    desk = build_desk({"writer": work}, build_step("x", "writr"), build_step("y", "writer"))
    async with desk:
        with pytest.raises(il.PlanError) as refused:
            await desk.ainvoke("Test", thread_id="t")
        (problem,) = refused.value.problems
        assert problem.code == "unknown_worker"
        assert "'writr'" in problem.message
        assert "'writer'" in problem.message
        with pytest.raises(il.UnknownThreadError):
            await desk.astatus("t")
    assert work.calls == 0


def test_two_steps_that_publish_one_key_are_named_before_anything_runs() -> None:
    """Row 36: two writers of one context key are a problem that names both."""
    desk = build_desk(
        {"work": give(1)},
        build_step("left", "work", publishes={"total": "output"}),
        build_step("right", "work", publishes={"total": "output"}),
    )
    with pytest.raises(il.PlanError) as refused:
        desk.invoke("Test", thread_id="t")
    (problem,) = refused.value.problems
    assert problem.code == "conflicting_publish"
    assert "'left'" in problem.message
    assert "'right'" in problem.message


@pytest.mark.parametrize("mode", ["values", "updates", "messages", "custom", "debug"])
async def test_a_handled_failure_surfaces_in_no_stream(mode: str) -> None:
    """Row 37: LangGraph's own streams of a run with a failed step end without an exception."""
    bad = Recorder(ValueError("handled"))
    steps = (build_step("bad", fallback=[il.use_value(0)]), build_step("good"))
    async with build_desk({"bad": bad, "good": give(1)}, *steps) as desk:
        config: Any = {"configurable": {"thread_id": "t"}}
        stream = desk.graph.astream(
            {"goal": "Test"}, config, stream_mode=mode, subgraphs=True, durability="sync"
        )
        parts = [part async for part in stream]
        state = (await desk.graph.aget_state(config)).values
    assert state["status"] == "degraded"
    assert parts or mode in {"messages", "custom"}


async def test_a_sync_worker_past_its_timeout_holds_up_nothing_and_its_result_is_dropped() -> None:
    """Row 40: the step goes on to its fallback; the thread that ends later changes nothing."""
    release = threading.Event()
    ended = threading.Event()

    def hang(brief: il.Brief) -> str:
        release.wait(20)
        ended.set()
        return "too late"

    async with build_desk(
        {"hang": hang, "good": give("good")},
        build_step("hang", timeout=timedelta(milliseconds=50), fallback=[il.use_worker("good")]),
    ) as desk:
        async with asyncio.timeout(20):
            result = await desk.ainvoke("Test", thread_id="t")
        release.set()
        assert await asyncio.to_thread(ended.wait, 20)
        assert result.status == "completed"
        assert await desk.aresume("t") == result
        outputs = [h for h in await desk.ahandoffs("t", "hang") if h.kind == "output"]
    assert result.outputs == {"hang": "good"}
    assert [h.verdict.error for h in outputs if h.verdict] == ["StepTimeoutError", None]
