"""Breakers and rates of tools: asked before anything happens, and never in the way of an answer."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.tools import tool

import interlock as il
from interlock.checkpoints import SqlStorage
from interlock.contracts.effect_ledger import ListEffects
from interlock.testing import ManualClock
from interlock.testing.manual_clock import NOON
from tests.integration.scripted_chat import ScriptedChat, call_tools
from tests.integration.teams import build_desk, build_step

BREAKER = il.Breaker(failures=2, cool_down=timedelta(seconds=30))


class Shop:
    """An outside service that fails as told, and counts what it was asked."""

    def __init__(self, *errors: Exception | None) -> None:
        self.errors = list(errors)
        self.calls: list[int] = []

    def pay(self, cents: int) -> str:
        """Take a payment."""
        self.calls.append(cents)
        error = self.errors.pop(0) if self.errors else None
        if error is not None:
            raise error
        return f"paid {cents}"


@pytest.fixture
def clock() -> ManualClock:
    """Return a clock that moves by itself."""
    return ManualClock(auto=True)


@pytest.fixture
async def storage(clock: ManualClock) -> AsyncIterator[SqlStorage]:
    """Return a storage in memory."""
    opened = SqlStorage("memory://", clock=clock)
    await opened.connect()
    yield opened
    await opened.aclose()


def guard_async(shop: Shop, **limits: Any) -> Any:
    """Return an async tool of the shop."""

    @il.idempotent(name="pay", natural=True, **limits)
    async def pay(cents: int) -> str:
        return shop.pay(cents)

    return pay


def guard_sync(shop: Shop, **limits: Any) -> Any:
    """Return the same, called in a thread."""

    @il.idempotent(name="pay", natural=True, **limits)
    def pay(cents: int) -> str:
        return shop.pay(cents)

    async def call(cents: int) -> Any:
        return await asyncio.to_thread(pay, cents)

    return call


def guard_reading(shop: Shop, **limits: Any) -> Any:
    """Return a tool that only reads."""

    @il.idempotent(name="pay", effect="read", **limits)
    async def pay(cents: int) -> str:
        return shop.pay(cents)

    return pay


@pytest.mark.parametrize("guard", [guard_async, guard_sync, guard_reading])
async def test_an_open_breaker_refuses_before_anything_happens(
    storage: SqlStorage, clock: ManualClock, guard: Any
) -> None:
    """Two failures open it: the third call is a typed error, the tool is not run, and later it is."""
    shop = Shop(ConnectionError("down"), ConnectionError("down"))
    pay = guard(shop, breaker=BREAKER)
    with il.effects(ledger=storage, scope="s", clock=clock):
        for cents in (1, 2):
            with pytest.raises(ConnectionError):
                await pay(cents)
        with pytest.raises(il.BreakerOpenError) as refused:
            await pay(3)
        assert refused.value.name == "tool/pay"
        assert shop.calls == [1, 2]
        clock.advance(30)
        assert await pay(3) == "paid 3"
        assert await pay(4) == "paid 4"
    assert shop.calls == [1, 2, 3, 4]


async def test_a_refused_call_leaves_no_effect_in_doubt(
    storage: SqlStorage, clock: ManualClock
) -> None:
    """The ledger says that nothing has happened: nobody is asked, and the retry runs it."""
    shop = Shop(ConnectionError("down"), ConnectionError("down"))
    pay = guard_async(shop, breaker=BREAKER)
    with il.effects(ledger=storage, scope="s", clock=clock):
        for cents in (1, 2, 3):
            with pytest.raises((ConnectionError, il.BreakerOpenError)):
                await pay(cents)
    effects = await storage.ledger.apply(ListEffects(thread_id="s"))
    assert [effect.state for effect in effects] == ["intended"] * 3


async def test_a_recorded_answer_needs_no_turn(storage: SqlStorage, clock: ManualClock) -> None:
    """A duplicate is answered while the breaker is open, and does not wait for the rate."""
    shop = Shop(None, ConnectionError("down"), ConnectionError("down"))
    rate = il.Rate(calls=1, per=timedelta(hours=1), burst=9)
    pay = guard_async(shop, breaker=BREAKER, rate=rate)
    with il.effects(ledger=storage, scope="s", clock=clock):
        await pay(1)
        for cents in (2, 3):
            with pytest.raises(ConnectionError):
                await pay(cents)
    before = (await storage.limits.load())[0].next_at
    with il.effects(ledger=storage, scope="s", clock=clock):
        assert await pay(1) == "paid 1"
        with pytest.raises(il.BreakerOpenError):
            await pay(4)
    assert (shop.calls, clock.now()) == ([1, 2, 3], NOON)
    assert (await storage.limits.load())[0].next_at == before


@pytest.mark.parametrize("error", [ValueError("no such order"), il.PermanentError("closed")])
async def test_refusals_of_the_tool_open_nothing(
    storage: SqlStorage, clock: ManualClock, error: Exception
) -> None:
    """What the tool refuses for good is the caller's fault."""
    shop = Shop(*[error] * 5)
    pay = guard_async(shop, breaker=BREAKER)
    with il.effects(ledger=storage, scope="s", clock=clock):
        for cents in range(5):
            with pytest.raises(type(error)):
                await pay(cents)
    assert len(shop.calls) == 5


@pytest.mark.parametrize("guard", [guard_async, guard_reading])
async def test_calls_wait_for_their_turn(storage: SqlStorage, guard: Any) -> None:
    """Calls that come at once run one after another, as the rate says, each once."""
    clock, shop = ManualClock(), Shop()
    storage._limits._clock = clock
    pay = guard(shop, rate=il.Rate(calls=1, per=timedelta(minutes=1)))
    with il.effects(ledger=storage, scope="s", clock=clock):
        paying = asyncio.gather(*(pay(cents) for cents in range(3)))
        async with asyncio.timeout(10):
            for waiting in (2, 1, 0):
                while len(shop.calls) < 3 - waiting or clock.sleeping < waiting:
                    await asyncio.sleep(0.001)
                assert len(shop.calls) == 3 - waiting
                clock.advance(60)
            await paying
    assert sorted(shop.calls) == [0, 1, 2]


async def test_who_waits_for_a_turn_has_begun_nothing(storage: SqlStorage) -> None:
    """While a call waits, its effect is intended: a crash there leaves nothing unknown."""
    clock, shop = ManualClock(), Shop()
    storage._limits._clock = clock
    pay = guard_async(shop, rate=il.Rate(calls=1, per=timedelta(minutes=1)))
    with il.effects(ledger=storage, scope="s", clock=clock):
        await pay(1)
        waiting = asyncio.ensure_future(pay(2))
        async with asyncio.timeout(10):
            while not clock.sleeping:
                await asyncio.sleep(0.001)
        effects = await storage.ledger.apply(ListEffects(thread_id="s"))
        assert [effect.state for effect in effects] == ["done", "intended"]
        clock.advance(60)
        assert await waiting == "paid 2"
    assert shop.calls == [1, 2]


async def test_an_agent_whose_tool_is_left_alone_goes_to_the_fallback_at_once() -> None:
    """A guarded LangChain tool is refused; the step takes its chain, with no further attempt."""
    shop = Shop(*[ConnectionError("down")] * 9)

    @tool
    async def pay(cents: int) -> str:
        """Take a payment."""
        return shop.pay(cents)

    guarded = il.make_idempotent(pay, natural=True, breaker=il.Breaker(failures=1))
    chat = ScriptedChat(turns=[call_tools(pay={"cents": 1}), "never said"])
    agent = create_agent(chat, tools=[guarded])
    retry = il.Retry(max_attempts=9, backoff=timedelta(seconds=1))
    step = build_step("clerk", retry=retry, fallback=[il.skip(gap="not paid")])
    async with build_desk({"clerk": agent}, step, clock=ManualClock(auto=True)) as desk:
        result = await desk.ainvoke("Pay", thread_id="t")
        (record,) = await desk._open_storage.limits.load()
    assert (shop.calls, record.name, record.state) == ([1], "tool/pay", "open")
    assert (result.outcomes["clerk"].status, result.outcomes["clerk"].attempts) == ("skipped", 2)
    assert "tool/pay" in str(result.outcomes["clerk"].reason)


async def test_a_tool_in_the_storages_transaction_has_no_limits() -> None:
    """It writes to the storage alone: a breaker there is refused where it is declared."""
    with pytest.raises(il.ConfigurationError, match=r"il\.Transaction"):

        @il.idempotent(breaker=BREAKER)
        def write(text: str, transaction: il.Transaction) -> None:
            raise AssertionError
