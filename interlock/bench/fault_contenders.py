"""Who does the fault campaign's job: interlock, langgraph-supervisor, and a plain LangGraph chain.

The two others get what LangGraph offers: a retry policy with as many attempts, and the timeout. Nothing
there looks at a value.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Annotated, Any, Final

from langgraph.graph import END, START, StateGraph
from langgraph.types import RetryPolicy
from typing_extensions import TypedDict

from interlock.bench.fault_desk import FaultDesk
from interlock.bench.fault_job import ANSWER, JobStep
from interlock.bench.fault_run import TRIES, FaultRun
from interlock.bench.fault_worker import FaultyWorker
from interlock.bench.original_line import read_value, run_line
from interlock.contracts.storage import Storage

FaultContender = Callable[[FaultyWorker, Storage, float], Awaitable[FaultRun]]
"""Does a run's job; the timeout of an attempt is in seconds."""

OURS: Final = "interlock"
_RETRY: Final = RetryPolicy(
    max_attempts=TRIES, initial_interval=0.001, backoff_factor=1.0, jitter=False
)


async def run_interlock(worker: FaultyWorker, storage: Storage, seconds: float) -> FaultRun:
    """Do it as a team's task graph: validated, with second ways."""
    return await FaultDesk(worker, storage, timeout_seconds=seconds).run()


def _merge(left: dict[str, Any], right: dict[str, Any]) -> dict[str, Any]:
    return {**left, **right}


class _ChainState(TypedDict):
    cells: Annotated[dict[str, Any], _merge]


async def run_chain(worker: FaultyWorker, storage: Storage, seconds: float) -> FaultRun:
    """Do it as a chain of nodes that write their values to the state."""
    del storage
    builder = StateGraph(_ChainState)
    previous = START
    for step in worker.job.steps:
        node: Any = _build_link(worker, step)
        builder.add_node(step.id, node, retry_policy=_RETRY, timeout=seconds)
        builder.add_edge(previous, step.id)
        previous = step.id
    builder.add_edge(previous, END)
    app = builder.compile()

    async def run() -> object:
        state = await app.ainvoke({"cells": {}})
        return state["cells"][ANSWER]

    return await _judge(worker, run)


def _build_link(worker: FaultyWorker, step: JobStep) -> Any:  # noqa: ANN401 - a node
    async def link(state: _ChainState) -> dict[str, Any]:
        made = await worker.work(step, state["cells"], book=_book_plainly(worker))
        return {"cells": {step.id: read_value(made)}}

    return link


async def run_original(worker: FaultyWorker, storage: Storage, seconds: float) -> FaultRun:
    """Do it with langgraph-supervisor, whose model hands over one step after the other."""
    del storage
    steps = worker.job.steps

    async def work(number: int, before: Sequence[object]) -> object:
        cells = {step.id: value for step, value in zip(steps, before, strict=False)}
        return await worker.work(steps[number], cells, book=_book_plainly(worker))

    async def run() -> object:
        names = [step.id for step in steps]
        values = await run_line(names, work, retry=_RETRY, seconds=seconds)
        return values[-1] if len(values) == len(steps) else None

    return await _judge(worker, run)


def _book_plainly(worker: FaultyWorker) -> Callable[[str], Awaitable[str]]:
    async def book(step: str) -> str:
        return worker.make_entry(step)

    return book


async def _judge(worker: FaultyWorker, run: Callable[[], Awaitable[object]]) -> FaultRun:
    try:
        made = await run()
    except Exception:  # noqa: BLE001 - whatever a run without a frame dies of, it says so
        made, is_failed = None, True
    else:
        is_failed = False
    answer = (made.get("value"), made.get("weight")) if isinstance(made, Mapping) else made
    is_right = answer == worker.job.derive_answer()
    return FaultRun(
        end="failed" if is_failed else "completed",
        has_answer=answer is not None,
        is_right=is_right,
        is_silently_wrong=not is_failed and not is_right,
        attempts=worker.attempts.total(),
        calls=worker.calls,
        tokens=worker.tokens,
        phantoms=0 if is_failed else worker.books.count_phantoms(worker.job.list_booking()),
        doubles=worker.books.count_doubles(),
    )


CONTENDERS: Final[Mapping[str, FaultContender]] = {
    OURS: run_interlock,
    "langgraph-supervisor": run_original,
    "plain chain": run_chain,
}
