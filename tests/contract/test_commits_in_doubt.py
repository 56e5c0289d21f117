"""A COMMIT whose answer is lost with the connection: it is found out, never guessed."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest

from interlock.checkpoints import SqlStorage
from interlock.checkpoints.connection import Connection
from interlock.checkpoints.postgresql import postgres_transactions

LANE = "t"


@pytest.fixture
async def counted(postgres_url: str) -> AsyncIterator[SqlStorage]:
    """Return an open storage with a table whose rows count how often an operation was kept."""
    storage = SqlStorage(postgres_url)
    await storage.connect()
    await storage._database.write(lambda c: c.execute("CREATE TABLE kept (n BIGINT)") and None)
    yield storage
    await storage.aclose()


def insert(connection: Connection) -> int:
    """Write a row that nothing makes unique: run and kept twice, it is there twice."""
    connection.execute("INSERT INTO kept VALUES (1)")
    return 17


async def count(storage: SqlStorage) -> int:
    """Return how many rows were kept."""
    return int(
        await storage._database.read(lambda c: c.execute("SELECT count(*) FROM kept").fetchone()[0])
    )


class LostAnswers:
    """Loses the connection around COMMIT, as often as it is told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, before: int = 0, after: int = 0) -> None:
        self.before, self.after = before, after
        self.real = postgres_transactions.run_script
        self.commits = 0
        monkeypatch.setattr(postgres_transactions, "run_script", self)

    def __call__(self, driver: Any, script: str) -> Any:
        if not script.endswith("COMMIT") or "commit_marks" not in script:
            return self.real(driver, script)
        self.commits += 1
        if self.before:
            self.before -= 1
            driver.close()
            raise psycopg.OperationalError("the connection is lost")
        answer = self.real(driver, script)
        if self.after:
            self.after -= 1
            driver.close()
            raise psycopg.OperationalError("the connection is lost")
        return answer


@pytest.mark.parametrize("times", [1, 3])
async def test_a_commit_that_went_through_is_not_run_again(
    counted: SqlStorage, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    """Where only the answer was lost, the write is there once and its value is returned."""
    lost = LostAnswers(monkeypatch, after=times)
    for number in range(1, times + 1):
        assert await counted._database.write(insert, lane=LANE) == 17
        assert await count(counted) == number
    assert lost.after == 0
    assert lost.commits == times


@pytest.mark.parametrize("times", [1, 3])
async def test_a_commit_that_never_arrived_is_run_again(
    counted: SqlStorage, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    """Where the COMMIT itself was lost, the write is run again until it is there, once."""
    lost = LostAnswers(monkeypatch, before=times)
    assert await counted._database.write(insert, lane=LANE) == 17
    assert await count(counted) == 1
    assert lost.commits == times + 1


async def test_answers_lost_side_by_side_are_each_found_out(
    counted: SqlStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lanes that lose their answers at the same time do not take each other's commit for theirs."""
    LostAnswers(monkeypatch, before=7, after=7)
    writes = [counted._database.write(insert, lane=f"t{number}") for number in range(40)]
    assert await asyncio.gather(*writes) == [17] * 40
    assert await count(counted) == 40


async def test_marks_leave_with_their_storage(postgres_url: str) -> None:
    """A storage that is closed leaves no mark behind; another one's stay."""
    first, second = SqlStorage(postgres_url), SqlStorage(postgres_url)
    await first.connect()
    await second.connect()
    for name, storage in (("first", first), ("second", second)):
        await storage._database.write(
            lambda c, name=name: (
                c.execute("INSERT INTO blobs VALUES ('t', ?, ?)", (name, b"x"))  # type: ignore[misc]
                and None
            )
        )
    await first.aclose()
    left = await second._database.read(
        lambda c: [row[0] for row in c.execute("SELECT writer FROM commit_marks")]
    )
    assert left
    assert all(writer.startswith(second._database._name) for writer in left)
    await second.aclose()
