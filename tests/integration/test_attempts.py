"""A step's attempts: how often, how long, and when the next one starts."""

import asyncio
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

import interlock as il
from interlock.testing import ManualClock
from tests.integration.teams import Recorder, build_desk, build_step, locate
from tests.integration.waiting import wait_until

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


class Timed(Recorder):
    """A recorder that also notes at which second after noon each call starts."""

    def __init__(self, clock: ManualClock, *gives: Any) -> None:
        """Read this clock."""
        super().__init__(*gives)
        self.clock = clock
        self.starts: list[float] = []

    async def __call__(self, brief: il.Brief) -> Any:
        """Note the time, then do as a recorder does."""
        self.starts.append((self.clock.now() - NOON).total_seconds())
        return await super().__call__(brief)


def build_retry(attempts: int, seconds: float = 10, **fields: Any) -> il.Retry:
    """Return a policy without jitter, unless told otherwise."""
    return il.Retry(
        max_attempts=attempts, backoff=timedelta(seconds=seconds), **{"jitter": 0, **fields}
    )


async def test_waits_grow_between_attempts_up_to_a_bound() -> None:
    """10 s, doubled, at most 25 s: attempts start at 0, 10, 30 and 55 s."""
    clock = ManualClock(auto=True)
    work = Timed(clock, *[ValueError("no")] * 3, "done")
    retry = build_retry(4, max_backoff=timedelta(seconds=25))
    async with build_desk({"work": work}, build_step("work", retry=retry), clock=clock) as desk:
        result = await desk.ainvoke("Test", thread_id="t")
    assert result.outputs == {"work": "done"}
    assert work.starts == [0, 10, 30, 55]
    assert [brief.attempt for brief in work.briefs] == [1, 2, 3, 4]
    assert [brief.feedback for brief in work.briefs[:2]] == [
        (),
        ("Attempt 1 failed: ValueError: no",),
    ]


async def test_jitter_takes_a_share_of_the_wait_and_differs_from_thread_to_thread() -> None:
    """With a jitter of one half, waits of 10 s become 5 to 10 s, not all alike."""
    clock = ManualClock(auto=True)
    waits: set[float] = set()
    async with il.open_storage("memory://", clock=clock) as storage:
        for number in range(6):
            work = Timed(clock, ValueError("no"), "done")
            step = build_step("work", retry=build_retry(2, jitter=0.5))
            async with build_desk({"work": work}, step, clock=clock, storage=storage) as desk:
                await desk.ainvoke("Test", thread_id=f"t{number}")
            waits.add(work.starts[1] - work.starts[0])
    assert all(5 <= wait <= 10 for wait in waits)
    assert len(waits) == 6


async def test_a_backoff_survives_a_restart(tmp_path: Path) -> None:
    """Closed 4 s into a wait of 10 s and opened again, the second attempt starts at 10 s."""
    clock = ManualClock()
    work = Timed(clock, ValueError("no"), "done")

    def build() -> il.Orchestrator:
        step = build_step("work", retry=build_retry(2, jitter=0))
        return build_desk({"work": work}, step, clock=clock, storage=locate(tmp_path))

    async with build() as desk:
        run = asyncio.create_task(desk.ainvoke("Test", thread_id="t"))
        await wait_until(lambda: clock.sleeping)
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)
    clock.advance(4)
    async with build() as desk:
        run = asyncio.create_task(desk.aresume("t"))
        await wait_until(lambda: clock.sleeping)
        clock.advance(5.5)
        assert (clock.sleeping, work.calls) == (1, 1)
        clock.advance(0.5)
        result = await run
        handoffs = await desk.ahandoffs("t", "work")
    assert work.starts == [0, 10]
    assert [brief.attempt for brief in work.briefs] == [1, 2]
    assert result.outcomes["work"].attempts == 2
    kinds = [(h.kind, h.attempt) for h in handoffs]
    assert kinds == [("brief", 1), ("output", 1), ("brief", 2), ("output", 2)]


async def test_findings_are_retried_at_once_with_what_was_wrong() -> None:
    """An output that is refused waits for nothing; the next brief says what was seen."""
    clock = ManualClock()
    work = Timed(clock, {"n": 3}, {"n": 12})
    step = build_step(
        "work", criteria=[il.expr("output.n > 10", message="more")], retry=build_retry(2, 600)
    )
    async with build_desk({"work": work}, step, clock=clock) as desk:
        result = await desk.ainvoke("Test", thread_id="t")
    assert result.status == "completed"
    assert work.starts == [0, 0]
    (feedback,) = work.briefs[1].feedback
    assert "more" in feedback
    assert "3" in feedback


@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_an_attempt_past_its_timeout_is_cut_off_and_tried_again(kind: str) -> None:
    """The first attempt hangs; its error names the limit, and the second attempt is accepted."""
    release = threading.Event()

    async def hang(brief: il.Brief) -> str:
        if brief.attempt == 1:
            await asyncio.Event().wait()
        return "done"

    def hang_blocking(brief: il.Brief) -> str:
        if brief.attempt == 1:
            release.wait(20)
        return "done"

    step = build_step("work", retry=build_retry(2), timeout=timedelta(milliseconds=150))
    agents = {"work": hang if kind == "async" else hang_blocking}
    async with build_desk(agents, step, clock=ManualClock(auto=True)) as desk:
        result = await desk.ainvoke("Test", thread_id="t")
        outputs = [h for h in await desk.ahandoffs("t", "work") if h.kind == "output"]
    release.set()
    assert result.outputs == {"work": "done"}
    verdict = outputs[0].verdict
    assert verdict is not None
    assert (verdict.action, verdict.error) == ("retry", "StepTimeoutError")
    assert "0.15 s" in str(verdict.reason)


async def test_a_brief_says_when_its_attempt_is_cut_off() -> None:
    """The deadline is the start and the timeout: the step's own, or the policy's."""
    clock = ManualClock()
    work = Recorder()
    steps = (build_step("a", "work", timeout=timedelta(seconds=30)), build_step("b", "work"))
    policy = il.RunPolicy(timeout=timedelta(minutes=2), max_parallel=1)
    async with build_desk({"work": work}, *steps, clock=clock, policy=policy) as desk:
        await desk.ainvoke("Test", thread_id="t")
    deadlines = {brief.step_id: brief.deadline for brief in work.briefs}
    assert deadlines == {"a": NOON + timedelta(seconds=30), "b": NOON + timedelta(minutes=2)}


class OutOfStockError(Exception):
    """Not worth another attempt, says the worker's declaration."""


PERMANENT = [il.PermanentError("never"), OutOfStockError("none"), NotImplementedError("not here")]
TRANSIENT = [il.TransientError("later"), ConnectionError("lost"), RuntimeError("odd")]


@pytest.mark.parametrize("error", [*PERMANENT, *TRANSIENT], ids=repr)
async def test_only_errors_that_may_pass_are_tried_again(error: Exception) -> None:
    """Permanent errors end the attempts at once; all others use them up."""
    work = Recorder(error)
    worker = il.Worker(name="work", agent=work, permanent_errors=(OutOfStockError,))
    step = build_step("work", retry=build_retry(3))
    async with build_desk({"work": worker}, step, clock=ManualClock(auto=True)) as desk:
        result = await desk.ainvoke("Test", thread_id="t")
    assert result.status == "failed"
    assert work.calls == (1 if error in PERMANENT else 3)
    assert str(error) in str(result.outcomes["work"].reason)


def build_refusal(**headers: str) -> httpx.HTTPStatusError:
    """Return what an HTTP client raises for a 429 with these headers."""
    request = httpx.Request("POST", "http://127.0.0.1/")
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    response = httpx.Response(429, headers=named, request=request)
    return httpx.HTTPStatusError("too many", request=request, response=response)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry_After": "30"}, 30),
        ({"retry_after": "2.5"}, 10),
        ({"Retry_After": "-5"}, 10),
        ({"Retry_After": "nan"}, 10),
        ({"Retry_After": "1e300"}, 86_400),
        ({"Retry_After": "soon"}, 10),
        (
            {
                "Date": "Thu, 01 Jan 2026 09:00:00 GMT",
                "Retry_After": "Thu, 01 Jan 2026 09:02:00 GMT",
            },
            120,
        ),
        ({"Retry_After": "Thu, 01 Jan 2026 09:02:00 GMT"}, 10),
        ({}, 10),
    ],
    ids=str,
)
async def test_what_another_side_asks_us_to_wait_is_waited(
    headers: dict[str, str], seconds: float
) -> None:
    """`Retry-After`, in seconds or as a date, holds where it is longer than the backoff."""
    clock = ManualClock(auto=True)
    work = Timed(clock, build_refusal(**headers), "done")
    step = build_step("work", retry=build_retry(2))
    async with build_desk({"work": work}, step, clock=clock) as desk:
        result = await desk.ainvoke("Test", thread_id="t")
    assert result.status == "completed"
    assert work.starts == [0, seconds]


@pytest.mark.parametrize("how", ["cancel", "drain"])
async def test_a_backoff_holds_up_neither_a_cancel_nor_a_drain(how: str) -> None:
    """A run that is asked to stop in the middle of an hour's wait stops at once."""
    clock = ManualClock()
    work = Recorder(ValueError("no"))
    step = build_step("work", retry=build_retry(2, 3600, max_backoff=timedelta(hours=1)))
    async with build_desk({"work": work}, step, clock=clock) as desk, asyncio.timeout(20):
        run = asyncio.create_task(desk.ainvoke("Test", thread_id="t"))
        await wait_until(lambda: clock.sleeping)
        if how == "cancel":
            await desk.acancel("t", why="enough")
            assert (await run).outcomes["work"].status == "cancelled"
        else:
            desk.drain("deploy")
            with pytest.raises(il.DrainedError):
                await run
    assert (work.calls, clock.sleeping) == (1, 0)


async def test_a_step_that_waits_for_its_backoff_leaves_its_slot_to_others() -> None:
    """With one slot, another step works while the first waits for its second attempt."""
    clock = ManualClock()
    flaky, other = Timed(clock, ValueError("no"), "done"), Timed(clock, "done")
    policy = il.RunPolicy(max_parallel=1)
    steps = (build_step("flaky", retry=build_retry(2)), build_step("other"))
    async with build_desk(
        {"flaky": flaky, "other": other}, *steps, policy=policy, clock=clock
    ) as desk:
        run = asyncio.create_task(desk.ainvoke("Test", thread_id="t"))
        await wait_until(lambda: clock.sleeping and other.calls)
        clock.advance(10)
        result = await run
    assert result.status == "completed"
    assert (flaky.starts, other.starts) == ([0, 10], [0])
