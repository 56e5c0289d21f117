"""Attempts that end before their tools do, and what is left of them."""

import asyncio
import threading
from datetime import timedelta
from typing import Any

import pytest

import interlock as il
from tests.integration.effects.till import Till, list_effects
from tests.integration.teams import build_desk, build_step

TWICE = il.Retry(max_attempts=2, backoff=timedelta(0))


async def test_a_sync_worker_that_was_cut_off_begins_no_effect() -> None:
    """Its thread goes on after the step has settled; what it calls then is not run."""
    till, let_go, gone = Till(), threading.Event(), threading.Event()
    raised: list[Exception] = []

    @il.idempotent()
    def refund(order: str, cents: int) -> dict[str, Any]:
        return till.pay(order, cents)

    def work(brief: il.Brief) -> Any:
        let_go.wait(10)
        try:
            refund("o1", 50)
        except il.NotAppliedError as exc:
            raised.append(exc)
        finally:
            gone.set()

    step = build_step("pay", timeout=timedelta(milliseconds=50), retry=il.Retry(max_attempts=1))
    async with build_desk({"pay": work}, step) as desk:
        result = await desk.ainvoke("Pay", thread_id="t")
        let_go.set()
        assert await asyncio.to_thread(gone.wait, 10)
        (effect,) = await list_effects(desk, "t")
    assert (result.status, till.paid, effect.state) == ("failed", [], "intended")
    assert "after the attempt had ended" in str(raised[0])


async def test_a_tool_that_outlives_its_attempt_may_call_others() -> None:
    """What it has begun it ends: its own guarded calls run, and the retry is answered."""
    till, let_go = Till(), asyncio.Event()

    @il.idempotent()
    async def pay(order: str) -> dict[str, Any]:
        return till.pay(order, 1)

    @il.idempotent()
    async def settle(order: str) -> dict[str, Any]:
        await let_go.wait()
        return await pay(order)

    async def work(brief: il.Brief) -> Any:
        if brief.attempt == 2:
            let_go.set()
        return await settle("o1")

    step = build_step("pay", timeout=timedelta(milliseconds=200), retry=TWICE)
    async with build_desk({"pay": work}, step) as desk:
        result = await desk.ainvoke("Pay", thread_id="t")
    assert (result.status, till.paid) == ("completed", [("o1", 1)])


async def test_a_tool_that_runs_when_its_run_is_cancelled_is_undone() -> None:
    """Undo waits for what was begun: the payment lands, and is taken back."""
    till, begun, let_go = Till(), asyncio.Event(), asyncio.Event()

    @il.idempotent(undo=till.take_back)
    async def refund(order: str, cents: int) -> dict[str, Any]:
        begun.set()
        await let_go.wait()
        return till.pay(order, cents)

    async def work(brief: il.Brief) -> Any:
        return await refund("o1", 50)

    async with build_desk({"pay": work}) as desk:
        running = asyncio.ensure_future(desk.ainvoke("Pay", thread_id="t"))
        await begun.wait()
        await desk.acancel("t", why="changed my mind")
        let_go.set()
        result = await running
        paid, undone = await list_effects(desk, "t")
    assert (result.status, till.paid) == ("cancelled", [])
    assert (paid.state, undone.undoes) == ("done", paid.key)


@pytest.mark.parametrize("raised", [SystemExit(2), asyncio.CancelledError("gone")])
async def test_no_error_of_an_undo_ends_the_run(raised: BaseException) -> None:
    """An undo that leaves by SystemExit or cancels itself has failed, which is said."""

    async def take_back(order: str) -> None:
        raise raised

    @il.idempotent(undo=take_back)
    async def refund(order: str) -> str:
        return "paid"

    async def work(brief: il.Brief) -> Any:
        await refund("o1")
        raise il.PermanentError("no good")

    async with build_desk({"pay": work}) as desk:
        result = await desk.ainvoke("Pay", thread_id="t")
    assert result.status == "failed"
    assert "its undo failed" in result.gaps[0]


async def test_a_tool_that_leaves_by_system_exit_ends_neither_process_nor_run() -> None:
    """Nobody knows what it did before: a person is asked."""

    @il.idempotent()
    async def refund(order: str) -> str:
        raise SystemExit(2)

    async def work(brief: il.Brief) -> Any:
        return await refund("o1")

    async with build_desk({"pay": work}) as desk:
        result = await desk.ainvoke("Pay", thread_id="t")
    assert [question.kind for question in result.questions] == ["effect"]


@pytest.mark.parametrize("attempts", [1, 2])
async def test_what_the_edited_attempt_did_stands(attempts: int) -> None:
    """A person who puts an output right keeps the effects of the attempt that gave it."""
    till = Till()

    @il.idempotent(undo=till.take_back)
    async def refund(order: str, cents: int) -> dict[str, Any]:
        return till.pay(order, cents)

    async def work(brief: il.Brief) -> Any:
        await refund("o1", 50)
        return {"is_signed": False}

    step = build_step(
        "pay",
        retry=il.Retry(max_attempts=attempts, backoff=timedelta(0)),
        criteria=[il.expr("output.is_signed")],
        fallback=[il.ask_person()],
    )
    async with build_desk({"pay": work}, step) as desk:
        waiting = await desk.ainvoke("Pay", thread_id="t")
        edit = il.edit({"is_signed": True})
        result = await desk.aanswer("t", {waiting.questions[0].id: edit})
    assert (result.status, till.paid) == ("completed", [("o1", 50)])


async def test_a_fork_makes_anew_what_was_taken_back() -> None:
    """A step that failed and was undone pays when a fork runs it again: no receipt of the undone."""
    till = Till()
    is_broken = True

    @il.idempotent(undo=till.take_back)
    async def refund(order: str, cents: int) -> dict[str, Any]:
        return till.pay(order, cents)

    async def work(brief: il.Brief) -> Any:
        await refund("o1", 50)
        if is_broken:
            raise il.PermanentError("no good")

    async with build_desk({"pay": work}) as desk:
        await desk.ainvoke("Pay", thread_id="t")
        assert till.paid == []
        is_broken = False
        config = {"configurable": {"thread_id": "t"}}
        states = [one async for one in desk.graph.aget_state_history(config)]
        before = next(state for state in states if state.next == ("dispatch",))
        fork = await desk.graph.aupdate_state(before.config, {"context": {}})
        state = await desk.graph.ainvoke(None, fork, durability="sync")
    assert (state["outcomes"]["pay"]["status"], till.paid) == ("accepted", [("o1", 50)])


async def test_what_an_answered_tool_did_itself_is_no_orphan() -> None:
    """The retry is answered for the whole; the parts were not called again, and stand with it."""
    till = Till()

    @il.idempotent(undo=till.take_back)
    async def pay(order: str, cents: int) -> dict[str, Any]:
        return till.pay(order, cents)

    @il.idempotent()
    async def settle(order: str) -> list[Any]:
        return [await pay(order, 1), await pay(order, 2)]

    async def work(brief: il.Brief) -> Any:
        await settle("o1")
        if brief.attempt == 1:
            await settle("o2")
        return brief.attempt

    step = build_step("pay", retry=TWICE, criteria=[il.expr("output == 2")])
    policy = il.RunPolicy(effects=il.EffectPolicy(orphans="gap"))
    async with build_desk({"pay": work}, step, policy=policy) as desk:
        result = await desk.ainvoke("Pay", thread_id="t")
    assert till.paid == [("o1", 1), ("o1", 2)]
    assert result.status == "degraded"
    assert "settle(order='o2')" in str(result.gaps)
