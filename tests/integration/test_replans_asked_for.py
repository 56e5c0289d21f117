"""A person asks the planner of a run for another plan: durable, heard once, bounded, never in silence."""

import asyncio
from pathlib import Path

import pytest

import interlock as il


class Listening:
    """A planner that adds a step for each thing that a person asks."""

    def __init__(self, *, is_deaf: bool = False) -> None:
        self.is_deaf = is_deaf
        self.requests: list[il.PlanRequest] = []

    async def plan(self, request: il.PlanRequest) -> il.TaskGraph:
        """Give the first plan, or the last one with what is asked."""
        self.requests.append(request)
        if request.previous is None:
            return il.TaskGraph(goal=request.goal, steps=[step("a", worker="asking")])
        if self.is_deaf:
            return il.TaskGraph(goal=request.goal, steps=[step("z")])
        worker = "failing" if request.why == "break" else "echo"
        name = f"s{len(request.previous.steps)}"
        new = step(name, worker=worker, instruction=str(request.why))
        return il.TaskGraph(goal=request.goal, steps=[*request.previous.steps, new])


def step(name: str, *, worker: str = "echo", instruction: str = "Do it") -> il.Step:
    """Return a step; of the worker that asks, its value is a person's."""
    fallback = [il.ask_person()] if worker == "asking" else []
    return il.Step(id=name, worker=worker, instruction=instruction, fallback=fallback)


async def echo(brief: il.Brief) -> str:
    """Say the instruction."""
    return brief.instruction


async def fail(brief: il.Brief) -> str:
    """Fail for good, so that a person is asked."""
    raise il.PermanentError(f"{brief.step_id} needs a person")


def build_desk(
    planner: il.TaskGraph | Listening, storage: str = "memory://", **policy: object
) -> il.Orchestrator:
    """Return a team whose first step waits for a person."""
    agents = {"echo": echo, "asking": fail, "failing": fail}
    return il.Orchestrator(
        workers=[il.Worker(name=name, agent=agent) for name, agent in agents.items()],
        planner=planner,
        storage=storage,
        policy=il.RunPolicy.model_validate(policy),
    )


async def answer_all(desk: il.Orchestrator, questions: tuple[il.Question, ...]) -> il.RunResult:
    """Give the waiting step its value."""
    return await desk.aanswer("t", {question.id: il.edit("by hand") for question in questions})


async def test_each_request_is_heard_once_in_order_also_by_another_process(tmp_path: Path) -> None:
    """Asked while the run waits, by a team of its own; what is finished is kept and not run again."""
    storage = f"sqlite:///{tmp_path / 'desk.db'}"
    async with build_desk(Listening(), storage) as desk:
        waiting = await desk.ainvoke("g", thread_id="t")
    assert waiting.status == "waiting"
    async with build_desk(Listening(), storage) as other:
        await other.areplan("t", why="also tell the customer")
        await other.areplan("t", why="and close the ticket")
    planner = Listening()
    async with build_desk(planner, storage) as desk:
        async with asyncio.timeout(20):  # heard again and again, the run would never end
            result = await answer_all(desk, tuple(waiting.questions))
        again = await desk.aresume("t")
        plans = [h.verdict for h in await desk.ahandoffs("t") if h.kind == "plan"]
        versions = await desk.aplan("t")
    assert result.outputs == {
        "a": "by hand",
        "s1": "also tell the customer",
        "s2": "and close the ticket",
    }
    assert again.outputs == result.outputs
    heard = [(request.reason, request.why) for request in planner.requests]
    assert heard == [("person", "also tell the customer"), ("person", "and close the ticket")]
    assert [verdict.reason for verdict in plans if verdict is not None] == [
        "replanned (person: also tell the customer): added s1",
        "replanned (person: and close the ticket): added s2",
    ]
    assert versions is not None


async def test_a_request_does_not_use_up_what_the_policy_allows() -> None:
    """The bound of `replan` is for what the run asks by itself: it still asks, once, afterwards."""
    planner = Listening()
    async with build_desk(planner, replan={"on": ["abandoned"], "max_times": 1}) as desk:
        waiting = await desk.ainvoke("g", thread_id="t")
        await desk.areplan("t", why="break")
        await answer_all(desk, tuple(waiting.questions))
    reasons = [request.reason for request in planner.requests]
    assert reasons == ["first", "person", "abandoned"]
    assert planner.requests[-1].why is None


async def test_a_planner_that_drops_what_is_finished_is_refused_and_the_run_ends() -> None:
    """The plan that has run stands, and the result names the request that brought nothing."""
    planner = Listening(is_deaf=True)
    async with build_desk(planner, max_plan_attempts=2) as desk:
        waiting = await desk.ainvoke("g", thread_id="t")
        await desk.areplan("t", why="something else")
        result = await answer_all(desk, tuple(waiting.questions))
    assert list(result.outputs) == ["a"]
    assert [(request.reason, request.why) for request in planner.requests[1:]] == [
        ("person", "something else"),
        ("invalid", "something else"),
    ]
    assert any("person: something else" in note for note in result.notes)


@pytest.mark.parametrize(
    ("thread_id", "why", "error"),
    [
        ("t", "more", il.FinishedRunError),
        ("other", "more", il.UnknownThreadError),
        ("t", " ", il.ConfigurationError),
    ],
)
async def test_a_request_that_nobody_would_hear_is_refused(
    thread_id: str, why: str, error: type[Exception]
) -> None:
    """A run that has ended, one that never was, and no reason are errors, and nothing is written."""
    async with build_desk(Listening()) as desk:
        waiting = await desk.ainvoke("g", thread_id="t")
        await answer_all(desk, tuple(waiting.questions))
        with pytest.raises(error):
            await desk.areplan(thread_id, why=why)
        assert [h for h in await desk.ahandoffs("t") if h.kind == "replan"] == []


async def test_a_fixed_plan_has_nobody_to_ask() -> None:
    """The error says to give the team a planner."""
    plan = il.TaskGraph(goal="g", steps=[step("a", worker="asking")])
    async with build_desk(plan) as desk:
        await desk.ainvoke("g", thread_id="t")
        with pytest.raises(il.ConfigurationError, match="plan is fixed"):
            await desk.areplan("t", why="more")
