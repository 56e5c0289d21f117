"""I9: terminal statuses absorb at the facade, whatever is called after the end."""

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import interlock as il
from interlock.contracts.ids import ThreadId
from tests.integration.teams import Recorder, build_desk, build_step, locate
from tests.invariants.example_settings import draw_examples

ENDED = ("completed", "degraded", "failed", "cancelled")


async def snap(desk: il.Orchestrator, starts: Recorder) -> Any:
    """Return all that can be read of a thread, and how often its worker started."""
    storage = desk._open_storage
    status = await desk.astatus("t")
    return (
        starts.calls,
        await storage.load_run(ThreadId("t")),
        await desk.ahandoffs("t"),
        status,
        await storage.load_answers(ThreadId("t")),
        [dict(s.values) async for s in desk.graph.aget_state_history(CONFIG)],
    )


CONFIG: Any = {"configurable": {"thread_id": "t"}}


def build_ending(how: str, storage: str) -> tuple[il.Orchestrator, Recorder]:
    """Return a team whose run asks once and then ends so, and its worker."""
    starts = Recorder(il.PermanentError("no") if how in {"failed", "degraded"} else "done")
    fallback = [il.skip(gap="gone")] if how == "degraded" else []
    steps = (
        build_step("gate", "work", approval="true", fallback=fallback),
        build_step("after", "work", needs=["gate"], approval="true"),
    )
    used = steps if how == "cancelled" else steps[:1]
    return build_desk({"work": starts}, *used, storage=storage), starts


async def end(desk: il.Orchestrator, how: str) -> str:
    """Run to the end; return the id of the question that was answered."""
    waiting = await desk.ainvoke("Test", thread_id="t")
    (question,) = waiting.questions
    result = await desk.aanswer("t", {question.id: il.approve()})
    if how == "cancelled":
        await desk.acancel("t", why="enough")
        result = await desk.aresume("t")
    assert result.status == how
    return question.id


Call = Callable[[il.Orchestrator, str], Awaitable[Any]]


async def answer_otherwise(desk: il.Orchestrator, question: str) -> None:
    """Give the answered question another answer."""
    with pytest.raises(il.StaleAnswerError):
        await desk.aanswer("t", {question: il.reject("second thoughts")})


async def answer_nothing(desk: il.Orchestrator, question: str) -> None:
    """Answer a question that nobody asked."""
    with pytest.raises(il.UnknownQuestionError):
        await desk.aanswer("t", {"q-unknown": il.approve()})


async def start_again(desk: il.Orchestrator, question: str) -> None:
    """Start a new run on the thread."""
    with pytest.raises(il.FinishedRunError):
        await desk.ainvoke("Another goal", thread_id="t")


async def stream_again(desk: il.Orchestrator, question: str) -> None:
    """Stream the run on."""
    events = [event async for event in desk.astream(thread_id="t")]
    assert [type(event) for event in events] == [il.events.RunStopped]


async def together(desk: il.Orchestrator, question: str) -> None:
    """Do several things at once."""
    await asyncio.gather(
        desk.aresume("t"),
        desk.acancel("t", why="late"),
        desk.aanswer("t", {question: il.approve()}),
    )


CALLS: dict[str, Call] = {
    "resume": lambda desk, question: desk.aresume("t"),
    "cancel": lambda desk, question: desk.acancel("t", why="late"),
    "answer again": lambda desk, question: desk.aanswer("t", {question: il.approve()}),
    "answer otherwise": answer_otherwise,
    "answer nothing": answer_nothing,
    "start again": start_again,
    "stream": stream_again,
    "all at once": together,
}


@pytest.mark.parametrize("how", ENDED)
@given(order=st.permutations(sorted(CALLS)), reopen_at=st.integers(0, len(CALLS)))
@draw_examples(2)
def test_i09_no_call_moves_an_ended_run(how: str, order: list[str], reopen_at: int) -> None:
    """I9: after the end every call of the facade changes nothing, in a later process too."""

    async def live(folder: Path) -> None:
        desk, starts = build_ending(how, locate(folder))
        async with desk:
            question = await end(desk, how)
            before = await snap(desk, starts)
            for name in order[:reopen_at]:
                await CALLS[name](desk, question)
                assert await snap(desk, starts) == before, name
        later, _ = build_ending(how, locate(folder))
        async with later:
            for name in order[reopen_at:]:
                await CALLS[name](later, question)
                assert await snap(later, starts) == before, name

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(live(Path(folder)))


@pytest.mark.parametrize("turns", range(0, 400, 25))
async def test_i09_a_cancel_that_comes_with_the_end_changes_nothing_later(turns: int) -> None:
    """I9: whichever comes first, cancel or end, is what stays."""
    async with build_desk({"a": Recorder(), "b": Recorder()}) as desk:
        run = asyncio.ensure_future(desk.ainvoke("Test", thread_id="t"))
        while await desk._open_storage.load_run(ThreadId("t")) is None:
            await asyncio.sleep(0)
        for _ in range(turns):
            await asyncio.sleep(0)
        await desk.acancel("t", why="enough")
        result = await run
        assert result.status in {"completed", "cancelled"}
        assert (await desk.astatus("t")).status == result.status
        await desk.acancel("t", why="again")
        assert await desk.aresume("t") == result
        assert (await desk.astatus("t")).status == result.status
