"""Run graphs that users compile themselves, without the facade, its leases and its run ledger."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

import interlock as il
from tests.integration.teams import Recorder, build_plan, build_step, build_workers, locate

CONFIG: RunnableConfig = {"configurable": {"thread_id": "t1"}}
APPROVE = {"type": "approve"}


def build_run_graph(sender: Recorder, *, storage: Any = "memory://", **fields: Any) -> Any:
    """Return the run graph of a team that writes, asks, and sends."""
    plan = build_plan(build_step("write"), build_step("send", needs=["write"], approval="true"))
    workers = build_workers({"write": Recorder("a letter"), "send": sender})
    return il.build_run_graph(workers=workers, planner=plan, storage=storage, **fields)


def answer(state: Any, given: Any = APPROVE) -> Command[Any]:
    """Return the resume by id of the one question that is asked."""
    [item] = state["__interrupt__"]
    [question] = item.value["questions"]
    return Command(resume={item.id: {"answers": {question["id"]: given}}})


@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
async def test_a_graph_runs_on_any_saver_and_durability(durability: Any) -> None:
    """Compiled on LangGraph's own saver, a run asks, is answered and completes."""
    sender = Recorder("sent")
    graph = build_run_graph(sender).compile(checkpointer=InMemorySaver())
    asked = await graph.ainvoke({"goal": "Write"}, CONFIG, durability=durability)
    assert sender.calls == 0
    ended = await graph.ainvoke(answer(asked), CONFIG, durability=durability)
    assert (ended["status"], ended["result"]["outputs"]) == ("completed", {"send": "sent"})
    assert sender.calls == 1


async def test_a_graph_runs_on_the_storages_own_saver(tmp_path: Path) -> None:
    """Compiled on `storage.checkpointer`, state and journal lie in one database."""
    async with il.open_storage(locate(tmp_path)) as storage:
        graph = build_run_graph(Recorder("sent"), storage=storage)
        compiled = graph.compile(checkpointer=storage.checkpointer)
        asked = await compiled.ainvoke({"goal": "Write"}, CONFIG, durability="sync")
    async with il.open_storage(locate(tmp_path)) as storage:
        graph = build_run_graph(Recorder("sent"), storage=storage)
        compiled = graph.compile(checkpointer=storage.checkpointer)
        ended = await compiled.ainvoke(answer(asked), CONFIG, durability="sync")
        kinds = [handoff.kind for handoff in await storage.load_handoffs("t1")]
    assert ended["status"] == "completed"
    assert sorted(kinds) == [
        *("answer", "brief", "brief", "output", "output", "plan", "question", "settlement")
    ]


async def test_a_graph_without_a_saver_says_what_it_needs() -> None:
    """Nothing runs without a checkpointer, and the error names the ways to one."""
    graph = build_run_graph(Recorder()).compile()
    with pytest.raises(il.ConfigurationError, match="needs a checkpointer and a thread_id"):
        await graph.ainvoke({"goal": "Write"})


def test_a_graph_runs_in_one_event_loop_after_another() -> None:
    """The storage of a graph is not bound to the loop that opened it."""
    sender = Recorder("sent")
    graph = build_run_graph(sender).compile(checkpointer=InMemorySaver())
    asked = asyncio.run(graph.ainvoke({"goal": "Write"}, CONFIG))
    ended = asyncio.run(graph.ainvoke(answer(asked), CONFIG))
    assert ended["status"] == "completed"


async def test_a_second_goal_on_a_thread_begins_with_nothing_of_the_first() -> None:
    """While the second run waits, the thread does not show how the first one ended."""
    graph = build_run_graph(Recorder("sent")).compile(checkpointer=InMemorySaver())
    asked = await graph.ainvoke({"goal": "Write"}, CONFIG)
    await graph.ainvoke(answer(asked), CONFIG)
    again = await graph.ainvoke({"goal": "Write once more"}, CONFIG)
    assert (again["status"], again["result"]) == (None, None)
    assert again["outcomes"]["send"]["status"] == "waiting"


async def test_one_approval_sends_once_over_all_forks() -> None:
    """A fork from before the question asks anew, whatever was answered on the other branch (I10)."""
    sender = Recorder("sent")
    graph = build_run_graph(sender).compile(checkpointer=InMemorySaver())
    asked = await graph.ainvoke({"goal": "Write"}, CONFIG)
    await graph.ainvoke(answer(asked), CONFIG)
    history = [state async for state in graph.aget_state_history(CONFIG)]
    [before] = [state for state in history if state.next == ("escalate",)]
    for fork in (before.config, await graph.aupdate_state(before.config, {"context": {}})):
        forked = await graph.ainvoke(None, fork)
        assert sender.calls == 1
        assert forked["__interrupt__"][0].id != asked["__interrupt__"][0].id
    ended = await graph.ainvoke(
        answer(forked, {"type": "reject", "message": "Once is enough"}), CONFIG
    )
    assert ended["outcomes"]["send"]["status"] == "failed"
    assert sender.calls == 1


async def test_an_approved_plan_is_approved_once_over_all_forks() -> None:
    """A fork from before the plan was approved asks for it again (I10)."""
    sender = Recorder("sent")
    policy = il.RunPolicy(approve_plan=True)
    graph = build_run_graph(sender, policy=policy).compile(checkpointer=InMemorySaver())
    asked = await graph.ainvoke({"goal": "Write"}, CONFIG)
    assert asked["plan_status"] == "proposed"
    await graph.ainvoke(answer(asked), CONFIG)
    history = [state async for state in graph.aget_state_history(CONFIG)]
    before = [state for state in history if state.next == ("escalate",)][-1]
    forked = await graph.ainvoke(None, before.config)
    assert forked["plan_status"] == "proposed"
    approved = await graph.ainvoke(answer(forked), CONFIG)
    assert (approved["plan_status"], approved["plan_question"]) == ("accepted", None)


class Disk:
    """What LangGraph's copies of a saver share."""

    is_dead = False
    has_died = False

    def die_once(self) -> None:
        """Store nothing more until it is revived."""
        if not self.has_died:
            self.is_dead = self.has_died = True

    def require_alive(self) -> None:
        """Return if it can store."""
        if self.is_dead:
            raise OSError("the disk is gone")


class DyingSaver(InMemorySaver):
    """Its disk dies when the answers that escalate took are to be stored."""

    def __init__(self, disk: Disk) -> None:
        super().__init__()
        self.disk = disk

    async def aput_writes(
        self, config: Any, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        if dict(writes).get("answers"):
            self.disk.die_once()
        self.disk.require_alive()
        await super().aput_writes(config, writes, task_id, task_path)

    async def aput(self, config: Any, checkpoint: Any, metadata: Any, new_versions: Any) -> Any:
        self.disk.require_alive()
        return await super().aput(config, checkpoint, metadata, new_versions)


async def test_an_answer_taken_before_a_crash_is_not_asked_for_again() -> None:
    """Taken and journaled, but lost with the superstep: resumed, escalate takes it once more."""
    sender = Recorder("sent")
    disk = Disk()
    graph = build_run_graph(sender).compile(checkpointer=DyingSaver(disk))
    asked = await graph.ainvoke({"goal": "Write"}, CONFIG, durability="sync")
    with pytest.raises(OSError, match="the disk is gone"):
        await graph.ainvoke(answer(asked), CONFIG, durability="sync")
    assert sender.calls == 0
    disk.is_dead = False
    ended = await graph.ainvoke(None, CONFIG, durability="sync")
    assert (ended["status"], sender.calls) == ("completed", 1)


async def test_an_answer_reaches_the_worker_asked_about_whatever_the_plan_says_now() -> None:
    """A plan edited while a step waits gives the step to another; the answer still reaches it."""
    first, other = Recorder(ValueError("unsure"), "on second thoughts"), Recorder("never asked")
    graph = il.build_run_graph(
        workers=build_workers({"first": first, "other": other}),
        planner=build_plan(build_step("step", "first", fallback=[il.ask_person()])),
        storage="memory://",
    ).compile(checkpointer=InMemorySaver())
    await graph.ainvoke({"goal": "Write"}, CONFIG)
    plan = dict((await graph.aget_state(CONFIG)).values["plan"])
    plan["steps"] = [{**plan["steps"][0], "worker": "other"}]
    edited = await graph.aupdate_state(CONFIG, {"plan": plan}, as_node="dispatch")
    asked = await graph.ainvoke(None, edited)
    ended = await graph.ainvoke(answer(asked, {"type": "respond", "message": "Try again"}), CONFIG)
    assert ended["outcomes"]["step"]["value"] == "on second thoughts"
    assert (ended["outcomes"]["step"]["attempts"], other.calls) == (2, 0)
