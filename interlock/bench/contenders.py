"""What runs a recorded task graph: interlock, LangGraph in waves, and LangGraph's bare `@task`.

Every contender sleeps for each task's scaled time and stores durably (`durability="sync"`) in a
SQLite file of its own: interlock with its saver, LangGraph with its own AsyncSqliteSaver.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from operator import or_
from pathlib import Path
from typing import Annotated, Any

from langgraph.func import task
from langgraph.graph import END, START, StateGraph
from langgraph.types import Send
from typing_extensions import TypedDict

from interlock.bench.stopwatch import Elapsed, Stopwatch
from interlock.bench.workflow_trace import TracedTask, WorkflowTrace
from interlock.contracts.brief import Brief
from interlock.contracts.errors import ConfigurationError
from interlock.contracts.ids import StepId, WorkerName
from interlock.contracts.plan import Need, Step, TaskGraph
from interlock.contracts.policy import RunPolicy
from interlock.contracts.worker import Worker
from interlock.orchestrator import Orchestrator


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """What one contender needed for one graph.

    Attributes:
        wall_seconds: From the call to its return.
        cpu_seconds: Of this process, all threads.
        database_bytes: Of the database files afterwards.
    """

    wall_seconds: float
    cpu_seconds: float
    database_bytes: int


Contender = Callable[[WorkflowTrace, float, Path], Awaitable[Timing]]
"""Runs a graph, durations times a scale, with its database in a folder."""


async def run_interlock(trace: WorkflowTrace, scale: float, folder: Path) -> Timing:
    """Run a graph as a team's task graph, one worker a kind, without a limit on parallelism."""
    seconds = {StepId(f"t{task.id}"): task.seconds * scale for task in trace.tasks}

    async def sleep(brief: Brief) -> int:
        await asyncio.sleep(seconds[brief.step_id])
        return 1

    kinds = {task.kind: f"w{index}" for index, task in enumerate(trace.tasks)}
    workers = [Worker(name=WorkerName(name), agent=sleep) for name in kinds.values()]
    plan = TaskGraph(
        goal=trace.name,
        steps=tuple(_build_step(task, kinds[task.kind], scale) for task in trace.tasks),
    )
    path = folder / "interlock.db"
    async with Orchestrator(
        workers=workers,
        planner=plan,
        storage=f"sqlite:///{path}",
        policy=RunPolicy(max_parallel=None),
    ) as team:
        stopwatch = Stopwatch()
        result = await team.ainvoke(trace.name, thread_id="bench")
        elapsed = stopwatch.read()
    _require(result.status == "completed", trace, "interlock")
    return _build_timing(elapsed, path)


def _build_step(task_: TracedTask, worker: str, scale: float) -> Step:
    estimate = timedelta(seconds=task_.expected * scale) if task_.expected is not None else None
    return Step(
        id=StepId(f"t{task_.id}"),
        worker=WorkerName(worker),
        instruction=task_.kind,
        needs=tuple(Need(step=StepId(f"t{dep}")) for dep in task_.deps),
        inputs={},
        estimate=estimate,
    )


class _CountState(TypedDict):
    done: int


class _WaveState(TypedDict):
    done: Annotated[dict[int, int], or_]


async def run_waves(trace: WorkflowTrace, scale: float, folder: Path) -> Timing:
    """Run a graph as LangGraph does it: a `Send` for all that is ready, then the next wave."""
    by_id = {task_.id: task_ for task_ in trace.tasks}

    async def work(message: dict[str, int]) -> dict[str, dict[int, int]]:
        await asyncio.sleep(by_id[message["id"]].seconds * scale)
        return {"done": {message["id"]: 1}}

    async def plan(state: _WaveState) -> dict[str, dict[int, int]]:
        del state
        return {"done": {}}

    def fan_out(state: _WaveState) -> list[Send] | str:
        done = state["done"]
        ready = [t for t in trace.tasks if t.id not in done and all(d in done for d in t.deps)]
        return [Send("work", {"id": t.id}) for t in ready] or END

    graph = StateGraph(_WaveState)
    nodes: dict[str, Any] = {"plan": plan, "work": work}
    for name, node in nodes.items():
        graph.add_node(name, node)
    graph.add_edge(START, "plan")
    graph.add_conditional_edges("plan", fan_out, ["work", END])
    graph.add_edge("work", "plan")
    return await _run_plain(graph, {"done": {}}, trace, folder / "waves.db")


async def run_bare_tasks(trace: WorkflowTrace, scale: float, folder: Path) -> Timing:
    """Run a graph as bare `@task` futures in one node, each awaiting what it needs.

    Nothing is validated, journalled or limited: it shows what LangGraph's own durable task costs.
    """

    async def dispatch(state: Any) -> dict[str, int]:  # noqa: ANN401 - LangGraph's state
        del state
        loop = asyncio.get_running_loop()
        ends: dict[int, asyncio.Future[int]] = {t.id: loop.create_future() for t in trace.tasks}

        @task
        async def work(task_id: int, deps: tuple[int, ...], seconds: float) -> int:
            for dep in deps:
                await asyncio.shield(ends[dep])
            await asyncio.sleep(seconds)
            ends[task_id].set_result(task_id)
            return task_id

        issued: Any = [work(t.id, t.deps, t.seconds * scale) for t in trace.tasks]
        return {"done": len(await asyncio.gather(*issued))}

    graph: StateGraph[Any, Any, Any, Any] = StateGraph(_CountState)
    graph.add_node("dispatch", dispatch)
    graph.add_edge(START, "dispatch")
    graph.add_edge("dispatch", END)
    return await _run_plain(graph, {"done": 0}, trace, folder / "tasks.db")


async def _run_plain(
    graph: StateGraph[Any, Any, Any, Any],
    state: dict[str, Any],
    trace: WorkflowTrace,
    path: Path,
) -> Timing:
    from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver  # noqa: PLC0415 - optional

    async with AsyncSqliteSaver.from_conn_string(str(path)) as saver:
        await saver.setup()
        compiled = graph.compile(checkpointer=saver)
        config: Any = {"configurable": {"thread_id": "bench"}, "recursion_limit": 100_000}
        stopwatch = Stopwatch()
        result = await compiled.ainvoke(state, config, durability="sync")
        elapsed = stopwatch.read()
    done = result["done"]
    count = done if isinstance(done, int) else len(done)
    _require(count == len(trace.tasks), trace, "LangGraph")
    return _build_timing(elapsed, path)


def _require(is_right: bool, trace: WorkflowTrace, who: str) -> None:  # noqa: FBT001 - an assertion
    if not is_right:
        raise ConfigurationError(f"{who} did not finish {trace.name}; its timing means nothing.")


def _build_timing(elapsed: Elapsed, path: Path) -> Timing:
    size = sum(part.stat().st_size for part in path.parent.glob(f"{path.name}*"))
    return Timing(
        wall_seconds=elapsed.wall_seconds,
        cpu_seconds=elapsed.cpu_seconds,
        database_bytes=size,
    )
