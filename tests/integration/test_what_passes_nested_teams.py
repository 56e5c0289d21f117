"""What passes through teams within teams: notes, reasons, budgets, deadlines, cancels, the journal."""

import asyncio
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage

import interlock as il
from interlock.testing import ManualClock
from tests.integration.gates import Gate
from tests.integration.scripted_chat import ScriptedChat
from tests.integration.teams import Recorder, build_desk, build_plan, build_step, give, locate
from tests.integration.thread_reading import read_thread

AT_ONCE = il.Retry(max_attempts=50, backoff=timedelta(0))


class Template:
    """A planner that is never valid, and has a template."""

    fallback = (il.use_plan(build_plan(build_step("work"))),)

    async def plan(self, request: il.PlanRequest) -> il.TaskGraph:
        """Name a worker that nobody has."""
        return build_plan(build_step("x", "ghost"))


async def test_notes_of_every_team_reach_the_result_with_their_path() -> None:
    """A template two teams down and one at the top: the result tells both apart, also read again."""
    deep = build_desk({"work": give(1)}, planner=Template())
    middle = build_desk({"deep": deep})
    async with build_desk({"work": middle}, planner=Template()) as desk:
        result = await desk.ainvoke("Test", thread_id="t")
        assert await desk.aresume("t") == result
    own, below = result.notes
    assert result.status == "completed"
    assert own.startswith("Version 3 of the plan is the declared template")
    assert below.startswith("team of step 'work/deep': Version 3 of the plan is the declared")


@pytest.mark.parametrize("publishes", [{}, {"figure": "output.deep"}], ids=["plain", "publishing"])
async def test_a_degraded_team_is_accepted_at_no_level(publishes: dict[str, str]) -> None:
    """What the inmost team lacks is the reason of every step above it, and the run is degraded."""
    deep = build_desk(
        {"good": give(1), "bad": Recorder(ValueError("no source"))},
        build_step("good"),
        build_step("bad", fallback=[il.skip(gap="no figures")]),
    )
    middle = build_desk({"deep": deep})
    steps = (build_step("out", publishes=publishes), build_step("after", needs=["out"]))
    async with build_desk({"out": middle, "after": give(2)}, *steps) as desk:
        result = await desk.ainvoke("Test", thread_id="t")
        settled = {h.step_id: h.status for h in await desk.ahandoffs("t") if h.kind == "settlement"}
    assert settled == {
        "out/deep/bad": "skipped",
        "out/deep": "degraded",
        "out": "degraded",
        "after": "blocked",
    }
    assert result.status == "failed"  # a step that takes no degraded result could not start
    words = "step 'out' is degraded: step 'deep' is degraded: no figures (step 'bad' was skipped"
    assert words in result.gaps[0]
    assert "no source" in result.gaps[0]


def build_counting_team() -> tuple[il.Orchestrator, Recorder]:
    """Return a team whose one step is called `a`, like steps around it, and its worker."""
    work = Recorder(lambda brief: brief.context["number"])
    return build_desk({"a": work}, build_step("a", context=["number"])), work


async def test_one_team_used_twice_at_once_and_equal_names_stay_apart() -> None:
    """Every handoff has its whole path; each use gives its own value and has its own plan."""
    inner, work = build_counting_team()
    middle = build_desk(
        {"team": inner},
        *(build_step(n, "team", arguments={"number": i}) for i, n in enumerate("ab")),
        policy=il.RunPolicy(max_parallel=2),
    )
    async with build_desk({"team": middle}, *(build_step(n, "team") for n in "ab")) as desk:
        result = await desk.ainvoke("Test", thread_id="t")
        handoffs = await desk.ahandoffs("t")
        plans = {path: await desk.aplan("t", step=path) for path in ("a", "a/a", "b/b")}
        counts = (await read_thread(desk, "t")).settled
    assert result.outputs == {key: {"a": {"a": 0}, "b": {"a": 1}} for key in "ab"}
    paths = ["a", "b", *(f"{x}/{y}" for x in "ab" for y in "ab")]
    paths += [f"{x}/{y}/a" for x in "ab" for y in "ab"]
    for kind in ("brief", "output"):
        assert Counter(h.step_id for h in handoffs if h.kind == kind) == Counter(paths)
    assert {h.attempt for h in handoffs if h.kind == "brief"} == {1}
    assert counts == {"accepted": 2}
    assert {path: [len(one.plan.steps) for one in found] for path, found in plans.items()} == {
        "a": [2],
        "a/a": [1],
        "b/b": [1],
    }
    assert work.calls == 4


async def test_a_new_attempt_of_the_step_above_begins_the_inner_plan_anew() -> None:
    """`aplan` of the team shows what the present attempt has planned, not the one before."""
    sizes = iter([2, 1])

    def plan(request: il.PlanRequest) -> il.TaskGraph:
        if request.reason == "first":
            return il.TaskGraph(
                goal="g", steps=[build_step("s1", "work")], is_open=next(sizes) == 2
            )
        return build_plan(build_step("s1", "work"), build_step("s2", "work"))

    deep = build_desk({"work": give("w")}, planner=plan)
    again = build_step("deep", criteria=[il.expr("!has(output.s2)")], retry=AT_ONCE)
    async with build_desk({"out": build_desk({"deep": deep}, again)}) as desk:
        result = await desk.ainvoke("Test", thread_id="t")
        versions = await desk.aplan("t", step="out/deep")
    assert result.outputs == {"out": {"deep": {"s1": "w"}}}
    assert [[step.id for step in one.plan.steps] for one in versions] == [["s1"]]


def build_spending_desk(level: str, budget: il.Budget, **options: Any) -> il.Orchestrator:
    """Return three teams whose inmost one never gets what it wants; one level has a budget.

    Asked once, the model uses 50 tokens. The other levels allow much more.
    """
    usage = {"input_tokens": 30, "output_tokens": 20, "total_tokens": 50}
    chat = ScriptedChat(turns=[AIMessage("no", usage_metadata=usage)])

    def rule(name: str) -> il.RunPolicy:
        bound = budget if name == level else il.Budget(tokens=1_000_000, attempts=1_000)
        return il.RunPolicy(budget=bound, retry=AT_ONCE)

    never = build_step(
        "say", criteria=[il.expr("output == 'yes'")], fallback=[il.use_value("plain")]
    )
    deep = build_desk({"say": chat}, never, policy=rule("deep"))
    middle = build_desk({"deep": deep}, policy=rule("middle"))
    step = build_step("out", **({"budget": budget} if level == "step" else {}))
    return build_desk({"out": middle}, step, policy=rule("top"), **options)


@pytest.mark.parametrize("level", ["deep", "middle", "top", "step"])
async def test_i11_what_the_inmost_team_spends_counts_at_every_level(level: str) -> None:
    """Whichever level is bounded, the step within degrades before the bound, and the top says why."""
    async with build_spending_desk(level, il.Budget(tokens=220)) as desk:
        result = await desk.ainvoke("Test", thread_id="t")
        status = await desk.astatus("t")
    assert result.status == "degraded"
    assert result.outputs == {"out": {"deep": {"say": "plain"}}}
    assert 0 < result.usage.tokens <= 220
    assert status.usage.tokens == result.usage.tokens
    assert "budget of 220 tokens" in result.gaps[0]
    assert result.gaps[0].startswith("step 'out' is degraded: step 'deep' is degraded: step 'say'")


async def test_i11_an_inmost_team_that_loops_stays_within_the_budget_over_five_resumes(
    tmp_path: Path,
) -> None:
    """Cut off five times in the middle, its calls of all lives together fit; then it degrades."""
    usage = {"input_tokens": 30, "output_tokens": 20, "total_tokens": 50}
    chat = ScriptedChat(turns=[AIMessage("no", usage_metadata=usage)])
    stops = {3, 6, 9, 12, 15}
    reached = asyncio.Event()

    async def loop(brief: il.Brief) -> str:
        while True:
            await chat.ainvoke("again")
            if len(chat.heard) in stops:
                stops.discard(len(chat.heard))
                reached.set()
                await asyncio.Event().wait()

    def build() -> il.Orchestrator:
        deep = build_desk(
            {"loop": loop},
            build_step("loop", fallback=[il.use_value("plain")]),
            policy=il.RunPolicy(budget=il.Budget(tokens=1_000_000)),
        )
        policy = il.RunPolicy(budget=il.Budget(tokens=1_000))
        middle = build_desk({"deep": deep})
        return build_desk({"out": middle}, policy=policy, storage=locate(tmp_path))

    for life in range(5):
        async with build() as desk:
            call = desk.aresume("t") if life else desk.ainvoke("Test", thread_id="t")
            run = asyncio.create_task(call)
            await reached.wait()
            reached.clear()
            run.cancel()
            await asyncio.gather(run, return_exceptions=True)
    async with build() as desk:
        result = await desk.aresume("t")
        status = await desk.astatus("t")
    assert not stops
    assert 15 < len(chat.heard) <= 20
    assert status.usage.tokens == 50 * len(chat.heard) <= 1_000
    assert result.outputs == {"out": {"deep": {"loop": "plain"}}}
    assert "budget of 1000 tokens does not allow" in result.gaps[0]


@pytest.mark.parametrize("is_accepted", [True, False])
async def test_i05_effects_of_the_inmost_team_are_made_once_over_attempts_above(
    *, is_accepted: bool
) -> None:
    """Three attempts of the outermost step make one effect; given up for good, it is undone once."""
    outside: list[str] = []

    async def take_back(order: str) -> None:
        outside.append(f"undo {order}")

    @il.idempotent(effect="write", undo=take_back)
    async def pay(order: str) -> str:
        outside.append(f"pay {order}")
        return "paid"

    async def work(brief: il.Brief) -> str:
        paid: str = await pay("17")
        return paid

    tries = Recorder(False, False, is_accepted)
    deep = build_desk({"pay": work, "is_good": tries})
    step = build_step(
        "out",
        criteria=[il.expr("output.deep.is_good")],
        retry=il.Retry(max_attempts=3, backoff=timedelta(0)),
    )
    async with build_desk({"out": build_desk({"deep": deep})}, step) as desk:
        result = await desk.ainvoke("Test", thread_id="t")
    assert tries.calls == 3
    assert result.status == ("completed" if is_accepted else "failed")
    assert outside == (["pay 17"] if is_accepted else ["pay 17", "undo 17"])


async def test_deadlines_only_shorten_on_their_way_down_three_teams() -> None:
    """Each level allows another time; the brief at the bottom shows the shortest of those above."""
    clock = ManualClock()
    shown: dict[str, Any] = {}

    def note(brief: il.Brief) -> str:
        shown[brief.step_id] = brief.deadline
        return "done"

    def limit(step_id: str, minutes: int) -> il.Step:
        return build_step(step_id, timeout=timedelta(minutes=minutes))

    deep = build_desk({"say": note, "more": note}, limit("say", 30), limit("more", 2))
    middle = build_desk({"deep": deep}, limit("deep", 60))
    async with build_desk({"out": middle}, limit("out", 10), clock=clock) as desk:
        await desk.ainvoke("Test", thread_id="t")
    start = clock.now()
    assert shown == {"say": start + timedelta(minutes=10), "more": start + timedelta(minutes=2)}


async def test_a_cancel_from_another_process_reaches_the_inmost_worker(tmp_path: Path) -> None:
    """Asked through the storage alone: the worker cleans up, no task is left, the lease is free."""
    gate, after = Gate(), Recorder("after")
    cleaned: list[str] = []

    async def hang(brief: il.Brief) -> str:
        try:
            return await gate(brief)
        finally:
            await asyncio.sleep(0)  # cleaning up takes a moment, and is not cut off
            cleaned.append(brief.step_id)

    def build() -> il.Orchestrator:
        deep = build_desk(
            {"first": give(1), "hang": hang, "after": after},
            build_step("first"),
            build_step("hang", needs=["first"]),
            build_step("after", needs=["hang"]),
        )
        middle = build_desk({"deep": deep, "kept": give("kept")})
        ttl = timedelta(milliseconds=300)  # a sign of life, and a look for cancels, every 100 ms
        return build_desk({"out": middle}, storage=locate(tmp_path), lease_ttl=ttl)

    async with build() as desk, build() as other:
        before = asyncio.all_tasks()
        run = asyncio.create_task(desk.ainvoke("Test", thread_id="t"))
        await gate.started.wait()
        await other.acancel("t", why="wrong customer")
        async with asyncio.timeout(20):
            result = await run
        settled = {h.step_id: h.status for h in await desk.ahandoffs("t") if h.kind == "settlement"}
        status = await other.astatus("t")
        assert asyncio.all_tasks() == before
    assert (result.status, result.reason) == ("cancelled", "wrong customer")
    assert (gate.was_cut_off, cleaned, after.calls) == (True, ["hang"], 0)
    assert settled == dict.fromkeys(
        ("out/deep/hang", "out/deep/after", "out/deep", "out"), "cancelled"
    )
    assert (status.owner, status.running) == (None, ())


async def test_facts_that_a_team_keeps_to_itself_can_be_read_from_outside() -> None:
    """By the path of its step; what the run itself shares is another space."""
    deep = build_desk({"make": give(3)}, build_step("make", publishes={"price": "output"}))
    middle = build_desk({"deep": deep}, build_step("deep", publishes={"price": "output"}))
    async with build_desk({"out": middle}) as desk:
        await desk.ainvoke("Test", thread_id="t", context={"price": 1})
        assert (await desk.acontext("t")).values == {"price": 1}
        assert (await desk.acontext("t", step="out")).values == {"price": {"make": 3}}
        view = await desk.acontext("t", step="out/deep/")
        assert view.values == {"price": 3}
        assert view.facts["price"].made.step_id == "out/deep/make"
        with pytest.raises(il.ConfigurationError, match="Did you mean 'out/deep'"):
            await desk.acontext("t", step="out/dep")


async def test_a_refused_plan_says_whose_planner_brought_it() -> None:
    """Listeners are told the path of the step whose team plans; the run's own planner has none."""
    deep = build_desk({"work": give(1)}, planner=Template())
    async with build_desk({"work": build_desk({"deep": deep})}, planner=Template()) as desk:
        events = [event async for event in desk.astream("Test", thread_id="t")]
    refused = [event.step_id for event in events if isinstance(event, il.events.PlanRefused)]
    assert refused == [None] * 3 + ["work/deep"] * 3
