"""What the benchmark of storage runs: a graph that appends, and interlock's run of a plan.

*append* is plain LangGraph: each superstep appends 1 KB to a list and leaves 10 KB as they are.
It shows what the saver alone costs. *plan* is interlock's run graph on a plan of N steps, each of
which gives 1 KB: once on interlock's saver, once on LangGraph's own, with the journal on
interlock's storage in both; beside it the same N functions as LangGraph's bare `@task`, which keeps
no journal and reviews nothing.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import shake_256
from operator import add
from typing import Annotated, Any, Final, Literal, TypeAlias

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.func import task
from langgraph.graph import END, START, StateGraph
from typing_extensions import TypedDict

from interlock.bench.bench_databases import BenchDatabase
from interlock.bench.stopwatch import Elapsed, Stopwatch
from interlock.contracts.brief import Brief
from interlock.contracts.criteria import Criterion
from interlock.contracts.errors import ContractError
from interlock.contracts.ids import StepId, ThreadId, WorkerName
from interlock.contracts.plan import Need, Step, TaskGraph
from interlock.contracts.storage import Storage
from interlock.contracts.worker import Worker
from interlock.orchestrator.declare import build_run_graph

Load: TypeAlias = Literal["append", "plan"]
LOADS: Final[tuple[Load, ...]] = ("append", "plan")
TEXT_BYTES: Final = 1024
_CONSTANT_TEXTS: Final = 10
_LAYER: Final = 10
_LOOK_EVERY: Final = 50
_LEASE: Final = timedelta(days=1)
_THREAD: Final[Any] = {"configurable": {"thread_id": "bench"}, "recursion_limit": 1_000_000}


@dataclass(slots=True)
class Limit:
    """How long a measurement may take, and how big its database may become.

    Attributes:
        seconds: Of wall time.
        bytes: Of the database.
        count: How many steps have ended.
    """

    seconds: float
    bytes: float
    count: int = 0
    _stopwatch: Stopwatch = field(default_factory=Stopwatch)

    def begin(self) -> None:
        """Count the time from now on."""
        self._stopwatch = Stopwatch()

    def note_step(self, database: BenchDatabase) -> bool:
        """Count a step; return whether it must be the last one."""
        self.count += 1
        if self._stopwatch.read().wall_seconds > self.seconds:
            return True
        return self.count % _LOOK_EVERY == 0 and database.read_bytes() > self.bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageCost:
    """What a contender needed.

    Attributes:
        steps: How many it has done: fewer than were asked for if it came to a limit.
        elapsed: Time and CPU.
        bytes: By how much the database grew.
    """

    steps: int
    elapsed: Elapsed
    bytes: int


StorageContender: TypeAlias = Callable[[BenchDatabase, int, Limit], Awaitable[Elapsed]]
"""Does a number of steps on an empty database that was set up before; the limit counts them."""


def derive_text(number: int) -> str:
    """Return 1 KB that no database can make smaller, the same for the same number."""
    return shake_256(str(number).encode()).hexdigest(TEXT_BYTES // 2)


class AppendState(TypedDict):
    """What the appending graph remembers.

    Attributes:
        items: Grows by one text a superstep.
        constant: Never changes.
        count: How many supersteps there were.
        is_last: Whether a limit was reached.
    """

    items: Annotated[list[str], add]
    constant: dict[str, str]
    count: int
    is_last: bool


async def run_append(
    saver: BaseCheckpointSaver[Any],
    *,
    steps: int,
    thread_id: str = "bench",
    note_step: Callable[[], bool] = lambda: False,
) -> Elapsed:
    """Run the graph that appends, and return what it took."""

    async def append(state: AppendState) -> dict[str, Any]:
        number = state["count"]
        return {"items": [derive_text(number)], "count": number + 1, "is_last": note_step()}

    def route(state: AppendState) -> str:
        return END if state["is_last"] or state["count"] >= steps else "append"

    graph = StateGraph(AppendState)
    graph.add_node("append", append)
    graph.add_edge(START, "append")
    graph.add_conditional_edges("append", route, ["append", END])
    compiled = graph.compile(checkpointer=saver)
    constant = {f"k{number}": derive_text(-number) for number in range(_CONSTANT_TEXTS)}
    begun: Any = {"items": [], "constant": constant, "count": 0, "is_last": False}
    config: Any = {**_THREAD, "configurable": {"thread_id": thread_id}}
    stopwatch = Stopwatch()
    await compiled.ainvoke(begun, config, durability="sync")
    return stopwatch.read()


async def append_ours(database: BenchDatabase, steps: int, limit: Limit) -> Elapsed:
    """Append on interlock's saver."""
    async with database.open_ours() as storage:
        note_step = _derive_note(database, limit)
        return await run_append(storage.checkpointer, steps=steps, note_step=note_step)


async def append_stock(database: BenchDatabase, steps: int, limit: Limit) -> Elapsed:
    """Append on LangGraph's own saver."""
    async with database.open_stock() as give_saver:
        note_step = _derive_note(database, limit)
        return await run_append(give_saver(), steps=steps, note_step=note_step)


def _derive_note(database: BenchDatabase, limit: Limit) -> Callable[[], bool]:
    return lambda: limit.note_step(database)


async def plan_ours(database: BenchDatabase, steps: int, limit: Limit) -> Elapsed:
    """Run the plan on interlock's saver."""
    async with database.open_ours() as storage:
        return await _run_plan(storage, storage.checkpointer, steps=steps, limit=limit)


async def plan_stock(database: BenchDatabase, steps: int, limit: Limit) -> Elapsed:
    """Run the plan on LangGraph's own saver."""
    async with database.open_ours() as storage, database.open_stock() as give_saver:
        return await _run_plan(storage, give_saver(), steps=steps, limit=limit)


async def _run_plan(
    storage: Storage, saver: BaseCheckpointSaver[Any], *, steps: int, limit: Limit
) -> Elapsed:
    async def work(brief: Brief) -> dict[str, str]:
        limit.count += 1
        return {"text": derive_text(int(brief.step_id.removeprefix("s")))}

    await storage.acquire_lease(ThreadId("bench"), ttl=_LEASE)  # as a team does for its runs
    worker = Worker(name=WorkerName("work"), agent=work)
    graph = build_run_graph(workers=[worker], planner=build_layers(steps), storage=storage)
    compiled = graph.compile(checkpointer=saver)
    return await _run_within(compiled, {"goal": "bench"}, limit)


def build_layers(steps: int, *, criteria: tuple[Criterion, ...] = ()) -> TaskGraph:
    """Return layers of ten steps of `work`, each of which needs two of the layer above."""

    def list_needs(number: int) -> tuple[Need, ...]:
        above = number - number % _LAYER - _LAYER
        columns = (number % _LAYER, (number + 1) % _LAYER) if above >= 0 else ()
        return tuple(Need(step=StepId(f"s{above + column}")) for column in columns)

    made = (
        Step(
            id=StepId(f"s{number}"),
            worker=WorkerName("work"),
            instruction="Give 1 KB.",
            needs=list_needs(number),
            criteria=criteria,
        )
        for number in range(steps)
    )
    return TaskGraph(goal="bench", steps=tuple(made))


class _TaskState(TypedDict):
    done: int


async def tasks_stock(database: BenchDatabase, steps: int, limit: Limit) -> Elapsed:
    """Run as many bare `@task`s, each of which gives 1 KB, on LangGraph's own saver."""

    @task
    async def work(number: int) -> dict[str, str]:
        limit.count += 1
        return {"text": derive_text(number)}

    async def dispatch(state: Any) -> dict[str, int]:  # noqa: ANN401 - LangGraph's state
        del state
        issued: Any = [work(number) for number in range(steps)]
        return {"done": len(await asyncio.gather(*issued))}

    graph: StateGraph[Any, Any, Any, Any] = StateGraph(_TaskState)
    graph.add_node("dispatch", dispatch)
    graph.add_edge(START, "dispatch")
    graph.add_edge("dispatch", END)
    async with database.open_stock() as give_saver:
        return await _run_within(graph.compile(checkpointer=give_saver()), {"done": 0}, limit)


async def _run_within(
    compiled: Any,  # noqa: ANN401 - LangGraph's compiled graph
    begun: object,
    limit: Limit,
) -> Elapsed:
    """Run a graph until its end or the limit of time, whichever comes first."""
    stopwatch, room = Stopwatch(), asyncio.timeout(limit.seconds)
    try:
        async with room:
            ended = await compiled.ainvoke(begun, _THREAD, durability="sync")
    except TimeoutError:
        if not room.expired():
            raise
        return stopwatch.read()
    elapsed = stopwatch.read()
    if ended.get("status", "completed") != "completed":
        raise ContractError(
            f"The run ended {ended['status']!r}; its figures mean nothing. Report this."
        )
    return elapsed


OURS: Final = "interlock"
STOCK: Final = "stock saver"

CONTENDERS: Final[Mapping[Load, Mapping[str, StorageContender]]] = {
    "append": {OURS: append_ours, STOCK: append_stock},
    "plan": {OURS: plan_ours, STOCK: plan_stock, "bare @task": tasks_stock},
}
"""By load, in the order in which they take turns."""
