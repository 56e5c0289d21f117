"""The guard outside runs: what each ending of a tool means for the calls that follow."""

import asyncio
import threading
from collections.abc import AsyncIterator
from datetime import date, timedelta
from typing import Any

import pytest
from langchain_core.tools import ToolException
from pydantic import BaseModel

import interlock as il
from interlock.testing import ManualClock, redelivery
from tests.integration.effects.till import list_scope


@pytest.fixture
async def storage() -> AsyncIterator[il.Storage]:
    """Return an open storage."""
    async with il.open_storage("memory://") as opened:
        yield opened


async def test_a_running_duplicate_waits_and_gets_the_same_answer(storage: il.Storage) -> None:
    """Two deliveries at once: one runs, the other waits for its answer."""
    calls: list[int] = []
    gate = asyncio.Event()

    @il.idempotent()
    async def pay(order: str) -> int:
        calls.append(1)
        await gate.wait()
        return len(calls)

    async def deliver() -> int:
        with redelivery():
            return await pay("o1")

    with il.effects(ledger=storage, scope="s"):
        both = [asyncio.ensure_future(deliver()) for _ in range(2)]
        while not calls:
            await asyncio.sleep(0)
        gate.set()
        assert await asyncio.gather(*both) == [1, 1]


async def test_a_duplicate_that_has_waited_long_enough_is_told(storage: il.Storage) -> None:
    """The conflict is typed and transient; the answer comes all the same, and is recorded."""
    clock = ManualClock(auto=True)
    gate = asyncio.Event()

    @il.idempotent(wait=timedelta(seconds=3))
    async def pay(order: str) -> str:
        await gate.wait()
        return "paid"

    with il.effects(ledger=storage, scope="s", clock=clock):
        first = asyncio.ensure_future(pay("o1"))
        while not (await list_scope(storage)):
            await asyncio.sleep(0)
        with redelivery(), pytest.raises(il.EffectBusyError, match="3 s") as caught:
            await pay("o1")
        assert isinstance(caught.value, il.TransientError)
        gate.set()
        assert await first == "paid"
        with redelivery():
            assert await pay("o1") == "paid"


async def test_a_cancelled_caller_does_not_stop_the_tool(storage: il.Storage) -> None:
    """The tool ends by itself and its answer is recorded; a duplicate gets it."""
    gate, begun = asyncio.Event(), asyncio.Event()
    calls: list[int] = []

    @il.idempotent()
    async def pay(order: str) -> int:
        calls.append(1)
        begun.set()
        await gate.wait()
        return 7

    with il.effects(ledger=storage, scope="s"):
        first = asyncio.ensure_future(pay("o1"))
        await begun.wait()
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        gate.set()
        with redelivery():
            assert await pay("o1") == 7
    assert calls == [1]


async def test_a_storage_that_closes_lands_what_is_in_flight() -> None:
    """Closing waits for a tool that was left alone, so that its answer is not lost."""
    gate, begun = asyncio.Event(), asyncio.Event()

    @il.idempotent()
    async def pay(order: str) -> int:
        begun.set()
        await gate.wait()
        return 7

    async with il.open_storage("memory://") as storage:
        with il.effects(ledger=storage, scope="s"):
            first = asyncio.ensure_future(pay("o1"))
            await begun.wait()
            first.cancel()
            await asyncio.gather(first, return_exceptions=True)
        assert [one.state for one in await list_scope(storage)] == ["started"]
        assert storage.ledger.flights.count == 1
        asyncio.get_running_loop().call_soon(gate.set)
        await storage.ledger.flights.land()
        assert [one.state for one in await list_scope(storage)] == ["done"]


async def test_what_never_lands_is_cut_off_and_unknown(storage: il.Storage) -> None:
    """A tool that hangs is cancelled when the storage closes; the ledger says that nobody knows."""
    begun = asyncio.Event()

    @il.idempotent()
    async def pay(order: str) -> None:
        begun.set()
        await asyncio.Event().wait()

    with il.effects(ledger=storage, scope="s"):
        first = asyncio.ensure_future(pay("o1"))
        await begun.wait()
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
    await storage.ledger.flights.land(seconds=0.05)
    (effect,) = await list_scope(storage)
    assert (effect.state, storage.ledger.flights.count) == ("unknown", 0)


class OddError(Exception):
    """Built from two arguments, which its message does not show."""

    def __init__(self, one: int, other: int) -> None:
        super().__init__(f"{one} and {other}")


@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        (ValueError("no such order"), ValueError),
        (KeyError("o1"), KeyError),
        (TypeError("no"), TypeError),
        (ToolException("refused"), ToolException),
        (il.PermanentError("no"), il.PermanentError),
        (
            il.RequestRefusedError(request="POST x", status=402, excerpt="no", sends=1),
            il.RequestRefusedError,
        ),
        (NotImplementedError(), NotImplementedError),
    ],
)
async def test_a_refusal_is_recorded_and_raised_again(
    storage: il.Storage, raised: Exception, kind: type[Exception]
) -> None:
    """The duplicate gets an error of the same class that says the same, and nothing is run."""
    calls: list[int] = []

    @il.idempotent()
    async def pay(order: str) -> None:
        calls.append(1)
        raise raised

    for _ in range(2):
        with il.effects(ledger=storage, scope="s"), pytest.raises(kind) as caught:
            await pay("o1")
        assert str(caught.value) == str(raised)
        assert type(caught.value) is kind
    assert calls == [1]
    assert [one.state for one in await list_scope(storage)] == ["failed"]


async def test_a_declared_refusal_that_cannot_be_built_again_is_told_in_words(
    storage: il.Storage,
) -> None:
    """Its class wants other arguments: the duplicate gets an error that names class and message."""

    @il.idempotent(permanent_errors=[OddError])
    async def pay(order: str) -> None:
        raise OddError(1, 2)

    with il.effects(ledger=storage, scope="s"), pytest.raises(OddError):
        await pay("o1")
    with (
        il.effects(ledger=storage, scope="s"),
        pytest.raises(il.RecordedEffectError, match="OddError: 1 and 2") as caught,
    ):
        await pay("o1")
    assert isinstance(caught.value, il.PermanentError)


@pytest.mark.parametrize(
    "raised", [ConnectionError("gone"), TimeoutError(), OSError(5, "io"), RuntimeError("?")]
)
async def test_an_error_that_leaves_it_open_is_never_run_again(
    storage: il.Storage, raised: Exception
) -> None:
    """The first caller gets the error itself, the duplicate that nobody knows; it ran once."""
    calls: list[int] = []

    @il.idempotent()
    async def pay(order: str) -> None:
        calls.append(1)
        raise raised

    with il.effects(ledger=storage, scope="s"), pytest.raises(type(raised)):
        await pay("o1")
    with il.effects(ledger=storage, scope="s"), pytest.raises(il.EffectUnknownError) as caught:
        await pay("o1")
    assert "interlock effects settle s e-" in str(caught.value)
    assert calls == [1]


async def test_a_probe_that_cannot_tell_leaves_it_unknown(storage: il.Storage) -> None:
    """A probe that raises guesses nothing; asked again later, its word counts."""
    answers: list[Any] = [RuntimeError("down"), RuntimeError("down"), il.Happened(answer=None)]

    def look(key: str) -> Any:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    calls: list[int] = []

    @il.idempotent(probe=look)
    async def pay(order: str) -> None:
        calls.append(1)
        raise ConnectionError("gone")

    with il.effects(ledger=storage, scope="s"), pytest.raises(ConnectionError):
        await pay("o1")
    with il.effects(ledger=storage, scope="s"), pytest.raises(il.EffectUnknownError):
        await pay("o1")
    with il.effects(ledger=storage, scope="s"):
        assert await pay("o1") is None
    assert calls == [1]


async def test_a_natural_tool_is_run_again_where_its_probe_cannot_tell(
    storage: il.Storage,
) -> None:
    """Asked first, the probe counts; where it does not know, running again does no harm."""
    calls: list[int] = []

    def look(key: str) -> Any:
        raise RuntimeError("down")

    @il.idempotent(probe=look, natural=True)
    async def pay(order: str) -> str:
        calls.append(1)
        if len(calls) == 1:
            raise ConnectionError("gone")
        return "paid"

    with il.effects(ledger=storage, scope="s"), pytest.raises(ConnectionError):
        await pay("o1")
    with il.effects(ledger=storage, scope="s"):
        assert await pay("o1") == "paid"
    assert len(calls) == 2


async def test_an_answer_that_cannot_be_read_leaves_it_open(storage: il.Storage) -> None:
    """A tool that stumbles over what came back has perhaps done it: nobody knows."""

    @il.idempotent()
    async def pay(order: str) -> None:
        Receipt.model_validate({"number": "many"})

    with il.effects(ledger=storage, scope="s"), pytest.raises(ValueError, match="Receipt"):
        await pay("o1")
    (effect,) = await list_scope(storage)
    assert effect.state == "unknown"


async def test_keys_by_business_name(storage: il.Storage) -> None:
    """One order, one refund, however often it is called; another amount is refused."""
    calls: list[int] = []

    @il.idempotent(key_from=["order"])
    async def pay(order: str, cents: int) -> int:
        calls.append(cents)
        return cents

    with il.effects(ledger=storage, scope="s"):
        assert [await pay("o1", 5), await pay("o1", 5)] == [5, 5]
        with pytest.raises(il.KeyReusedError, match="cents=6"):
            await pay("o1", 6)
        assert await pay("o2", 6) == 6
    assert calls == [5, 6]


async def test_a_retry_in_the_tools_caller_is_no_second_effect(storage: il.Storage) -> None:
    """A loop around the call that goes on after errors meets the same effect each time."""
    keys: list[str] = []

    @il.idempotent()
    async def pay(order: str, *, key: il.IdempotencyKey) -> str:
        keys.append(key)
        if len(keys) < 3:
            raise il.NotAppliedError("locked")
        return "paid"

    with il.effects(ledger=storage, scope="s"):
        for _ in range(3):
            try:
                assert await pay("o1") == "paid"
            except il.NotAppliedError:
                continue
    assert len(set(keys)) == 1
    assert [one.tries for one in await list_scope(storage)] == [3]


class Receipt(BaseModel):
    """What a tool returns."""

    number: int
    on: date


async def test_answers_come_back_as_the_type_that_the_tool_declares(storage: il.Storage) -> None:
    """First caller and duplicate both get a model, equal to what the tool returned."""

    @il.idempotent()
    async def pay(order: str, on: date) -> Receipt:
        return Receipt(number=1, on=on)

    for _ in range(2):
        with il.effects(ledger=storage, scope="s"):
            assert await pay("o1", on=date(2026, 1, 2)) == Receipt(number=1, on=date(2026, 1, 2))


async def test_arguments_that_no_key_can_be_made_of_are_refused(storage: il.Storage) -> None:
    """A handle or a function as argument is an error that names it; nothing is recorded or run."""

    @il.idempotent()
    async def pay(order: str, how: Any) -> None:
        raise AssertionError

    with il.effects(ledger=storage, scope="s"):
        with pytest.raises(il.PlainValueError, match="argument 'how'"):
            await pay("o1", threading.Lock())
        with pytest.raises(TypeError):
            await pay("o1")
    assert await list_scope(storage) == []


async def test_a_guarded_tool_may_call_others(storage: il.Storage) -> None:
    """Each has an effect of its own; the outer one's duplicate calls none of them."""
    made: list[str] = []

    @il.idempotent()
    async def mail(to: str) -> None:
        made.append(to)

    @il.idempotent()
    async def pay(order: str) -> str:
        await mail("ann")
        await mail("bob")
        return "paid"

    for _ in range(2):
        with il.effects(ledger=storage, scope="s"):
            assert await pay("o1") == "paid"
    assert made == ["ann", "bob"]


async def test_outside_runs_and_scopes_a_guarded_tool_says_what_it_needs() -> None:
    """Without a ledger nothing is run: the error names both ways to have one."""

    @il.idempotent()
    async def pay(order: str) -> None:
        raise AssertionError

    with pytest.raises(il.NoEffectScopeError, match=r"il\.effects"):
        await pay("o1")
    with pytest.raises(il.ConfigurationError, match="no attempt"), redelivery():
        pass
    with pytest.raises(il.ConfigurationError, match="scope"), il.effects(ledger=None, scope=""):
        pass
    with pytest.raises(il.ConfigurationError, match="storage"), il.effects(ledger=7, scope="s"):
        pass


async def test_the_block_may_be_entered_either_way(storage: il.Storage) -> None:
    """`with` and `async with` mean the same, and one block may be entered again."""
    calls: list[str] = []

    @il.idempotent()
    async def pay(order: str) -> int:
        calls.append(order)
        return len(calls)

    block = il.effects(ledger=storage.ledger, scope="s")
    async with block:
        assert await pay("o1") == 1
    with block:
        assert await pay("o1") == 1
    with pytest.raises(il.NoEffectScopeError):
        await pay("o1")


async def test_a_reading_tool_needs_no_ledger() -> None:
    """`effect="read"` passes through, also outside runs."""

    @il.idempotent(effect="read")
    async def look(order: str) -> str:
        return order

    assert await look("o1") == "o1"


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        ({"effect": "wipe"}, "effect='wipe'"),
        ({"irreversible": True, "undo": print}, "irreversible and has an undo"),
        ({"key_from": "order"}, "key_from='order'"),
        ({"probe": "look"}, "cannot be called"),
    ],
)
def test_a_declaration_that_cannot_work_is_refused(declared: dict[str, Any], words: str) -> None:
    """It is said when the tool is declared, not when it is called."""

    async def pay(order: str) -> None: ...

    with pytest.raises(il.ConfigurationError, match=words):
        il.idempotent(**declared)(pay)


def test_what_is_filled_in_is_hidden_from_callers_and_models() -> None:
    """Signature and annotations show the arguments only; name and words stay."""
    import inspect

    @il.idempotent()
    async def pay(order: str, *, key: il.IdempotencyKey) -> str:
        """Pay an order."""
        return key

    assert list(inspect.signature(pay).parameters) == ["order"]
    assert set(pay.__annotations__) == {"order", "return"}
    assert (pay.__name__, pay.__doc__) == ("pay", "Pay an order.")
