"""The board: a step goes on once all that it needs has settled, or will not settle now (I3)."""

import asyncio
from typing import Any

import pytest

import interlock as il
from interlock.contracts.ids import StepId
from interlock.nodes.run.board import Board, SuspendedError
from tests.integration.teams import build_step


def build_outcome(step_id: str, status: Any = "accepted") -> il.StepOutcome:
    """Return an outcome."""
    return il.StepOutcome(step_id=StepId(step_id), status=status)


async def start_waiting(board: Board, *needs: str) -> "asyncio.Task[Any]":
    """Return the task of a step that waits for what it needs, once it waits."""
    task = asyncio.ensure_future(board.wait_for_needs(build_step("s", needs=needs)))
    for _ in range(3):
        await asyncio.sleep(0)
    return task


async def test_a_step_waits_for_all_that_it_needs() -> None:
    """One of two is not enough, in whichever order they settle."""
    board = Board({StepId("done"): build_outcome("done")})
    task = await start_waiting(board, "a", "done", "b")
    board.settle(build_outcome("b", "failed"))
    await asyncio.sleep(0)
    assert not task.done()
    board.settle(build_outcome("a", "skipped"))
    found = await task
    assert {step: outcome.status for step, outcome in found.items()} == {
        "a": "skipped",
        "done": "accepted",
        "b": "failed",
    }


async def test_many_steps_may_wait_for_one() -> None:
    """All of them go on when it settles; one that was cancelled before takes nobody along."""
    board = Board({})
    tasks = [await start_waiting(board, "a") for _ in range(50)]
    tasks[0].cancel()
    await asyncio.sleep(0)
    board.settle(build_outcome("a"))
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(results[0], asyncio.CancelledError)
    assert all(StepId("a") in result for result in results[1:])


@pytest.mark.parametrize("way", ["parked", "suspended", "closed"])
async def test_a_step_is_suspended_when_what_it_needs_will_not_settle_now(way: str) -> None:
    """A parked need, a suspended one, or a run that closes: the step runs again on resume."""
    board = Board({})
    early = await start_waiting(board, "a")
    if way == "parked":
        board.settle(build_outcome("a", "waiting"))
    elif way == "suspended":
        board.suspend(StepId("a"))
    else:
        board.close()
    with pytest.raises(SuspendedError):
        await early
    with pytest.raises(SuspendedError):
        await board.wait_for_needs(build_step("late", needs=["a"]))
    assert board.outcomes == {}


async def test_a_closed_board_lets_nobody_go_on() -> None:
    """Not even a step whose needs have all settled, or that needs nothing."""
    board = Board({StepId("a"): build_outcome("a")})
    board.close()
    for needs in (["a"], []):
        with pytest.raises(SuspendedError):
            await board.wait_for_needs(build_step("s", needs=needs))
