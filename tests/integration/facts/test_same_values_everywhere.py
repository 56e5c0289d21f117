"""Row 47: texts and numbers that trouble databases do the same in memory, in a file, on PostgreSQL."""

import asyncio
import json
import math
import re
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

import interlock as il
from tests.integration.stopped_clock import StoppedClock
from tests.integration.teams import build_desk, build_step

TEXTS = (
    "a\x00b",
    "\x00",
    "\x1a",
    "\x1a0 and \x1a1",
    "\ud800",
    "x\udfff",
    "é \U0001f600 \u202e \uffff \u2028",
    "'; DROP TABLE runs; -- \\ \" $1 %s ? {} :a",
    "\r\n\t\x7f\x85",
    "",
)
NUMBERS = (math.nan, math.inf, -math.inf, -0.0, 1e308, 5e-324, 2**53 + 1, 2**63, 2**70, True)
Place = Callable[[il.Storage, str, Any], Awaitable[Any]]


async def read_back(storage: il.Storage, thread_id: str, result: il.RunResult) -> Any:
    """Return all that a run has left to be read."""
    run = await storage.load_run(thread_id)
    assert run is not None
    handoffs = await storage.load_handoffs(thread_id, payloads=True)
    return [
        result.status,
        dict(result.outputs),
        result.gaps,
        {step: outcome.reason for step, outcome in result.outcomes.items()},
        run.goal,
        run.context,
        run.cancel_reason,
        [handoff.payload for handoff in handoffs],
    ]


async def run(
    storage: il.Storage,
    thread_id: str,
    *,
    goal: str = "Test",
    given: Mapping[str, Any] | None = None,
    give: Any = "done",
    **step: Any,
) -> Any:
    """Drive a run of one step and read all of it back."""

    def work(brief: il.Brief) -> Any:
        if isinstance(give, BaseException):
            raise give
        return give

    async with build_desk({"work": work}, build_step("work", **step), storage=storage) as desk:
        result = await desk.ainvoke(goal, thread_id=thread_id, context=given)
        return await read_back(storage, thread_id, await desk.aresume(result.thread_id))


async def in_goal(storage: il.Storage, thread_id: str, value: Any) -> Any:
    """A run is for it."""
    return await run(storage, thread_id, goal=value)


async def in_thread_id(storage: il.Storage, thread_id: str, value: Any) -> Any:
    """A thread is named so."""
    return await run(storage, value)


async def in_context(storage: il.Storage, thread_id: str, value: Any) -> Any:
    """Shared context holds it, and a step sees it."""
    return await run(storage, thread_id, given={"fact": value}, context=["fact"])


async def in_context_key(storage: il.Storage, thread_id: str, value: Any) -> Any:
    """A fact is called so."""
    return await run(storage, thread_id, given={value: 1})


async def in_arguments(storage: il.Storage, thread_id: str, value: Any) -> Any:
    """A step is given it."""
    return await run(storage, thread_id, arguments={"given": value})


async def in_output(storage: il.Storage, thread_id: str, value: Any) -> Any:
    """A worker gives it."""
    return await run(storage, thread_id, give=value)


async def in_output_key(storage: il.Storage, thread_id: str, value: Any) -> Any:
    """A worker gives something under it."""
    return await run(storage, thread_id, give={value: [value]})


async def in_reason(storage: il.Storage, thread_id: str, value: Any) -> Any:
    """A worker fails with it."""
    return await run(storage, thread_id, give=il.PermanentError(value))


async def in_note(storage: il.Storage, thread_id: str, value: Any) -> Any:
    """A worker notes it for itself."""

    def work(brief: il.Brief) -> str:
        brief.scratchpad.append(value)
        return "done"

    async with build_desk({"work": work}, storage=storage) as desk:
        result = await desk.ainvoke("Test", thread_id=thread_id)
        notes = await storage.load_notes(thread_id, step_id="work")
        return [await read_back(storage, thread_id, result), [note.text for note in notes]]


async def in_cancellation(storage: il.Storage, thread_id: str, value: Any) -> Any:
    """Somebody cancels a run that waits, and says why."""
    step = build_step("work", approval="true")
    async with build_desk({"work": "done"}, step, storage=storage) as desk:
        await desk.ainvoke("Test", thread_id=thread_id)
        await desk.acancel(thread_id, why=value)
        return await read_back(storage, thread_id, await desk.aresume(thread_id))


async def in_answer(storage: il.Storage, thread_id: str, value: Any) -> Any:
    """A person puts it in the place of an output."""
    step = build_step("work", fallback=[il.ask_person()])

    def work(brief: il.Brief) -> None:
        raise il.PermanentError("no")

    options: dict[str, Any] = {"storage": storage, "clock": StoppedClock()}
    async with build_desk({"work": work}, step, **options) as desk:
        waiting = await desk.ainvoke("Test", thread_id=thread_id)
        answers = {question.id: il.edit(value) for question in waiting.questions}
        return await read_back(storage, thread_id, await desk.aanswer(thread_id, answers))


PLACES: dict[str, Place] = {
    place.__name__: place
    for place in (
        in_goal,
        in_thread_id,
        in_context,
        in_context_key,
        in_arguments,
        in_output,
        in_output_key,
        in_reason,
        in_note,
        in_cancellation,
        in_answer,
    )
}
WITH_NUMBERS = {"in_output", "in_context"}
DRAWN = re.compile(r"q-[0-9a-f]{8,}")
"""What differs from run to run: the id of a question is derived from a checkpoint's."""


async def observe(place: Place, storage: il.Storage, values: list[Any]) -> list[str]:
    """Return what comes of each value at a place: all that can be read back, or the refusal."""

    async def observe_one(number: int, value: Any) -> str:
        try:
            left = json.dumps(await place(storage, f"t{number}", value), sort_keys=True)
            return DRAWN.sub("drawn", left)
        except il.InterlockError as exc:
            return f"{type(exc).__name__}: {exc}"
        except (TypeError, ValueError) as exc:
            return type(exc).__name__

    return await asyncio.gather(*(observe_one(*numbered) for numbered in enumerate(values)))


@pytest.mark.parametrize("name", PLACES)
async def test_a_value_does_the_same_on_every_storage(
    name: str, tmp_path: Path, postgres_url: str
) -> None:
    """It comes back as it was, or is refused in the same words; nothing in between."""
    values: list[Any] = list(TEXTS)
    if name in WITH_NUMBERS:
        values += [*NUMBERS, [TEXTS], {"deep": [math.nan]}]
    seen: dict[str, list[str]] = {}
    for url in ("memory://", f"sqlite:///{tmp_path}/desk.db", postgres_url):
        async with asyncio.timeout(60), il.open_storage(url) as storage:
            seen[url.partition(":")[0]] = await observe(PLACES[name], storage, values)
    for number, value in enumerate(values):
        assert len({observed[number] for observed in seen.values()}) == 1, (value, seen)


async def test_a_text_that_is_accepted_comes_back_as_it_was(postgres_url: str) -> None:
    """NUL, and what NUL is written as, are not confused on PostgreSQL."""
    texts = [text for text in TEXTS if text.isprintable() or "\x00" in text or "\x1a" in text]
    async with il.open_storage(postgres_url) as storage:
        for number, text in enumerate(texts):
            left = await in_output(storage, f"t{number}", text)
            assert left[1] == {"work": text}
