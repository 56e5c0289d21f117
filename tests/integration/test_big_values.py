"""Values of 10 MB: each lies in a thread once, wherever it travels and whoever is shown it."""

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver

import interlock as il
from interlock.contracts.ids import StepId
from tests.integration.teams import (
    Recorder,
    build_desk,
    build_plan,
    build_step,
    build_workers,
    give,
    locate,
)
from tests.integration.thread_reading import read_thread, resume_twice

SIZE = 10_000_000
ONCE = 1.1 * SIZE
"""Bytes of a database file that holds one such value, and everything about the run."""

BIG = {"kind": "letter", "text": "x" * SIZE}
SPREAD = {"rows": [{"id": number, "cents": number * 7} for number in range(50_000)]}
"""Big, and made of small values."""


def measure(folder: Path) -> int:
    """Return how many bytes the closed database has."""
    return sum(file.stat().st_size for file in folder.iterdir())


def read_size(folder: Path, what: str, table: str) -> int:
    """Return the sum of what a table of the database holds."""
    connection = sqlite3.connect(folder / "desk.db")
    (found,) = connection.execute(f"SELECT coalesce(sum({what}), 0) FROM {table}").fetchone()
    connection.close()
    return int(found)


def count(name: str, part: str | None = None) -> Callable[[il.Brief], int]:
    """Return a worker that gives the length of an input, or of a part of it."""
    return lambda brief: len(brief.inputs[name] if part is None else brief.inputs[name][part])


async def test_two_readers_of_an_output_and_one_of_a_part_share_it(tmp_path: Path) -> None:
    """Output, briefs and checkpoints hold one copy; the journal gives every payload in full."""
    steps = (
        build_step("big"),
        build_step("one", needs=["big"]),
        build_step("two", needs=["big"], inputs={"whole": "big"}),
        build_step("part", needs=["big"], inputs={"text": "big.text", "kind": "big.kind"}),
    )
    agents = {
        "big": give(BIG),
        "one": count("big", "text"),
        "two": count("whole", "text"),
        "part": lambda brief: [brief.inputs["kind"], len(brief.inputs["text"])],
    }
    async with build_desk(agents, *steps, storage=locate(tmp_path)) as desk:
        result = await desk.ainvoke("Test", thread_id="t")
        briefs = {h.step_id: h for h in await desk.ahandoffs("t") if h.kind == "brief"}
        assert await resume_twice(desk, "t") == result
        await read_thread(desk, "t")
    assert result.outputs == {"big": BIG, "one": SIZE, "two": SIZE, "part": ["letter", SIZE]}
    assert briefs["one"].payload["inputs"] == {"big": BIG}
    assert briefs["part"].payload["inputs"] == {"text": BIG["text"], "kind": "letter"}
    assert measure(tmp_path) < ONCE
    assert read_size(tmp_path, "length(data)", "blobs") < 10_000


async def test_a_big_value_of_many_small_ones_is_shared_too(tmp_path: Path) -> None:
    """It need not be one long text."""
    agents = {"big": give(SPREAD), "reader": count("big", "rows")}
    steps = (build_step("big"), build_step("reader", needs=["big"]))
    async with build_desk(agents, *steps, storage=locate(tmp_path)) as desk:
        result = await desk.ainvoke("Test", thread_id="t")
    assert result.outputs == {"big": SPREAD, "reader": 50_000}
    assert measure(tmp_path) < len(json.dumps(SPREAD)) + 300_000


@pytest.mark.parametrize(("is_new", "copies"), [(False, 1), (True, 3)])
async def test_three_refused_attempts_and_a_question_hold_each_value_once(
    tmp_path: Path, is_new: bool, copies: int
) -> None:
    """A person is shown how it begins, and lets the whole value pass, in another process."""
    values = [{"no": number, "text": "xyz"[number * is_new] * SIZE} for number in range(3)]
    step = build_step(
        "work",
        criteria=[il.expr("size(output.text) < 10")],
        retry=il.Retry(max_attempts=3),
        fallback=[il.ask_person()],
    )
    async with build_desk({"work": Recorder(*values)}, step, storage=locate(tmp_path)) as desk:
        waiting = await desk.ainvoke("Test", thread_id="t")
    assert measure(tmp_path) < ONCE * copies
    async with build_desk({"work": Recorder()}, step, storage=locate(tmp_path)) as desk:
        (question,) = await desk.aquestions()
        assert (question,) == waiting.questions
        assert question.args["shortened"].startswith('{"no":2,"text":"')
        assert question.args["bytes"] == SIZE + len('{"no":2,"text":""}')
        assert len(question.model_dump_json()) < 4000
        assert await desk.ashown(question) == values[2]
        done = await desk.aanswer("t", {question.id: il.approve()})
    assert (done.status, done.outputs) == ("completed", {"work": values[2]})
    assert measure(tmp_path) < ONCE * copies


async def test_a_context_of_ten_megabytes_over_twenty_steps(tmp_path: Path) -> None:
    """Row 50: the file holds the run's record, one payload, and what their rewriting leaves free."""
    work = Recorder(lambda brief: len(brief.context["text"]))
    steps = [
        build_step(f"s{n}", "work", context=["text"], needs=[f"s{n - 1}"] if n else [])
        for n in range(20)
    ]
    context = {"text": "x" * SIZE, "none": None}
    async with build_desk({"work": work}, *steps, storage=locate(tmp_path)) as desk:
        result = await desk.ainvoke("Test", thread_id="t", context=context)
    assert set(result.outputs.values()) == {SIZE}
    assert read_size(tmp_path, "length(data)", "payloads") < ONCE
    assert read_size(tmp_path, "length(data)", "blobs") < 100_000
    assert measure(tmp_path) < 3.2 * SIZE


async def test_what_is_published_is_read_by_reference(tmp_path: Path) -> None:
    """A big fact reaches five readers, and the result names it in full."""
    steps = [
        build_step("source", publishes={"text": "output.text", "kind": "output.kind"}),
        *(
            build_step(f"s{n}", "reader", needs=["source"], inputs={}, context=["text", "kind"])
            for n in range(5)
        ),
    ]
    reader = Recorder(lambda brief: [len(brief.context["text"]), brief.context["kind"]])
    agents = {"source": give(BIG), "reader": reader}
    async with build_desk(agents, *steps, storage=locate(tmp_path)) as desk:
        result = await desk.ainvoke("Test", thread_id="t")
    assert [result.outputs[StepId(f"s{n}")] for n in range(5)] == [[SIZE, "letter"]] * 5
    assert result.outcomes["source"].published == {"text": BIG["text"], "kind": "letter"}
    assert measure(tmp_path) < ONCE


async def test_a_team_in_a_team_hands_a_big_value_in_and_out(tmp_path: Path) -> None:
    """Its context and its result travel by reference too; its planner sees the value itself."""
    seen: list[int] = []

    def plan(request: il.PlanRequest) -> il.TaskGraph:
        seen.append(len(request.context["big"]["text"]))
        return build_plan(build_step("deep", context=["big", "note"]))

    inner = build_desk(
        {"deep": lambda brief: {"copy": brief.context["big"], "note": brief.context["note"]}},
        planner=plan,
    )
    steps = (build_step("big"), build_step("team", needs=["big"], arguments={"note": "small"}))
    agents = {"big": give(BIG), "team": inner}
    async with build_desk(agents, *steps, storage=locate(tmp_path)) as desk:
        result = await desk.ainvoke("Test", thread_id="t")
    assert result.outputs["team"] == {"deep": {"copy": BIG, "note": "small"}}
    assert seen == [SIZE]
    assert measure(tmp_path) < ONCE
    assert read_size(tmp_path, "length(data)", "blobs") < 100_000


ASKED = build_step("ask", needs=["big"], arguments={"to": "Ada"}, approval="true")


async def test_inputs_are_shown_shortened_and_edited_around_the_big_one(tmp_path: Path) -> None:
    """What an edit leaves as it was shown is what it stands for; the rest is as it was edited."""
    worker = Recorder(lambda brief: [len(brief.inputs["big"]["text"]), brief.inputs["to"]])
    agents = {"big": give(BIG), "ask": worker}
    async with build_desk(agents, build_step("big"), ASKED, storage=locate(tmp_path)) as desk:
        (question,) = (await desk.ainvoke("Test", thread_id="t")).questions
        assert await desk.ashown(question) == {"big": BIG, "to": "Ada"}
        assert question.args["to"] == "Ada"
        assert question.args["big"]["bytes"] > SIZE
        edited = {**question.args, "to": "Grace"}
        done = await desk.aanswer("t", {question.id: il.edit(edited)})
        (brief,) = [h for h in await desk.ahandoffs("t", "ask") if h.kind == "brief"]
    assert done.outputs["ask"] == [SIZE, "Grace"]
    assert brief.payload["inputs"] == {"big": BIG, "to": "Grace"}
    assert measure(tmp_path) < ONCE


async def test_an_output_that_an_edit_leaves_shortened_is_the_whole_output(tmp_path: Path) -> None:
    """An interface that sends back what it showed does not put the shortened value in its place."""
    step = build_step("work", criteria=[il.expr("output.kind == 'x'")], fallback=[il.ask_person()])
    async with build_desk({"work": give(BIG)}, step, storage=locate(tmp_path)) as desk:
        (first,) = (await desk.ainvoke("Test", thread_id="t")).questions
        again = await desk.aanswer("t", {first.id: il.edit(first.args)})
        (second,) = again.questions
        assert "the edited output was refused" in second.description
        assert await desk.ashown(second) == BIG
        done = await desk.aanswer("t", {second.id: il.edit({**BIG, "kind": "x"})})
    assert done.outputs == {"work": {**BIG, "kind": "x"}}


async def test_an_answer_binds_to_the_hash_of_what_was_shown(tmp_path: Path) -> None:
    """Two big values that begin alike are two questions: their shortened forms differ by hash."""
    hashes = set()
    for ending in ("a", "b"):
        value = "x" * 100_000 + ending
        step = build_step("work", criteria=[il.expr("output == ''")], fallback=[il.ask_person()])
        async with build_desk({"work": give(value)}, step) as desk:
            (question,) = (await desk.ainvoke("Test", thread_id="t")).questions
            assert question.args_ref == question.args["sha256"]
            hashes.add(question.shown_hash)
            stale = il.Answer(type="approve", shown_hash=question.args_ref)
            with pytest.raises(il.StaleAnswerError):
                await desk.aanswer("t", {question.id: stale})
            right = il.Answer(type="approve", shown_hash=question.shown_hash)
            assert (await desk.aanswer("t", {question.id: right})).outputs == {"work": value}
    assert len(hashes) == 2


async def test_big_values_need_no_saver_of_ours(tmp_path: Path) -> None:
    """Compiled on LangGraph's own saver, the references lead to the team's storage."""
    plan = build_plan(build_step("big"), build_step("reader", needs=["big"], context=["text"]))
    reader = Recorder(lambda brief: [count("big", "text")(brief), len(brief.context["text"])])
    workers = build_workers({"big": give(BIG), "reader": reader})
    async with il.open_storage(locate(tmp_path)) as storage:
        builder = il.build_run_graph(workers=workers, planner=plan, storage=storage)
        graph = builder.compile(checkpointer=InMemorySaver())
        config: Any = {"configurable": {"thread_id": "t"}}
        given: Any = {"goal": "Test", "context": {"text": "y" * SIZE}}
        ended = await graph.ainvoke(given, config, durability="sync")
        states = [found.values async for found in graph.aget_state_history(config)]
    assert ended["result"]["outputs"] == {"reader": [SIZE, SIZE]}
    assert ended["context"] == {"text": None}
    assert all(len(str(state)) < 100_000 for state in states[:-2])  # after intake
    assert measure(tmp_path) < 2 * ONCE
