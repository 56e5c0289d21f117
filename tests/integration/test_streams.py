"""What a run tells while it works: frozen events, complete, in order."""

import asyncio
import dataclasses
from pathlib import Path
from typing import Any

import pytest

import interlock as il
from interlock.telemetry.events import Event
from interlock.testing import ManualClock
from tests.integration.gated_graphs import GateCounts, build_gated_graph
from tests.integration.teams import Recorder, build_desk, build_step, give, locate

E = il.events


def build_eventful_desk(**options: Any) -> il.Orchestrator:
    """Return a team that does everything an event tells of."""
    agents = {
        "good": give("good"),
        "flaky": Recorder(ValueError("first"), "second"),
        "bad": Recorder(ValueError("never")),
        "team": build_desk({"inner": give("in")}),
        "gated": build_gated_graph(GateCounts(), ["gate"]),
    }
    steps = (
        build_step("good"),
        build_step("flaky", needs=["good"], retry=il.Retry(max_attempts=2)),
        build_step("bad", fallback=[il.ask_person(), il.skip(gap="none")]),
        build_step("below", "good", needs=["bad"]),
        build_step("gate", "good", approval="true"),
        build_step("team"),
        build_step("gated"),
    )
    policy = il.RunPolicy(approve_plan=True)
    return build_desk(agents, *steps, policy=policy, clock=ManualClock(auto=True), **options)


async def collect(stream: Any) -> tuple[list[Event], il.RunResult]:
    """Return a stream's events and the result that the last one carries."""
    events = [event async for event in stream]
    last = events[-1]
    assert isinstance(last, E.RunStopped)
    return events, last.result


async def test_a_stream_tells_every_handoff_of_the_journal_once_and_in_order() -> None:
    """Over a start and all answers, the handoff events are the journal, row by row."""
    told: list[Event] = []
    async with build_eventful_desk() as desk:
        events, result = await collect(desk.astream("Test", thread_id="t"))
        told += events
        while result.status == "waiting":
            answers = {
                q.id: il.approve() if "approve" in q.allowed else il.reject("no")
                for q in result.questions
            }
            events, result = await collect(desk.astream(thread_id="t", answers=answers))
            told += events
        journal = await desk.ahandoffs("t")
    assert result.status == "failed"  # `below` needs what was skipped
    handoffs = [e.handoff for e in told if isinstance(e, E.HandoffRecorded)]
    assert sorted(h.id for h in handoffs) == sorted(h.id for h in journal)
    assert len(handoffs) == len(journal)
    for step in {h.step_id for h in journal}:
        assert [h.id for h in handoffs if h.step_id == step] == [
            h.id for h in journal if h.step_id == step
        ]
    kinds = {h.kind for h in handoffs}
    assert kinds == {"plan", "question", "answer", "brief", "output", "settlement"}
    assert {h.step_id for h in handoffs if h.kind == "question"} == {None, "bad", "gate", "gated"}


async def test_a_stream_tells_every_change_of_every_step() -> None:
    """A start and an end of each attempt, one settlement a step, the questions, the plan."""
    async with build_eventful_desk() as desk:
        first, waiting = await collect(desk.astream("Test", thread_id="t"))
        (plan,) = waiting.questions
        events, result = await collect(desk.astream(thread_id="t", answers={plan.id: il.approve()}))
    assert [type(event) for event in first if not isinstance(event, E.HandoffRecorded)] == [
        E.RunStarted,
        E.QuestionAsked,
        E.RunStopped,
    ]
    assert isinstance(first[0], E.RunStarted)
    assert isinstance(events[0], E.RunStarted)
    assert (first[0].is_resumed, events[0].is_resumed) == (False, True)
    assert [e.total for e in events if isinstance(e, E.PlanAccepted)] == [7]
    started = [(e.step_id, e.attempt) for e in events if isinstance(e, E.AttemptStarted)]
    assert sorted(started) == [
        ("bad", 1),
        ("flaky", 1),
        ("flaky", 2),
        ("gated", 1),
        ("good", 1),
        ("team", 1),
        ("team/inner", 1),
    ]
    refused = [(e.step_id, e.action) for e in events if isinstance(e, E.AttemptRefused)]
    assert sorted(refused) == [("bad", "fallback"), ("flaky", "retry")]
    settled = [(e.step_id, e.status) for e in events if isinstance(e, E.StepSettled)]
    assert sorted(settled) == [
        ("bad", "waiting"),
        ("flaky", "accepted"),
        ("gate", "waiting"),
        ("good", "accepted"),
        ("team", "accepted"),
        ("team/inner", "accepted"),
    ]
    asked = {e.question.id for e in events if isinstance(e, E.QuestionAsked)}
    assert asked == {question.id for question in result.questions}
    order = [
        (type(e).__name__, e.step_id)
        for e in events
        if isinstance(e, E.AttemptStarted | E.AttemptRefused | E.StepSettled)
        and e.step_id in {"good", "flaky"}
    ]
    assert order == [
        ("AttemptStarted", "good"),
        ("StepSettled", "good"),
        ("AttemptStarted", "flaky"),
        ("AttemptRefused", "flaky"),
        ("AttemptStarted", "flaky"),
        ("StepSettled", "flaky"),
    ]
    assert [event.at for event in events] == sorted(event.at for event in events)


async def test_events_are_frozen_and_name_their_thread() -> None:
    """Whoever gets an event can change nothing that others see."""
    async with build_eventful_desk() as desk:
        events, _ = await collect(desk.astream("Test", thread_id="t"))
    for event in events:
        assert event.thread_id == "t"
        for field in dataclasses.fields(event):
            with pytest.raises(dataclasses.FrozenInstanceError):
                setattr(event, field.name, None)


async def test_a_stream_closed_early_leaves_a_run_that_goes_on(tmp_path: Path) -> None:
    """Breaking out of the stream stops the run; resumed, it repeats nothing that had settled."""
    first, second = Recorder("first"), Recorder("second")
    async with build_desk(
        {"first": first, "second": second},
        build_step("first"),
        build_step("second", needs=["first"]),
        storage=locate(tmp_path),
    ) as desk:
        stream = desk.astream("Test", thread_id="t")
        async for event in stream:
            if isinstance(event, E.StepSettled):
                break
        await stream.aclose()  # type: ignore[attr-defined]
        assert (await desk.astatus("t")).status == "running"
        events, result = await collect(desk.astream(thread_id="t"))
    assert result.outputs == {"first": "first", "second": "second"}
    assert first.calls == 1
    assert isinstance(events[0], E.RunStarted)
    assert events[0].is_resumed


async def test_two_listeners_of_two_threads_hear_their_own() -> None:
    """Streams of two runs at once tell nothing of each other."""
    async with build_desk({"work": give(1)}) as desk:
        both = await asyncio.gather(
            *(collect(desk.astream("Test", thread_id=name)) for name in ("t", "u"))
        )
    for (events, result), name in zip(both, ("t", "u"), strict=True):
        assert result.status == "completed"
        assert {event.thread_id for event in events} == {name}


async def test_a_stream_raises_what_the_call_raises() -> None:
    """A refused start, an unknown thread and a refused answer reach who iterates."""
    async with build_desk({"work": give(1)}) as desk:
        with pytest.raises(il.UnknownThreadError):
            await collect(desk.astream(thread_id="t"))
        await desk.ainvoke("Test", thread_id="t")
        with pytest.raises(il.FinishedRunError):
            await collect(desk.astream("Again", thread_id="t"))
        with pytest.raises(il.UnknownQuestionError):
            await collect(desk.astream(thread_id="t", answers={"q-1": il.approve()}))
