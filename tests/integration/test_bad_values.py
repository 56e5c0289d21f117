"""What a worker may not give, raise or ask: a failed attempt that says why, and nothing lost."""

import asyncio
import itertools
import math
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from langgraph.graph import END, START, StateGraph
from langgraph.types import interrupt
from pydantic import BaseModel
from typing_extensions import TypedDict

import interlock as il
from tests.integration.stopped_clock import StoppedClock
from tests.integration.teams import Recorder, build_desk, build_step, give, locate
from tests.integration.thread_reading import read_thread, resume_twice

TWICE = il.Retry(max_attempts=2)


def generate() -> Iterator[int]:
    """Yield two numbers."""
    yield from (1, 2)


async def generate_later() -> Any:
    """Yield two numbers, in an event loop."""
    for number in (1, 2):
        yield number


def build_ring() -> list[Any]:
    """Return a list that holds itself."""
    ring: list[Any] = []
    ring.append(ring)
    return ring


class _Unspeakable:
    def __repr__(self) -> str:
        raise RuntimeError("no words")


class _UnspeakableError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


class _PanicError(BaseException):
    """What is no Exception, as a panic in an extension module."""


UNSTORABLE: list[tuple[str, Callable[[], Any], str, str]] = [
    ("surrogate", lambda: {"text": "a\ud800b"}, "output.text", "surrogate at 1"),
    ("surrogate key", lambda: {"a\ud800b": 1}, "output", "surrogate"),
    ("nan", lambda: {"x": [1.0, math.nan]}, "output.x[1]", "nan"),
    ("infinity", lambda: -math.inf, "output", "inf"),
    ("set", lambda: {"x": {1, 2}}, "output.x", "{1, 2}"),
    ("bytes", lambda: {"x": b"abc"}, "output.x", "b'abc'"),
    ("class", lambda: {"x": dict}, "output.x", "class 'dict'"),
    ("object", lambda: {"x": object()}, "output.x", "object object"),
    ("exception", lambda: {"x": ValueError("no")}, "output.x", "ValueError('no')"),
    ("generator", generate, "output", "generator"),
    ("async generator", generate_later, "output", "async_generator"),
    ("endless iterator", lambda: {"x": itertools.count()}, "output.x", "count(0)"),
    ("ring", build_ring, "output[0][0]", "deeper than 100"),
    ("no repr", lambda: {"x": _Unspeakable()}, "output.x", "_Unspeakable"),
]


@pytest.mark.parametrize(
    ("build", "place", "seen"),
    [case[1:] for case in UNSTORABLE],
    ids=[case[0] for case in UNSTORABLE],
)
async def test_a_value_that_cannot_be_stored_is_refused_and_the_next_attempt_is_told(
    tmp_path: Path, build: Callable[[], Any], place: str, seen: str
) -> None:
    """The attempt fails with the value's path and what is allowed; a good value then passes."""
    worker = Recorder(lambda _: build(), "good")
    beside = Recorder("kept")
    async with build_desk(
        {"worker": worker, "beside": beside},
        build_step("worker", retry=TWICE),
        build_step("beside"),
        storage=locate(tmp_path),
        clock=StoppedClock(),
    ) as desk:
        result = await desk.ainvoke("Test", thread_id="t")
        assert result.outputs == {"worker": "good", "beside": "kept"}
        refused, accepted = (
            h.verdict for h in await desk.ahandoffs("t", "worker") if h.kind == "output"
        )
        await read_thread(desk, "t")
        assert await resume_twice(desk, "t") == result
    assert refused is not None
    assert refused.error == "PlainValueError"
    assert accepted is not None
    assert accepted.action == "accept"
    (told,) = worker.briefs[1].feedback
    assert place in told
    assert seen in told
    assert "Use None, bool, int of 64 bits" in told
    assert beside.calls == 1


class Order(BaseModel):
    """What an order looks like."""

    id: str
    cents: int


async def test_the_wrong_type_is_a_finding_that_names_the_field_and_what_was_seen() -> None:
    """Every field that is wrong or missing is in the feedback; after the last attempt it fails."""
    clerk = Recorder({"cents": "many"}, ["no order"])
    worker = il.Worker(name="clerk", agent=clerk, output=Order)
    async with build_desk({"clerk": worker}, build_step("clerk", retry=TWICE)) as desk:
        result = await desk.ainvoke("Test", thread_id="t")
        verdicts = [h.verdict for h in await desk.ahandoffs("t") if h.kind == "output"]
        assert await resume_twice(desk, "t") == result
    assert result.status == "failed"
    assert result.outputs == {}
    (told,) = clerk.briefs[1].feedback
    for words in ("output.id", "Field required", "output.cents", "'many'"):
        assert words in told
    assert "no order" in str(result.outcomes["clerk"].reason)
    assert [verdict.action for verdict in verdicts if verdict] == ["retry", "fail"]
    assert all(not f.passed and f.evidence is not None for v in verdicts if v for f in v.findings)


def raise_in_thread(error: BaseException) -> Callable[[il.Brief], Any]:
    """Return a sync worker that raises."""

    def worker(brief: il.Brief) -> Any:
        raise error

    return worker


def raise_in_loop(error: BaseException) -> Callable[[il.Brief], Any]:
    """Return an async worker that raises."""

    async def worker(brief: il.Brief) -> Any:
        raise error

    return worker


@pytest.mark.parametrize("build", [raise_in_thread, raise_in_loop])
@pytest.mark.parametrize(
    ("error", "words"),
    [
        (_UnspeakableError(), "_UnspeakableError"),
        (ValueError("a\ud800b"), "a?b"),
        (ValueError("x" * 1_000_000), "xxx"),
        (StopIteration(3), "StopIteration"),
        (SystemExit(3), "SystemExit"),
        (asyncio.CancelledError(), "ancelled"),
        (_PanicError("panicked"), "panicked"),
        (ExceptionGroup("many", [ValueError("one"), KeyError("two")]), "many"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
async def test_whatever_a_worker_raises_is_a_failed_attempt_beside_which_others_go_on(
    tmp_path: Path,
    build: Callable[[BaseException], Callable[[il.Brief], Any]],
    error: BaseException,
    words: str,
) -> None:
    """The step fails with the error's words, shortened and storable; its sibling is kept."""
    beside = Recorder("kept")
    async with build_desk(
        {"bad": build(error), "beside": beside},
        build_step("bad"),
        build_step("beside"),
        storage=locate(tmp_path),
    ) as desk:
        result = await desk.ainvoke("Test", thread_id="t")
        await read_thread(desk, "t")
        assert await resume_twice(desk, "t") == result
    assert result.outcomes["bad"].status == "failed"
    assert words in str(result.outcomes["bad"].reason)
    assert len(str(result.outcomes["bad"].reason)) < 3000
    assert result.outputs == {"beside": "kept"}
    assert beside.calls == 1


@pytest.mark.parametrize("error", [KeyboardInterrupt(), GeneratorExit()], ids=repr)
async def test_what_ends_a_thread_ends_no_run(error: BaseException) -> None:
    """Raised in a sync worker, which no Ctrl-C reaches, it is that worker's failure."""
    async with build_desk({"bad": raise_in_thread(error), "good": give("kept")}) as desk:
        result = await desk.ainvoke("Test", thread_id="t")
    assert type(error).__name__ in str(result.outcomes["bad"].reason)
    assert result.outputs == {"good": "kept"}


class _State(TypedDict, total=False):
    instruction: str
    x: Any
    output: Any


def build_graph(node: Callable[[_State], Any]) -> Any:
    """Return a worker's graph of two nodes."""
    graph = StateGraph(_State)
    graph.add_node("first", node)
    graph.add_node("last", lambda state: {"output": "made"})
    graph.add_edge(START, "first")
    graph.add_edge("first", "last")
    graph.add_edge("last", END)
    return graph.compile()


@pytest.mark.parametrize("value", [object(), 2**70], ids=["object", "long int"])
async def test_a_graphs_state_that_cannot_be_stored_fails_its_attempt_only(
    tmp_path: Path, value: Any
) -> None:
    """LangGraph's own refusal inside a worker's graph is that step's failure."""
    beside = Recorder("kept")
    async with build_desk(
        {"graph": build_graph(lambda state: {"x": value}), "beside": beside},
        storage=locate(tmp_path),
    ) as desk:
        result = await desk.ainvoke("Test", thread_id="t")
        await read_thread(desk, "t")
        assert await resume_twice(desk, "t") == result
    assert result.outcomes["graph"].status == "failed"
    assert "TypeError" in str(result.outcomes["graph"].reason)
    assert (result.outputs, beside.calls) == ({"beside": "kept"}, 1)


@pytest.mark.parametrize("kind", ["function", "graph"])
async def test_a_question_that_cannot_be_stored_fails_its_attempt_and_a_good_one_is_asked(
    tmp_path: Path, kind: str
) -> None:
    """`interrupt()` with such a value is a failed attempt; the retry may ask properly."""
    tries: list[int] = []

    def ask() -> Any:
        tries.append(1)
        return interrupt({"f": ask} if len(tries) == 1 else "May I?")

    async def work(brief: il.Brief) -> Any:
        return ask()

    agent = work if kind == "function" else build_graph(lambda state: {"x": ask()})
    async with build_desk(
        {"asker": agent, "beside": give("kept")},
        build_step("asker", retry=TWICE),
        build_step("beside"),
        storage=locate(tmp_path),
        clock=StoppedClock(),
    ) as desk:
        waiting = await desk.ainvoke("Test", thread_id="t")
        assert [q.description for q in waiting.questions] == ["May I?"]
        outputs = [h for h in await desk.ahandoffs("t", "asker") if h.kind == "output"]
        assert [h.verdict.error for h in outputs if h.verdict] == ["PlainValueError"]
        assert "interrupt()" in str(outputs[0].payload)
        await read_thread(desk, "t")
        done = await desk.aanswer("t", {waiting.questions[0].id: il.approve()})
    assert done.outputs == {"asker": True if kind == "function" else "made", "beside": "kept"}


async def test_a_brief_that_is_forced_open_changes_nothing_outside_the_worker(
    tmp_path: Path,
) -> None:
    """Changed below its own guard at every level, the brief is whole again for all who read it."""
    made = {"rows": [{"cents": 1}], "by": "maker"}

    async def force(brief: il.Brief) -> str:
        dict.__setitem__(brief.inputs["made"]["rows"][0], "cents", 99)
        list.append(brief.inputs["made"]["rows"], "forged")
        dict.__setitem__(brief.inputs["made"], "by", "forger")
        dict.__setitem__(brief.context, "limit", 99)
        object.__setattr__(brief, "criteria", ())
        object.__setattr__(brief, "instruction", "forged")
        return "forced"

    forcer = Recorder(force, lambda brief: dict(brief.inputs) | dict(brief.context))
    reader = Recorder(lambda brief: brief.inputs["made"])
    step = build_step(
        "force",
        needs=["make"],
        inputs={"made": "make"},
        context=["limit"],
        criteria=[
            il.expr(
                "size(inputs.made.rows) == 1 && inputs.made.by == 'maker' && context.limit == 1"
            ),
            il.expr("output != 'forced'"),
        ],
        retry=TWICE,
    )
    async with build_desk(
        {"make": give(made), "force": forcer, "reader": reader},
        build_step("make"),
        step,
        build_step("reader", needs=["make", "force"], inputs={"made": "make"}),
        storage=locate(tmp_path),
    ) as desk:
        result = await desk.ainvoke("Test", thread_id="t", context={"limit": 1})
        briefs = [h for h in await desk.ahandoffs("t", "force") if h.kind == "brief"]
        refusal = next(h for h in await desk.ahandoffs("t", "force") if h.kind == "output")
        await read_thread(desk, "t")
    assert refusal.verdict is not None
    assert [finding.passed for finding in refusal.verdict.findings] == [True, False]
    assert result.outputs["force"] == {"made": made, "limit": 1}
    assert result.outputs["reader"] == made
    assert [brief.payload["inputs"]["made"] for brief in briefs] == [made, made]
    assert all(len(brief.payload["criteria"]) == 2 for brief in briefs)


async def test_ten_megabytes_come_back_whole_and_travel_by_reference(tmp_path: Path) -> None:
    """The next step and a later process read all of it; state and database do not multiply it."""
    size = 10_000_000
    text = "0123456789" * (size // 10)
    reader = Recorder(lambda brief: [len(brief.inputs["big"]), brief.inputs["big"] == text])
    agents = {"big": give(text), "reader": reader}
    alone = (build_step("big"),)
    both = (*alone, build_step("reader", needs=["big"]))
    url = locate(tmp_path)
    sizes: list[int] = []
    for thread_id, steps in (("one", alone), ("two", both)):
        async with build_desk(agents, *steps, storage=url) as desk:
            await desk.ainvoke("Test", thread_id=thread_id)
            config: Any = {"configurable": {"thread_id": thread_id}}
            state = (await desk.graph.aget_state(config)).values
            assert len(repr(state)) < 20_000
        sizes.append((tmp_path / "desk.db").stat().st_size)
    assert sizes[0] < 2.2 * size
    assert sizes[1] < 8 * size
    async with build_desk(agents, *both, storage=url) as desk:
        result = await desk.aresume("two")
        (output,) = [h for h in await desk.ahandoffs("two", "big") if h.kind == "output"]
        await read_thread(desk, "two")
    assert result.outputs["reader"] == [size, True]
    assert result.outputs["big"] == output.payload == text
    connection = sqlite3.connect(tmp_path / "desk.db")
    try:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    finally:
        connection.close()
