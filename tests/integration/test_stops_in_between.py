"""Cancels, drains and answers at the moments in which nobody is looking."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from langgraph.types import interrupt

import interlock as il
from interlock.contracts.storage import Batch
from tests.integration.gates import Gate
from tests.integration.storages import StagedStorage, open_staged, puts_down
from tests.integration.teams import Recorder, build_desk, build_step, give
from tests.integration.thread_reading import read_thread
from tests.integration.waiting import wait_until

DAY = timedelta(days=1)


def build_asking_desk(storage: StagedStorage, **agents: Any) -> il.Orchestrator:
    """Return a desk whose first step asks a person, and whose others come after it."""
    steps = [build_step(name, needs=["ask"]) for name in agents]
    return build_desk(
        {"ask": Recorder(ValueError("unsure")), **agents},
        build_step("ask", fallback=[il.ask_person()]),
        *steps,
        storage=storage,
    )


async def test_a_cancel_while_the_brief_is_on_its_way_starts_no_worker() -> None:
    """Asked between the brief's handing over and the worker's start, the worker never starts."""
    work = Recorder("done")
    async with open_staged() as storage, build_desk({"work": work}, storage=storage) as desk:

        async def cancel() -> None:
            await desk.acancel("t", why="enough")

        storage.after_flush = cancel
        result = await desk.ainvoke("Test", thread_id="t")
        await read_thread(desk, "t")
    assert (result.status, work.calls) == ("cancelled", 0)
    assert (result.outcomes["work"].attempts, result.reason) == (1, "enough")


async def test_a_drain_while_the_brief_is_on_its_way_starts_no_worker() -> None:
    """Asked at that moment, the attempt starts on resume, and is still the first."""
    work = Recorder("done")
    async with open_staged() as storage:
        async with build_desk({"work": work}, storage=storage) as desk:

            async def drain() -> None:
                desk.drain("deploy")

            storage.after_flush = drain
            with pytest.raises(il.DrainedError, match="deploy"):
                await desk.ainvoke("Test", thread_id="t")
            assert work.calls == 0
        async with build_desk({"work": work}, storage=storage) as desk:
            result = await desk.aresume("t")
            briefs = [h for h in await desk.ahandoffs("t") if h.kind == "brief"]
    assert (result.status, [brief.attempt for brief in work.briefs]) == ("completed", [1])
    assert len(briefs) == 1


async def test_a_cancelled_worker_cleans_up_in_peace() -> None:
    """However often a cancel is heard of, a worker is interrupted once."""
    started, cleaning, cleaned = (asyncio.Event() for _ in range(3))
    is_clean = False

    async def work(brief: il.Brief) -> str:
        nonlocal is_clean
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            cleaning.set()
            await cleaned.wait()
            is_clean = True
        return "never"

    async with build_desk({"work": work}) as desk:
        run = asyncio.create_task(desk.ainvoke("Test", thread_id="t"))
        await started.wait()
        await desk.acancel("t", why="enough")
        await cleaning.wait()
        await desk.acancel("t", why="enough")
        cleaned.set()
        result = await run
    assert (result.status, is_clean) == ("cancelled", True)


async def test_a_cancel_beside_a_worker_that_waits_for_a_person_ends_the_run() -> None:
    """Cancelled while one worker has asked and another works, the run is cancelled, not waiting."""
    gate = Gate()

    def ask(brief: il.Brief) -> Any:
        return interrupt("Which one?")

    async with build_desk({"ask": ask, "gate": gate}) as desk:
        run = asyncio.create_task(desk.ainvoke("Test", thread_id="t"))
        await gate.started.wait()
        async with asyncio.timeout(20):
            while not await desk.aquestions("t"):
                await asyncio.sleep(0)
        await desk.acancel("t", why="enough")
        result = await run
        assert await desk.aquestions("t") == []
        await read_thread(desk, "t")
    assert (result.status, gate.was_cut_off) == ("cancelled", True)
    assert {o.status for o in result.outcomes.values()} == {"cancelled"}


@pytest.mark.parametrize("is_same", [True, False], ids=["here", "elsewhere"])
async def test_a_cancel_while_the_run_is_put_down_is_not_lost(is_same: bool) -> None:
    """Asked when the run is just about to wait for a person, it is cancelled all the same."""
    async with open_staged() as storage:
        desk, other = build_asking_desk(storage), build_asking_desk(storage)
        async with desk, other:

            async def cancel() -> None:
                await (desk if is_same else other).acancel("t", why="enough")

            storage.around_commit = (puts_down, cancel)
            result = await desk.ainvoke("Test", thread_id="t")
            status = await read_thread(desk, "t")
    assert (result.status, status.status, result.reason) == ("cancelled", "cancelled", "enough")


async def test_a_run_that_another_takes_on_at_once_is_told_as_it_stands() -> None:
    """Answered elsewhere the moment it is put down, a run is no error for who put it down."""
    async with open_staged() as storage:
        after = Gate()
        desk = build_asking_desk(storage, after=give("not here"))
        other = build_asking_desk(storage, after=after)
        async with desk, other, asyncio.TaskGroup() as group:
            answering: list[asyncio.Task[il.RunResult]] = []
            taken, returned = asyncio.Event(), asyncio.Event()

            async def take() -> None:
                taken.set()
                await returned.wait()

            async def answer() -> None:
                storage.after_acquire = take
                (question,) = await other.aquestions("t")
                answers = {question.id: il.edit("by hand")}
                answering.append(group.create_task(other.aanswer("t", answers)))
                await taken.wait()

            storage.after_release = answer
            result = await desk.ainvoke("Test", thread_id="t")
            returned.set()
            after.opened.set()
            done = await answering[0]
    assert (result.status, done.status) == ("waiting", "completed")
    assert done.outputs == {"ask": "by hand", "after": "through"}


async def test_a_drain_that_found_the_thread_taken_is_forgotten_with_the_team() -> None:
    """A team left and entered again drives a thread that it could not have when it was drained."""
    async with open_staged() as storage:
        gate = Gate()
        holder, other = (build_desk({"gate": gate}, storage=storage) for _ in range(2))
        async with holder:
            run = asyncio.create_task(holder.ainvoke("Test", thread_id="t"))
            await gate.started.wait()
            async with other:
                other.drain("deploy")
                with pytest.raises(il.ThreadBusyError):
                    await other.aresume("t")
            run.cancel()
            await asyncio.gather(run, return_exceptions=True)
        gate.opened.set()
        async with other:
            result = await other.aresume("t")
    assert result.status == "completed"


async def run_within(limit: asyncio.Timeout, desk: il.Orchestrator) -> None:
    """Drive a run that is drained, and only then let the limit's time come."""
    async with limit:
        with pytest.raises(il.DrainedError):
            await desk.ainvoke("Test", thread_id="t")
        limit.reschedule(asyncio.get_running_loop().time())
        await asyncio.Event().wait()


async def test_a_run_cut_off_leaves_the_callers_time_limits_working() -> None:
    """After a drain has cut a run off, the caller's own timeout still ends as a TimeoutError."""
    gate = Gate()
    policy = il.RunPolicy(drain_grace=timedelta(0))
    async with build_desk({"gate": gate}, policy=policy) as desk:

        async def drain() -> None:
            await gate.started.wait()
            desk.drain("deploy")

        async with asyncio.TaskGroup() as group:
            group.create_task(drain())
            with pytest.raises(TimeoutError):
                await run_within(asyncio.timeout(None), desk)
    task = asyncio.current_task()
    assert gate.was_cut_off
    assert task is not None
    assert task.cancelling() == 0


async def test_a_callers_own_cancel_during_a_drain_stays_one() -> None:
    """A drain waits for a worker; whoever cancels the call meanwhile gets a cancellation."""
    gate = Gate()
    async with build_desk({"gate": gate}, policy=il.RunPolicy(drain_grace=DAY)) as desk:
        run = asyncio.create_task(desk.ainvoke("Test", thread_id="t"))
        await gate.started.wait()
        desk.drain("deploy")
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run


@pytest.mark.parametrize("is_down", [False, True], ids=["in its backoff", "while down"])
async def test_a_cancelled_step_tells_what_it_has_cost(is_down: bool) -> None:
    """Cut off between two attempts, or after a restart, a step counts the attempts made."""
    started = asyncio.Event()

    async def hang(brief: il.Brief) -> None:
        started.set()
        await asyncio.Event().wait()

    work = Recorder(ValueError("once more"), hang)
    step = build_step(
        "work", retry=il.Retry(max_attempts=3, backoff=timedelta(0) if is_down else DAY)
    )
    async with build_desk({"work": work}, step) as desk:
        run = asyncio.create_task(desk.ainvoke("Test", thread_id="t"))
        if is_down:
            await started.wait()
            run.cancel()
            await asyncio.gather(run, return_exceptions=True)
        else:
            await wait_until(lambda: work.calls)
            async with asyncio.timeout(20):
                while (await desk.astatus("t")).handoffs < 3:
                    await asyncio.sleep(0)
        await desk.acancel("t", why="enough")
        result = await desk.aresume("t") if is_down else await run
        status = await desk.astatus("t")
    assert (result.status, result.usage.attempts) == ("cancelled", 1)
    assert result.outcomes["work"].attempts == status.attempts == 1 + is_down


async def test_a_planner_that_plans_otherwise_after_a_crash_is_journaled_as_such() -> None:
    """I8: the plan that runs is in the journal, also if another was proposed before the crash."""
    asked = 0

    def plan(request: il.PlanRequest) -> il.TaskGraph:
        nonlocal asked
        asked += 1
        return il.TaskGraph(goal="Test", steps=[build_step(f"plan-{asked}", "work")])

    def is_plan(batch: Batch) -> bool:
        return any(handoff.kind == "plan" for handoff in batch.handoffs)

    async def die() -> None:
        raise OSError("the process died")

    async with open_staged() as storage:
        storage.around_commit, storage.is_committed_first = (is_plan, die), True
        async with build_desk({"work": give(1)}, planner=plan, storage=storage) as desk:
            with pytest.raises(OSError, match="died"):
                await desk.ainvoke("Test", thread_id="t")
            result = await desk.aresume("t")
            handoffs = await desk.ahandoffs("t")
    plans = [h.payload["steps"][0]["id"] for h in handoffs if h.kind == "plan"]
    assert list(result.outcomes) == ["plan-2"]
    assert plans == ["plan-1", "plan-2"]
