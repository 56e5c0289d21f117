"""The page about a run is the same on every storage, and is made while the run stands still."""

import re

import pytest

import interlock as il
from tests.integration.effects.till import Till
from tests.integration.teams import build_step
from tests.metrics.recount_calls import build_refund
from tests.metrics.recount_stage import build_stage


async def test_a_waiting_run_has_a_page_with_its_tools_and_its_question(url: str) -> None:
    """The tool's time lies within the work, the person waits on, and long values are cut out loud."""
    stage = build_stage(url)
    till = Till()
    refund = build_refund(stage, till, undo=till.take_back)

    async def pay(brief: il.Brief) -> str:
        stage.take(400)
        await refund("o1", 50)
        stage.take(600)
        return "x" * 120_000

    async def ask(brief: il.Brief) -> str:
        raise il.PermanentError("I cannot know")

    steps = [
        build_step("pay", "pay"),
        build_step("ask", "ask", needs=["pay"], fallback=[il.ask_person()]),
    ]
    await stage.storage.connect()
    async with stage.open({"pay": pay, "ask": ask}, *steps, team="shop") as desk:
        assert (await desk.ainvoke("Refund", thread_id="t 'x'")).status == "waiting"
        stage.take(5_000)
        page = await desk.areport("t 'x'")
        with pytest.raises(il.UnknownThreadError):
            await desk.areport("t2")
    await stage.storage.aclose()
    words = re.findall(r"<title>((?:pay|ask), [^<]*)</title>", page)
    took = {what: span for what, span, _ in (word.rsplit(" ", 2) for word in words)}
    assert 25 <= int(took["pay, attempt 1, refund, tool"]) <= 40
    assert float(took["pay, attempt 1, work"]) == pytest.approx(1.0, abs=0.1)
    assert float(took["ask, a person is asked, person"]) == pytest.approx(5.0, abs=0.1)
    assert re.search(r'data-step="ask"[^>]*data-status="waiting"', page)
    assert "await desk.ahandoffs(&#34;t &#39;x&#39;&#34;)" in page
    assert 99_000 < max(map(len, re.findall("x+", page))) <= 100_000
