"""A step that is a whole team: its own plan and rules, one thread, one journal."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from langchain_core.messages import AIMessage

import interlock as il
from tests.integration.scripted_chat import ScriptedChat
from tests.integration.stopped_clock import StoppedClock
from tests.integration.teams import (
    Recorder,
    build_desk,
    build_plan,
    build_step,
    build_workers,
    give,
)
from tests.integration.thread_reading import read_thread


def nest_orchestrator(team: il.Orchestrator) -> Any:
    """Return a team as it is."""
    return team


def nest_graph(team: il.Orchestrator) -> Any:
    """Return a team's compiled graph."""
    return team.graph


def nest_run_graph(team: il.Orchestrator) -> Any:
    """Return a team's run graph, compiled by hand."""
    spec = team.team_spec
    return il.build_run_graph(
        workers=list(spec.workers.values()), planner=spec.planner, policy=spec.policy
    ).compile()


FORMS = [nest_orchestrator, nest_graph, nest_run_graph]


@pytest.mark.parametrize("form", FORMS)
async def test_a_team_in_each_form_is_a_worker(form: Any) -> None:
    """Its value is the outputs of its final steps, by id; its inner steps are in the journal."""
    draft, polish = Recorder("draft"), Recorder(lambda brief: brief.inputs["draft"] + "!")
    inner = build_desk(
        {"draft": draft, "polish": polish},
        build_step("draft", context=["order"]),
        build_step("polish", needs=["draft"]),
    )
    steps = (build_step("order"), build_step("reply", needs=["order"], instruction="Reply"))
    async with build_desk({"order": give({"id": 7}), "reply": form(inner)}, *steps) as desk:
        result = await desk.ainvoke("Test", thread_id="t")
        handoffs = await desk.ahandoffs("t")
        status = await read_thread(desk, "t")
    assert result.status == "completed", result.gaps
    assert result.outputs == {"order": {"id": 7}, "reply": {"polish": "draft!"}}
    assert [(h.kind, h.step_id) for h in handoffs if h.kind != "plan"] == [
        ("brief", "order"),
        ("output", "order"),
        ("brief", "reply"),
        ("brief", "reply/draft"),
        ("output", "reply/draft"),
        ("brief", "reply/polish"),
        ("output", "reply/polish"),
        ("output", "reply"),
    ]
    assert draft.briefs[0].context["order"] == {"id": 7}
    assert (status.total, status.settled, status.done) == (2, {"accepted": 2}, 2)


async def test_teams_nest_two_levels_deep_and_tokens_count_once() -> None:
    """The innermost step has the whole path for a name; every token is counted one time."""
    usage = {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5}
    model = ScriptedChat(turns=[AIMessage("deep", usage_metadata=usage)])
    inmost = build_desk({"say": model})
    middle = build_desk({"ask": inmost, "also": model})
    async with build_desk({"top": middle}) as desk:
        result = await desk.ainvoke("Test", thread_id="t")
        handoffs = await desk.ahandoffs("t")
    assert result.outputs == {"top": {"ask": {"say": "deep"}, "also": "deep"}}
    outputs = {h.step_id: h for h in handoffs if h.kind == "output"}
    assert set(outputs) == {"top", "top/ask", "top/also", "top/ask/say"}
    assert result.usage == il.Usage(attempts=1, input_tokens=6, output_tokens=4, model_calls=2)
    assert sum(h.input_tokens + h.output_tokens for h in handoffs) == 10


async def test_a_retry_of_the_outer_step_runs_the_inner_team_anew() -> None:
    """The second attempt plans and works from the start, with the feedback in its context."""
    count, other = Recorder(1, 2), Recorder("x")
    seen: list[Any] = []

    def plan(request: il.PlanRequest) -> il.TaskGraph:
        seen.append(request.context.get("feedback"))
        return build_plan(build_step("count"), build_step("other"))

    inner = build_desk({"count": count, "other": other}, planner=plan)
    step = build_step(
        "outer", criteria=[il.expr("output.count == 2")], retry=il.Retry(max_attempts=2)
    )
    async with build_desk({"outer": inner}, step) as desk:
        result = await desk.ainvoke("Test", thread_id="t")
        handoffs = await desk.ahandoffs("t")
        await read_thread(desk, "t")
    assert result.outputs == {"outer": {"count": 2, "other": "x"}}
    assert (count.calls, other.calls, result.outcomes["outer"].attempts) == (2, 2, 2)
    assert seen[0] is None
    assert "output.count == 2" in seen[1][0]
    briefs = [(h.step_id, h.attempt) for h in handoffs if h.kind == "brief"]
    assert sorted(briefs) == sorted(
        [("outer", 1), ("outer", 2)] + [("outer/count", 1), ("outer/other", 1)] * 2
    )


async def test_a_degraded_inner_team_degrades_the_outer_step() -> None:
    """What the inner result lacks is a gap of the outer step and of the run."""
    inner = build_desk(
        {"good": give(1), "bad": Recorder(ValueError("no"))},
        build_step("good"),
        build_step("bad", fallback=[il.skip(gap="no figures")]),
    )
    steps = (
        build_step("outer"),
        build_step("after", needs=[il.Need(step="outer", accept_degraded=True)]),
        build_step("strict", "after", needs=["outer"]),
    )
    async with build_desk({"outer": inner, "after": give(2)}, *steps) as desk:
        result = await desk.ainvoke("Test", thread_id="t")
    statuses = {step: outcome.status for step, outcome in result.outcomes.items()}
    assert statuses == {"outer": "degraded", "after": "accepted", "strict": "blocked"}
    assert result.outputs["outer"] == {"good": 1, "bad": None}
    assert result.outcomes["after"].rests_on == ("outer",)
    assert any("no figures" in gap and "'outer'" in gap for gap in result.gaps)


async def test_a_failed_inner_team_takes_the_outer_fallback() -> None:
    """The inner run's reason is the outer attempt's error; the chain goes on from there."""
    inner = build_desk({"bad": Recorder(ValueError("no figures"))})
    step = build_step("outer", fallback=[il.use_worker("plain")])
    async with build_desk({"outer": inner, "plain": give("plain")}, step) as desk:
        result = await desk.ainvoke("Test", thread_id="t")
        handoffs = await desk.ahandoffs("t", "outer")
    assert result.outputs == {"outer": "plain"}
    assert result.outcomes["outer"].worker == "plain"
    refused = next(h for h in handoffs if h.kind == "output")
    assert refused.verdict is not None
    assert refused.verdict.action == "fallback"
    assert "no figures" in str(refused.verdict.reason)


async def test_another_team_takes_over_from_one_that_was_cut_off() -> None:
    """A fallback to a second team works by that team's own limits and rules."""
    all_in = asyncio.Barrier(3)

    async def work(brief: il.Brief) -> str:
        await all_in.wait()
        return brief.step_id

    async def hang(brief: il.Brief) -> str:
        await asyncio.Event().wait()
        return "never"

    first = build_desk({"hang": hang}, policy=il.RunPolicy(max_parallel=1))
    second = build_desk(
        {"work": work}, *(build_step(f"s{n}", "work") for n in range(3)), policy=il.RunPolicy()
    )
    step = build_step(
        "outer", "first", fallback=[il.use_worker("second")], timeout=timedelta(milliseconds=700)
    )
    async with build_desk({"first": first, "second": second}, step) as desk, asyncio.timeout(20):
        result = await desk.ainvoke("Test", thread_id="t")
    assert result.outputs["outer"] == {"s0": "s0", "s1": "s1", "s2": "s2"}


@pytest.mark.parametrize("level", ["inner", "outer"])
async def test_budgets_hold_inside_nested_teams(level: str) -> None:
    """I11: the attempts of a nested team count against its own budget and the outer run's."""
    bad = Recorder(ValueError("no"))
    retry = il.Retry(max_attempts=9, backoff=timedelta(0))
    budget = il.RunPolicy(budget=il.Budget(attempts=3))
    inner = build_desk(
        {"bad": bad}, build_step("bad", retry=retry), policy=budget if level == "inner" else None
    )
    async with build_desk(
        {"outer": inner}, policy=budget if level == "outer" else None, clock=StoppedClock()
    ) as desk:
        result = await desk.ainvoke("Test", thread_id="t")
    assert result.status == "failed"
    assert bad.calls == {"inner": 3, "outer": 2}[level]  # the outer attempt is the third
    assert "budget of 3 attempts is used up" in str(result.outcomes["outer"].reason)


@pytest.mark.parametrize(
    "fields", [{"context": ["colour"]}, {"context": ["colour", "tenant", "secret"]}], ids=str
)
async def test_an_inner_teams_steps_are_shown_only_what_the_outer_brief_held(
    fields: dict[str, Any],
) -> None:
    """I4: the outer run's other outputs and context reach no step of the inner team."""
    spy = Recorder(lambda brief: brief.dump())
    inner = build_desk(
        {"spy": spy}, build_step("spy", context=["order", "colour", "secret", "tenant"])
    )
    steps = (
        build_step("order"),
        build_step("hidden", publishes={"secret": "output"}),
        build_step("outer", needs=["order", "hidden"], inputs={"order": "order"}, **fields),
    )
    agents = {"order": give(7), "hidden": give("canary"), "outer": inner}
    async with build_desk(agents, *steps) as desk:
        context = {"colour": "red", "tenant": "canary"}
        result = await desk.ainvoke("Test", thread_id="t", context=context)
    if len(fields["context"]) == 3:
        assert result.status == "completed"
        assert spy.briefs[0].dump()["context"] == {"order": 7, **context, "secret": "canary"}
    else:
        reason = str(result.outcomes["outer"].reason)
        assert result.status == "failed"
        assert ("'secret'" in reason, "'tenant'" in reason) == (True, True)
        assert "'order'" not in reason
        assert spy.calls == 0


async def test_workers_limits_hold_over_all_runs_of_a_nested_team() -> None:
    """Three outer steps use one inner team; its `max_parallel=1` worker works for one at a time."""
    at_once: list[int] = [0, 0]

    async def work(brief: il.Brief) -> str:
        at_once[0] += 1
        at_once[1] = max(at_once)
        await asyncio.sleep(0)
        at_once[0] -= 1
        return "done"

    inner = il.Orchestrator(
        workers=[il.Worker(name="work", agent=work, max_parallel=1)],
        planner=build_plan(build_step("work")),
        storage="memory://",
    )
    steps = [build_step(f"s{n}", "team") for n in range(3)]
    async with il.Orchestrator(
        workers=build_workers({"team": inner}), planner=build_plan(*steps), storage="memory://"
    ) as desk:
        result = await desk.ainvoke("Test", thread_id="t")
    assert result.status == "completed"
    assert at_once[1] == 1
