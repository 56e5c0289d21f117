"""What a guarded function may look like, and what its probe, undo and key are given."""

import functools
from typing import Any

import pytest

import interlock as il
from tests.integration.effects.till import Till, list_scope


async def test_arguments_left_out_are_handed_to_probe_undo_and_key() -> None:
    """An argument that equals its default makes no other key, and is given by name all the same."""
    seen: list[Any] = []

    async def look(order: str, cents: int) -> Any:
        seen.append(("probe", order, cents))

    @il.idempotent(probe=look)
    async def refund(order: str, cents: int = 500) -> str:
        seen.append(("refund", order, cents))
        if len(seen) == 1:
            raise ConnectionError("gone")
        return "paid"

    @il.idempotent(key_from=["order", "cents"])
    async def by_names(order: str, cents: int = 500) -> str:
        return f"{order}/{cents}"

    @il.idempotent(key_from=lambda order, cents: f"{order}/{cents}")
    async def by_function(order: str, cents: int = 500) -> str:
        return f"{order}/{cents}"

    async with il.open_storage("memory://") as storage:
        with il.effects(ledger=storage, scope="s"):
            with pytest.raises(ConnectionError):
                await refund("o1")
            assert await refund("o1", 500) == "paid"
            for tool in (by_names, by_function):
                assert await tool("o1") == await tool("o1", cents=500) == "o1/500"
        effects = await list_scope(storage)
    assert seen == [("refund", "o1", 500), ("probe", "o1", 500), ("refund", "o1", 500)]
    assert [one.arguments for one in effects] == [{"order": "o1", "cents": 500}] * 3


async def test_an_undo_is_given_the_default() -> None:
    """The tool was called without the amount; its undo is not given the receipt in its place."""
    till = Till()

    @il.idempotent(undo=till.take_back)
    async def refund(order: str, cents: int = 500) -> dict[str, Any]:
        return till.pay(order, cents)

    async def work(brief: il.Brief) -> Any:
        await refund("o1")
        raise il.PermanentError("no good")

    desk = il.Orchestrator(
        workers=[il.Worker(name="pay", agent=work)],
        planner=il.TaskGraph(
            goal="Pay", steps=[il.Step(id="pay", worker="pay", instruction="Pay")]
        ),
        storage="memory://",
    )
    async with desk:
        result = await desk.ainvoke("Pay", thread_id="t")
    assert (result.status, till.paid) == ("failed", [])


async def test_an_object_with_an_async_call_is_an_async_tool() -> None:
    """It is awaited, and guarded like a function."""

    class Refund:
        async def __call__(self, order: str) -> str:
            return f"paid {order}"

    refund = il.idempotent(name="refund")(Refund())
    async with il.open_storage("memory://") as storage:
        with il.effects(ledger=storage, scope="s"):
            assert await refund("o1") == "paid o1"


async def test_a_coroutine_that_nobody_awaits_is_no_effect() -> None:
    """A sync wrapper around an async tool has done nothing: it says so, and is not taken for done."""

    async def pay(order: str) -> str:
        return f"paid {order}"

    @functools.wraps(pay)
    def wrapped(order: str) -> Any:
        return pay(order)

    refund = il.idempotent()(wrapped)
    async with il.open_storage("memory://") as storage:
        with (
            il.effects(ledger=storage, scope="s"),
            pytest.raises(il.NotAppliedError, match="async"),
        ):
            refund("o1")
        (effect,) = await list_scope(storage)
    assert effect.state == "intended"


def test_a_generator_is_no_tool() -> None:
    """Calling one runs nothing; it is refused where it is declared."""

    def pages() -> Any:
        yield 1

    with pytest.raises(il.ConfigurationError, match="generator"):
        il.idempotent()(pages)


@pytest.mark.parametrize("part", ["undo", "probe"])
def test_undo_and_probe_have_no_transaction(part: str) -> None:
    """One that asks for it is refused where it is declared, not when it is needed."""

    def unbook(seat: str, *, tx: il.Transaction) -> None: ...

    declared: dict[str, Any] = {part: unbook}
    with pytest.raises(il.ConfigurationError, match="transact"):
        il.idempotent(**declared)(lambda seat: None)


async def _name_late(order: str) -> str:
    return order


@pytest.mark.parametrize("named", [lambda order: None, lambda order: "", _name_late])
async def test_a_key_that_names_nothing_is_refused(named: Any) -> None:
    """Under it all calls would be one effect: nothing is run or recorded."""
    ran: list[str] = []

    @il.idempotent(key_from=named)
    async def refund(order: str) -> None:
        ran.append(order)

    async with il.open_storage("memory://") as storage:
        with il.effects(ledger=storage, scope="s"), pytest.raises(il.ConfigurationError):
            await refund("o1")
        assert await list_scope(storage) == []
    assert ran == []
    with pytest.raises(il.ConfigurationError, match="empty key_from"):
        il.idempotent(key_from=[])(refund)
