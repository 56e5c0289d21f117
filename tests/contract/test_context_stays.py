"""I2: what the shared context holds, and who was shown it, stays: no SQL by hand changes it."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from interlock.checkpoints import open_storage
from interlock.contracts.context_records import FactRef
from interlock.contracts.storage import Batch
from tests.contract.promotions import SHARED, build_batch, build_promotion, build_use
from tests.raw_database import REFUSED, RawDatabase, open_raw

TABLES = (
    "context_facts",
    "context_marks",
    "context_sources",
    "context_uses",
    "context_versions",
)
VERBS = {
    "sqlite": ("INSERT OR REPLACE INTO", "REPLACE INTO", "INSERT OR IGNORE INTO"),
    "postgresql": ("INSERT INTO",),
}


@pytest.fixture
def raw(lasting_url: str) -> Iterator[RawDatabase]:
    """Return a connection of somebody else to the database."""
    with open_raw(lasting_url) as opened:
        yield opened


@pytest.fixture
async def filled(lasting_url: str) -> None:
    """Write two facts, one on the other, a use and a retraction."""
    first = FactRef(SHARED, "a", 1)
    async with open_storage(lasting_url) as storage:
        await storage.commit("t", build_batch(build_promotion({"a": 1})))
        await storage.commit("t", Batch(uses=[build_use(first)]))
        second = build_promotion({"b": 2}, step_id="write", sources=[first])
        await storage.commit("t", build_batch(second))
        retraction = build_promotion({"a": 0}, kind="retraction", why="wrong")
        await storage.context.amend(retraction, key="a")


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.usefixtures("filled")
def test_no_row_can_be_deleted_or_updated(table: str, raw: RawDatabase) -> None:
    """A DELETE, TRUNCATE or UPDATE by hand is refused."""
    before = raw.dump(*TABLES)
    assert before[table]
    column = raw.list_columns(table)[0]
    statements = [f"DELETE FROM {table}", f"UPDATE {table} SET {column} = {column}"]
    if raw.is_postgres:
        statements.append(f"TRUNCATE {table} CASCADE")
    for statement in statements:
        with pytest.raises(REFUSED):
            raw.execute(statement)
    assert raw.dump(*TABLES) == before


@pytest.mark.parametrize(
    ("table", "changed"),
    [
        ("context_facts", {"value": "7"}),
        ("context_marks", {"by_version": 1}),
        ("context_uses", {"version": 9}),
        ("context_versions", {"kind": "seed", "thread_id": "other"}),
    ],
)
@pytest.mark.usefixtures("filled")
def test_no_row_can_be_replaced(table: str, changed: dict[str, Any], raw: RawDatabase) -> None:
    """Another row of the same name does not take the place of the first, whatever the verb."""
    before = raw.dump(*TABLES)
    names = raw.list_columns(table)
    for verb in VERBS["postgresql" if raw.is_postgres else "sqlite"]:
        for row in raw.execute(f"SELECT * FROM {table}"):
            fields = {**dict(zip(names, row, strict=True)), **changed}
            marks = ", ".join("?" * len(fields))
            with suppress(*REFUSED):
                raw.execute(f"{verb} {table} VALUES ({marks})", list(fields.values()))
    assert raw.dump(*TABLES) == before


@pytest.mark.usefixtures("filled")
def test_a_fact_enters_only_with_the_newest_version_of_its_space(raw: RawDatabase) -> None:
    """A fact without a version, or below one that is there, is refused by the database itself."""
    names = ("space", "key", "version", "state", "value", "rule", "plan_order")
    insert = f"INSERT INTO context_facts ({', '.join(names)}) VALUES (?, ?, ?, ?, ?, ?, ?)"
    for key, version in (("a", 9), ("a", 2)):
        with pytest.raises(REFUSED, match="I2"):
            raw.execute(insert, (SHARED, key, version, "fact", "1", "refuse", -1))


@pytest.mark.usefixtures("filled")
def test_one_step_cannot_promote_twice_even_by_hand(raw: RawDatabase) -> None:
    """I6: the database itself holds that a step's promotion is one version of a space."""
    names = raw.list_columns("context_versions")
    (row,) = raw.execute("SELECT * FROM context_versions WHERE version = 1")
    fields = {**dict(zip(names, row, strict=True)), "version": 9}
    marks = ", ".join("?" * len(fields))
    with pytest.raises(REFUSED):
        raw.execute(f"INSERT INTO context_versions VALUES ({marks})", list(fields.values()))
