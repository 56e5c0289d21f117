"""Graphs as workers: loops that end, states that do not mix, stuck second ways (rows 32 to 80)."""

import asyncio
import operator
import threading
from datetime import timedelta
from typing import Annotated, Any

import pytest
from langchain_core.runnables import RunnableConfig
from langgraph.graph import END, START, StateGraph
from typing_extensions import TypedDict

import interlock as il
from tests.integration.gated_graphs import GateCounts, build_gated_graph
from tests.integration.stopped_clock import StoppedClock
from tests.integration.teams import Recorder, build_desk, build_plan, build_step, give
from tests.integration.thread_reading import read_thread, resume_twice

SOON = timedelta(milliseconds=50)


class _LoopState(TypedDict, total=False):
    turns: int
    output: Any


def build_endless_graph(turns: list[RunnableConfig]) -> Any:
    """Return a graph that goes in a circle; every turn notes the config it ran with."""
    graph = StateGraph(_LoopState)

    def turn(state: _LoopState, config: RunnableConfig) -> _LoopState:
        turns.append(config)
        return {"turns": len(turns)}

    graph.add_node("turn", turn)
    graph.add_node("other", lambda state: {})
    graph.add_edge(START, "turn")
    graph.add_edge("turn", "other")
    graph.add_edge("other", "turn")
    return graph.compile()


@pytest.fixture
def short_default(monkeypatch: pytest.MonkeyPatch) -> int:
    """Return LangGraph's default recursion limit, made short: the real one is some 10,000."""
    monkeypatch.setattr("langgraph._internal._config.DEFAULT_RECURSION_LIMIT", 30)
    return 30


@pytest.mark.parametrize("kind", ["graph", "function"])
async def test_a_workers_graph_that_loops_ends_at_langgraphs_own_limit(
    kind: str, short_default: int
) -> None:
    """Row 32: each attempt ends after the default number of supersteps, and the chain goes on."""
    turns: list[RunnableConfig] = []
    endless = build_endless_graph(turns)

    async def call(brief: il.Brief) -> Any:
        return await endless.ainvoke({})

    loop = build_step("loop", retry=il.Retry(max_attempts=2), fallback=[il.use_value("enough")])
    async with build_desk(
        {"loop": endless if kind == "graph" else call}, loop, clock=StoppedClock()
    ) as desk:
        result = await desk.ainvoke("Test", thread_id="t")
        verdicts = [h.verdict for h in await desk.ahandoffs("t") if h.kind == "output"]
        await read_thread(desk, "t")
        assert await resume_twice(desk, "t") == result
    assert result.status == "degraded"
    assert result.outputs == {"loop": "enough"}
    assert [verdict.error for verdict in verdicts if verdict] == ["GraphRecursionError"] * 2
    assert len(turns) == 2 * short_default // 2


async def test_a_limit_that_a_workers_graph_was_bound_with_is_kept() -> None:
    """Row 32: `with_config(recursion_limit=...)` holds inside a run as it does outside of one."""
    turns: list[RunnableConfig] = []
    endless = build_endless_graph(turns).with_config({"recursion_limit": 8})
    async with build_desk({"loop": endless}) as desk:
        result = await desk.ainvoke("Test", thread_id="t")
    assert "Recursion limit of 8" in str(result.outcomes["loop"].reason)
    assert len(turns) == 4


async def test_a_nested_team_is_not_cut_off_by_that_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Row 32: a team as a worker settles more steps than LangGraph's default has supersteps."""
    monkeypatch.setattr("langgraph._internal._config.DEFAULT_RECURSION_LIMIT", 3)
    inner = build_desk({"work": give("done")}, build_step("work"))
    async with build_desk({"team": inner}) as desk:
        result = await desk.ainvoke("Test", thread_id="t")
    assert result.outputs == {"team": {"work": "done"}}


async def test_a_stuck_second_way_ends_and_the_next_one_is_taken() -> None:
    """Row 38: a fallback worker is under the step's timeout as the first one is."""

    async def hang(brief: il.Brief) -> Any:
        await asyncio.Event().wait()

    step = build_step(
        "work", timeout=SOON, fallback=[il.use_worker("stuck"), il.use_value("given")]
    )
    agents = {"work": Recorder(ValueError("no")), "stuck": hang}
    async with build_desk(agents, step) as desk, asyncio.timeout(20):
        result = await desk.ainvoke("Test", thread_id="t")
        verdicts = [h.verdict for h in await desk.ahandoffs("t") if h.kind == "output"]
    assert result.outputs == {"work": "given"}
    assert [v.error for v in verdicts if v] == ["ValueError", "StepTimeoutError"]


@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_a_stuck_check_is_a_failed_finding_after_the_steps_timeout(kind: str) -> None:
    """Row 38: what judges an attempt cannot hang the run; the finding names the check."""
    release = threading.Event()

    def hang(output: Any, brief: il.Brief) -> bool:
        return release.wait(20)

    async def hang_later(output: Any, brief: il.Brief) -> bool:
        return await asyncio.Event().wait()

    step = build_step("work", timeout=SOON, criteria=[il.check("slow")])
    checks = {"slow": hang if kind == "sync" else hang_later}
    async with build_desk({"work": give(1)}, step, checks=checks) as desk, asyncio.timeout(15):
        result = await desk.ainvoke("Test", thread_id="t")
        await read_thread(desk, "t")
    release.set()
    assert result.outcomes["work"].status == "failed"
    assert "check 'slow' did not end within 0.05 s, all the time its step has" in str(
        result.outcomes["work"].reason
    )


class _NoteState(TypedDict, total=False):
    brief: Any
    notes: Annotated[list[str], operator.add]


async def test_ten_handoffs_through_one_graph_add_each_note_once() -> None:
    """Row 68: a worker's reducers begin anew with every brief; nothing is added to twice."""
    graph = StateGraph(_NoteState)
    graph.add_node("write", lambda state: {"notes": [f"by {state['brief']['step_id']}"]})
    graph.add_node("again", lambda state: {"notes": [*state["brief"]["inputs"].get("notes", [])]})
    graph.add_edge(START, "write")
    graph.add_edge("write", "again")
    graph.add_edge("again", END)
    steps = [build_step("s0", "notes")] + [
        build_step(f"s{n}", "notes", needs=[f"s{n - 1}"], inputs={"notes": f"s{n - 1}.notes"})
        for n in range(1, 10)
    ]
    async with build_desk({"notes": graph.compile()}, *steps) as desk:
        result = await desk.ainvoke("Test", thread_id="t")
        handoffs = await desk.ahandoffs("t")
    assert result.outputs["s9"] == {"notes": [f"by s{n}" for n in range(9, -1, -1)]}
    assert [h.kind for h in handoffs].count("brief") == 10
    assert [h.kind for h in handoffs].count("output") == 10
    assert len(handoffs) == 21


async def test_a_second_attempt_of_a_graph_starts_from_nothing() -> None:
    """Row 68: what a refused attempt added to its state is not there for the next one."""
    graph = StateGraph(_NoteState)
    graph.add_node("write", lambda state: {"notes": [f"attempt {state['brief']['attempt']}"]})
    graph.add_edge(START, "write")
    step = build_step(
        "notes",
        criteria=[il.expr("output.notes[0] == 'attempt 3'")],
        retry=il.Retry(max_attempts=3),
    )
    async with build_desk({"notes": graph.compile()}, step) as desk:
        result = await desk.ainvoke("Test", thread_id="t")
    assert result.outputs == {"notes": {"notes": ["attempt 3"]}}


async def test_equally_named_nodes_of_several_workers_are_told_apart() -> None:
    """Row 80: each question knows its step, and each answer reaches the gate it was given to."""
    graphs = {name: build_gated_graph(GateCounts(), ["gate"]) for name in ("left", "right")}
    steps = [
        build_step("a", "left"),
        build_step("b", "left"),
        build_step("c", "right"),
    ]
    team = il.Orchestrator(
        workers=[il.Worker(name=name, agent=graph) for name, graph in graphs.items()],
        planner=build_plan(*steps),
        storage="memory://",
    )
    async with team as desk:
        result = await desk.ainvoke("Test", thread_id="t")
        asked = {str(question.step_id): question.id for question in result.questions}
        assert sorted(asked) == ["a", "b", "c"]
        for step_id in "bca":
            result = await desk.aanswer("t", {asked[step_id]: il.respond(f"to {step_id}")})
        await read_thread(desk, "t")
    assert result.outputs == {step: {"answers": [["gate", f"to {step}"]]} for step in "abc"}
