"""What a step settles for when its attempts are used up, and what that does to the others."""

import asyncio
import threading
from typing import Any

import pytest

import interlock as il
from interlock.testing import ManualClock
from tests.integration.teams import Recorder, build_desk, build_plan, build_step, give

TEXT = {"type": "object", "required": ["text"]}


async def test_a_chain_is_taken_in_order_until_one_way_succeeds() -> None:
    """Second worker, unfit value, person, unfit value, fit value: each only after the one before.

    Both workers get the step's own number of attempts; attempt numbers go on.
    """
    first, second = Recorder(ValueError("one")), Recorder({"wrong": 1})
    step = build_step(
        "work",
        "first",
        retry=il.Retry(max_attempts=2),
        fallback=[
            il.use_worker("second"),
            il.use_value({"no": "text"}),
            il.ask_person("Give up?"),
            il.use_value([]),
            il.use_value({"text": "declared"}),
            il.skip(gap="never reached"),
        ],
    )
    agents = {"first": first, "second": il.Worker(name="second", agent=second, output=TEXT)}
    async with build_desk(agents, step, clock=ManualClock(auto=True)) as desk:
        waiting = await desk.ainvoke("Test", thread_id="t")
        (question,) = waiting.questions
        assert (question.args, question.kind) == ({"wrong": 1}, "output")
        assert "Give up?" in question.description
        result = await desk.aanswer("t", {question.id: il.reject("no good")})
        handoffs = await desk.ahandoffs("t", "work")
    assert [brief.attempt for brief in first.briefs] == [1, 2]
    assert [brief.attempt for brief in second.briefs] == [3, 4]
    assert "Attempt 2 failed: ValueError: one" in second.briefs[0].feedback
    outcome = result.outcomes["work"]
    assert (outcome.status, outcome.value, outcome.attempts) == (
        "degraded",
        {"text": "declared"},
        4,
    )
    assert "no good" in str(outcome.reason)
    said = [(h.kind, h.worker, h.verdict.action) for h in handoffs if h.verdict]
    assert said == [
        ("output", "first", "retry"),
        ("output", "first", "fallback"),
        ("output", "second", "retry"),
        ("output", "second", "fallback"),
    ]
    assert [h.kind for h in handoffs if h.sender == "person"] == ["answer"]


@pytest.mark.parametrize(
    ("prompt", "asked"),
    [
        ("Who knows it?", "Who knows it?"),
        (None, "Give an output yourself, give it up, or tell the worker what to do?"),
    ],
)
async def test_a_person_is_told_why_before_what_is_asked(prompt: str | None, asked: str) -> None:
    """A question about a step gives the reason, and then the plan's own prompt if it has one."""
    step = build_step("work", fallback=[il.ask_person(prompt)])
    async with build_desk({"work": Recorder(ValueError("no luck."))}, step) as desk:
        (question,) = (await desk.ainvoke("Test", thread_id="t")).questions
    expected = "Step 'work' (Do work) was not accepted after 1 attempt: ValueError: no luck. "
    assert question.description == expected + asked


@pytest.mark.parametrize(
    ("way", "status", "value"),
    [
        (il.use_value({"text": "x"}), "degraded", {"text": "x"}),
        (il.skip(gap="no text"), "skipped", None),
        (il.abandon(), "failed", None),
    ],
)
async def test_each_last_way_settles_the_step_as_it_says(way: Any, status: str, value: Any) -> None:
    """A declared value degrades, skip states its gap, abandon fails; the reason is kept."""
    step = build_step("work", fallback=[way])
    async with build_desk({"work": Recorder(ValueError("no luck"))}, step) as desk:
        result = await desk.ainvoke("Test", thread_id="t")
        handoffs = await desk.ahandoffs("t", "work")
    outcome = result.outcomes["work"]
    assert (outcome.status, outcome.value) == (status, value)
    assert "no luck" in str(outcome.reason)
    assert result.status == ("failed" if status == "failed" else "degraded")
    (gap,) = result.gaps
    assert "'work'" in gap
    assert ("no text" in gap) == (status == "skipped")
    assert result.outputs == ({"work": value} if value else {})
    last = handoffs[-1]
    assert (last.kind, last.status, last.payload["value"]) == ("settlement", status, value)


async def test_a_declared_value_that_fits_no_schema_is_passed_over() -> None:
    """A value that is not what the worker would give is no way out; the next one is taken."""
    worker = il.Worker(name="work", agent=Recorder(ValueError("no")), output=TEXT)
    step = build_step("work", fallback=[il.use_value({"n": 1}), il.skip(gap="nothing")])
    async with build_desk({"work": worker}, step) as desk:
        result = await desk.ainvoke("Test", thread_id="t")
    assert result.outcomes["work"].status == "skipped"


async def test_a_failure_blocks_what_needs_it_and_nothing_else() -> None:
    """Dependents say what they needed and why it is not there; other branches go on."""
    late = Recorder("late")
    agents = {"bad": Recorder(ValueError("no luck")), "good": give("good"), "late": late}
    steps = (
        build_step("bad"),
        build_step("below", "late", needs=["bad"]),
        build_step("deeper", "late", needs=["below", "other"]),
        build_step("other", "good"),
        build_step("beside", "good", needs=["other"]),
    )
    async with build_desk(agents, *steps) as desk:
        result = await desk.ainvoke("Test", thread_id="t")
    statuses = {step: outcome.status for step, outcome in result.outcomes.items()}
    assert statuses == {
        "bad": "failed",
        "below": "blocked",
        "deeper": "blocked",
        "other": "accepted",
        "beside": "accepted",
    }
    assert "needs 'bad', which is failed" in str(result.outcomes["below"].reason)
    assert "no luck" in str(result.outcomes["below"].reason)
    assert "needs 'below', which is blocked" in str(result.outcomes["deeper"].reason)
    assert result.outputs == {"other": "good", "beside": "good"}
    assert (result.status, late.calls) == ("failed", 0)


async def test_degradation_is_handed_on_to_all_that_rests_on_it() -> None:
    """Through needs and through published facts, three steps deep; a clean branch stays clean."""
    agents = {
        "bad": Recorder(ValueError("no")),
        "gone": Recorder(ValueError("no")),
        "good": Recorder(lambda brief: {"seen": brief.dump()["inputs"]}),
    }
    weak = [il.Need(step="bad", accept_degraded=True)]
    steps = (
        build_step("bad", fallback=[il.use_value({"n": 1})]),
        build_step("gone", fallback=[il.skip(gap="no rates")]),
        build_step("first", "good", needs=weak),
        build_step(
            "second",
            "good",
            needs=["first", il.Need(step="gone", accept_degraded=True)],
            publishes={"fact": "output.seen"},
        ),
        build_step("third", "good", needs=["second"], inputs={}, context=["fact"]),
        build_step("clean", "good"),
    )
    async with build_desk(agents, *steps) as desk:
        result = await desk.ainvoke("Test", thread_id="t")
    rests = {step: set(outcome.rests_on) for step, outcome in result.outcomes.items()}
    assert rests == {
        "bad": set(),
        "gone": set(),
        "clean": set(),
        "first": {"bad"},
        "second": {"bad", "gone"},
        "third": {"bad", "gone"},
    }
    assert result.outputs["second"]["seen"]["gone"] is None
    assert result.status == "degraded"
    words = "\n".join(result.gaps)
    assert "no rates" in words
    for step in ("first", "second", "third"):
        assert f"step {step!r} rests on degraded facts" in words
    assert "'clean'" not in words


async def test_a_degraded_result_satisfies_only_who_accepts_it() -> None:
    """`accept_degraded` decides need by need; who does not take it is blocked, with the reason."""
    steps = (
        build_step("bad", fallback=[il.use_value(1)]),
        build_step("easy", "good", needs=[il.Need(step="bad", accept_degraded=True)]),
        build_step("strict", "good", needs=["bad"]),
    )
    async with build_desk({"bad": Recorder(ValueError("no")), "good": give(2)}, *steps) as desk:
        result = await desk.ainvoke("Test", thread_id="t")
    assert result.outcomes["easy"].status == "accepted"
    assert result.outcomes["strict"].status == "blocked"
    assert "does not accept a degraded result" in str(result.outcomes["strict"].reason)
    assert result.status == "failed"


async def test_a_planner_is_asked_again_with_all_that_was_wrong() -> None:
    """It raises, then plans badly, then well: each request says why it is asked again."""
    requests: list[il.PlanRequest] = []
    threads: set[int] = set()

    def plan(request: il.PlanRequest) -> il.TaskGraph:
        requests.append(request)
        threads.add(threading.get_ident())
        if request.attempt == 1:
            raise ConnectionError("model is away")
        worker = "nobody" if request.attempt == 2 else "work"
        return build_plan(build_step("a", worker), build_step("b", worker, needs=["a"]))

    async with build_desk({"work": give(1)}, planner=plan) as desk:
        events = [e async for e in desk.astream("Plan it", thread_id="t", context={"k": 1})]
        plans = [h for h in await desk.ahandoffs("t") if h.kind == "plan"]
    assert events[-1].result.status == "completed"  # type: ignore[union-attr]
    assert [request.attempt for request in requests] == [1, 2, 3]
    assert (requests[0].goal, dict(requests[0].context)) == ("Plan it", {"k": 1})
    assert [card.name for card in requests[0].workers] == ["work"]
    assert "ConnectionError: model is away" in requests[1].problems[0]
    assert len([p for p in requests[2].problems if "nobody" in p]) == 2
    refused = [e for e in events if isinstance(e, il.events.PlanRefused)]
    assert [event.attempt for event in refused] == [1, 2]
    assert [(h.attempt, h.payload["version"]) for h in plans] == [(3, 3)]
    assert threading.get_ident() not in threads  # a planner that blocks holds up nobody


@pytest.mark.parametrize("gives", [None, 42, {"goal": "x"}, {"goal": "x", "steps": []}], ids=repr)
async def test_a_planner_that_gives_no_plan_fails_the_run_with_the_reason(gives: Any) -> None:
    """What is no task graph is refused in words; the thread is readable, and stays as it is."""
    async with build_desk({"work": give(1)}, planner=lambda request: gives) as desk:
        result = await desk.ainvoke("Test", thread_id="t")
        assert result.status == "failed"
        assert "No valid plan after 3 attempts" in str(result.reason)
        assert (await desk.astatus("t")).status == "failed"
        assert await desk.aresume("t") == result


async def test_a_cancel_interrupts_a_planner_that_thinks() -> None:
    """A run whose planner hangs is stopped by a cancel, with nothing done."""
    asked = asyncio.Event()

    async def plan(request: il.PlanRequest) -> il.TaskGraph:
        asked.set()
        await asyncio.Event().wait()
        raise AssertionError("never")

    async with build_desk({"work": give(1)}, planner=plan) as desk:
        run = asyncio.create_task(desk.ainvoke("Test", thread_id="t"))
        await asked.wait()
        await desk.acancel("t", why="never mind")
        done, _ = await asyncio.wait([run], timeout=20)
        assert done
        result = await run
    assert (result.status, result.reason, dict(result.outcomes)) == ("cancelled", "never mind", {})
