"""The 53 disjoint retail tickets at once, shop and storage in one database: the recorded joint state."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

import interlock as il
from interlock.contracts.effect_ledger import ListEffects
from interlock.contracts.ids import ThreadId
from interlock.demo.shop import TOOLS
from interlock.demo.ticket_planner import TicketPlanner
from interlock.demo.tickets import load_tickets
from tests.acceptance.stored_shop import StoredShop

BENCHMARK = Path(__file__).parents[2] / "workloads" / "tau"
TICKETS = load_tickets(BENCHMARK / "retail_test.json")
CONCURRENCY: dict[str, Any] = json.loads(
    (BENCHMARK / "retail_test_concurrency.json").read_text("utf-8")
)
RUNS_PER_STORAGE = 14


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the URL of a storage that several may open, of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/desk.db"
    found: str = request.getfixturevalue("postgres_url")
    return found


async def answer(url: str, tickets: list[str]) -> list[il.RunResult]:
    """Answer tickets, all at once, through a storage of their own."""
    async with il.open_storage(url) as storage:
        team = il.Orchestrator(
            workers=StoredShop(storage).build_workers(),
            planner=TicketPlanner(TICKETS.tasks),
            storage=storage,
        )
        async with team:
            return list(
                await asyncio.gather(
                    *(team.ainvoke(f"Answer {key}", thread_id=key) for key in tickets)
                )
            )


async def test_disjoint_tickets_at_once_on_one_database_end_in_the_recorded_joint_state(
    url: str,
) -> None:
    """No update is lost between four storages, and each write has one record that is done."""
    batch: list[str] = CONCURRENCY["batch"]
    async with il.open_storage(url) as storage:
        shop = StoredShop(storage)
        await shop.create(BENCHMARK / "retail_db")
        assert await shop.derive_hash() == TICKETS.initial_db_sha256
        parts = [batch[n : n + RUNS_PER_STORAGE] for n in range(0, len(batch), RUNS_PER_STORAGE)]
        results = [
            result
            for part in await asyncio.gather(*(answer(url, part) for part in parts))
            for result in part
        ]
        assert len(results) == 53
        assert {result.status for result in results} == {"completed"}
        assert await shop.derive_hash() == CONCURRENCY["final_db_sha256"]
        for ticket in (TICKETS.index_tickets()[key] for key in batch):
            effects = await storage.ledger.apply(ListEffects(thread_id=ThreadId(ticket.id)))
            writes = [action for action in ticket.actions if TOOLS[action.name].effect == "write"]
            assert [effect.state for effect in effects] == ["done"] * len(writes)
