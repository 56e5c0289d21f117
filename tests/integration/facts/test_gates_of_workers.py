"""Interrupts that workers raise themselves: asked once, answered once, by id (rows 1 to 12)."""

from pathlib import Path
from typing import Any

import pytest
from langgraph.errors import UnknownInterruptError
from langgraph.types import Command, interrupt

import interlock as il
from tests.integration.facts.doomed_team import build_doomed_desk, run_until_killed
from tests.integration.gated_graphs import GateCounts, build_gated_graph
from tests.integration.teams import Recorder, build_desk, build_step, locate
from tests.integration.thread_reading import read_thread


async def test_a_later_gate_stays_pending_over_a_crash_after_the_first_answer(
    tmp_path: Path,
) -> None:
    """Row 1: the answer to gate one, a kill and a resume leave gate two unanswered."""
    folder = tmp_path
    async with build_doomed_desk(folder, "gates") as desk:
        waiting = await desk.ainvoke("Test", thread_id="t")
    assert [question.args for question in waiting.questions] == [{"gate": "first"}]
    run_until_killed(folder, "gates", "one", at="between")
    async with build_doomed_desk(folder, "gates") as desk:
        resumed = await desk.aresume("t")
        assert resumed.status == "waiting"
        assert [question.args for question in resumed.questions] == [{"gate": "second"}]
        again = await desk.aresume("t")
        assert [question.id for question in again.questions] == [resumed.questions[0].id]
        done = await desk.aanswer("t", {resumed.questions[0].id: il.respond("two")})
    assert done.outputs == {"gated": {"answers": [["first", "one"], ["second", "two"]]}}


async def test_the_same_answer_twice_leaves_the_next_gate_pending() -> None:
    """Row 2: a double submission is harmless and reaches no other question."""
    graph = build_gated_graph(GateCounts(), ["first", "second"])
    async with build_desk({"gated": graph}) as desk:
        waiting = await desk.ainvoke("Test", thread_id="t")
        answer = {waiting.questions[0].id: il.respond("one")}
        next_gate = await desk.aanswer("t", answer)
        twice = await desk.aanswer("t", answer)
        assert twice.status == "waiting"
        assert [q.id for q in twice.questions] == [q.id for q in next_gate.questions]
        assert twice.questions[0].args == {"gate": "second"}
        with pytest.raises(il.StaleAnswerError) as refused:
            await desk.aanswer("t", {waiting.questions[0].id: il.respond("otherwise")})
        assert refused.value.question_id == waiting.questions[0].id
        done = await desk.aanswer("t", {twice.questions[0].id: il.approve()})
    assert done.outputs["gated"] == {"answers": [["first", "one"], ["second", True]]}


async def test_an_old_interrupt_id_is_refused_by_the_graph_itself() -> None:
    """Row 2: behind the facade's back too, a resume of an answered interrupt changes nothing."""
    graph = build_gated_graph(GateCounts(), ["first", "second"])
    async with build_desk({"gated": graph}) as desk:
        waiting = await desk.ainvoke("Test", thread_id="t")
        old = waiting.questions[0].interrupt_id
        after = await desk.aanswer("t", {waiting.questions[0].id: il.respond("one")})
        config: Any = {"configurable": {"thread_id": "t", "__pregel_strict_resume": True}}
        with pytest.raises(UnknownInterruptError):
            await desk.graph.ainvoke(Command(resume={old: "x"}), config, durability="sync")
        assert [q.id for q in await desk.aquestions("t")] == [q.id for q in after.questions]


async def test_parallel_gates_are_asked_together_and_answered_by_id() -> None:
    """Row 3: each gate gets its own answer; an answer that names no question is refused."""
    counts = GateCounts()
    graph = build_gated_graph(counts, ["left", "right", "top"], parallel=True)
    async with build_desk({"gated": graph}) as desk:
        waiting = await desk.ainvoke("Test", thread_id="t")
        ids = {question.args["gate"]: question.id for question in waiting.questions}
        assert sorted(ids) == ["left", "right", "top"]
        with pytest.raises(il.UnknownQuestionError) as refused:
            await desk.aanswer("t", {"yes": il.approve()})
        assert set(refused.value.open_ids) == set(ids.values())
        done = await desk.aanswer(
            "t", {identifier: il.respond(f"for {name}") for name, identifier in ids.items()}
        )
    assert done.outputs["gated"]["answers"] == [
        ["left", "for left"],
        ["right", "for right"],
        ["top", "for top"],
    ]


async def test_what_stands_before_parallel_gates_runs_once_however_they_are_answered() -> None:
    """Row 4: answered one by one, the node before the gates is never run again."""
    counts = GateCounts()
    names = ["g0", "g1", "g2"]
    graph = build_gated_graph(counts, names, parallel=True)
    async with build_desk({"gated": graph}) as desk:
        result = await desk.ainvoke("Test", thread_id="t")
        for left in (3, 2, 1):
            assert len(result.questions) == left
            first = result.questions[0]
            result = await desk.aanswer("t", {first.id: il.respond(f"to {first.args['gate']}")})
    assert result.status == "completed"
    assert counts["before"] == counts["after"] == 1
    assert result.outputs["gated"]["answers"] == [[name, f"to {name}"] for name in names]


async def test_finished_steps_beside_a_gate_never_run_again() -> None:
    """Row 4: answers to one step's gates start no other step a second time."""
    neighbour = Recorder()
    graph = build_gated_graph(GateCounts(), ["first", "second"])
    async with build_desk({"gated": graph, "neighbour": neighbour}) as desk:
        result = await desk.ainvoke("Test", thread_id="t")
        while result.questions:
            result = await desk.aanswer("t", {result.questions[0].id: il.approve()})
    assert result.status == "completed"
    assert neighbour.calls == 1


async def test_a_gate_that_asks_until_the_answer_is_good_asks_anew_each_time() -> None:
    """Row 7: two bad answers and a good one are three questions, each answered once."""
    seen: list[Any] = []

    async def ask(brief: il.Brief) -> Any:
        number = 0
        while True:
            answer = interrupt(f"A number? ({number} refused)")
            if answer == "seven":
                return {"answer": answer, "refused": number}
            number += 1
            seen.append(answer)

    async with build_desk({"ask": ask}) as desk:
        result = await desk.ainvoke("Test", thread_id="t")
        asked = [result.questions[0]]
        for text in ("four", "five", "seven"):
            result = await desk.aanswer("t", {result.questions[0].id: il.respond(text)})
            asked.extend(result.questions)
    assert result.outputs == {"ask": {"answer": "seven", "refused": 2}}
    assert len({question.id for question in asked}) == 3
    assert [question.description for question in asked] == [
        f"A number? ({number} refused)" for number in range(3)
    ]


@pytest.mark.parametrize("broad", ["function", "group"])
async def test_a_pause_that_a_worker_catches_fails_loudly_or_still_pauses(broad: str) -> None:
    """Row 10: a broad `except` around interrupt() is named as what it is, not taken as output."""

    async def swallow(brief: il.Brief) -> str:
        try:
            return str(interrupt("May I?"))
        except Exception as exc:
            if broad == "group":
                raise ExceptionGroup("wrapped", [ValueError("beside"), exc]) from exc
            return f"swallowed {exc!r}"

    async with build_desk({"swallow": swallow}) as desk:
        result = await desk.ainvoke("Test", thread_id="t")
        if broad == "group":
            assert [q.description for q in result.questions] == ["May I?"]
            result = await desk.aanswer("t", {result.questions[0].id: il.respond("go on")})
            assert result.outputs == {"swallow": "go on"}
        else:
            assert result.status == "failed"
            assert "interrupt()" in str(result.outcomes["swallow"].reason)
            assert "GraphBubbleUp" in str(result.outcomes["swallow"].reason)
        await read_thread(desk, "t")


@pytest.mark.parametrize("value", [None, False, 0, "", [], {}], ids=repr)
async def test_an_empty_answer_value_arrives_as_it_is(value: Any) -> None:
    """Row 11: None, False, 0, "", [] and {} are answers like any other."""
    got: list[Any] = []

    async def ask(brief: il.Brief) -> Any:
        got.append(interrupt("What?"))
        return {"got": got[-1]}

    async with build_desk({"ask": ask}) as desk:
        result = await desk.ainvoke("Test", thread_id="t")
        done = await desk.aanswer("t", {result.questions[0].id: il.edit(value)})
    assert done.status == "completed"
    assert done.outputs == {"ask": {"got": value}}
    assert type(got[-1]) is type(value)


async def test_no_answers_are_refused() -> None:
    """Row 11: an empty mapping of answers is a typed error that names what is open."""
    graph = build_gated_graph(GateCounts(), ["first"])
    async with build_desk({"gated": graph}) as desk:
        result = await desk.ainvoke("Test", thread_id="t")
        with pytest.raises(il.UnknownQuestionError) as refused:
            await desk.aanswer("t", {})
        assert refused.value.open_ids == (result.questions[0].id,)
        assert (await desk.astatus("t")).status == "waiting"


async def test_a_new_goal_on_a_waiting_thread_is_refused_and_changes_nothing() -> None:
    """Row 12: `ainvoke` on a thread with an open question names `aanswer`."""
    counts = GateCounts()
    async with build_desk({"gated": build_gated_graph(counts, ["first"])}) as desk:
        waiting = await desk.ainvoke("Test", thread_id="t")
        with pytest.raises(il.UnfinishedRunError, match="aanswer") as refused:
            await desk.ainvoke("Something else", thread_id="t")
        assert (refused.value.thread_id, refused.value.status) == ("t", "waiting")
        status = await read_thread(desk, "t")
        assert status.goal == "Test"
        assert [q.id for q in status.questions] == [q.id for q in waiting.questions]
        done = await desk.aanswer("t", {waiting.questions[0].id: il.approve()})
    assert done.status == "completed"
    assert counts["before"] == 1


async def test_the_context_is_there_after_a_restart(tmp_path: Path) -> None:
    """Row 14: what the run was started with reaches steps that run in a later process."""
    graph = build_gated_graph(GateCounts(), ["first"])
    late = Recorder(lambda brief: dict(brief.context))
    agents = {"gated": graph, "late": late}
    steps = (build_step("gated"), build_step("late", needs=["gated"], context=["tenant"]))
    async with build_desk(agents, *steps, storage=locate(tmp_path)) as desk:
        waiting = await desk.ainvoke("Test", thread_id="t", context={"tenant": {"id": "north"}})
    async with build_desk(agents, *steps, storage=locate(tmp_path)) as desk:
        done = await desk.aanswer("t", {waiting.questions[0].id: il.approve()})
    assert done.outputs["late"] == {"tenant": {"id": "north"}}
