"""HTTP tools under guard: what a lost or refused request leaves in the ledger (I5)."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest

import interlock as il
from interlock.contracts.effect_ledger import ListEffects
from interlock.contracts.ids import ThreadId
from interlock.testing import ManualClock
from tests.integration.effects.keyed_server import KeyedServer, Reply, Turn
from tests.integration.effects.till import list_effects
from tests.integration.teams import build_desk, build_step

Refund = Callable[[str, int], Awaitable[Any]]


@pytest.fixture(params=["async", "blocking"])
def how(request: pytest.FixtureRequest) -> str:
    """Both kinds of tool."""
    return str(request.param)


def build_refund(how: str, server: KeyedServer, **options: Any) -> Refund:
    """Return a guarded tool that posts to a server; a blocking one is called off the loop."""
    settings: dict[str, Any] = {"base_url": server.url, "timeout": 0.3}

    @il.idempotent()
    async def refund(order: str, cents: int, *, key: il.IdempotencyKey) -> Any:
        async with httpx.AsyncClient(**settings) as client:
            request = client.build_request("POST", "/refunds", json={"order": order})
            return (await il.send_with_key(client, request, key=key, **options)).json()

    @il.idempotent(name="refund")
    def refund_blocking(order: str, cents: int, *, key: il.IdempotencyKey) -> Any:
        with httpx.Client(**settings) as client:
            request = client.build_request("POST", "/refunds", json={"order": order})
            wait: Any = lambda seconds: None  # noqa: E731
            sent = il.send_with_key_blocking(client, request, key=key, sleep=wait, **options)
            return sent.json()

    async def call(order: str, cents: int) -> Any:
        if how == "async":
            return await refund(order, cents)
        return await asyncio.to_thread(refund_blocking, order, cents)

    return call


async def load_effect(storage: Any) -> il.EffectRecord:
    """Return the only effect of the scope."""
    (record,) = await storage.ledger.apply(ListEffects(thread_id=ThreadId("tests")))
    return record


async def test_a_lost_response_is_unknown_and_not_sent_again(how: str) -> None:
    """The ledger says unknown; a second call sends nothing and says what to do."""
    async with (
        KeyedServer(["drop_after"], keeps_keys=False).listen() as server,
        il.open_storage("memory://") as storage,
    ):
        refund = build_refund(how, server)
        for error in (il.OutcomeOpenError, il.EffectUnknownError):
            with (
                il.effects(ledger=storage, scope="tests"),
                pytest.raises(error, match="not known"),
            ):
                await refund("o1", 50)
        record = await load_effect(storage)
    assert (record.state, len(server.seen)) == ("unknown", 1)
    assert server.effects == {record.key: 1}


async def test_a_server_that_keeps_keys_ends_in_one_effect_and_one_answer(how: str) -> None:
    """Two lost answers, one effect, recorded as done; a duplicate call sends nothing."""
    turns: list[Turn] = ["drop_after", "cut"]
    async with (
        KeyedServer(turns).listen() as server,
        il.open_storage("memory://") as storage,
    ):
        refund = build_refund(how, server, server_keeps_keys=True)
        for _ in range(2):
            with il.effects(ledger=storage, scope="tests", clock=ManualClock(auto=True)):
                assert await refund("o1", 50) == {"receipt": 1}
        record = await load_effect(storage)
    assert (record.state, record.tries, len(server.seen)) == ("done", 1, 3)
    assert server.effects == {record.key: 1}


async def test_a_refusal_is_recorded_and_repeated_to_duplicates(how: str) -> None:
    """A second call gets the same error, words and values, without a request."""
    async with (
        KeyedServer([Reply(402, body=b"card declined")]).listen() as server,
        il.open_storage("memory://") as storage,
    ):
        refund = build_refund(how, server)
        errors = []
        for _ in range(2):
            with il.effects(ledger=storage, scope="tests"):
                with pytest.raises(il.RequestRefusedError, match="card declined") as caught:
                    await refund("o1", 50)
                errors.append((str(caught.value), caught.value.status, caught.value.sends))
        record = await load_effect(storage)
    assert errors[0] == errors[1]
    assert (record.state, len(server.seen)) == ("failed", 1)


async def test_too_many_requests_leave_nothing_and_the_next_call_sends_again(how: str) -> None:
    """What the server did not take may be run again, with the same key."""
    async with (
        KeyedServer([Reply(429, {"Retry-After": "60"})]).listen() as server,
        il.open_storage("memory://") as storage,
    ):
        refund = build_refund(how, server, max_wait=timedelta(0))
        with il.effects(ledger=storage, scope="tests"):
            with pytest.raises(il.NotAppliedError):
                await refund("o1", 50)
            assert await refund("o1", 50) == {"receipt": 1}
        record = await load_effect(storage)
    assert (record.state, record.tries) == ("done", 2)
    assert [key for key, _ in server.seen] == [record.key] * 2


async def test_in_a_run_a_limited_request_waits_as_the_server_asks(how: str) -> None:
    """The step's retry comes when the server said, not after its own short backoff."""
    clock = ManualClock(auto=True)
    starts: list[float] = []
    async with KeyedServer([Reply(429, {"Retry-After": "3600"})]).listen() as server:
        refund = build_refund(how, server)
        began = clock.now()

        async def work(brief: il.Brief) -> Any:
            starts.append((clock.now() - began).total_seconds())
            return await refund("o1", 50)

        step = build_step("pay", retry=il.Retry(max_attempts=2, backoff=timedelta(seconds=1)))
        async with build_desk({"pay": work}, step, clock=clock) as desk:
            result = await desk.ainvoke("Pay", thread_id="t")
            (effect,) = await list_effects(desk, "t")
    assert (result.status, result.outputs["pay"]) == ("completed", {"receipt": 1})
    assert starts == [0, 3600]
    assert (effect.state, effect.tries, server.effects) == ("done", 2, {effect.key: 1})


async def test_in_a_run_a_lost_response_asks_a_person_and_their_word_counts(how: str) -> None:
    """The step waits for a person; the request is not repeated once they say that it happened."""
    async with KeyedServer(["drop_after"], keeps_keys=False).listen() as server:
        refund = build_refund(how, server)

        async def work(brief: il.Brief) -> Any:
            return await refund("o1", 50)

        async with build_desk({"pay": work}) as desk:
            waiting = await desk.ainvoke("Pay", thread_id="t")
            (question,) = waiting.questions
            assert (waiting.status, question.kind) == ("waiting", "effect")
            answer = il.edit({"receipt": 9})
            result = await desk.aanswer("t", {question.id: answer})
    assert (result.status, result.outputs["pay"]) == ("completed", {"receipt": 9})
    assert (sum(server.effects.values()), len(server.seen)) == (1, 1)


async def test_waits_of_a_tool_follow_the_runs_clock() -> None:
    """An async tool that names no clock waits by the run's: the test takes no real time."""
    clock = ManualClock(auto=True)
    async with KeyedServer([Reply(429, {"Retry-After": "20"})]).listen() as server:
        refund = build_refund("async", server)
        began = clock.now()

        async def work(brief: il.Brief) -> Any:
            return await refund("o1", 50)

        async with build_desk({"pay": work}, clock=clock) as desk:
            result = await desk.ainvoke("Pay", thread_id="t")
    assert result.status == "completed"
    assert (clock.now() - began).total_seconds() >= 20
