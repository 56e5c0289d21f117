"""Model calls in storage: written before they go out, ended once, counted in full if never."""

from datetime import UTC, datetime, timedelta

import pytest

from interlock.checkpoints import open_storage
from interlock.contracts.ids import StepId, ThreadId
from interlock.contracts.spending import CallEnd, Caller, CallRecord
from interlock.contracts.storage import Batch

AT = datetime(2026, 1, 1, tzinfo=UTC)
THREAD = ThreadId("t")
LEASE = timedelta(minutes=1)
HUGE = 6 * 10**18


def begin(call_id: str, *, path: str = "a", money: int = 0) -> CallRecord:
    """Return a call of 100 tokens that goes out."""
    caller = Caller(path=StepId(path), superstep="s", attempt=1, role="worker", worker="w")
    return CallRecord(
        id=call_id,
        thread_id=THREAD,
        caller=caller,
        model="m",
        input_bytes=40,
        tokens=100,
        money=money,
        started_at=AT,
    )


def end(call_id: str, *, tokens: int = 30) -> CallEnd:
    """Return the end of a call that used fewer tokens, 10 of them sent."""
    return CallEnd(
        id=call_id,
        tokens=tokens,
        money=3,
        input_tokens=10,
        output_tokens=tokens - 10,
        ended_at=AT,
    )


async def test_a_call_counts_for_what_it_reserved_until_it_ends(url: str) -> None:
    """One of two calls came back; the other counts in full, as after a kill."""
    async with open_storage(url) as storage:
        await storage.acquire_lease(THREAD, ttl=LEASE)
        await storage.commit(THREAD, Batch(calls=(begin("one", money=9), begin("two", money=9))))
        await storage.commit(THREAD, Batch(ended_calls=(end("one"),)))
        await storage.commit(
            THREAD, Batch(ended_calls=(end("one", tokens=99),), calls=(begin("two"),))
        )
        spending = await storage.load_spending(THREAD)
        stored = await storage.load_model_calls(THREAD)
    (together,) = spending.calls
    assert (together.model_calls, together.tokens, together.money) == (2, 130, 12)
    assert (together.input_tokens, together.output_tokens) == (10, 20)
    assert [one.end for one in stored] == [end("one"), None]
    assert [one.record for one in stored] == [begin("one", money=9), begin("two", money=9)]
    (habit,) = spending.habits
    assert (habit.model, habit.output_tokens, habit.input_beyond) == ("m", 20, 0)
    assert 250_000 <= habit.input_millionths <= 250_001


async def test_sums_of_money_may_pass_64_bits(url: str) -> None:
    """Two calls of six million each are twelve million."""
    async with open_storage(url) as storage:
        await storage.acquire_lease(THREAD, ttl=LEASE)
        calls = (begin("one", money=HUGE + 7), begin("two", money=HUGE))
        await storage.commit(THREAD, Batch(calls=calls))
        (together,) = (await storage.load_spending(THREAD)).calls
    assert together.money == 2 * HUGE + 7


@pytest.mark.parametrize("path", ["a", "a/"])
async def test_calls_are_kept_apart_by_path(url: str, path: str) -> None:
    """What a step's team used is not what the step itself used."""
    async with open_storage(url) as storage:
        await storage.acquire_lease(THREAD, ttl=LEASE)
        await storage.commit(THREAD, Batch(calls=(begin("one", path=path), begin("b", path="b"))))
        spending = await storage.load_spending(THREAD)
    assert {one.caller.path for one in spending.calls} == {path, "b"}
