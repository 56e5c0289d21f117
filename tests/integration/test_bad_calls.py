"""Calls that do not fit: a typed error that says what was seen and what to do; nothing changes."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from langgraph.types import Command

import interlock as il
from tests.integration.gated_graphs import GateCounts, build_gated_graph
from tests.integration.teams import Recorder, build_desk, build_step, give, locate
from tests.integration.thread_reading import read_thread, resume_twice


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        ({"goal": ""}, il.ConfigurationError, "The goal is ''. Give the run a goal"),
        ({"goal": " \n\t"}, il.ConfigurationError, "Give the run a goal"),
        ({"goal": 7}, il.ConfigurationError, "The goal is 7"),
        ({"goal": "a\ud800"}, il.PlainValueError, "goal is a lone surrogate at 1"),
        ({"thread_id": ""}, il.ConfigurationError, "The thread id is ''. Give"),
        ({"thread_id": 7}, il.ConfigurationError, "The thread id is 7"),
        ({"thread_id": "\ud800"}, il.PlainValueError, "thread id is a lone surrogate"),
        ({"context": [1]}, il.ConfigurationError, "The context is [1]"),
        ({"context": {"f": print}}, il.PlainValueError, "context.f is <built-in function print>"),
        ({"context": {1: "one"}}, il.PlainValueError, "key 1, which is not a string"),
        ({"context": {"x": math.nan}}, il.PlainValueError, "context.x is nan"),
    ],
    ids=str,
)
async def test_a_run_that_cannot_be_written_down_is_refused_before_anything_is(
    tmp_path: Path, call: dict[str, Any], error: type[il.InterlockError], words: str
) -> None:
    """The call names what is wrong; the thread stays unknown, and a good call on it runs."""
    work = Recorder()
    async with build_desk({"work": work}, storage=locate(tmp_path)) as desk:
        with pytest.raises(error) as refused:
            await desk.ainvoke(**{"goal": "Test", "thread_id": "t", **call})
        assert words in str(refused.value)
        with pytest.raises(il.UnknownThreadError):
            await desk.astatus("t")
        assert work.calls == 0
        assert (await desk.ainvoke("Test", thread_id="t")).status == "completed"


@pytest.mark.parametrize(
    "call",
    [
        lambda desk, thread_id: desk.aresume(thread_id),
        lambda desk, thread_id: desk.aanswer(thread_id, {"q": il.approve()}),
        lambda desk, thread_id: desk.astatus(thread_id),
        lambda desk, thread_id: desk.ahandoffs(thread_id),
        lambda desk, thread_id: desk.acancel(thread_id, why="no reason"),
    ],
    ids=["aresume", "aanswer", "astatus", "ahandoffs", "acancel"],
)
async def test_an_unknown_thread_is_named_and_not_made_by_asking_for_it(
    tmp_path: Path, call: Callable[[il.Orchestrator, str], Any]
) -> None:
    """Every call says which thread and what to check, and the thread is as unknown as before."""
    async with build_desk({"work": give(1)}, storage=locate(tmp_path)) as desk:
        with pytest.raises(il.UnknownThreadError, match="'nowhere'") as refused:
            await call(desk, "nowhere")
        assert "Check the thread id and the storage URL" in str(refused.value)
        assert list(await desk.aquestions("nowhere")) == []
        with pytest.raises(il.PlainValueError, match="surrogate"):
            await call(desk, "\ud800")
        assert (await desk.ainvoke("Test", thread_id="nowhere")).status == "completed"


THREADS = [
    "тред/№ 5 😀",
    "caf\u00e9",
    "cafe\u0301",
    " ",
    "line\nline",
    "a|b:c",
    "a\x1fb",
    "%s' OR 1=1 --",
    "../etc/passwd",
    "\u202eright to left",
    "x" * 10_000,
]


async def test_any_unicode_names_a_thread_and_no_two_are_mixed_up(tmp_path: Path) -> None:
    """Each thread asks, is answered, read and resumed under exactly its own name."""
    ask = Recorder(ValueError("no"))
    step = build_step("ask", context=["name"], fallback=[il.ask_person()])
    async with build_desk({"ask": ask}, step, storage=locate(tmp_path)) as desk:
        for name in THREADS:
            waiting = await desk.ainvoke("Test", thread_id=name, context={"name": name})
            assert waiting.thread_id == name
    async with build_desk({"ask": ask}, step, storage=locate(tmp_path)) as desk:
        open_now = {str(question.thread_id): question.id for question in await desk.aquestions()}
        assert len(set(open_now.values())) == len(THREADS)
        assert set(open_now) == set(THREADS)
        for name in THREADS:
            done = await desk.aanswer(name, {open_now[name]: il.edit(name)})
            assert done.outputs == {"ask": name}
        for name in THREADS:
            assert (await read_thread(desk, name)).status == "completed"
            assert (await desk.aresume(name)).outputs == {"ask": name}


BAD_ANSWERS = [
    ("yes", "'yes' is no answer"),
    (None, "None is no answer"),
    ({"type": "maybe"}, "is no answer"),
    ({"type": "edit", "value": {"f": print}}, "built-in function print"),
    ({"type": "edit", "value": 2**70}, "71 bits"),
    ({"type": "respond", "message": "a\ud800"}, "surrogate"),
    (il.respond(""), "needs a message"),
    (il.reject(""), "needs a message"),
]


@pytest.mark.parametrize(("answer", "words"), BAD_ANSWERS, ids=[w for _, w in BAD_ANSWERS])
async def test_what_is_no_answer_is_refused_and_the_question_stays_open(
    tmp_path: Path, answer: Any, words: str
) -> None:
    """The error names the question and what to give instead; a good answer then counts."""
    graph = build_gated_graph(GateCounts(), ["gate"])
    async with build_desk({"gated": graph}, storage=locate(tmp_path)) as desk:
        waiting = await desk.ainvoke("Test", thread_id="t")
        (question,) = waiting.questions
        with pytest.raises(il.InvalidAnswerError) as refused:
            await desk.aanswer("t", {question.id: answer})
        assert refused.value.question_id == question.id
        assert "il.approve()" in str(refused.value) or "needs a message" in words
        assert words in str(refused.value)
        assert [q.id for q in (await read_thread(desk, "t")).questions] == [question.id]
        done = await desk.aanswer("t", {question.id: il.respond("yes")})
    assert done.outputs == {"gated": {"answers": [["gate", "yes"]]}}


async def test_one_bad_answer_among_good_ones_records_none_of_them(tmp_path: Path) -> None:
    """All or none: a mapping with one answer that cannot be used leaves every question open."""
    graph = build_gated_graph(GateCounts(), ["left", "right"], parallel=True)
    async with build_desk({"gated": graph}, storage=locate(tmp_path)) as desk:
        waiting = await desk.ainvoke("Test", thread_id="t")
        left, right = waiting.questions
        for bad in (
            {left.id: il.approve(), right.id: "yes"},
            {left.id: il.approve(), "no such question": il.approve()},
        ):
            with pytest.raises(il.AnswerError):
                await desk.aanswer("t", bad)
            assert [q.id for q in await desk.aquestions("t")] == [left.id, right.id]
        with pytest.raises(il.InvalidAnswerError, match="mapping of question id to answer"):
            await desk.aanswer("t", [il.approve()])


async def test_an_answer_to_no_question_changes_no_thread(tmp_path: Path) -> None:
    """On a thread that waits for something else, or that has ended, the id is refused."""
    asker = Recorder(ValueError("no"))
    step = build_step("asker", fallback=[il.ask_person()])
    async with build_desk({"asker": asker}, step, storage=locate(tmp_path)) as desk:
        first = (await desk.ainvoke("Test", thread_id="first")).questions[0]
        second = (await desk.ainvoke("Test", thread_id="second")).questions[0]
        with pytest.raises(il.UnknownQuestionError) as refused:
            await desk.aanswer("first", {second.id: il.edit("for second")})
        assert refused.value.open_ids == (first.id,)
        done = await desk.aanswer("first", {first.id: il.edit("for first")})
        with pytest.raises(il.UnknownQuestionError) as refused:
            await desk.aanswer("first", {second.id: il.edit("for second")})
        assert refused.value.open_ids == ()
        with pytest.raises(il.StaleAnswerError, match="answered otherwise"):
            await desk.aanswer("first", {first.id: il.edit("too late")})
        assert await desk.aanswer("first", {first.id: il.edit("for first")}) == done
        assert await resume_twice(desk, "first") == done
        assert [q.id for q in await desk.aquestions()] == [second.id]
    assert done.outputs == {"asker": "for first"}


async def test_max_concurrency_is_refused_by_name_when_a_run_starts_and_when_it_goes_on() -> None:
    """The error names the setting to use instead; without the limit the thread goes on."""
    work = Recorder(ValueError("no"))
    step = build_step("work", fallback=[il.ask_person()])
    config: dict[str, Any] = {"configurable": {"thread_id": "t"}}
    limited: dict[str, Any] = {**config, "max_concurrency": 2}
    async with build_desk({"work": work}, step) as desk:
        with pytest.raises(il.ConfigurationError, match=r"RunPolicy\(max_parallel=2\)"):
            await desk.graph.ainvoke({"goal": "Test"}, limited, durability="sync")
        assert work.calls == 0
        waiting = await desk.graph.ainvoke(None, config, durability="sync")
        (asked,) = waiting["__interrupt__"]
        (question,) = asked.value["questions"]
        resume = {asked.id: {"answers": {question["id"]: {"type": "edit", "value": "by hand"}}}}
        with pytest.raises(il.ConfigurationError, match="max_concurrency=2"):
            await desk.graph.ainvoke(Command(resume=resume), limited, durability="sync")
        done = await desk.graph.ainvoke(None, config, durability="sync")
    assert done["result"]["outputs"] == {"work": "by hand"}
    assert work.calls == 1


@pytest.mark.parametrize("build", [il.edit, il.reject, il.respond])
def test_an_answer_that_cannot_be_stored_is_refused_where_it_is_made(build: Any) -> None:
    """A lone surrogate in an answer is named before any call is made with it."""
    with pytest.raises(il.PlainValueError, match=r"the (value|reason|text) is a lone surrogate"):
        build("a\ud800")
