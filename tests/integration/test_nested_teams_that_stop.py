"""Nested teams that stop in the middle: questions, restarts, kills, drains and cancels."""

import asyncio
import collections
from pathlib import Path
from typing import Any

import pytest
from langgraph.types import interrupt

import interlock as il
from tests.integration.facts.doomed_team import (
    build_doomed_desk,
    list_payments,
    list_starts,
    run_until_killed,
)
from tests.integration.gates import Gate
from tests.integration.teams import Recorder, build_desk, build_step, give, locate
from tests.integration.thread_reading import read_thread


def build_asking_team(name: str, after: Recorder) -> il.Orchestrator:
    """Return a team that prepares, asks a person about it, and goes on."""
    bad = Recorder(ValueError(f"{name} does not know"))
    return build_desk(
        {"before": Recorder("before"), "bad": bad, "after": after},
        build_step("before"),
        build_step("bad", needs=["before"], fallback=[il.ask_person()]),
        build_step("after", needs=["bad"]),
    )


async def test_questions_of_inner_teams_surface_and_each_answer_reaches_its_own() -> None:
    """Two inner teams ask; answered by id, one goes on and the other waits, nothing runs twice."""
    afters = {name: Recorder(f"after {name}") for name in ("left", "right")}
    teams = {name: build_asking_team(name, afters[name]) for name in afters}
    beside = Recorder("beside")
    async with build_desk({**teams, "beside": beside}) as desk:
        waiting = await desk.ainvoke("Test", thread_id="t")
        ids = {q.step_id: q.id for q in waiting.questions}
        assert sorted(ids) == ["left/bad", "right/bad"]
        assert beside.calls == 1
        half = await desk.aanswer("t", {ids["right/bad"]: il.edit("by hand")})
        assert half.status == "waiting"
        assert [q.id for q in half.questions] == [ids["left/bad"]]
        assert (afters["left"].calls, afters["right"].calls) == (0, 1)
        assert half.outputs["right"] == {"after": "after right"}
        done = await desk.aanswer("t", {ids["left/bad"]: il.edit("too")})
        handoffs = await desk.ahandoffs("t")
        await read_thread(desk, "t")
    assert done.status == "completed", done.gaps
    assert [afters["left"].briefs[0].inputs["bad"], afters["right"].briefs[0].inputs["bad"]] == [
        "too",
        "by hand",
    ]
    assert beside.calls == 1
    briefs = [(h.step_id, h.attempt) for h in handoffs if h.kind == "brief"]
    assert len(briefs) == len(set(briefs)) == 9
    answers = [(h.step_id, h.payload["answer"]["value"]) for h in handoffs if h.kind == "answer"]
    assert answers == [("right/bad", "by hand"), ("left/bad", "too")]


async def test_an_inner_workers_own_interrupt_names_the_inner_step() -> None:
    """A worker's `interrupt()` two teams down is asked with its path and answered by id."""

    def ask(brief: il.Brief) -> Any:
        return interrupt("Which one?")

    middle = build_desk({"in": build_desk({"ask": ask})})
    async with build_desk({"out": middle}) as desk:
        waiting = await desk.ainvoke("Test", thread_id="t")
        (question,) = waiting.questions
        assert (question.step_id, question.description) == ("out/in/ask", "Which one?")
        done = await desk.aanswer("t", {question.id: il.respond("the red one")})
    assert done.outputs == {"out": {"in": {"ask": "the red one"}}}


async def test_an_inner_plan_is_approved_before_the_inner_team_works() -> None:
    """`approve_plan` of a nested team asks through the outer run."""
    work = Recorder("done")
    inner = build_desk({"work": work}, policy=il.RunPolicy(approve_plan=True))
    async with build_desk({"outer": inner}) as desk:
        events = [e async for e in desk.astream("Test", thread_id="t")]
        waiting = events[-1].result  # type: ignore[union-attr]
        (question,) = waiting.questions
        assert (question.kind, work.calls) == ("plan", 0)
        answered = [
            e async for e in desk.astream(thread_id="t", answers={question.id: il.approve()})
        ]
    assert answered[-1].result.outputs == {"outer": {"work": "done"}}  # type: ignore[union-attr]
    plans = [e for e in [*events, *answered] if isinstance(e, il.events.PlanAccepted)]
    assert [plan.total for plan in plans] == [1]  # the run's own; its steps are what is counted


async def test_an_inner_run_interrupted_and_reopened_repeats_no_settled_step(
    tmp_path: Path,
) -> None:
    """Left in the middle of the inner team and opened again, only what had not settled runs."""
    started = asyncio.Event()
    first, last = Recorder("first"), Recorder("last")

    async def wait_first(brief: il.Brief) -> str:
        started.set()
        await asyncio.Event().wait()
        return "never"

    hang = Recorder(wait_first, "middle")

    def build() -> il.Orchestrator:
        agents = {"first": first, "hang": hang, "last": last}
        inner = build_desk(
            agents,
            build_step("first"),
            build_step("hang", needs=["first"]),
            build_step("last", needs=["hang"]),
        )
        return build_desk({"outer": inner}, storage=locate(tmp_path))

    async with build() as desk:
        run = asyncio.create_task(desk.ainvoke("Test", thread_id="t"))
        await started.wait()
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)
    async with build() as desk:
        result = await desk.aresume("t")
        handoffs = await desk.ahandoffs("t")
    assert result.outputs == {"outer": {"last": "last"}}
    assert (first.calls, hang.calls, last.calls) == (1, 2, 1)
    assert [brief.attempt for brief in hang.briefs] == [1, 1]
    assert len([h for h in handoffs if h.kind == "brief"]) == 4


@pytest.mark.parametrize("place", ["a", "c", "d"])
async def test_kill_9_inside_an_inner_team_repeats_no_settled_inner_step(
    tmp_path: Path, place: str
) -> None:
    """I6: two teams down, the resumed process starts only what the killed one had not settled."""
    await asyncio.to_thread(run_until_killed, tmp_path, "nested", at=place)
    async with build_doomed_desk(tmp_path, "nested") as desk:
        await read_thread(desk, "t")
        settled = {h.step_id for h in await desk.ahandoffs("t") if h.kind == "output"}
        result = await desk.aresume("t")
        await read_thread(desk, "t")
    value = {"step": "d", "tenant": "north"}
    assert result.outputs == {"outer": {"inner": {"d": value}}}
    starts = collections.Counter(list_starts(tmp_path))
    assert {step for step, count in starts.items() if count > 1} >= {place}
    assert all(starts[str(step).rpartition("/")[2]] == 1 for step in settled)
    assert starts.keys() == set("abcd")


@pytest.mark.parametrize("place", ["before-y", "after-y"])
async def test_i05_kill_9_in_the_middle_of_an_effect_two_teams_down_repeats_none(
    tmp_path: Path, place: str
) -> None:
    """I5: begun before the kill and asked after it, the effect is made once; what had settled stays."""
    await asyncio.to_thread(run_until_killed, tmp_path, "nested_payments", at=place)
    assert list_payments(tmp_path) == (["x"] if place == "before-y" else ["x", "y"])
    async with build_doomed_desk(tmp_path, "nested_payments") as desk:
        result = await desk.aresume("t")
        effects = [(e.step_id, e.state) for e in await desk.aeffects("t")]
        await read_thread(desk, "t")
    assert result.outputs == {"outer": {"inner": {"y": "paid y"}}}
    assert list_payments(tmp_path) == ["x", "y"]
    assert list_starts(tmp_path).count("x") == 1
    assert effects == [("outer/inner/x", "done"), ("outer/inner/y", "done")]


async def test_a_drain_lets_the_inner_worker_end_and_starts_nothing_more_inside() -> None:
    """Drained in an inner team, the run stops after the attempt under way and can be resumed."""
    gate, after = Gate(), Recorder("after")
    work = Recorder(gate)
    inner = build_desk(
        {"gate": work, "after": after}, build_step("gate"), build_step("after", needs=["gate"])
    )
    middle = build_desk({"inner": inner})
    async with il.open_storage("memory://") as storage:
        async with build_desk({"outer": middle}, storage=storage) as desk:
            run = asyncio.create_task(desk.ainvoke("Test", thread_id="t"))
            await gate.started.wait()
            desk.drain("deploy")
            gate.opened.set()
            with pytest.raises(il.DrainedError, match="deploy"):
                await run
            assert (gate.was_cut_off, after.calls) == (False, 0)
            assert (await desk.astatus("t")).status == "running"
        async with build_desk({"outer": middle}, storage=storage) as desk:
            result = await desk.aresume("t")
    assert result.outputs == {"outer": {"inner": {"after": "after"}}}
    assert (work.calls, after.calls) == (1, 1)


async def test_a_cancel_reaches_the_inner_worker_and_keeps_what_the_inner_team_has_done() -> None:
    """Inner steps settle as cancelled in the journal; those that had settled stay accepted."""
    gate, after = Gate(), Recorder("after")
    inner = build_desk(
        {"first": give(1), "gate": gate, "after": after},
        build_step("first"),
        build_step("gate", needs=["first"]),
        build_step("after", needs=["gate"]),
    )
    async with build_desk({"outer": inner, "beside": give("kept")}) as desk:
        run = asyncio.create_task(desk.ainvoke("Test", thread_id="t"))
        await gate.started.wait()
        await desk.acancel("t", why="wrong customer")
        result = await run
        handoffs = await desk.ahandoffs("t")
    assert result.status == "cancelled"
    assert result.outputs == {"beside": "kept"}
    assert (gate.was_cut_off, after.calls) == (True, 0)
    settled = {h.step_id: h.status for h in handoffs if h.kind == "settlement"}
    assert settled == {"outer/gate": "cancelled", "outer/after": "cancelled", "outer": "cancelled"}
    accepted = [h.step_id for h in handoffs if h.verdict and h.verdict.action == "accept"]
    assert sorted(accepted) == ["beside", "outer/first"]


async def test_a_run_cancelled_while_down_is_settled_inside_when_it_is_next_driven() -> None:
    """Asked to stop while an inner team waits for a person, the run closes its questions."""
    after = Recorder("after")
    async with build_desk({"outer": build_asking_team("inner", after)}) as desk:
        waiting = await desk.ainvoke("Test", thread_id="t")
        assert waiting.status == "waiting"
        status = await desk.acancel("t", why="no longer wanted")
        assert status.status == "cancelled"
        assert await desk.aquestions() == []
        result = await desk.aresume("t")
    assert result.outcomes["outer"].status == "cancelled"
    assert after.calls == 0
