"""Tools that write to the storage database: effect and record together, or neither (I5)."""

import asyncio
import sys
from typing import Any

import pytest

import interlock as il
from interlock.checkpoints import SqlStorage
from interlock.checkpoints.named_sql import number_parameters
from tests.contract.conftest import CountingHook, ManualClock, is_postgres
from tests.contract.effect_calls import list_all


@pytest.fixture
async def shop(storage: SqlStorage) -> SqlStorage:
    """Return a storage with a table of the user's own in it."""
    await storage.transact(lambda tx: tx.execute("CREATE TABLE paid (id TEXT, cents INTEGER)"))
    return storage


def run(tx: il.Transaction, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
    """Run a statement with `?` for parameters, as the database that lends itself writes them."""
    is_numbered = "postgresql" in type(tx).__module__
    return tx.execute(number_parameters(statement) if is_numbered else statement, parameters)


async def read_paid(storage: SqlStorage) -> list[Any]:
    """Return what was paid."""
    return await storage.transact(lambda tx: tx.execute("SELECT id, cents FROM paid"))


@il.idempotent()
def pay(order: str, cents: int, *, key: il.IdempotencyKey, tx: il.Transaction) -> dict[str, Any]:
    """Pay, in the storage's own transaction."""
    run(tx, "INSERT INTO paid VALUES (?, ?)", order, cents)
    return {"key": key, "cents": cents}


async def test_effect_and_record_are_one_transaction(shop: SqlStorage, hook: CountingHook) -> None:
    """One commit holds both; the duplicate is answered and writes nothing."""
    before = hook.commits
    with il.effects(ledger=shop, scope="t"):
        first = pay("o1", 5)
    assert hook.commits == before + 1
    with il.effects(ledger=shop, scope="t"):
        assert pay("o1", 5) == first
    assert await read_paid(shop) == [("o1", 5)]
    (effect,) = await shop.ledger.apply(list_all())
    assert (effect.state, effect.key) == ("done", first["key"])


async def test_a_commit_that_fails_keeps_neither(shop: SqlStorage, hook: CountingHook) -> None:
    """When the commit fails there is no effect and no record of one; the next call does both."""
    hook.failure = OSError("no disk")
    with il.effects(ledger=shop, scope="t"), pytest.raises(OSError, match="no disk"):
        pay("o1", 5)
    hook.failure = None
    assert await read_paid(shop) == []
    assert await shop.ledger.apply(list_all()) == []
    with il.effects(ledger=shop, scope="t"):
        pay("o1", 5)
    assert await read_paid(shop) == [("o1", 5)]


async def test_an_error_takes_back_what_was_written(shop: SqlStorage) -> None:
    """A refusal is recorded, any other error leaves the effect intended; neither leaves a row."""
    errors: list[Exception] = [ConnectionError("busy"), ValueError("too much")]

    @il.idempotent()
    def fail(order: str, *, tx: il.Transaction) -> None:
        run(tx, "INSERT INTO paid VALUES (?, 1)", order)
        raise errors[0]

    for state, kind in (("intended", ConnectionError), ("failed", ValueError)):
        with il.effects(ledger=shop, scope="t"), pytest.raises(kind):
            fail("o1")
        (effect,) = await shop.ledger.apply(list_all())
        assert effect.state == state
        errors.pop(0)
    errors.append(RuntimeError("not run again"))
    with il.effects(ledger=shop, scope="t"), pytest.raises(ValueError, match="too much"):
        fail("o1")
    assert await read_paid(shop) == []


REFUSED = {
    "begin": "BEGIN",
    "commit": "COMMIT",
    "savepoint": "SAVEPOINT mine",
    "own rows": "DELETE FROM handoffs",
    "own effects": "UPDATE effects SET state = 'done'",
    "settings": {
        "sqlite": "PRAGMA synchronous = OFF",
        "postgresql": "SET synchronous_commit = off",
    },
}
REFUSED_BY_SQLITE = {
    "attach": "ATTACH ':memory:' AS other",
    "own tables": "DROP TABLE runs",
    "own triggers": "DROP TRIGGER effects_absorb",
    "a trigger on ours": "CREATE TRIGGER mine AFTER INSERT ON effects BEGIN SELECT 1; END",
    "the schema itself": "DELETE FROM sqlite_master",
}
REFUSED_BY_POSTGRESQL = {
    "all rows": "TRUNCATE effects CASCADE",
    "a comment before": "/* x */ -- y\n COMMIT",
    "two statements": "SELECT 1; COMMIT",
    "a copy to nowhere": "COPY paid TO STDOUT",
}


async def require_refusal(statement: str, shop: SqlStorage) -> None:
    """Expect that a statement is refused inside a transaction, of which then nothing is kept."""

    def misbehave(tx: il.Transaction) -> None:
        tx.execute("INSERT INTO paid VALUES ('before', 1)")
        tx.execute(statement)

    with pytest.raises((il.StorageError, Exception)) as caught:
        await shop.transact(misbehave)
    words = ("refused", "may not be modified", "multiple commands", "rows are deleted one by one")
    assert any(word in str(caught.value) for word in words), caught.value
    assert await read_paid(shop) == []


@pytest.mark.parametrize("what", REFUSED)
async def test_a_tool_is_kept_to_tables_of_its_own(what: str, shop: SqlStorage) -> None:
    """What would touch interlock's rows, the transaction or settings is refused, and nothing kept."""
    statement = REFUSED[what]
    if not isinstance(statement, str):
        statement = statement["postgresql" if is_postgres(shop) else "sqlite"]
    await require_refusal(statement, shop)


@pytest.mark.parametrize("what", [*REFUSED_BY_SQLITE, *REFUSED_BY_POSTGRESQL])
async def test_a_tool_is_kept_to_tables_of_its_own_by_each_database(
    what: str, shop: SqlStorage
) -> None:
    """So is what only one of the databases could be made to do."""
    known = REFUSED_BY_POSTGRESQL if is_postgres(shop) else REFUSED_BY_SQLITE
    if what in known:
        await require_refusal(known[what], shop)


async def test_interlocks_tables_can_be_read(shop: SqlStorage) -> None:
    """A tool may look at what is recorded."""
    with il.effects(ledger=shop, scope="t"):
        pay("o1", 5)
    rows = await shop.transact(lambda tx: tx.execute("SELECT tool, state FROM effects"))
    assert rows == [("pay", "done")]


async def test_the_transaction_is_not_to_be_kept(shop: SqlStorage) -> None:
    """After the tool has returned, the transaction refuses every call."""
    kept: list[il.Transaction] = []
    await shop.transact(kept.append)
    with pytest.raises(il.StorageError, match="over"):
        kept[0].execute("INSERT INTO paid VALUES ('late', 1)")


async def test_a_function_that_is_run_twice_is_kept_once(shop: SqlStorage) -> None:
    """Another caller's failure in the same group commit runs it again: its rows are there once."""
    import asyncio

    runs: list[str] = []

    def work(tx: il.Transaction) -> None:
        runs.append("run")
        tx.execute("INSERT INTO paid VALUES ('o1', 1)")

    def fail(connection: Any) -> None:
        connection.execute("INSERT INTO paid VALUES ('bad', 1)")
        raise ValueError("after writing")

    failing = asyncio.ensure_future(shop._database.write(fail))
    await asyncio.gather(shop.transact(work), shop.transact(work), failing, return_exceptions=True)
    assert await read_paid(shop) == [("o1", 1)] * 2


def test_what_cannot_run_in_a_transaction_is_refused() -> None:
    """An async tool, and one that only reads, cannot have the transaction."""
    with pytest.raises(il.ConfigurationError, match="Make the tool sync"):

        @il.idempotent()
        async def late(*, tx: il.Transaction) -> None: ...

    with pytest.raises(il.ConfigurationError, match="only reads"):

        @il.idempotent(effect="read")
        def look(*, tx: il.Transaction) -> None: ...


async def test_an_effect_that_another_kind_of_tool_began_is_not_made_again(
    shop: SqlStorage,
) -> None:
    """A tool that used to work elsewhere and died in the middle is unknown here too."""

    @il.idempotent(name="pay")
    async def before(order: str, cents: int) -> None:
        raise ConnectionError("gone")

    with il.effects(ledger=shop, scope="t"), pytest.raises(ConnectionError):
        await before("o1", 5)
    with il.effects(ledger=shop, scope="t"), pytest.raises(il.EffectUnknownError):
        pay("o1", 5)
    assert await read_paid(shop) == []


async def test_a_tool_in_the_transaction_cannot_wait_for_the_storage(shop: SqlStorage) -> None:
    """A guarded call inside the open transaction is refused at once; nothing is left of either."""

    @il.idempotent()
    def outer(order: str, *, tx: il.Transaction) -> None:
        run(tx, "INSERT INTO paid VALUES (?, 1)", order)
        pay(order, 5)

    with il.effects(ledger=shop, scope="t"), pytest.raises(il.StorageError, match="was lent"):
        outer("o1")
    assert await read_paid(shop) == []


async def test_a_table_of_the_users_may_have_any_other_name(url: str, clock: ManualClock) -> None:
    """Words in our migrations' comments name no table: a table `state` stays the user's."""
    for _ in range(2):
        storage = SqlStorage(url, clock=clock)
        await storage.connect()
        await storage.transact(
            lambda tx: tx.execute("CREATE TABLE IF NOT EXISTS state (id TEXT PRIMARY KEY)")
        )
        fresh = SqlStorage(url, clock=clock)
        await fresh.connect()
        if url != "memory://":
            await fresh.transact(
                lambda tx: tx.execute("INSERT INTO state VALUES ('a') ON CONFLICT DO NOTHING")
            )
        await fresh.aclose()
        await storage.aclose()


async def test_a_function_that_would_end_the_process_fails_alone(shop: SqlStorage) -> None:
    """`sys.exit()` in a lent transaction undoes that function; the storage goes on for others."""

    def leave(tx: il.Transaction) -> None:
        tx.execute("DELETE FROM paid")
        sys.exit("out of order")

    with pytest.raises(il.StorageError, match="raised SystemExit"):
        await asyncio.wait_for(shop.transact(leave), 10)
    assert await asyncio.wait_for(shop.transact(lambda tx: tx.execute("SELECT 1")), 10) == [(1,)]
