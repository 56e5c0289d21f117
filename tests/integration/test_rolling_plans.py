"""Rolling plans: an open plan goes on as long as it leads somewhere, and not longer (I11)."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import interlock as il
from interlock.nodes.planning import rolling_plan


async def echo(brief: il.Brief) -> dict[str, object]:
    """Say the instruction."""
    return {"said": brief.instruction}


async def fail(brief: il.Brief) -> dict[str, object]:
    """Fail for good."""
    raise il.PermanentError(f"{brief.instruction} cannot be done")


def build_desk(
    planner: Callable[[il.PlanRequest], il.TaskGraph | Awaitable[il.TaskGraph]], **policy: object
) -> il.Orchestrator:
    """Return a team of a worker that works and one that fails."""
    return il.Orchestrator(
        workers=[il.Worker(name="echo", agent=echo), il.Worker(name="fail", agent=fail)],
        planner=planner,
        storage="memory://",
        policy=il.RunPolicy.model_validate(policy),
    )


def extend(request: il.PlanRequest, *steps: il.Step, is_open: bool = True) -> il.TaskGraph:
    """Return the next version of an open plan."""
    before = request.previous.steps if request.previous else ()
    return il.TaskGraph(goal=request.goal, steps=(*before, *steps), is_open=is_open)


def step(name: str, *, worker: str = "echo", **details: object) -> il.Step:
    """Return a step."""
    return il.Step.model_validate(
        {"id": name, "worker": worker, "instruction": f"Do {name}", **details}
    )


async def test_an_open_plan_goes_on_until_it_is_closed() -> None:
    """The planner is asked again when all has settled, with what came out, until it adds nothing."""
    asked: list[tuple[str, int, tuple[str, ...]]] = []

    def plan(request: il.PlanRequest) -> il.TaskGraph:
        asked.append((request.reason, request.attempt, tuple(sorted(request.outcomes))))
        if len(asked) > 2:
            return extend(request, is_open=False)
        return extend(request, step(f"s{len(asked)}"), step(f"t{len(asked)}"))

    async with build_desk(plan) as desk:
        result = await desk.ainvoke("g", thread_id="t")
        handoffs = await desk.ahandoffs("t")
    assert (result.status, sorted(result.outputs)) == ("completed", ["s1", "s2", "t1", "t2"])
    assert asked == [
        ("first", 1, ()),
        ("continue", 1, ("s1", "t1")),
        ("continue", 1, ("s1", "s2", "t1", "t2")),
    ]
    assert [h.attempt for h in handoffs if h.kind == "plan"] == [1, 2, 3]
    assert sum(h.kind == "brief" for h in handoffs) == 4


@pytest.mark.parametrize(
    ("second", "words"),
    [
        ((step("b"),), "'a' has settled and is missing"),
        ((step("a", instruction="Do it otherwise"), step("b")), "'a' has settled and was changed"),
        ((step("a"),), "still open and adds no step"),
        ((step("a"), step("b", instruction="Do a")), "'b' repeats step 'a'"),
    ],
)
async def test_what_an_open_plan_may_not_go_on_with(
    second: tuple[il.Step, ...], words: str
) -> None:
    """A step dropped, changed, done again, or none at all: the planner is told, and asked again."""
    problems: list[str] = []

    def plan(request: il.PlanRequest) -> il.TaskGraph:
        if request.previous is None:
            return il.TaskGraph(goal="g", steps=[step("a")], is_open=True)
        problems.extend(request.problems)
        if request.problems:
            return extend(request, is_open=False)
        return il.TaskGraph(goal="g", steps=second, is_open=True)

    async with build_desk(plan) as desk:
        result = await desk.ainvoke("g", thread_id="t")
    assert result.status == "completed"
    assert len(problems) == 1
    assert words in problems[0]


async def test_same_work_on_other_inputs_is_no_repetition() -> None:
    """A step is refused as repeated only if its inputs have the same values too."""

    def plan(request: il.PlanRequest) -> il.TaskGraph:
        count = len(request.previous.steps) if request.previous else 0
        if count == 0:
            return extend(request, step("a"), step("b"))
        if count == 2:
            looked = {"instruction": "Look", "needs": ["a"]}
            return extend(request, step("c", **looked), step("d", instruction="Look", needs=["b"]))
        return extend(request, is_open=False)

    async with build_desk(plan) as desk:
        result = await desk.ainvoke("g", thread_id="t")
    assert (result.status, sorted(result.outputs)) == ("completed", ["a", "b", "c", "d"])


async def test_a_planner_that_only_repeats_ends_degraded() -> None:
    """Ping-pong: what was reached stands, nothing runs twice, and the result says why it ended."""

    def plan(request: il.PlanRequest) -> il.TaskGraph:
        count = len(request.previous.steps) if request.previous else 0
        return extend(request, step(f"s{count}", instruction="The same"))

    async with build_desk(plan) as desk:
        result = await desk.ainvoke("g", thread_id="t")
    assert (result.status, list(result.outputs)) == ("degraded", ["s0"])
    assert "repeats step 's0'" in result.gaps[0]


async def test_versions_without_an_accepted_step_are_bounded() -> None:
    """A planner that only plans what fails is not asked for ever."""

    def plan(request: il.PlanRequest) -> il.TaskGraph:
        count = len(request.previous.steps) if request.previous else 0
        return extend(request, step(f"s{count}", worker="fail" if count else "echo"))

    async with build_desk(plan, max_stalled_versions=2) as desk:
        result = await desk.ainvoke("g", thread_id="t")
    assert (result.status, sorted(result.outcomes)) == ("failed", ["s0", "s1", "s2"])
    assert "the last 2 versions of the plan brought no accepted step" in result.gaps[0]


async def test_the_number_of_versions_is_bounded() -> None:
    """A planner that never closes its plan ends at the policy's bound, degraded."""

    def plan(request: il.PlanRequest) -> il.TaskGraph:
        return extend(request, step(f"s{len(request.outcomes)}"))

    async with build_desk(plan, max_plan_versions=5) as desk:
        result = await desk.ainvoke("g", thread_id="t")
    assert (result.status, len(result.outputs)) == ("degraded", 5)
    assert "still open after 5 versions" in result.gaps[0]


async def test_a_refused_version_leaves_what_ran() -> None:
    """A person may refuse how an open plan goes on: what has run stands, the rest never runs."""

    def plan(request: il.PlanRequest) -> il.TaskGraph:
        return extend(request, step(f"s{len(request.outcomes)}"))

    async with build_desk(plan, approve_plan=True, max_plan_attempts=1) as desk:
        result = await desk.ainvoke("g", thread_id="t")
        result = await desk.aanswer("t", {q.id: il.approve() for q in result.questions})
        assert list(result.outputs) == ["s0"]
        result = await desk.aanswer("t", {q.id: il.reject("enough") for q in result.questions})
    assert (result.status, list(result.outcomes)) == ("degraded", ["s0"])
    assert "enough" in result.gaps[0]


async def test_a_planner_that_cannot_go_on_is_not_asked_again() -> None:
    """A permanent error of the planner ends the plan at once."""
    asked: list[int] = []

    def plan(request: il.PlanRequest) -> il.TaskGraph:
        asked.append(request.attempt)
        if request.previous is not None:
            raise il.PermanentError("the money is gone")
        return extend(request, step("a"))

    async with build_desk(plan) as desk:
        result = await desk.ainvoke("g", thread_id="t")
    assert (result.status, asked) == ("degraded", [1, 1])
    assert "the money is gone" in result.gaps[0]


async def test_i07_a_cancel_while_the_planner_goes_on_is_no_completion() -> None:
    """What was still to be planned is missing: the run is cancelled, not completed."""
    thinking = asyncio.Event()

    async def plan(request: il.PlanRequest) -> il.TaskGraph:
        if request.previous is not None:
            thinking.set()
            await asyncio.Event().wait()
        return extend(request, step("a"))

    async with build_desk(plan) as desk:
        running = asyncio.create_task(desk.ainvoke("g", thread_id="t"))
        await thinking.wait()
        await desk.acancel("t", why="enough")
        result = await asyncio.wait_for(running, timeout=20)
    assert (result.status, list(result.outputs)) == ("cancelled", ["a"])


async def test_a_failed_step_of_an_open_plan_is_told_once_and_may_be_replaced() -> None:
    """With a `replan` policy the trigger goes first; nothing is asked again when the plan closes."""
    asked: list[str] = []

    def plan(request: il.PlanRequest) -> il.TaskGraph:
        asked.append(request.reason)
        if request.previous is None:
            return extend(request, step("a"), step("b", worker="fail"))
        if request.reason == "abandoned":
            return il.TaskGraph(goal="g", steps=[step("a"), step("b2")], is_open=True)
        return extend(request, step("c"), is_open=False)

    async with build_desk(plan, replan={}) as desk:
        result = await desk.ainvoke("g", thread_id="t")
    assert asked == ["first", "abandoned", "continue"]
    assert (result.status, sorted(result.outputs)) == ("completed", ["a", "b2", "c"])
    assert "'b'" in result.notes[0]


async def test_a_failed_step_that_stays_is_not_told_again_when_the_plan_closes() -> None:
    """A planner that leaves it as it is and goes on is not asked about it a second time."""
    asked: list[str] = []

    def plan(request: il.PlanRequest) -> il.TaskGraph:
        asked.append(request.reason)
        if request.previous is None:
            return extend(request, step("a"), step("b", worker="fail"))
        if request.reason == "abandoned":
            return extend(request)
        return extend(request, step("c"), is_open=False)

    async with build_desk(plan, replan={}) as desk:
        result = await desk.ainvoke("g", thread_id="t")
    assert asked == ["first", "abandoned", "continue"]
    assert (result.status, sorted(result.outputs)) == ("failed", ["a", "c"])


async def test_a_retry_of_what_was_settled_for_less_is_no_repetition_once() -> None:
    """A declared value is not what the worker would say: one more try is fair, a third is not."""
    refused: list[str] = []
    less = {"worker": "fail", "instruction": "Look", "fallback": [il.use_value("?")]}

    def plan(request: il.PlanRequest) -> il.TaskGraph:
        refused.extend(request.problems)
        count = len(request.previous.steps) if request.previous else 0
        if request.problems:
            return extend(request, is_open=False)
        return extend(request, step(f"s{count}", **less))

    async with build_desk(plan) as desk:
        result = await desk.ainvoke("g", thread_id="t")
    assert (result.status, sorted(result.outputs)) == ("degraded", ["s0", "s1"])
    (problem,) = refused
    assert "'s2' repeats step 's0'" in problem


async def test_what_has_settled_is_not_hashed_for_every_version(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Only steps that could be the same work are compared by their inputs' values."""
    hashed: list[object] = []
    real = rolling_plan.derive_hash

    def count(value: Any) -> Any:
        hashed.append(value)
        return real(value)

    monkeypatch.setattr(rolling_plan, "derive_hash", count)

    def plan(request: il.PlanRequest) -> il.TaskGraph:
        return extend(request, step(f"s{len(request.outcomes)}"))

    async with build_desk(plan, max_plan_versions=8) as desk:
        result = await desk.ainvoke("g", thread_id="t")
    assert len(result.outputs) == 8
    assert hashed == []
