"""Replanning: on a declared trigger the planner is asked about what has run, and may mend it."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import interlock as il
from interlock.nodes.run.run_state import RunState
from tests.integration.mending import Mending, build_desk, echo, fail, replace_b, step


async def test_a_failed_step_is_replaced_and_what_waited_for_it_runs() -> None:
    """Accepted steps are kept and not run again, the blocked one is rewired and runs, all is told."""
    planner = Mending(replace_b)
    async with build_desk(planner) as desk:
        result = await desk.ainvoke("g", thread_id="t")
        journal = await desk.ahandoffs("t")
    assert (result.status, sorted(result.outputs)) == ("completed", ["a", "b2", "c"])
    assert result.outputs["c"] == {"said": "Do c", "given": ["a", "b2"]}
    first, second = planner.requests
    assert (first.reason, second.reason) == ("first", "abandoned")
    assert {name: outcome.status for name, outcome in second.outcomes.items()} == {
        "a": "accepted",
        "b": "failed",
        "c": "blocked",
    }
    briefs = sorted(str(h.step_id) for h in journal if h.kind == "brief")
    assert briefs == ["a", "b", "b2", "c"]
    plans = [h for h in journal if h.kind == "plan"]
    assert [h.attempt for h in plans] == [1, 2]
    assert plans[1].verdict is not None
    assert plans[1].verdict.reason == "replanned (abandoned): added b2; removed b; rewired c"


async def test_what_is_blocked_by_a_step_that_is_rewired_runs_too() -> None:
    """A step that is itself unchanged runs once what it waits for is no longer blocked."""
    first = (step("b", worker="fail"), step("c", needs=["b"]), step("d", needs=["c"]))
    mended = (step("b2"), step("c", needs=["b2"]), step("d", needs=["c"]))
    planner = Mending(lambda request: mended, first=first)
    async with build_desk(planner) as desk:
        result = await desk.ainvoke("g", thread_id="t")
    assert (result.status, sorted(result.outputs)) == ("completed", ["b2", "c", "d"])


async def test_without_the_policy_nothing_is_planned_again() -> None:
    """No `replan`, no second question."""
    planner = Mending(replace_b)
    async with build_desk(planner, replan=None) as desk:
        result = await desk.ainvoke("g", thread_id="t")
    assert (result.status, len(planner.requests)) == ("failed", 1)


@pytest.mark.parametrize(
    ("first", "trigger"),
    [
        ((step("a", worker="fail", fallback=[il.skip(gap="no a")]),), "gap"),
        ((step("a", worker="fail", fallback=[il.use_value(1)]),), "gap"),
        ((step("a", worker="fail"),), "abandoned"),
    ],
)
async def test_what_triggers_and_what_does_not(first: Sequence[il.Step], trigger: str) -> None:
    """A gap and an abandoned step trigger where they are declared, and only there."""
    for declared in ("abandoned", "gap", "stall"):
        planner = Mending(lambda request: (step("z"),), first=first)
        async with build_desk(planner, replan={"on": [declared]}) as desk:
            result = await desk.ainvoke("g", thread_id="t")
        if declared == trigger:
            assert (result.status, list(result.outputs)) == ("completed", ["z"])
            assert planner.requests[-1].reason == trigger
        else:
            assert len(planner.requests) == 1


@pytest.mark.parametrize(
    ("mend", "words"),
    [
        ((step("b2"), step("c", needs=["b2"])), "'a' is finished and accepted"),
        ((step("a", instruction="Other"), step("b2")), "'a' is finished and accepted"),
        ((step("a"), step("b"), step("c", needs=["a", "b"])), "'b' has been tried and was changed"),
        ((step("a"), step("b2", instruction="Do a")), "'b2' repeats step 'a'"),
    ],
)
async def test_what_is_finished_stands(mend: Sequence[il.Step], words: str) -> None:
    """A version that drops or changes what is finished is refused, and the planner hears why."""
    planner = Mending(lambda request: mend, replace_b)
    async with build_desk(planner) as desk:
        result = await desk.ainvoke("g", thread_id="t")
    assert result.status == "completed"
    assert planner.requests[-1].reason == "invalid"
    assert any(words in problem for problem in planner.requests[-1].problems)


async def test_effects_that_stand_hold_their_step() -> None:
    """A failed step whose effect stands may not leave the plan in silence."""
    paid: list[str] = []

    @il.idempotent()
    async def pay(order: str, *, key: il.IdempotencyKey) -> str:
        paid.append(order)
        return "paid"

    async def cashier(brief: il.Brief) -> str:
        await pay("17")
        raise il.PermanentError("the printer is out of paper")

    first = (step("b", worker="cashier", fallback=[il.skip(gap="no receipt")]),)
    planner = Mending(
        lambda request: (step("z"),), lambda request: (*first, step("z")), first=first
    )
    desk = il.Orchestrator(
        workers=[il.Worker(name="echo", agent=echo), il.Worker(name="cashier", agent=cashier)],
        planner=planner,
        storage="memory://",
        policy=il.RunPolicy(replan=il.Replan(), effects=il.EffectPolicy(orphans="gap")),
    )
    async with desk:
        result = await desk.ainvoke("g", thread_id="t")
    assert any("'b' has made effects that stand" in p for p in planner.requests[-1].problems)
    assert (result.status, sorted(result.outcomes), paid) == ("degraded", ["b", "z"], ["17"])


async def test_the_number_of_replans_is_bounded() -> None:
    """A planner whose mends fail again and again is asked `max_times`, then the run ends honestly."""
    mends = [lambda request, n=n: (step("a"), step(f"f{n}", worker="fail")) for n in range(9)]
    planner = Mending(*mends)
    async with build_desk(planner, replan={"max_times": 2}) as desk:
        result = await desk.ainvoke("g", thread_id="t")
    assert (result.status, len(planner.requests)) == ("failed", 3)


async def test_a_replan_that_brings_nothing_leaves_what_ran() -> None:
    """When no valid version comes, the plan that has run stands, with its gaps, and notes say so."""
    planner = Mending(*[lambda request: (step("x", worker="ghost"),)] * 2)
    async with build_desk(planner) as desk:
        result = await desk.ainvoke("g", thread_id="t")
    assert (result.status, sorted(result.outcomes)) == ("failed", ["a", "b", "c"])
    assert "Replanning (abandoned) brought no valid plan" in result.notes[0]


async def test_a_person_approves_each_version() -> None:
    """With `approve_plan` a person is asked about the mended plan; refused, what ran stands."""
    for answer, status in ((il.approve(), "completed"), (il.reject("no more"), "failed")):
        planner = Mending(replace_b, replace_b)
        async with build_desk(planner, approve_plan=True, max_plan_attempts=1) as desk:
            result = await desk.ainvoke("g", thread_id="t")
            result = await desk.aanswer("t", {result.questions[0].id: il.approve()})
            assert (result.status, len(result.questions)) == ("waiting", 1)
            result = await desk.aanswer("t", {result.questions[0].id: answer})
        assert result.status == status
        assert sorted(result.outcomes) == (
            ["a", "b2", "c"] if status == "completed" else ["a", "b", "c"]
        )


async def test_i06_a_drained_replan_goes_on_in_another_process(tmp_path: Path) -> None:
    """Stopped while the planner thinks, it is asked again on resume, and nothing runs twice."""
    storage = f"sqlite:///{tmp_path / 'desk.db'}"
    ran: list[str] = []

    async def note(brief: il.Brief) -> str:
        ran.append(brief.step_id)
        return "done"

    def build(planner: Any) -> il.Orchestrator:
        return il.Orchestrator(
            workers=[il.Worker(name="echo", agent=note), il.Worker(name="fail", agent=fail)],
            planner=planner,
            storage=storage,
            policy=il.RunPolicy(replan=il.Replan(max_times=1)),
        )

    thinking = asyncio.Event()

    class Slow(Mending):
        async def plan(self, request: il.PlanRequest) -> il.TaskGraph:
            """Think for ever about the second plan."""
            if request.previous is not None:
                thinking.set()
                await asyncio.Event().wait()
            return await super().plan(request)

    async with build(Slow()) as desk:
        running = asyncio.create_task(desk.ainvoke("g", thread_id="t"))
        await thinking.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
    again = Mending(replace_b)
    async with build(again) as desk:
        result = await desk.aresume("t")
    assert (result.status, ran) == ("completed", ["a", "b2", "c"])
    assert [request.reason for request in again.requests] == ["abandoned"]


async def test_a_step_that_was_blocked_and_then_fails_is_told_too() -> None:
    """What was told of it was that it could not start; that it has failed since is news."""
    first = (step("b", worker="fail"), step("c", worker="fail", needs=["b"]))
    planner = Mending(
        lambda request: (step("b2"), step("c", worker="fail", needs=["b2"])),
        lambda request: (step("b2"), step("c2", needs=["b2"])),
        first=first,
    )
    async with build_desk(planner) as desk:
        result = await desk.ainvoke("g", thread_id="t")
    assert [request.reason for request in planner.requests] == ["first", "abandoned", "abandoned"]
    assert (result.status, sorted(result.outputs)) == ("completed", ["b2", "c2"])


async def test_a_run_begins_with_every_channel_at_its_first_value() -> None:
    """Begun anew on one thread, as Studio does, a run inherits nothing of the one before."""
    given = {"goal", "route", "sources", "spaces", "context_refs", "seed_version"}
    config: Any = {"configurable": {"thread_id": "t"}}
    async with build_desk(Mending(replace_b)) as desk:
        await desk.ainvoke("g", thread_id="t")
        history = [dict(one.values) async for one in desk.graph.aget_state_history(config)]
    (begun,) = [values for values in history if values.get("plan_status") == "missing"][-1:]
    assert RunState.__annotations__.keys() - begun.keys() <= given
