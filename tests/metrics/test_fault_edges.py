"""Where a faulty value goes and where it stops: parts, facts, people, teams, forks, other threads."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import interlock as il
from interlock.contracts.ids import ThreadId
from interlock.telemetry.metrics.fault_trails import FaultTrail
from tests.contract.conftest import build_url
from tests.integration.shared_contexts import CUSTOMER, customer_fact, share
from tests.integration.teams import Recorder, build_desk, build_step
from tests.metrics.recount_calls import play_faults
from tests.metrics.recount_stage import Stage, build_stage

AT_ONCE = timedelta(0)
TWICE = il.Retry(max_attempts=2, backoff=AT_ONCE)


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
async def any_stage(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Stage]:
    """Return a stage on a fresh storage, of each kind."""
    stage = build_stage(build_url(request.param, request, tmp_path))
    await stage.storage.connect()
    yield stage
    await stage.storage.aclose()


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    """Return a stage in memory."""
    stage = build_stage("memory://")
    await stage.storage.connect()
    yield stage
    await stage.storage.aclose()


def tell(trail: FaultTrail) -> dict[str, tuple[int, str, str]]:
    """Return the affected steps: how far, how they were reached, how they ended."""
    home = trail.origin.thread_id
    return {
        (
            step.place.step_id
            if step.place.thread_id == home
            else f"{step.place.thread_id}/{step.place.step_id}"
        ): (step.distance, step.by, step.status)
        for step in trail.affected
    }


async def report(desk: il.Orchestrator, step: str, thread: str = "t") -> FaultTrail:
    """Report a step's value and return its trail."""
    await desk.areport_fault(thread, step, why="it is wrong")
    (trail,) = [one for one in await desk.ablame(thread) if one.origin.step_id == step]
    return trail


async def test_faults_are_traced_alike_on_every_storage(any_stage: Stage) -> None:
    """Outputs, facts, a declared value in between; found by a step, by people and by an exam."""
    await play_faults(any_stage)
    async with build_desk({"x": str}, storage=any_stage.storage, clock=any_stage.clock) as desk:
        first, second, mail, last = await desk.ablame()
        window = await desk.ablame(since=mail.faults[0].blame.found_at)
        assert await desk.ablame(team="others") == []
        assert await desk.ablame(step_prefix="pri", thread_id="faults-2") == [second]
    expected = {
        "bill": (1, "output", "degraded"),
        "count": (1, "fact", "accepted"),
        "quote": (1, "fact", "accepted"),
        "mail": (2, "output", "accepted"),
        "last": (3, "output", "accepted"),
    }
    assert tell(first) == tell(second) == expected
    assert [fault.blame.how for fault in first.faults] == ["rejected", "corrected", "retracted"]
    assert [place.step_id for place in first.path] == ["price", "bill"]
    assert (first.accepted, first.lost, first.depth, first.cascade_size) == (4, 1, 3, 5)
    assert [step.place.step_id for step in first.affected if not step.carries] == ["bill"]
    assert [gate.kind for gate in first.let_pass] == ["expr", "schema"]
    assert (mail.rests_on, last.rests_on) == ((first.origin,), (second.origin,))
    assert [trail.origin for trail in window][-2:] == [mail.origin, last.origin]
    assert tell(last) == {}


async def test_a_step_that_reads_a_part_is_reached_one_that_only_waits_is_not(stage: Stage) -> None:
    """Which part of an output is wrong nobody says; a step that is shown none of it has none of it."""
    agents = {name: Recorder({"a": 1, "b": 2}) for name in ("origin", "part", "waits", "below")}
    steps = (
        build_step("origin"),
        build_step("part", needs=["origin"], inputs={"only": "origin.b"}),
        build_step("waits", needs=["origin"], inputs={}),
        build_step("below", needs=["waits"]),
    )
    async with stage.open(agents, *steps, team="parts") as desk:
        await desk.ainvoke("Go", thread_id="t")
        trail = await report(desk, "origin")
    assert tell(trail) == {"part": (1, "output", "accepted")}


async def test_only_the_accepted_attempt_is_faulty(stage: Stage) -> None:
    """A step that was tried again: the fault is about the attempt that was accepted, and its gates."""
    agents = {"origin": Recorder({"ok": False}, {"ok": True}), "next": Recorder("x")}
    steps = (
        build_step("origin", criteria=[il.expr("output.ok")], retry=TWICE),
        build_step("next", needs=["origin"]),
    )
    async with stage.open(agents, *steps, team="retries") as desk:
        await desk.ainvoke("Go", thread_id="t")
        trail = await report(desk, "origin")
    assert trail.attempt == 2
    assert [gate.result for gate in trail.gates] == ["passed"]
    assert tell(trail) == {"next": (1, "output", "accepted")}


async def test_a_persons_value_ends_the_trail(stage: Stage) -> None:
    """An approved value carries the fault on, over supersteps, and is one step; an edited one does not."""
    ask = [il.ask_person()]
    weak = [il.expr("output.ok")]
    agents = {"origin": Recorder(1), "weak": Recorder({"ok": False}), "good": Recorder("x")}
    steps = (
        build_step("origin"),
        build_step("approved", "weak", needs=["origin"], fallback=ask, criteria=weak),
        build_step("edited", "weak", needs=["origin"], fallback=ask, criteria=weak),
        build_step("open", "weak", needs=["origin"], fallback=ask, criteria=weak),
        build_step("a", "good", needs=["approved"]),
        build_step("e", "good", needs=["edited"]),
    )
    async with stage.open(agents, *steps, team="people") as desk:
        result = await desk.ainvoke("Go", thread_id="t")
        waiting = await report(desk, "origin")
        asked = {question.step_id: question.id for question in result.questions}
        said = {asked["approved"]: il.approve(), asked["edited"]: il.edit({"ok": True})}
        await desk.aanswer("t", said)
        (trail,) = await desk.ablame("t")
    assert tell(waiting) == {
        "approved": (1, "output", "waiting"),
        "edited": (1, "output", "waiting"),
        "open": (1, "output", "waiting"),
    }
    assert tell(trail) == {
        "approved": (1, "output", "accepted"),
        "edited": (1, "output", "accepted"),
        "open": (1, "output", "waiting"),
        "a": (2, "output", "accepted"),
    }


async def test_a_declared_value_can_be_the_fault(stage: Stage) -> None:
    """A plan's own value is nobody's attempt: no gate saw it, not those of the attempt before it."""
    steps = (
        build_step("a", criteria=[il.expr("output > 1")], fallback=[il.use_value(3)]),
        build_step("b", needs=[il.Need(step="a", accept_degraded=True)]),
    )
    async with stage.open({"a": Recorder(0), "b": Recorder(1)}, *steps, team="declared") as desk:
        await desk.ainvoke("Go", thread_id="t")
        trail = await report(desk, "a")
    assert (trail.worker, trail.attempt, trail.gates) == (None, 0, ())
    assert tell(trail) == {"b": (1, "output", "accepted")}


async def test_gates_are_those_that_saw_the_value_itself(stage: Stage) -> None:
    """A value that a person approved was seen by the gates of its attempt; one that a person wrote was not."""
    ask = [il.ask_person()]
    weak = [il.expr("output.ok")]
    steps = (
        build_step("approved", "weak", fallback=ask, criteria=weak),
        build_step("edited", "weak", fallback=ask, criteria=weak),
    )
    async with stage.open({"weak": Recorder({"ok": False})}, *steps, team="gates") as desk:
        result = await desk.ainvoke("Go", thread_id="t")
        asked = {question.step_id: question.id for question in result.questions}
        said = {asked["approved"]: il.approve(), asked["edited"]: il.edit({"ok": True})}
        await desk.aanswer("t", said)
        approved, edited = await report(desk, "approved"), await report(desk, "edited")
    assert (approved.worker, edited.worker) == ("weak", "person")
    assert [gate.result for gate in approved.gates] == ["failed"]
    assert [gate.result for gate in edited.gates] == ["passed"]


async def test_losses_are_followed_to_the_steps_that_never_began(stage: Stage) -> None:
    """A reader that fails costs all that need it, also those that would have read nothing of it."""
    agents = {"origin": Recorder(1), "bad": Recorder(il.PermanentError("no")), "good": Recorder(2)}
    steps = (
        build_step("origin"),
        build_step("reader", "bad", needs=["origin"]),
        build_step("waits", "good", needs=["reader"], inputs={}),
        build_step("below", "good", needs=["waits"]),
        build_step("apart", "bad"),
        build_step("under", "good", needs=["apart"]),
    )
    async with stage.open(agents, *steps, team="losses") as desk:
        await desk.ainvoke("Go", thread_id="t")
        trail = await report(desk, "origin")
    assert tell(trail) == {
        "reader": (1, "output", "failed"),
        "waits": (2, "loss", "blocked"),
        "below": (3, "loss", "blocked"),
    }
    assert (trail.depth, trail.lost, trail.accepted, trail.cascade_size) == (1, 3, 0, 3)


async def test_faults_in_nested_teams_reach_the_step_above(stage: Stage) -> None:
    """A value made within a team goes up with what the team hands up, of its last attempt only."""
    inner = build_desk(
        {"find": Recorder("wrong"), "word": Recorder("words"), "apart": Recorder("apart")},
        build_step("find"),
        build_step("word", needs=["find"]),
        build_step("apart"),
        clock=stage.clock,
    )
    tries = iter((False, True))

    def once(output: Any, brief: il.Brief) -> bool:
        return next(tries)

    steps = (
        build_step("team", criteria=[il.check("once")], retry=TWICE),
        build_step("reply", needs=["team"]),
    )
    agents = {"team": inner, "reply": Recorder("dear")}
    async with stage.open(agents, *steps, team="nested", checks={"once": once}) as desk:
        await desk.ainvoke("Go", thread_id="t")
        trail = await report(desk, "team/find")
        apart = await report(desk, "team/apart")
        outer = await report(desk, "team")
    assert tell(trail) == {
        "team/word": (1, "output", "accepted"),
        "team": (2, "team", "accepted"),
        "reply": (3, "output", "accepted"),
    }
    assert tell(apart) == {"team": (1, "team", "accepted"), "reply": (2, "output", "accepted")}
    assert tell(outer) == {"reply": (1, "output", "accepted")}
    assert outer.rests_on == (apart.origin, trail.origin)


async def test_what_a_team_made_in_vain_reaches_nobody(stage: Stage) -> None:
    """A step of an attempt that was refused is no part of what the team handed up in the next."""

    def plan(request: il.PlanRequest) -> il.TaskGraph:
        name = next(names)
        return il.TaskGraph(goal=request.goal, steps=[build_step(name, "work")])

    names, tries = iter(("vain", "used")), iter((False, True))

    def once(output: Any, brief: il.Brief) -> bool:
        return next(tries)

    inner = build_desk({"work": Recorder("x")}, planner=plan, clock=stage.clock)
    step = build_step("team", criteria=[il.check("once")], retry=TWICE)
    async with stage.open({"team": inner}, step, team="vain", checks={"once": once}) as desk:
        await desk.ainvoke("Go", thread_id="t")
        vain = await report(desk, "team/vain")
        used = await report(desk, "team/used")
    assert tell(vain) == {}
    assert tell(used) == {"team": (1, "team", "accepted")}


async def test_facts_of_named_spaces_carry_faults_to_other_threads(stage: Stage) -> None:
    """A customer's fact that one thread published reaches the threads that were shown it, and those after."""
    agents = {"learn": Recorder("gold"), "use": Recorder(7), "next": Recorder("x")}
    context = share(customer_fact("tier", on_conflict="last"), customer_fact("sum"))
    options: dict[str, Any] = {"team": "spaces", "context": context}
    learn = build_step("learn", publishes={"tier": "output"})
    use = build_step("use", context=["tier"], publishes={"sum": "output"})
    after = build_step("next", context=["sum"])
    for thread, steps in (("one", (learn,)), ("two", (use,)), ("three", (after,))):
        async with stage.open(
            {step.id: agents[step.id] for step in steps}, *steps, **options
        ) as desk:
            await desk.ainvoke("Go", thread_id=thread, spaces=CUSTOMER)
            if thread == "three":
                trail = await report(desk, "learn", thread="one")
                stage.clock.advance(365 * 86_400)  # LangGraph dates by the machine's clock
                old = il.Retention(older_than=AT_ONCE, journal=True, thread_id=ThreadId("two"))
                await desk.aprune(old)
                (pruned,) = await desk.ablame("one")
    assert tell(trail) == {
        "two/use": (1, "fact", "accepted"),
        "three/next": (2, "fact", "accepted"),
    }
    assert tell(pruned) == {"two/use": (1, "fact", "pruned")}


async def test_a_fact_that_was_merged_carries_what_went_into_it(stage: Stage) -> None:
    """Who is shown a merged fact has been shown every value in it; who only added to it has not."""
    agents = {
        "first": Recorder([1]),
        "second": Recorder([2]),
        "third": Recorder([3]),
        "read": Recorder(0),
    }
    steps = (
        build_step("first", publishes={"notes": "output"}),
        build_step("second", needs=["first"], inputs={}, publishes={"notes": "output"}),
        build_step("third", needs=["second"], inputs={}, publishes={"notes": "output"}),
        build_step("read", needs=["third"], inputs={}, context=["notes"]),
    )

    def join(held: Any, offered: Any) -> Any:
        return [*held, *offered]

    context = share(il.Fact(name="notes", on_conflict="merge", merge="join"), merges={"join": join})
    async with stage.open(agents, *steps, team="merging", context=context) as desk:
        await desk.ainvoke("Go", thread_id="t")
        trail = await report(desk, "first")
    assert tell(trail) == {"read": (1, "fact", "accepted")}


async def test_a_fork_settles_its_own_steps(stage: Stage) -> None:
    """A fork works on with the value of before: both branches' steps are reached, each by itself."""
    agents = {"first": Recorder(1), "then": Recorder(2), "last": Recorder(3)}
    steps = (
        build_step("first"),
        build_step("then", needs=["first"]),
        build_step("last", needs=["then"]),
    )
    config: Any = {"configurable": {"thread_id": "t"}}
    async with stage.open(agents, *steps, team="forks") as desk:
        await desk.ainvoke("Fork", thread_id="t", stepwise=True)
        history = [state async for state in desk.graph.aget_state_history(config)]
        early = next(
            state
            for state in history
            if state.next == ("supervisor",) and set(state.values["outcomes"]) == {"first"}
        )
        values = {"outcomes": early.values["outcomes"]}
        fork = await desk.graph.aupdate_state(early.config, values, as_node="dispatch")
        await desk.graph.ainvoke(None, fork, durability="sync")
        trail = await report(desk, "first")
        late = await report(desk, "then")
    reached = [(step.place.step_id, step.distance) for step in trail.affected]
    assert reached == [("then", 1), ("then", 1), ("last", 2), ("last", 2)]
    assert len({step.place.superstep for step in trail.affected}) == 4
    assert [step.place.step_id for step in late.affected] == ["last"]
    assert late.affected[0].via == late.origin


async def test_the_words_of_faults_are_sealed_and_read_with_the_key(tmp_path: Path) -> None:
    """In a sealed storage trails are the same, and their words are read."""
    stage = build_stage(
        f"sqlite:///{tmp_path / 'sealed.db'}",
        encryption=il.Encryption(keys={"k": bytes(range(32))}, active="k"),
    )
    await stage.storage.connect()
    await play_faults(stage)
    async with build_desk({"x": str}, storage=stage.storage, clock=stage.clock) as desk:
        first, *_ = await desk.ablame()
    await stage.storage.aclose()
    assert first.faults[0].blame.why == "it is too low"
    assert first.let_pass[0].criterion == "output.price > 0 is true"
    assert b"it is too low" not in (tmp_path / "sealed.db").read_bytes()
