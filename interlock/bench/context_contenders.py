"""One scripted job in four ways: each step writes a note on an item, with the last note at hand."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from langchain_core.messages import AIMessage, HumanMessage
from langgraph.graph import END, START, MessagesState, StateGraph

from interlock.bench.original_supervisor import build_original
from interlock.bench.recording_chat import RecordingChat
from interlock.contracts.errors import ConfigurationError
from interlock.contracts.ids import StepId, WorkerName
from interlock.contracts.plan import Need, Step, TaskGraph
from interlock.contracts.policy import RunPolicy
from interlock.contracts.worker import Worker
from interlock.orchestrator import Orchestrator
from interlock.supervisor import create_supervisor

_GOAL: Final = "Write a note on every item of the list."
_NOTE: Final = "The item was looked at, weighed and found to be in order. " * 8
_CLERK: Final = "clerk"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """Characters that models were sent.

    Attributes:
        last_worker: In the last step's worker's call.
        all_workers: In all workers' calls.
        last_supervisor: In the last call of the supervisor's own model; None if it has none.
        all_supervisor: In all of them.
    """

    last_worker: int
    all_workers: int
    last_supervisor: int | None = None
    all_supervisor: int | None = None


Contender = Callable[[int], Awaitable[Sent]]
"""Does the job in so many steps, and returns what its models were sent."""


def _write_note(number: int) -> AIMessage:
    return AIMessage(f"Note {number:03d}. {_NOTE}")


def _word_task(number: int) -> str:
    return f"Write the note on item {number:03d}, in the manner of the last one."


def _build_clerk(model: RecordingChat) -> Any:  # noqa: ANN401 - a compiled graph
    async def write(state: MessagesState) -> dict[str, Any]:
        return {"messages": [await model.ainvoke(state["messages"])]}

    builder = StateGraph(MessagesState)
    builder.add_node("write", write)
    builder.add_edge(START, "write")
    builder.add_edge("write", END)
    return builder.compile(name=_CLERK)


def _sum_up(clerk: RecordingChat, boss: RecordingChat | None, *, steps: int) -> Sent:
    if len(clerk.sent) != steps:
        raise ConfigurationError(
            f"The job of {steps} steps called its worker's model {len(clerk.sent)} times. Report "
            "this with the versions of LangGraph and langgraph-supervisor."
        )
    if boss is None:
        return Sent(last_worker=clerk.sent[-1], all_workers=sum(clerk.sent))
    return Sent(
        last_worker=clerk.sent[-1],
        all_workers=sum(clerk.sent),
        last_supervisor=boss.sent[-1],
        all_supervisor=sum(boss.sent),
    )


async def run_plan(steps: int) -> Sent:
    """Do the job as interlock's task graph."""
    clerk = RecordingChat(reply=_write_note)
    plan = TaskGraph(
        goal=_GOAL,
        steps=tuple(
            Step(
                id=StepId(f"s{number}"),
                worker=WorkerName(_CLERK),
                instruction=_word_task(number),
                needs=(Need(step=StepId(f"s{number - 1}")),) if number else (),
                inputs={"last": f"s{number - 1}"} if number else {},
            )
            for number in range(steps)
        ),
    )
    workers = [Worker(name=WorkerName(_CLERK), agent=_build_clerk(clerk))]
    async with Orchestrator(workers=workers, planner=plan, storage="memory://") as desk:
        await desk.ainvoke(_GOAL, thread_id="context")
    return _sum_up(clerk, None, steps=steps)


async def run_supervisor(steps: int) -> Sent:
    """Do the job with interlock's create_supervisor."""

    def decide(number: int) -> AIMessage:
        if number >= steps:
            return AIMessage("All notes are written.")
        task: dict[str, Any] = {"worker": _CLERK, "task": _word_task(number)}
        if number:
            task["uses"] = [f"t{number}_1"]
        return AIMessage("", tool_calls=[{"name": "assign", "args": task, "id": f"call{number}"}])

    clerk, boss = RecordingChat(reply=_write_note), RecordingChat(reply=decide)
    app = create_supervisor(
        [_build_clerk(clerk)],
        model=boss,
        prompt=_GOAL,
        policy=RunPolicy(max_plan_versions=steps + 1),
    ).compile()
    await app.ainvoke({"messages": [HumanMessage(_GOAL)]})
    return _sum_up(clerk, boss, steps=steps)


async def run_original(steps: int) -> Sent:
    """Do the job with langgraph-supervisor, as it is by default.

    Raises:
        ConfigurationError: It is not installed.
    """

    def decide(number: int) -> AIMessage:
        if number >= steps:
            return AIMessage("All notes are written.")
        call = {"name": f"transfer_to_{_CLERK}", "args": {}, "id": f"call{number}"}
        return AIMessage(_word_task(number), tool_calls=[call])

    clerk, boss = RecordingChat(reply=_write_note), RecordingChat(reply=decide)
    app = build_original([_build_clerk(clerk)], model=boss, prompt=_GOAL)
    await app.ainvoke({"messages": [HumanMessage(_GOAL)]})
    return _sum_up(clerk, boss, steps=steps)


async def run_chain(steps: int) -> Sent:
    """Do the job as a plain LangGraph chain whose nodes share their messages."""
    clerk = RecordingChat(reply=_write_note)
    builder = StateGraph(MessagesState)
    for number in range(steps):
        builder.add_node(f"s{number}", _build_link(clerk, number))
        builder.add_edge(f"s{number - 1}" if number else START, f"s{number}")
    app = builder.compile()
    await app.ainvoke({"messages": [HumanMessage(_GOAL)]})
    return _sum_up(clerk, None, steps=steps)


def _build_link(clerk: RecordingChat, number: int) -> Any:  # noqa: ANN401 - a node
    async def link(state: MessagesState) -> dict[str, Any]:
        task = HumanMessage(_word_task(number))
        return {"messages": [task, await clerk.ainvoke([*state["messages"], task])]}

    return link


CONTENDERS: Final[Mapping[str, Contender]] = {
    "interlock plan": run_plan,
    "il.create_supervisor": run_supervisor,
    "langgraph-supervisor": run_original,
    "plain chain": run_chain,
}
