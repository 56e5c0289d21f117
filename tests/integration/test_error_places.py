"""Where a worker's exception came from is in the journal, and only there."""

from pathlib import Path
from typing import Any

import pytest
from langchain_core.runnables import RunnableLambda

import interlock as il
from tests.integration.teams import Recorder, build_desk, build_step


def look_up(orders: dict[str, Any]) -> object:
    """Fail as code fails."""
    return orders["o-9"]  # the line that is looked for


def work(brief: il.Brief) -> None:
    """Fail with a cause."""
    try:
        look_up(dict(brief.inputs))
    except KeyError as exc:
        raise il.PermanentError("no such order") from exc


async def work_async(brief: il.Brief) -> None:
    """Fail with a cause, in a coroutine."""
    work(brief)


def find_line(text: str) -> int:
    """Return the number of the line of this file that ends so."""
    lines = Path(__file__).read_text("utf-8").splitlines()
    return next(number for number, line in enumerate(lines, 1) if line.strip().startswith(text))


@pytest.mark.parametrize("agent", [work, work_async, RunnableLambda(work)])
async def test_an_error_is_recorded_with_the_lines_that_raised_it(agent: Any) -> None:
    """The output's payload ends with the line that raised it, then what caused it and where."""
    async with build_desk({"work": agent}) as desk:
        await desk.ainvoke("Test", thread_id="t")
        (output,) = [h for h in await desk.ahandoffs("t") if h.kind == "output"]
    places = output.payload["raised_at"]
    at = places.index("caused by KeyError: 'o-9'")
    assert places[at - 1] == f"{__file__}:{find_line('raise il.PermanentError')}, in work"
    assert places[at + 1 :] == [
        f"{__file__}:{find_line('look_up(dict')}, in work",
        f"{__file__}:{find_line('return orders')}, in look_up",
    ]
    assert output.verdict is not None
    assert output.verdict.action == "fail"


async def test_a_function_is_the_first_place_of_its_error() -> None:
    """Nothing of the machinery that called it stands before a worker's own lines."""
    async with build_desk({"work": work}) as desk:
        await desk.ainvoke("Test", thread_id="t")
        (output,) = [h for h in await desk.ahandoffs("t") if h.kind == "output"]
    assert output.payload["raised_at"][0].endswith(", in work")


async def test_a_worker_is_not_told_where_it_failed() -> None:
    """Feedback holds what went wrong; paths of this machine are no business of a model."""
    worker = Recorder(ValueError("no luck"), "done")
    step = build_step("work", retry=il.Retry(max_attempts=2, backoff=il.Retry().backoff * 0))
    async with build_desk({"work": worker}, step) as desk:
        await desk.ainvoke("Test", thread_id="t")
    assert list(worker.briefs[1].feedback) == ["Attempt 1 failed: ValueError: no luck"]
    assert __file__ not in str(worker.briefs[1].dump())


async def test_an_error_without_a_message_is_named_once() -> None:
    """`TimeoutError()` says nothing; its name is the reason."""
    async with build_desk({"work": Recorder(TimeoutError())}) as desk:
        result = await desk.ainvoke("Test", thread_id="t")
    assert result.outcomes["work"].reason == "TimeoutError()"
