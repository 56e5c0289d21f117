"""Checks and planners that try to leave: cut off by a cancel, kept in whatever they raise."""

import asyncio
from typing import Any

import pytest
from langgraph.errors import GraphDrained, ParentCommand
from langgraph.types import Command, interrupt

import interlock as il
from tests.integration.gates import Gate
from tests.integration.teams import Recorder, build_desk, build_plan, build_step, give
from tests.integration.thread_reading import read_thread, resume_twice


class PanicError(BaseException):
    """What is no Exception, as a panic in an extension module."""


def leave(output: Any, brief: il.Brief) -> bool:
    """Send the run on to its promotion."""
    raise ParentCommand(Command(goto="promote", graph=Command.PARENT))


def ask(output: Any, brief: il.Brief) -> bool:
    """Ask a person in the middle of the review."""
    return bool(interrupt("May it pass?"))


async def drain(output: Any, brief: il.Brief) -> bool:
    """Say that the run is asked to stop, which it is not."""
    raise GraphDrained


async def panic(output: Any, brief: il.Brief) -> bool:
    """Break."""
    raise PanicError("broken")


@pytest.mark.parametrize("check", [leave, ask, drain, panic])
async def test_i01_no_check_gets_past_the_review(check: Any) -> None:
    """I1: whatever a check raises refuses the output, with the check's name in the feedback."""
    work = Recorder("first", "second")
    step = build_step("work", criteria=[il.check("odd")], retry=il.Retry(max_attempts=2))
    async with build_desk({"work": work}, step, checks={"odd": check}) as desk:
        result = await desk.ainvoke("Test", thread_id="t")
        await read_thread(desk, "t")
        assert await resume_twice(desk, "t") == result
    assert (result.status, result.outputs, work.calls) == ("failed", {}, 2)
    (told,) = work.briefs[1].feedback
    assert "check 'odd' raised" in told


@pytest.mark.parametrize("is_by_person", [False, True])
async def test_a_cancel_cuts_off_a_check_that_runs_long(is_by_person: bool) -> None:
    """The run ends as cancelled at once, keeping what is done; the output stays in the journal."""
    gate = Gate()

    async def check(output: Any, brief: il.Brief) -> bool:
        return output != "bad" and await gate(brief) == "through"

    steps = (
        build_step("done"),
        build_step("work", needs=["done"], criteria=[il.check("slow")], fallback=[il.ask_person()]),
    )
    agents = {"done": give("kept"), "work": give("bad" if is_by_person else "good")}
    async with build_desk(agents, *steps, checks={"slow": check}) as desk, asyncio.timeout(20):
        if is_by_person:
            (question,) = (await desk.ainvoke("Test", thread_id="t")).questions
            run = asyncio.create_task(desk.aanswer("t", {question.id: il.edit("good")}))
        else:
            run = asyncio.create_task(desk.ainvoke("Test", thread_id="t"))
        await gate.started.wait()
        await desk.acancel("t", why="enough")
        result = await run
        await read_thread(desk, "t")
        outputs = [h.payload for h in await desk.ahandoffs("t", step="work") if h.kind == "output"]
        assert await resume_twice(desk, "t") == result
    assert gate.was_cut_off
    assert result.status == "cancelled"
    assert {step: outcome.status for step, outcome in result.outcomes.items()} == {
        "done": "accepted",
        "work": "cancelled",
    }
    assert result.outcomes["work"].reason == "enough"
    assert outputs[-1] == "good"


async def test_a_planner_that_breaks_is_asked_again() -> None:
    """What an async planner raises is a refusal, be it no Exception or a way out of the graph."""
    errors: list[BaseException] = [
        PanicError("broken"),
        asyncio.CancelledError(),
        ParentCommand(Command(goto="promote", graph=Command.PARENT)),
    ]
    requests: list[il.PlanRequest] = []

    async def plan(request: il.PlanRequest) -> il.TaskGraph:
        requests.append(request)
        if errors:
            raise errors.pop(0)
        return build_plan(build_step("work"))

    policy = il.RunPolicy(max_plan_attempts=4)
    async with build_desk({"work": give(1)}, planner=plan, policy=policy) as desk:
        result = await desk.ainvoke("Test", thread_id="t")
    assert result.status == "completed"
    told = [problem for request in requests for problem in request.problems]
    assert told == [
        "The planner raised PanicError: broken",
        "The planner raised CancelledError: CancelledError()",
        "The planner raised a Command for the parent graph; it must return a task graph.",
    ]
