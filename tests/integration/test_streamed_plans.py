"""Steps that run while their plan is still being written: early, once, and never taken back."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from langgraph.types import interrupt

import interlock as il
from interlock.telemetry.events import Event, PlanRefused, RunStopped
from interlock.testing import ManualClock
from interlock.testing.manual_clock import NOON
from tests.integration.teams import Recorder, build_desk, build_plan, build_step, locate
from tests.integration.waiting import wait_until

Part = il.Step | il.TaskGraph | BaseException | Callable[[], Awaitable[Any]]


class Streaming:
    """A planner that says its parts one by one; asked once more, it gives other answers."""

    stream = True

    def __init__(
        self, *parts: Part, later: Sequence[Any] = (), fallback: Sequence[Any] = ()
    ) -> None:
        self.parts = parts
        self.later = list(later)
        self.fallback = tuple(fallback)
        self.requests: list[il.PlanRequest] = []
        self.streamed = 0
        self.is_closed = False

    async def plan(self, request: il.PlanRequest) -> il.TaskGraph:
        """Return the next of the later answers; the last one again and again."""
        self.requests.append(request)
        answer = self.later.pop(0) if len(self.later) > 1 else self.later[0]
        plan: il.TaskGraph = answer(request) if callable(answer) else answer
        return plan

    async def astream_plan(self, request: il.PlanRequest) -> AsyncIterator[il.Step | il.TaskGraph]:
        """Yield steps and plans, raise errors, wait for what is to be waited for."""
        self.requests.append(request)
        self.streamed += 1
        try:
            for part in self.parts:
                if isinstance(part, BaseException):
                    raise part
                if isinstance(part, (il.Step, il.TaskGraph)):
                    yield part
                else:
                    await part()
        finally:
            self.is_closed = True


class Signalling:
    """A worker that says when it runs."""

    def __init__(self) -> None:
        self.running = asyncio.Event()
        self.calls = 0

    async def __call__(self, brief: il.Brief) -> str:
        """Say so, and what it was told."""
        self.calls += 1
        self.running.set()
        return brief.instruction


def go_on(request: il.PlanRequest, *steps: il.Step) -> il.TaskGraph:
    """Return what has run, closed, with more steps."""
    assert request.previous is not None
    return il.TaskGraph(goal=request.goal, steps=(*request.previous.steps, *steps))


A, B, C = build_step("a"), build_step("b", needs=["a"]), build_step("c", needs=["b"])


async def read_versions(desk: il.Orchestrator, thread_id: str = "t") -> list[tuple[str, ...]]:
    """Return the steps of every version in the journal, in order."""
    handoffs = await desk.ahandoffs(thread_id)
    plans = [h.payload for h in handoffs if h.kind == "plan"]
    return [tuple(step["id"] for step in plan["steps"]) for plan in plans if isinstance(plan, dict)]


async def test_a_step_runs_before_the_next_one_is_said() -> None:
    """The planner goes on only when the step before has been seen running; each part is a version."""
    a, b, c = Signalling(), Signalling(), Signalling()
    planner = Streaming(A, a.running.wait, B, b.running.wait, C, build_plan(A, B, C))
    async with build_desk({"a": a, "b": b, "c": c}, planner=planner) as desk:
        result = await asyncio.wait_for(desk.ainvoke("Test", thread_id="t"), 20)
        versions = await read_versions(desk)
        handoffs = await desk.ahandoffs("t")
    assert (result.status, sorted(result.outputs)) == ("completed", ["a", "b", "c"])
    assert versions[:2] == [("a",), ("a", "b")]
    assert versions[-1] == ("a", "b", "c")
    plans = [h for h in handoffs if h.kind == "plan"]
    assert [h.attempt for h in plans] == list(range(1, len(plans) + 1))
    assert [h.verdict.reason for h in plans if h.verdict][:2] == [
        "streamed, 1 step so far",
        "streamed, 2 steps so far",
    ]
    kinds = [(h.kind, h.step_id or h.attempt) for h in handoffs]
    assert kinds.index(("plan", 2)) < kinds.index(("brief", "b"))  # I8
    assert (a.calls, b.calls, c.calls, planner.streamed, len(planner.requests)) == (1, 1, 1, 1, 1)


async def test_a_slow_step_does_not_hold_up_later_ones() -> None:
    """The first step ends only when one has run that was said after it had started: no barrier."""
    late = Signalling()
    started = asyncio.Event()

    async def slow(_: il.Brief) -> str:
        started.set()
        await late.running.wait()
        return "slow"

    other = build_step("late")
    planner = Streaming(A, started.wait, other, build_plan(A, other))
    async with build_desk({"a": slow, "late": late}, planner=planner) as desk:
        result = await asyncio.wait_for(desk.ainvoke("Test", thread_id="t"), 20)
    assert (result.status, result.outputs["a"]) == ("completed", "slow")


async def test_how_much_earlier_steps_start() -> None:
    """Three steps, said in 10 s and done in 10 s each: begun after 10, 20, 30 s, not 30, 40, 50."""
    clock = ManualClock()
    starts: list[float] = []
    busy: list[str] = []

    async def spend(name: str) -> None:
        busy.append(name)
        await clock.sleep(10)
        busy.remove(name)

    async def work(brief: il.Brief) -> str:
        starts.append((clock.now() - NOON).total_seconds())
        await spend(brief.instruction)
        return "done"

    async def think() -> None:
        await spend("think")

    planner = Streaming(think, A, think, B, think, C, build_plan(A, B, C))
    agents = {"a": work, "b": work, "c": work}
    async with build_desk(agents, planner=planner, clock=clock) as desk:
        run = asyncio.ensure_future(desk.ainvoke("Test", thread_id="t"))
        for now in (["think"], ["Do a", "think"], ["Do b", "think"], ["Do c"]):
            await wait_until(lambda now=now: sorted(busy) == now)  # type: ignore[misc]
            clock.advance(10)
        assert (await run).status == "completed"
    assert starts == [10, 20, 30]


async def test_a_step_waits_until_all_that_it_needs_has_been_said() -> None:
    """One that is said before what it needs starts after it (I3), and before the whole is said."""
    order: list[str] = []
    last = asyncio.Event()

    async def note(brief: il.Brief) -> str:
        order.append(brief.instruction)
        if brief.step_id == "c":
            last.set()
        return "done"

    planner = Streaming(B, C, A, last.wait, build_plan(B, C, A))
    async with build_desk({"a": note, "b": note, "c": note}, planner=planner) as desk:
        result = await asyncio.wait_for(desk.ainvoke("Test", thread_id="t"), 20)
    assert (result.status, order) == ("completed", ["Do a", "Do b", "Do c"])


async def _ask() -> None:
    interrupt("which?")


BAD = build_step("b", worker="ghost")
TAILS: dict[str, tuple[Sequence[Part], str]] = {
    "unknown worker": ((BAD, build_plan(A, BAD)), "ghost"),
    "changed": (
        (build_plan(build_step("a", instruction="Do it otherwise")),),
        "'a' may have started",
    ),
    "dropped": ((build_plan(build_step("b")),), "'a' may have started"),
    "no end": ((), "ended without a whole plan"),
    "broke off": ((il.TransientError("line down"),), "line down"),
    "a person asked": ((_ask,), "GraphInterrupt"),
}


@pytest.mark.parametrize("tail", TAILS)
async def test_a_bad_rest_is_asked_for_again(tail: str) -> None:
    """The planner is told all that was wrong and what stands; what has run does not run again."""
    parts, words = TAILS[tail]
    a, b = Signalling(), Signalling()
    planner = Streaming(A, a.running.wait, *parts, later=[lambda request: go_on(request, B)])
    events: list[Event] = []
    async with build_desk({"a": a, "b": b}, planner=planner) as desk:
        async for event in desk.astream("Test", thread_id="t"):
            events.append(event)
    stopped = events[-1]
    assert isinstance(stopped, RunStopped)
    result = stopped.result
    assert (result.status, sorted(result.outputs), a.calls) == ("completed", ["a", "b"], 1)
    request = planner.requests[-1]
    assert (request.reason, request.trigger) == ("invalid", "continue")
    assert any(words in problem for problem in request.problems)
    assert request.previous is not None
    assert request.previous.steps == (A,)
    refused = [event for event in events if isinstance(event, PlanRefused)]
    assert [any(words in one for one in event.problems) for event in refused] == [True]


async def test_a_rest_that_is_never_good_leaves_what_has_run() -> None:
    """Asked a bounded number of times; then the run ends degraded and says why (I7)."""
    a = Signalling()
    planner = Streaming(A, a.running.wait, build_plan(A, BAD), later=[build_plan(A, BAD)])
    policy = il.RunPolicy(max_plan_attempts=2)
    async with build_desk({"a": a}, planner=planner, policy=policy) as desk:
        result = await desk.ainvoke("Test", thread_id="t")
    assert (result.status, result.outputs, a.calls) == ("degraded", {"a": "Do a"}, 1)
    assert "ghost" in " ".join(result.gaps)
    assert len(planner.requests) == 3


async def test_a_declared_fallback_goes_on_from_what_has_run() -> None:
    """The template's function is told what stands, and its plan holds it."""
    a, b = Signalling(), Signalling()
    planner = Streaming(
        A,
        a.running.wait,
        build_plan(A, BAD),
        later=[build_plan(A, BAD)],
        fallback=[il.use_plan(lambda request: go_on(request, B))],
    )
    async with build_desk({"a": a, "b": b}, planner=planner) as desk:
        result = await desk.ainvoke("Test", thread_id="t")
    assert (sorted(result.outputs), a.calls, b.calls) == (["a", "b"], 1, 1)
    assert "declared template" in " ".join(result.notes)


async def test_a_plan_that_is_bad_from_its_start_lets_nothing_run() -> None:
    """No step behind a bad one starts early; the planner is asked anew, and may stream again."""
    b = Signalling()
    planner = Streaming(BAD, build_step("c", worker="b"), build_plan(BAD))
    policy = il.RunPolicy(max_plan_attempts=2)
    async with build_desk({"b": b}, planner=planner, policy=policy) as desk:
        result = await desk.ainvoke("Test", thread_id="t")
    assert (result.status, b.calls, planner.streamed) == ("failed", 0, 2)


@pytest.mark.parametrize("policy", [{"approve_plan": True}, {}])
async def test_nothing_starts_early_where_a_person_looks(policy: dict[str, Any]) -> None:
    """Neither before a person approved the plan, nor where steps run one at a time."""
    a = Signalling()
    planner = Streaming(A, build_plan(A), later=[build_plan(A)])
    async with build_desk({"a": a}, planner=planner, policy=il.RunPolicy(**policy)) as desk:
        result = await desk.ainvoke("Test", thread_id="t", stepwise=not policy)
        if policy:
            assert (result.status, a.calls) == ("waiting", 0)
    assert (planner.streamed, len(planner.requests)) == (0, 1)


async def test_a_planner_whose_switch_is_off_plans_whole() -> None:
    """`stream` is the user's; the method alone changes nothing."""
    planner = Streaming(A, later=[build_plan(A)])
    planner.stream = False
    async with build_desk({"a": Signalling()}, planner=planner) as desk:
        assert (await desk.ainvoke("Test", thread_id="t")).status == "completed"
    assert planner.streamed == 0


async def test_a_cancel_closes_the_stream() -> None:
    """The rest is read no further, and the run ends cancelled with what it had."""
    a = Signalling()
    never = asyncio.Event()
    planner = Streaming(A, a.running.wait, never.wait)
    async with build_desk({"a": a}, planner=planner) as desk:
        run = asyncio.ensure_future(desk.ainvoke("Test", thread_id="t"))
        await a.running.wait()
        await desk.acancel("t", why="enough")
        result = await asyncio.wait_for(run, 20)
    assert (result.status, planner.is_closed, len(planner.requests)) == ("cancelled", True, 1)


@pytest.mark.parametrize("end", ["drained", "given up"])
async def test_a_run_that_ends_in_the_middle_goes_on_from_what_was_said(
    tmp_path: Path, end: str
) -> None:
    """Two parts have run; resumed elsewhere, the planner goes on, and neither runs again (I6)."""
    a, b, c = Signalling(), Signalling(), Signalling()
    planner = Streaming(A, a.running.wait, B, b.running.wait, asyncio.Event().wait)
    agents = {"a": a, "b": b, "c": c}
    async with build_desk(agents, planner=planner, storage=locate(tmp_path)) as desk:
        run = asyncio.ensure_future(desk.ainvoke("Test", thread_id="t"))
        await b.running.wait()
        while sum(h.kind == "output" for h in await desk.ahandoffs("t")) < 2:
            await asyncio.sleep(0)
        if end == "drained":
            desk.drain("restart")
        else:
            run.cancel()
        with pytest.raises((asyncio.CancelledError, il.DrainedError)):
            await asyncio.wait_for(run, 20)
        assert planner.is_closed
    again = Streaming(later=[lambda request: go_on(request, C)])
    async with build_desk(agents, planner=again, storage=locate(tmp_path)) as desk:
        result = await asyncio.wait_for(desk.aresume("t"), 20)
    assert (result.status, sorted(result.outputs)) == ("completed", ["a", "b", "c"])
    assert (a.calls, b.calls, c.calls) == (1, 1, 1)
    (request,) = again.requests
    assert (request.trigger, sorted(request.outcomes)) == ("continue", ["a", "b"])


async def test_a_person_edits_all_that_was_said(tmp_path: Path) -> None:
    """Where a plan broke off in its middle, an edit cannot lose a step that was said and has run."""
    a, b, c = Signalling(), Signalling(), Signalling()
    planner = Streaming(A, a.running.wait, B, b.running.wait, asyncio.Event().wait)
    agents = {"a": a, "b": b, "c": c}
    async with build_desk(agents, planner=planner, storage=locate(tmp_path)) as desk:
        run = asyncio.ensure_future(desk.ainvoke("Test", thread_id="t"))
        await b.running.wait()
        while sum(h.kind == "output" for h in await desk.ahandoffs("t")) < 2:
            await asyncio.sleep(0)
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)
        with pytest.raises(il.PlanError, match="'b' is finished and accepted"):
            await desk.aedit_plan("t", build_plan(A, build_step("c")))
        edited = await desk.aedit_plan("t", build_plan(A, B, C))
        result = await asyncio.wait_for(desk.aresume("t"), 20)
    assert (result.status, sorted(result.outputs)) == ("completed", ["a", "b", "c"])
    assert (a.calls, b.calls, c.calls, edited.version) == (1, 1, 1, 3)


async def test_a_worker_may_ask_while_the_plan_streams() -> None:
    """Its question waits for the plan's end; answered, what ran beside it does not run again."""
    asking = asyncio.Event()
    b = Signalling()

    async def ask(_: il.Brief) -> str:
        asking.set()
        return str(interrupt("which?"))

    later = build_step("b")
    last = build_step("c", worker="b", needs=["a"])
    planner = Streaming(A, asking.wait, later, last, build_plan(A, later, last))
    async with build_desk({"a": ask, "b": b}, planner=planner) as desk:
        result = await desk.ainvoke("Test", thread_id="t")
        assert (result.status, b.calls) == ("waiting", 1)
        (question,) = result.questions
        result = await desk.aanswer("t", {question.id: il.respond("this")})
    assert (result.status, result.outputs["a"], b.calls) == ("completed", "this", 2)
    assert planner.streamed == len(planner.requests) == 1


async def test_facts_of_steps_said_later_are_known() -> None:
    """A step reads what one published that was not planned yet when the run's first step began."""
    a = Signalling()
    write = build_step("write", publishes={"colour": "output"})
    read = build_step("read", needs=["write"], context=["colour"])
    seen: list[Any] = []

    async def look(brief: il.Brief) -> str:
        seen.append(brief.context["colour"])
        return "seen"

    agents = {"a": a, "write": Recorder("red"), "read": look}
    planner = Streaming(A, a.running.wait, write, read, build_plan(A, write, read))
    async with build_desk(agents, planner=planner) as desk:
        result = await desk.ainvoke("Test", thread_id="t")
    assert (result.status, seen) == ("completed", ["red"])


async def test_a_nested_team_streams_too() -> None:
    """Inside a step, the inner team's steps start early, and its journal stands below the step."""
    a, b = Signalling(), Signalling()
    inner = build_desk({"a": a, "b": b}, planner=Streaming(A, a.running.wait, B, build_plan(A, B)))
    async with build_desk({"team": inner}) as desk:
        result = await asyncio.wait_for(desk.ainvoke("Test", thread_id="t"), 20)
        plans = [h for h in await desk.ahandoffs("t") if h.kind == "plan" and h.step_id == "team"]
    assert (result.status, a.calls, b.calls) == ("completed", 1, 1)
    assert len(plans) >= 2
