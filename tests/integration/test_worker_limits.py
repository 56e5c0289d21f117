"""Breakers and rates of workers, over steps and runs of one storage."""

import asyncio
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from langgraph.types import interrupt

import interlock as il
from interlock.testing import ManualClock
from interlock.testing.manual_clock import NOON
from tests.integration.teams import Recorder, build_desk, build_step, locate

BREAKER = il.Breaker(failures=2, cool_down=timedelta(seconds=30))


class TooManyRequestsError(Exception):
    """What a client library raises for a 429 that says when to come back."""

    def __init__(self, seconds: int) -> None:
        super().__init__("slow down")
        self.response = SimpleNamespace(status_code=429, headers={"retry-after": str(seconds)})


def limit(name: str, agent: Any, **limits: Any) -> il.Worker:
    """Return a worker with a breaker or a rate."""
    return il.Worker(name=name, agent=agent, **limits)


def note_starts(starts: list[datetime], clock: ManualClock) -> Any:
    """Return a worker that notes when it is called."""

    async def work(brief: il.Brief) -> str:
        starts.append(clock.now())
        return "done"

    return work


async def test_an_open_breaker_takes_the_fallback_without_calling_the_worker(
    tmp_path: Path,
) -> None:
    """What one run saw fail is not called by the next: no attempt is used, and the journal says why."""
    clock = ManualClock(auto=True)
    bad, good = Recorder(ConnectionError("refused")), Recorder("from the second")
    step = build_step("mail", "bad", fallback=[il.use_worker("good")])
    agents = {"bad": limit("bad", bad, breaker=BREAKER), "good": good}
    async with build_desk(agents, step, storage=locate(tmp_path), clock=clock) as desk:
        for thread in ("t1", "t2"):
            await desk.ainvoke("Test", thread_id=thread)
    async with build_desk(agents, step, storage=locate(tmp_path), clock=clock) as desk:
        result = await desk.ainvoke("Test", thread_id="t3")
        handoffs = await desk.ahandoffs("t3", "mail")
    assert (bad.calls, good.calls) == (2, 3)
    outcome = result.outcomes["mail"]
    assert (outcome.status, outcome.value, outcome.attempts) == ("accepted", "from the second", 1)
    first = handoffs[0]
    assert (first.kind, first.worker, first.attempt) == ("refusal", "bad", 0)
    assert first.verdict is not None
    assert (first.verdict.action, first.verdict.error) == ("fallback", "BreakerOpenError")
    assert "ConnectionError" in str(first.verdict.reason)
    assert [h.kind for h in handoffs[1:]] == ["brief", "output"]


async def test_a_chain_of_open_breakers_fails_the_step_at_once_and_says_so() -> None:
    """Each worker of the chain has its own; when none may be called, nothing is."""
    clock = ManualClock(auto=True)
    first, second = Recorder(TimeoutError("late")), Recorder(ConnectionError("gone"))
    agents = {
        "first": limit("first", first, breaker=il.Breaker(failures=1)),
        "second": limit("second", second, breaker=il.Breaker(failures=1)),
    }
    step = build_step("work", "first", fallback=[il.use_worker("second")])
    async with build_desk(agents, step, clock=clock) as desk:
        await desk.ainvoke("Test", thread_id="t1")
        before = clock.now()
        result = await desk.ainvoke("Test", thread_id="t2")
        assert clock.now() == before
    assert (first.calls, second.calls) == (1, 1)
    assert (result.status, result.outcomes["work"].attempts) == ("failed", 0)
    assert "worker/second" in str(result.outcomes["work"].reason)


async def test_attempts_that_remain_are_not_made_once_the_breaker_opens() -> None:
    """The attempt that opens it is the last: the backoff is not waited for, the chain goes on."""
    clock = ManualClock(auto=True)
    bad = Recorder(ConnectionError("refused"))
    retry = il.Retry(max_attempts=9, backoff=timedelta(seconds=5), multiplier=1, jitter=0)
    step = build_step("work", retry=retry, fallback=[il.use_value("declared")])
    async with build_desk({"work": limit("work", bad, breaker=BREAKER)}, step, clock=clock) as desk:
        result = await desk.ainvoke("Test", thread_id="t")
    assert bad.calls == 2
    assert (result.outcomes["work"].value, result.outcomes["work"].attempts) == ("declared", 2)
    assert clock.now() == NOON + timedelta(seconds=5)


async def test_a_probe_closes_the_breaker_for_all_and_events_tell(tmp_path: Path) -> None:
    """After its time one run tries again; its success lets the others through, and is told."""
    clock = ManualClock(auto=True)
    worker = Recorder(ConnectionError("1"), ConnectionError("2"), "fine")
    agents = {"work": limit("work", worker, breaker=BREAKER)}
    told = []
    async with build_desk(agents, storage=locate(tmp_path), clock=clock) as desk:
        for thread in ("t1", "t2", "t3"):
            async for event in desk.astream("Test", thread_id=thread):
                if isinstance(event, il.events.BreakerChanged):
                    told.append((event.name, event.state))
            if thread == "t2":
                clock.advance(30)
        result = await desk.ainvoke("Test", thread_id="t4")
    assert told == [("worker/work", state) for state in ("open", "half_open", "closed")]
    assert (result.status, worker.calls) == ("completed", 4)


@pytest.mark.parametrize(
    "error", [il.PermanentError("no such customer"), KeyError("declared"), NameError("a bug")]
)
async def test_what_is_the_callers_fault_opens_nothing(error: Exception) -> None:
    """Refusals, declared permanent errors and bugs are no sign that the other side is down."""
    worker = Recorder(error)
    agent = il.Worker(
        name="work", agent=worker, breaker=il.Breaker(failures=1), permanent_errors=(KeyError,)
    )
    async with build_desk({"work": agent}, clock=ManualClock(auto=True)) as desk:
        for thread in ("t1", "t2"):
            await desk.ainvoke("Test", thread_id=thread)
    assert worker.calls == 2


async def test_a_timed_out_attempt_counts() -> None:
    """A worker that does not come back in time is a failure of it."""

    async def hang(brief: il.Brief) -> None:
        calls.append(brief)
        await asyncio.Event().wait()

    calls: list[il.Brief] = []
    step = build_step("work", timeout=timedelta(milliseconds=5))
    agents = {"work": limit("work", hang, breaker=il.Breaker(failures=1))}
    async with build_desk(agents, step) as desk:
        results = [await desk.ainvoke("Test", thread_id=thread) for thread in ("t1", "t2")]
    assert len(calls) == 1
    assert "worker/work" in str(results[1].outcomes["work"].reason)


async def test_a_refused_output_counts_for_nothing() -> None:
    """An answer that criteria refuse is an answer: the breaker stays closed."""
    worker = Recorder("wrong")
    step = build_step("work", criteria=[il.expr("output == 'right'")])
    agents = {"work": limit("work", worker, breaker=il.Breaker(failures=1))}
    async with build_desk(agents, step) as desk:
        for thread in ("t1", "t2", "t3"):
            await desk.ainvoke("Test", thread_id=thread)
    assert worker.calls == 3


async def test_three_runs_at_once_never_exceed_a_rate(tmp_path: Path) -> None:
    """In every stretch of its time the attempts of all runs are no more than the rate allows.

    None waits longer than it must either: whenever the time has come, exactly one goes.
    """
    clock, starts = ManualClock(), []
    rate = il.Rate(calls=4, per=timedelta(seconds=10))
    agents = {"work": limit("work", note_starts(starts, clock), rate=rate)}
    steps = [build_step(f"s{index}", "work") for index in range(5)]
    async with build_desk(agents, *steps, storage=locate(tmp_path), clock=clock) as desk:
        runs = [asyncio.ensure_future(desk.ainvoke("Test", thread_id=f"t{n}")) for n in range(3)]
        async with asyncio.timeout(20):
            for count in range(1, 15):
                while len(starts) < count or clock.sleeping < 15 - len(starts):
                    await asyncio.sleep(0.001)
                clock.advance(2.5)
            results = await asyncio.gather(*runs)
    assert [result.status for result in results] == ["completed"] * 3
    assert [(at - NOON).total_seconds() for at in starts] == [2.5 * n for n in range(15)]
    assert max(sum(at <= one < at + rate.per for one in starts) for at in starts) == 4


async def test_who_waits_for_a_turn_holds_no_slot() -> None:
    """With one slot, steps of another worker run while the limited one waits."""
    clock, starts = ManualClock(), []
    work = note_starts(starts, clock)
    rate = il.Rate(calls=1, per=timedelta(minutes=1))
    agents = {"slow": limit("slow", work, rate=rate), "free": work}
    steps = [
        build_step("a", "slow"),
        build_step("b", "slow"),
        build_step("c", "free"),
        build_step("d", "free", needs=["c"]),
    ]
    policy = il.RunPolicy(max_parallel=1)
    async with build_desk(agents, *steps, clock=clock, policy=policy) as desk:
        running = asyncio.ensure_future(desk.ainvoke("Test", thread_id="t"))
        async with asyncio.timeout(20):
            while len(starts) < 3 or not clock.sleeping:
                await asyncio.sleep(0.001)
            clock.advance(60)
            result = await running
    assert result.status == "completed"
    assert [(at - NOON).total_seconds() for at in starts] == [0, 0, 0, 60]


async def test_retry_after_makes_all_steps_of_the_worker_wait() -> None:
    """One step's 429 holds the others, of other runs too, until the time that it named."""
    clock, starts = ManualClock(auto=True), []

    async def work(brief: il.Brief) -> str:
        starts.append((clock.now() - NOON).total_seconds())
        if len(starts) == 1:
            raise TooManyRequestsError(40)
        return "done"

    agents = {"work": limit("work", work, rate=il.Rate(calls=1000, per=timedelta(seconds=1)))}
    retry = il.Retry(max_attempts=2, backoff=timedelta(seconds=1))
    async with build_desk(agents, build_step("work", retry=retry), clock=clock) as desk:
        first = asyncio.ensure_future(desk.ainvoke("Test", thread_id="t1"))
        while not starts:
            await asyncio.sleep(0)
        while (await desk._open_storage.limits.find("worker/work")).held_until is None:
            await asyncio.sleep(0)
        results = [await desk.ainvoke("Test", thread_id="t2"), await first]
    assert [result.status for result in results] == ["completed"] * 2
    assert [seconds < 1 for seconds in starts] == [True, False, False]
    assert min(starts[1:]) >= 40


async def test_a_turn_beyond_the_budget_is_not_waited_for() -> None:
    """A step whose wall time ends before its turn takes its fallback at once."""
    clock = ManualClock(auto=True)
    worker = Recorder("done")
    agents = {"work": limit("work", worker, rate=il.Rate(calls=1, per=timedelta(hours=1)))}
    step = build_step("work", fallback=[il.skip(gap="no time")])
    policy = il.RunPolicy(budget=il.Budget(wall_time=timedelta(minutes=5)))
    async with build_desk(agents, step, clock=clock, policy=policy) as desk:
        await desk.ainvoke("Test", thread_id="t1")
        result = await desk.ainvoke("Test", thread_id="t2")
    assert (result.outcomes["work"].status, worker.calls) == ("skipped", 1)
    assert "worker/work" in str(result.outcomes["work"].reason)
    assert clock.now() == NOON


async def test_an_attempt_that_is_made_again_takes_another_turn() -> None:
    """A worker that asked a person calls again once it is answered: that call has a turn too."""
    clock, starts = ManualClock(auto=True), []

    async def work(brief: il.Brief) -> str:
        starts.append((clock.now() - NOON).total_seconds())
        return str(interrupt("May I?"))

    agents = {"work": limit("work", work, rate=il.Rate(calls=1, per=timedelta(minutes=1)))}
    async with build_desk(agents, clock=clock) as desk:
        (question,) = (await desk.ainvoke("Test", thread_id="t")).questions
        result = await desk.aanswer("t", {question.id: il.respond("yes")})
    assert (result.status, result.outputs) == ("completed", {"work": "yes"})
    assert starts == [0, 60]


async def test_a_wait_for_a_turn_ends_with_a_cancel_and_a_drain(tmp_path: Path) -> None:
    """Whoever waits for its turn stops at once when the run does; a drained one goes on later."""
    clock = ManualClock()
    worker = Recorder("done")
    agents = {"work": limit("work", worker, rate=il.Rate(calls=1, per=timedelta(hours=1)))}
    async with build_desk(agents, storage=locate(tmp_path), clock=clock) as desk:
        await desk.ainvoke("Test", thread_id="t0")
        cancelled = asyncio.ensure_future(desk.ainvoke("Test", thread_id="t1"))
        drained = asyncio.ensure_future(desk.ainvoke("Test", thread_id="t2"))
        async with asyncio.timeout(10):
            while clock.sleeping < 2:
                await asyncio.sleep(0.001)
        await desk.acancel("t1", why="enough")
        assert (await cancelled).status == "cancelled"
        desk.drain("deploy")
        with pytest.raises(il.DrainedError):
            await drained
    clock.advance(3 * 3600)
    async with build_desk(agents, storage=locate(tmp_path), clock=clock) as desk:
        assert (await desk.aresume("t2")).status == "completed"
    assert worker.calls == 2
