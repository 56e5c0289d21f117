"""The object a user holds: its calls, what they give back, and what they leave behind."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import interlock as il
from tests.integration.gates import Gate
from tests.integration.teams import (
    Recorder,
    build_desk,
    build_plan,
    build_step,
    build_workers,
    give,
    locate,
)
from tests.integration.thread_reading import read_thread, resume_twice

CONFIG: Any = {"configurable": {"thread_id": "t"}}


def build_gated(gate: Gate, after: Any, **options: Any) -> il.Orchestrator:
    """Return a team of `first`, `gate` and `after`, one after another."""
    return build_desk(
        {"first": give("first"), "gate": gate, "after": after},
        build_step("first"),
        build_step("gate", needs=["first"]),
        build_step("after", needs=["gate"]),
        **options,
    )


async def test_a_run_gives_its_result_and_a_finished_thread_gives_it_again() -> None:
    """`ainvoke` and `aresume` agree; a new goal on the thread is refused; nothing runs twice."""
    work = Recorder(lambda brief: {"goal": brief.instruction, **brief.context})
    async with build_desk({"work": work}, build_step("work", context=["tenant"])) as desk:
        result = await desk.ainvoke("Goal", thread_id="t", context={"tenant": "north"})
        assert await resume_twice(desk, "t") == result
        with pytest.raises(il.FinishedRunError, match="aresume"):
            await desk.ainvoke("Goal", thread_id="t", context={"tenant": "south"})
        status = await read_thread(desk, "t")
        handoffs = await desk.ahandoffs("t")
    assert result.outputs == {"work": {"goal": "Do work", "tenant": "north"}}
    assert (result.status, result.thread_id, result.gaps) == ("completed", "t", ())
    assert (status.status, status.done, status.total, status.running) == ("completed", 1, 1, ())
    assert (status.attempts, status.retries, status.handoffs) == (1, 0, 3)
    assert status.owner is None
    assert [h.kind for h in handoffs] == ["plan", "brief", "output"]
    assert handoffs[1].payload["context"] == {"tenant": "north"}
    assert work.calls == 1


async def test_status_and_journal_are_live_while_a_run_works(tmp_path: Path) -> None:
    """Another team object on the same file sees what is done, what runs, and who runs it."""
    gate = Gate()
    url = locate(tmp_path)
    async with (
        build_gated(gate, give(1), storage=url) as desk,
        build_gated(gate, give(1), storage=url) as other,
    ):
        run = asyncio.create_task(desk.ainvoke("Test", thread_id="t"))
        await gate.started.wait()
        status = await other.astatus("t")
        steps = {h.step_id for h in await other.ahandoffs("t", "first")}
        gate.opened.set()
        await run
    assert (status.status, status.settled, status.total) == ("running", {"accepted": 1}, 3)
    assert [(entry.step_id, entry.attempt) for entry in status.running] == [("gate", 1)]
    assert status.owner
    assert steps == {"first"}


def test_sync_code_invokes_resumes_and_answers(tmp_path: Path) -> None:
    """Each call opens the storage, does its part, and closes it; the next finds all again."""
    step = build_step("work", fallback=[il.ask_person()])
    desk = build_desk({"work": Recorder(ValueError("no"))}, step, storage=locate(tmp_path))
    waiting = desk.invoke("Test", thread_id="t", context={"a": 1})
    assert desk.resume("t").questions == waiting.questions
    done = desk.answer("t", {waiting.questions[0].id: il.edit("by hand")})
    assert done.outputs == {"work": "by hand"}
    assert desk.resume("t") == done


async def test_sync_calls_inside_an_event_loop_say_what_to_write() -> None:
    """They would block the loop; the error is the line to write instead."""
    desk = build_desk({"work": give(1)})
    for name, call in {
        "ainvoke": lambda: desk.invoke("Test", thread_id="t"),
        "aresume": lambda: desk.resume("t"),
        "aanswer": lambda: desk.answer("t", {}),
    }.items():
        with pytest.raises(il.ConfigurationError, match=rf"await desk\.{name}\("):
            call()


async def test_a_team_that_is_not_open_says_how_to_open_it() -> None:
    """Every call outside `async with` names it."""
    desk = build_desk({"work": give(1)})
    for call in (
        lambda: desk.ainvoke("Test", thread_id="t"),
        lambda: desk.astatus("t"),
        desk.aquestions,
    ):
        with pytest.raises(il.ConfigurationError, match="async with"):
            await call()


async def test_a_team_is_entered_again_after_it_was_left(tmp_path: Path) -> None:
    """Left and entered, it goes on where it was; a drain of the first time is over."""
    gate, after = Gate(), Recorder("after")
    desk = build_gated(gate, after, storage=locate(tmp_path))
    async with desk:
        run = asyncio.create_task(desk.ainvoke("Test", thread_id="t"))
        await gate.started.wait()
        desk.drain("deploy")
        gate.opened.set()
        with pytest.raises(il.DrainedError):
            await run
        with pytest.raises(il.DrainedError):
            await desk.aresume("t")
    async with desk:
        assert (await desk.aresume("t")).outputs["after"] == "after"
        assert (await desk.ainvoke("Test", thread_id="u")).status == "completed"
    assert gate.starts == 2


async def test_a_storage_that_was_handed_in_stays_open() -> None:
    """Leaving the team closes only what the team opened."""
    async with il.open_storage("memory://") as storage:
        async with build_desk({"work": give(1)}, storage=storage) as desk:
            await desk.ainvoke("Test", thread_id="t")
        assert [run.thread_id for run in await storage.list_runs()] == ["t"]
        async with build_desk({"work": give(2)}, storage=storage) as desk:
            assert (await desk.aresume("t")).outputs == {"work": 1}


@pytest.mark.parametrize("from_where", ["here", "another team object"])
async def test_a_cancel_stops_a_run_and_keeps_what_is_done(tmp_path: Path, from_where: str) -> None:
    """The worker under way is stopped, nothing more starts, and the outcomes say why."""
    gate, after = Gate(), Recorder("after")
    url = locate(tmp_path)
    async with (
        build_gated(gate, after, storage=url) as desk,
        build_gated(gate, after, storage=url) as other,
        asyncio.timeout(20),
    ):
        run = asyncio.create_task(desk.ainvoke("Test", thread_id="t"))
        await gate.started.wait()
        await (desk if from_where == "here" else other).acancel("t", why="wrong customer")
        result = await run
        assert await other.aresume("t") == result
        status = await other.acancel("t", why="again")
    assert (result.status, result.reason) == ("cancelled", "wrong customer")
    statuses = {step: outcome.status for step, outcome in result.outcomes.items()}
    assert statuses == {"first": "accepted", "gate": "cancelled", "after": "cancelled"}
    assert result.outputs == {"first": "first"}
    assert (gate.was_cut_off, after.calls) == (True, 0)
    assert (status.status, status.cancel_reason) == ("cancelled", "wrong customer")


async def test_a_cancel_of_a_run_that_nobody_drives_settles_it(tmp_path: Path) -> None:
    """A run left unfinished is closed by the cancel itself, with what it had done."""
    gate, after = Gate(), Recorder("after")
    async with build_gated(gate, after, storage=locate(tmp_path)) as desk:
        run = asyncio.create_task(desk.ainvoke("Test", thread_id="t"))
        await gate.started.wait()
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)
    async with build_gated(gate, after, storage=locate(tmp_path)) as desk:
        status = await desk.acancel("t", why="stale")
        result = await desk.aresume("t")
    assert status.status == result.status == "cancelled"
    assert result.outputs == {"first": "first"}
    assert (gate.starts, after.calls) == (1, 0)


async def test_a_drain_lets_the_attempt_end_and_a_second_one_cuts_it_off(tmp_path: Path) -> None:
    """Drained, a run stops after what is under way; asked twice, at once. Both can be resumed."""
    gates = {"t": Gate(), "u": Gate()}
    for name, gate in gates.items():
        async with build_gated(gate, give("after"), storage=locate(tmp_path)) as desk:
            run = asyncio.create_task(desk.ainvoke("Test", thread_id=name))
            await gate.started.wait()
            desk.drain("deploy")
            if name == "t":
                gate.opened.set()
            else:
                desk.drain("deploy")
            with pytest.raises(il.DrainedError, match=rf"aresume\('{name}'\)"):
                await run
            assert (await read_thread(desk, name)).status == "running"
            assert gate.was_cut_off == (name == "u")
        gate.opened.set()
        async with build_gated(gate, give("after"), storage=locate(tmp_path)) as desk:
            assert (await desk.aresume(name)).status == "completed"
    assert {name: gate.starts for name, gate in gates.items()} == {"t": 1, "u": 2}


async def test_two_runs_share_their_workers_limits() -> None:
    """Two runs of five steps use a worker with `max_parallel=2` for two steps in all at a time."""
    at_once: list[int] = [0, 0]

    async def work(brief: il.Brief) -> str:
        at_once[0] += 1
        at_once[1] = max(at_once)
        for _ in range(5):
            await asyncio.sleep(0)
        at_once[0] -= 1
        return "done"

    workers = [il.Worker(name="work", agent=work, max_parallel=2)]
    plan = build_plan(*(build_step(f"s{n}", "work") for n in range(5)))
    async with il.Orchestrator(workers=workers, planner=plan, storage="memory://") as desk:
        results = await asyncio.gather(
            *(desk.ainvoke("Test", thread_id=name) for name in ("t", "u"))
        )
    assert [result.status for result in results] == ["completed"] * 2
    assert at_once == [0, 2]


async def test_one_at_a_time_the_longest_remaining_path_goes_first() -> None:
    """Paths of 3, 2, 1.5, 1 and 0.5 estimated hours start in that order, whatever the plan's."""
    order: list[str] = []

    async def work(brief: il.Brief) -> str:
        order.append(brief.step_id)
        return "done"

    def build(step_id: str, hours: float, *needs: str) -> il.Step:
        return build_step(step_id, "work", needs=needs, estimate=timedelta(hours=hours))

    steps = (
        build("brief", 0.5),
        build("middling", 1.5),
        build("a", 1),
        build("c", 1, "b"),
        build("b", 1, "a"),
    )
    async with build_desk({"work": work}, *steps, policy=il.RunPolicy(max_parallel=1)) as desk:
        await desk.ainvoke("Test", thread_id="t")
    assert order == ["a", "b", "middling", "c", "brief"]


async def list_stages(desk: il.Orchestrator) -> list[set[str]]:
    """Return which steps had settled at each checkpoint where the supervisor is next."""
    history = [state async for state in desk.graph.aget_state_history(CONFIG)]
    stages = [set(s.values["outcomes"]) for s in history if s.next == ("supervisor",)]
    return sorted(stages, key=len)


async def test_stepwise_every_settled_step_is_a_checkpoint() -> None:
    """Stepwise, the supervisor sees each step settle; otherwise only all of them."""
    steps = (build_step("a", "work"), build_step("b", "work", needs=["a"]), build_step("c", "work"))
    seen: dict[bool, list[set[str]]] = {}
    for stepwise in (True, False):
        async with build_desk({"work": give(1)}, *steps) as desk:
            result = await desk.ainvoke("Test", thread_id="t", stepwise=stepwise)
            seen[stepwise] = await list_stages(desk)
        assert result.status == "completed"
    assert [len(stage) for stage in seen[True]] == [0, 1, 2, 3]
    assert [len(stage) for stage in seen[False]] == [0, 3]


async def test_a_fork_runs_anew_and_leaves_the_originals_record() -> None:
    """Edited at an earlier checkpoint, the later steps run again on it; the first journal stays."""
    second = Recorder(lambda brief: f"saw {brief.inputs['first']}")
    agents = build_workers({"first": Recorder("original"), "second": second})
    plan = build_plan(build_step("first"), build_step("second", needs=["first"]))
    async with il.Orchestrator(workers=agents, planner=plan, storage="memory://") as desk:
        result = await desk.ainvoke("Test", thread_id="t", stepwise=True)
        before = await desk.ahandoffs("t")
        history = [state async for state in desk.graph.aget_state_history(CONFIG)]
        early = next(
            s
            for s in history
            if s.next == ("supervisor",) and set(s.values["outcomes"]) == {"first"}
        )
        outcomes = {"first": {**early.values["outcomes"]["first"], "value": "edited"}}
        fork = await desk.graph.aupdate_state(
            early.config, {"outcomes": outcomes}, as_node="dispatch"
        )
        state = await desk.graph.ainvoke(None, fork, durability="sync")
        after = await desk.ahandoffs("t")
        again = await desk.aresume("t")
    assert state["result"]["outputs"] == {"second": "saw edited"}
    assert result.outputs["second"] == "saw original"
    assert again == result
    assert after[: len(before)] == before
    added = [(h.kind, h.step_id) for h in after[len(before) :]]
    assert added == [("brief", "second"), ("output", "second")]
    assert [brief.inputs["first"] for brief in second.briefs] == ["original", "edited"]
