"""A planner that brings no valid plan: its declared second ways, said out loud."""

from collections.abc import Sequence
from typing import Any

import interlock as il

GOOD = il.TaskGraph(goal="g", steps=[il.Step(id="a", worker="echo", instruction="Say it")])
BAD = il.TaskGraph(goal="g", steps=[il.Step(id="a", worker="ghost", instruction="Say it")])


class Scripted:
    """A planner that gives its plans in order, the last one again and again."""

    def __init__(self, *plans: il.TaskGraph, fallback: Sequence[Any]) -> None:
        self.plans = list(plans)
        self.fallback = fallback
        self.requests: list[il.PlanRequest] = []

    async def plan(self, request: il.PlanRequest) -> il.TaskGraph:
        """Give the next one."""
        self.requests.append(request)
        return self.plans.pop(0) if len(self.plans) > 1 else self.plans[0]


async def echo(brief: il.Brief) -> dict[str, str]:
    """Say the instruction."""
    return {"said": brief.instruction}


def build_desk(planner: Scripted, **policy: object) -> il.Orchestrator:
    """Return a team with one worker."""
    return il.Orchestrator(
        workers=[il.Worker(name="echo", agent=echo)],
        planner=planner,
        storage="memory://",
        policy=il.RunPolicy.model_validate({"max_plan_attempts": 2, **policy}),
    )


async def test_a_template_runs_when_the_planner_is_given_up() -> None:
    """After the last attempt the template runs, and journal and result say why."""
    planner = Scripted(BAD, fallback=[il.use_plan(lambda request: GOOD)])
    async with build_desk(planner) as desk:
        result = await desk.ainvoke("g", thread_id="t")
        plans = [h for h in await desk.ahandoffs("t") if h.kind == "plan"]
    assert (result.status, result.outputs) == ("completed", {"a": {"said": "Say it"}})
    assert len(planner.requests) == 2
    assert "'ghost'" in result.notes[0]
    assert [(h.verdict.action, h.verdict.reason) for h in plans if h.verdict] == [
        ("fallback", result.notes[0])
    ]


async def test_a_bad_template_leads_to_the_next_way() -> None:
    """A template is validated like any plan; without a further way the run fails with all problems."""
    planner = Scripted(BAD, fallback=[il.use_plan(BAD)])
    async with build_desk(planner) as desk:
        result = await desk.ainvoke("g", thread_id="t")
    assert result.status == "failed"
    assert result.reason is not None
    assert "The template plan: " in result.reason


async def test_a_person_mends_the_plan() -> None:
    """A person is shown the last plan and its problems; an edit is validated, asked again, and runs."""
    planner = Scripted(BAD, fallback=[il.ask_person("Which steps?")])
    async with build_desk(planner) as desk:
        result = await desk.ainvoke("g", thread_id="t")
        (asked,) = result.questions
        assert (asked.kind, asked.description) == ("plan", "Which steps?")
        assert asked.allowed == ("edit", "respond", "reject")
        assert "'ghost'" in asked.args["problems"][0]
        still_bad = {**asked.args, "goal": "other"}
        result = await desk.aanswer("t", {asked.id: il.edit(still_bad)})
        (again,) = result.questions
        assert again.id != asked.id
        assert "'ghost'" in again.args["problems"][0]
        mended = GOOD.model_dump(mode="json")
        result = await desk.aanswer("t", {again.id: il.edit(mended)})
    assert (result.status, list(result.outputs)) == ("completed", ["a"])
    assert len(planner.requests) == 2


async def test_a_person_tells_the_planner_something() -> None:
    """What a person responds reaches the planner, once more; after that the person is asked again."""
    planner = Scripted(BAD, BAD, BAD, GOOD, fallback=[il.ask_person()])
    async with build_desk(planner) as desk:
        result = await desk.ainvoke("g", thread_id="t")
        for words in ("use echo", "echo, I said"):
            (asked,) = result.questions
            result = await desk.aanswer("t", {asked.id: il.respond(words)})
    assert result.status == "completed"
    assert [request.problems[-1] for request in planner.requests[2:]] == [
        "A person answered: use echo",
        "A person answered: echo, I said",
    ]


async def test_a_person_gives_the_run_up() -> None:
    """A rejection ends the run with the person's reason."""
    planner = Scripted(BAD, fallback=[il.ask_person()])
    async with build_desk(planner) as desk:
        result = await desk.ainvoke("g", thread_id="t")
        (asked,) = result.questions
        result = await desk.aanswer("t", {asked.id: il.reject("not worth it")})
    assert (result.status, result.reason) == ("failed", "A person gave the run up: not worth it")


async def test_an_open_plan_falls_back_for_each_version() -> None:
    """Later versions have the same second ways as the first."""

    def template(request: il.PlanRequest) -> il.TaskGraph:
        before = request.previous.steps if request.previous else ()
        more = il.Step(id=f"t{len(before)}", worker="echo", instruction=f"Part {len(before)}")
        return il.TaskGraph(goal="g", steps=(*before, more), is_open=len(before) < 2)

    planner = Scripted(BAD, fallback=[il.use_plan(template)])
    async with build_desk(planner) as desk:
        result = await desk.ainvoke("g", thread_id="t")
    assert (result.status, list(result.outputs)) == ("completed", ["t0", "t1", "t2"])
    assert len(result.notes) == 3
