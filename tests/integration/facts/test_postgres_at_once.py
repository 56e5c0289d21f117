"""PostgreSQL with many runs at once, and behind a transaction pooler (rows 41, 44, 46)."""

import asyncio
import time
from collections.abc import Iterator

import pytest

import interlock as il
from interlock.checkpoints import SqlStorage
from tests.integration.teams import build_desk, build_step, give
from tests.postgres.postgres_server import PostgresServer

RUNS = 16
SLOW_SECONDS = 0.02
"""What each commit takes on a slow disk; the work itself takes less."""


class SlowDisk:
    """Makes every commit slow."""

    def before_commit(self, index: int) -> None:
        """Take a while."""
        time.sleep(SLOW_SECONDS)

    def after_commit(self, index: int) -> None:
        """Take no more."""


async def drive(storage: il.Storage, *names: str) -> None:
    """Drive runs at once."""
    async with build_desk({"work": give(1)}, storage=storage) as desk:
        results = await asyncio.gather(*(desk.ainvoke("Test", thread_id=name) for name in names))
    assert {result.status for result in results} == {"completed"}


async def test_runs_do_not_wait_for_each_others_commits(postgres_url: str) -> None:
    """Row 41: 16 runs at once on a slow disk take less than a third of one after another."""
    async with il.open_storage(f"{postgres_url}&interlock_pool_size={RUNS}") as quick:
        await drive(quick, "warm")
    storage = SqlStorage(f"{postgres_url}&interlock_pool_size={RUNS}", write_hook=SlowDisk())
    await storage.connect()
    try:
        begun = time.perf_counter()
        for number in range(4):
            await drive(storage, f"alone{number}")
        alone = (time.perf_counter() - begun) / 4
        begun = time.perf_counter()
        await drive(storage, *(f"t{number}" for number in range(RUNS)))
        together = (time.perf_counter() - begun) / RUNS
    finally:
        await storage.aclose()
    assert together * 3 < alone


async def test_a_row_lock_on_one_thread_delays_no_other(
    postgres: PostgresServer, postgres_url: str
) -> None:
    """Row 41: somebody holds thread A's rows; 16 other runs end meanwhile, and then A does."""
    locking, locked = asyncio.Event(), asyncio.Event()

    async def work(brief: il.Brief) -> str:
        if brief.step_id == "first":
            locking.set()
            await locked.wait()
        return "done"

    steps = (build_step("first", "work"), build_step("last", "work", needs=["first"]))
    schema = postgres_url.partition("interlock_schema=")[2]
    async with (
        il.open_storage(postgres_url) as storage,
        build_desk({"work": work}, *steps, storage=storage) as desk,
    ):
        stuck = asyncio.create_task(desk.ainvoke("Test", thread_id="a"))
        await locking.wait()
        with postgres.connect(schema) as other, other.transaction():
            for table in ("runs", "leases"):
                other.execute(f"SELECT 1 FROM {table} WHERE thread_id = 'a' FOR UPDATE")
            locked.set()
            await drive(storage, *(f"t{number}" for number in range(RUNS)))
            async with asyncio.timeout(20):
                while not count_waiting(postgres):
                    await asyncio.sleep(0.01)
            assert not stuck.done()
        assert (await stuck).status == "completed"


def count_waiting(server: PostgresServer) -> int:
    """Return how many connections wait for a lock."""
    with server.connect() as connection:
        row = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        ).fetchone()
    assert row is not None
    return int(row[0])


@pytest.fixture
def pooled_url(postgres: PostgresServer, pooler_port: int) -> Iterator[str]:
    """Return the URL of a fresh schema behind the pooler."""
    schema = postgres.name_schema()
    yield postgres.build_url(schema, port=pooler_port)
    postgres.drop_schema(schema)


async def test_runs_work_behind_a_transaction_pooler(pooled_url: str) -> None:
    """Row 44: three server connections, lent for one transaction each, serve three storages."""
    async with (
        il.open_storage(pooled_url) as one,
        il.open_storage(pooled_url) as two,
        il.open_storage(pooled_url) as three,
    ):
        for turn in range(3):
            await asyncio.gather(
                *(
                    drive(storage, *(f"{turn}-{name}-{number}" for number in range(6)))
                    for name, storage in (("a", one), ("b", two), ("c", three))
                )
            )
        assert len(await one.list_runs(status="completed")) == 54
