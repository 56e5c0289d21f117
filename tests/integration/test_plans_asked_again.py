"""A planner that is asked again: told what for, its plans counted on, and no fault of storage its own."""

from collections.abc import Sequence
from typing import Any

import pytest
from langgraph.types import interrupt

import interlock as il
from interlock.checkpoints import open_storage
from tests.integration.mending import Mending, build_desk, echo, replace_b, step
from tests.integration.test_spending import build_model

GOOD = il.TaskGraph(goal="g", steps=[step("a")])


class Templated(Mending):
    """A planner with declared second ways."""

    def __init__(self, *args: Any, fallback: Sequence[Any], **details: Any) -> None:
        super().__init__(*args, **details)
        self.fallback = fallback


async def test_a_template_runs_when_a_person_refused_the_last_proposal() -> None:
    """The template's function gets a whole request, with what the person said."""
    asked: list[il.PlanRequest] = []

    def template(request: il.PlanRequest) -> il.TaskGraph:
        asked.append(request)
        return GOOD

    planner = Templated(first=(step("x"),), fallback=[il.use_plan(template)])
    async with build_desk(planner, approve_plan=True, max_plan_attempts=1) as desk:
        result = await desk.ainvoke("g", thread_id="t")
        result = await desk.aanswer("t", {result.questions[0].id: il.reject("not x")})
        (again,) = result.questions
        assert [s["id"] for s in again.args["steps"]] == ["a"]
        result = await desk.aanswer("t", {again.id: il.approve()})
    assert (result.status, list(result.outputs)) == ("completed", ["a"])
    (request,) = asked
    assert request.goal == "g"
    assert {card.name for card in request.workers} == {"echo", "fail"}
    assert any("not x" in problem for problem in request.problems)
    assert len(planner.requests) == 1


async def test_a_refused_proposal_is_one_attempt_and_not_two() -> None:
    """When no way is left, the reason counts how often the planner was asked."""
    bad = il.TaskGraph(goal="g", steps=[step("a", worker="ghost")])
    planner = Templated(first=(step("x"),), fallback=[il.use_plan(bad)])
    async with build_desk(planner, approve_plan=True, max_plan_attempts=1) as desk:
        result = await desk.ainvoke("g", thread_id="t")
        result = await desk.aanswer("t", {result.questions[0].id: il.reject("not x")})
    assert result.status == "failed"
    assert result.reason is not None
    assert result.reason.startswith("No valid plan after 1 attempt.")
    assert "The template plan: " in result.reason


async def test_a_template_that_raises_leads_to_the_next_way() -> None:
    """A function that fails is no plan; the run does not break at it again and again."""

    def template(request: il.PlanRequest) -> il.TaskGraph:
        raise ValueError("no template today")

    bad = (step("a", worker="ghost"),)
    planner = Templated(first=bad, fallback=[il.use_plan(template), il.use_plan(GOOD)])
    async with build_desk(planner, max_plan_attempts=1) as desk:
        result = await desk.ainvoke("g", thread_id="t")
    assert (result.status, list(result.outputs)) == ("completed", ["a"])
    assert "The template plan: The template raised ValueError: no template today" in result.notes[0]


@pytest.mark.parametrize("is_fixed", [True, False])
async def test_i06_a_storage_failure_while_planning_is_no_fault_of_the_planner(
    *, is_fixed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The call raises, the planner loses no attempt, and a resume goes on."""
    planner = Mending(first=GOOD.steps)
    async with open_storage("memory://") as storage:
        desk = il.Orchestrator(
            workers=[il.Worker(name="echo", agent=echo)],
            planner=GOOD if is_fixed else planner,
            storage=storage,
            policy=il.RunPolicy(max_plan_attempts=1),
        )

        async def full(*_: object) -> None:
            raise il.StorageError("the disk is full")

        async with desk:
            with monkeypatch.context() as patch:
                patch.setattr(storage, "load_spending", full)
                with pytest.raises(il.StorageError, match="the disk is full"):
                    await desk.ainvoke("g", thread_id="t")
            result = await desk.aresume("t")
    assert (result.status, list(result.outputs)) == ("completed", ["a"])
    assert [request.attempt for request in planner.requests] == ([] if is_fixed else [1])


async def test_what_it_is_asked_for_is_told_again_while_its_answer_is_corrected() -> None:
    """`reason` is `invalid`, and `trigger` says still that a step was abandoned."""
    planner = Mending(lambda request: (step("a"), step("x", worker="ghost")), replace_b)
    async with build_desk(planner) as desk:
        result = await desk.ainvoke("g", thread_id="t")
    assert result.status == "completed"
    assert [(request.reason, request.trigger) for request in planner.requests] == [
        ("first", "first"),
        ("abandoned", "abandoned"),
        ("invalid", "abandoned"),
    ]


async def test_versions_are_never_given_out_twice() -> None:
    """A version that a person refused keeps its number, when the planner is asked for another."""
    first = (step("a"), step("b", worker="fail"))

    def mend(request: il.PlanRequest) -> Sequence[il.Step]:
        return (step("a"), step(f"b{len(planner.requests)}"))

    planner = Mending(mend, mend, first=first)
    policy = {"approve_plan": True, "max_plan_attempts": 1}
    async with build_desk(planner, **policy) as desk:
        result = await desk.ainvoke("g", thread_id="t")
        result = await desk.aanswer("t", {result.questions[0].id: il.approve()})
        await desk.areplan("t", why="once more")
        result = await desk.aanswer("t", {result.questions[0].id: il.reject("not so")})
        result = await desk.aanswer("t", {result.questions[0].id: il.approve()})
        versions = await desk.aplan("t")
    assert (result.status, sorted(result.outputs)) == ("completed", ["a", "b3"])
    assert versions is not None
    assert [[s.id for s in version.plan.steps] for version in versions] == [
        ["a", "b"],
        ["a", "b2"],
        ["a", "b3"],
    ]
    assert [version.plan.version for version in versions] == [1, 2, 3]


async def test_a_refused_version_is_not_what_the_next_one_goes_on_from() -> None:
    """The planner gets the plan that has run, and in words what a person refused."""
    planner = Mending(replace_b, replace_b)
    async with build_desk(planner, approve_plan=True) as desk:
        result = await desk.ainvoke("g", thread_id="t")
        result = await desk.aanswer("t", {result.questions[0].id: il.approve()})
        await desk.aanswer("t", {result.questions[0].id: il.reject("not b2")})
    request = planner.requests[-1]
    assert request.previous is not None
    assert [s.id for s in request.previous.steps] == ["a", "b", "c"]
    assert request.problems == (
        "A person refused the plan (added b2; removed b; rewired c): not b2",
    )


async def test_the_journal_says_which_model_and_prompt_made_a_plan() -> None:
    """What the planner says of itself is in each version's record; a template's has none of it."""

    class Described(Templated):
        def describe(self) -> dict[str, str]:
            """Say which model and prompt plan."""
            return {"model": "openai:m", "prompt": "planner/7"}

    ghost = (step("a"), step("x", worker="ghost"))
    template = il.TaskGraph(goal="g", steps=replace_b(None))
    planner = Described(lambda request: ghost, fallback=[il.use_plan(template)])
    async with build_desk(planner, max_plan_attempts=1) as desk:
        await desk.ainvoke("g", thread_id="t")
        versions = await desk.aplan("t")
        (first, second) = [h for h in await desk.ahandoffs("t") if h.kind == "plan"]
    assert versions is not None
    assert [dict(version.planned_by) for version in versions] == [
        {"model": "openai:m", "prompt": "planner/7"},
        {},
    ]
    assert first.verdict is not None
    assert first.verdict.findings[0].evidence == {"model": "openai:m", "prompt": "planner/7"}
    assert second.verdict is not None
    assert second.verdict.action == "fallback"


async def test_what_a_planner_asks_by_interrupt_is_answered_and_counted() -> None:
    """Its `interrupt()` is a question like a worker's; what it cost before is in the result."""
    model = build_model(tokens=1000)

    async def plan(request: il.PlanRequest) -> il.TaskGraph:
        await model.ainvoke("think")
        said = interrupt("which?")
        return il.TaskGraph(goal="g", steps=[step("a", instruction=f"Do {said}")])

    async with build_desk(plan) as desk:
        result = await desk.ainvoke("g", thread_id="t")
        (asked,) = result.questions
        assert (result.status, asked.args) == ("waiting", "which?")
        result = await desk.aanswer("t", {asked.id: il.respond("this")})
    assert result.status == "completed"
    assert result.outputs["a"] == {"said": "Do this", "given": []}
    assert result.usage.model_calls == len(model.heard) == 2
