"""Tickets as runs of one team on one shared shop, as `examples/retail_desk/team.py` has it.

Expected states come from the benchmark, which replayed every pair in both orders.
"""

import asyncio
import hashlib
import json
import random
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

import interlock as il
from interlock.demo.desk import build_workers
from interlock.demo.shop import Shop
from interlock.demo.ticket_planner import TicketPlanner
from interlock.demo.tickets import load_tickets
from tests.integration.examples.example_calls import BENCHMARK, DATA, TICKETS, load_json

TASKS = load_tickets(TICKETS).tasks
CONCURRENCY = load_json(BENCHMARK / "retail_test_concurrency.json")
SAMPLE = 8
Tables = Mapping[str, Mapping[str, str]]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """Return a shop in the initial state, to be copied and not changed."""
    path = tmp_path_factory.mktemp("template") / "shop.db"
    with Shop.create(path, data=DATA) as shop:
        yield shop


def build_team(shop: Shop, *, storage: str) -> il.Orchestrator:
    """Return the desk's team over a shop that all its runs share."""
    return il.Orchestrator(
        workers=build_workers(shop), planner=TicketPlanner(TASKS), storage=storage
    )


def hash_changes(before: Tables, after: Tables) -> str:
    """Return the benchmark's hash of the records that changed: 16 hex digits."""
    changed = {
        f"{table}/{key}": json.loads(document)
        for table, rows in after.items()
        for key, document in rows.items()
        if json.loads(document) != json.loads(before[table][key])
    }
    return hashlib.sha256(json.dumps(changed, sort_keys=True).encode()).hexdigest()[:16]


async def test_disjoint_tickets_all_at_once_end_in_the_recorded_state(
    template: Shop, tmp_path: Path
) -> None:
    """The 53 tickets of the batch, as runs at once on one shop and one storage, lose no update."""
    with template.copy_to(tmp_path / "shop.db") as shop:
        async with build_team(shop, storage=f"sqlite:///{tmp_path / 'desk.db'}") as team:
            results = await asyncio.gather(
                *(team.ainvoke(f"Answer {key}", thread_id=key) for key in CONCURRENCY["batch"])
            )
        assert len(results) == 53
        assert {result.status for result in results} == {"completed"}
        assert shop.derive_hash() == CONCURRENCY["final_db_sha256"]


async def check_pairs(pairs: list[dict[str, str]], template: Shop, folder: Path) -> None:
    """Answer each pair in both orders and compare with the state of that order."""
    before = template.load_tables()
    for pair in pairs:
        for order in ("ab", "ba"):
            with template.copy_to(folder / "shop.db") as shop:
                async with build_team(shop, storage="memory://") as team:
                    for side in order:
                        result = await team.ainvoke(f"Answer {pair[side]}.", thread_id=side)
                        assert result.status == "completed"
                assert hash_changes(before, shop.load_tables()) == pair[order], (pair, order)


@pytest.mark.slow
async def test_conflicting_tickets_end_as_recorded_in_either_order(
    template: Shop, tmp_path: Path
) -> None:
    """A drawn sample of the pairs ends, in each order, in the state recorded for that order."""
    await check_pairs(random.Random(3).sample(CONCURRENCY["pairs"], SAMPLE), template, tmp_path)


@pytest.mark.slow
async def test_all_conflicting_tickets_end_as_recorded_in_either_order(
    template: Shop, tmp_path: Path
) -> None:
    """Every pair ends, in each order, in the state recorded for that order."""
    assert len(CONCURRENCY["pairs"]) == 85
    await check_pairs(CONCURRENCY["pairs"], template, tmp_path)
