"""Who does the fault campaign's job: interlock, langgraph-supervisor, and a plain LangGraph chain.

The two others get what LangGraph offers: a retry policy with as many attempts, and the timeout. Nothing
there looks at a value.
"""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Annotated, Any, Final

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.types import RetryPolicy
from typing_extensions import TypedDict

from interlock.bench.fault_desk import FaultDesk
from interlock.bench.fault_job import ANSWER, JobStep
from interlock.bench.fault_run import TRIES, FaultRun
from interlock.bench.fault_worker import FaultyWorker
from interlock.bench.original_supervisor import build_original
from interlock.bench.recording_chat import RecordingChat
from interlock.contracts.storage import Storage

FaultContender = Callable[[FaultyWorker, Storage, float], Awaitable[FaultRun]]
"""Does a run's job; the timeout of an attempt is in seconds."""

OURS: Final = "interlock"
_CLERK: Final = "clerk"
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
        return {"cells": {step.id: _read(made)}}

    return link


async def run_original(worker: FaultyWorker, storage: Storage, seconds: float) -> FaultRun:
    """Do it with langgraph-supervisor, whose model hands over one step after the other."""
    del storage
    steps = worker.job.steps

    def decide(number: int) -> AIMessage:
        if number >= len(steps):
            return AIMessage("All steps are done.")
        call = {"name": f"transfer_to_{_CLERK}", "args": {}, "id": f"call{number}"}
        return AIMessage(f"Do step {steps[number].id}.", tool_calls=[call])

    app = build_original(
        [_build_clerk(worker, seconds)], model=RecordingChat(reply=decide), prompt="Do the job."
    )

    async def run() -> object:
        state = await app.ainvoke({"messages": [HumanMessage("Work out the answer")]})
        answers = _list_answers(state["messages"])
        return _read(answers[-1]) if len(answers) == len(steps) else None

    return await _judge(worker, run)


def _build_clerk(worker: FaultyWorker, seconds: float) -> Any:  # noqa: ANN401 - a compiled graph
    steps = worker.job.steps

    async def work(state: MessagesState) -> dict[str, Any]:
        answers = _list_answers(state["messages"])
        cells = {step.id: _read(text) for step, text in zip(steps, answers, strict=False)}
        made = await worker.work(steps[len(answers)], cells, book=_book_plainly(worker))
        text = made if isinstance(made, str) else json.dumps(made)
        return {"messages": [AIMessage(text, name=_CLERK)]}

    builder = StateGraph(MessagesState)
    node: Any = work
    builder.add_node("work", node, retry_policy=_RETRY, timeout=seconds)
    builder.add_edge(START, "work")
    builder.add_edge("work", END)
    return builder.compile(name=_CLERK)


def _list_answers(messages: Sequence[AnyMessage]) -> list[str]:
    """Return what the clerk said, in order, without the notes of being handed back."""
    return [
        message.text
        for message in messages
        if isinstance(message, AIMessage)
        and message.name == _CLERK
        and not message.response_metadata.get("__is_handoff_back")
    ]


def _book_plainly(worker: FaultyWorker) -> Callable[[str], Awaitable[str]]:
    async def book(step: str) -> str:
        return worker.make_entry(step)

    return book


def _read(made: object) -> object:
    """Return a value, out of JSON where it is a text; a text that is none stays as it is."""
    if not isinstance(made, str):
        return made
    try:
        return json.loads(made)
    except ValueError:
        return made


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
