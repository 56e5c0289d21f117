"""What people ask of a run's planner: kept in the journal of every lasting storage, without a lease."""

from datetime import UTC, datetime, timedelta

import pytest

import interlock as il
from interlock.contracts.ids import ThreadId
from interlock.contracts.run_record import RunRecord
from interlock.contracts.storage import Batch, RunUpdate
from interlock.orchestrator.replan_request import request_replan

T = ThreadId("t")
NOW = datetime(2026, 1, 1, tzinfo=UTC)


async def test_requests_are_kept_in_order_until_the_run_has_ended(lasting_url: str) -> None:
    """Another storage writes while this one holds the lease; both read the words; an end refuses."""
    async with il.open_storage(lasting_url) as storage, il.open_storage(lasting_url) as other:
        record = RunRecord(
            thread_id=T,
            goal="g",
            context={},
            status="running",
            accepted_at=NOW,
            updated_at=NOW,
        )
        with pytest.raises(il.UnknownThreadError):
            await request_replan(storage, T, why="more", at=NOW)
        await storage.accept_run(record)
        await storage.acquire_lease(T, ttl=timedelta(minutes=1))
        await request_replan(other, T, why="more", at=NOW)
        await request_replan(other, T, why="more", at=NOW)  # repeated: the same request
        await request_replan(other, T, why="less", at=NOW)
        found = await storage.load_replan_requests(T)
        assert [handoff.payload for handoff in found] == [{"why": "more"}, {"why": "less"}]
        assert await storage.load_replan_requests(ThreadId("other")) == []
        await storage.commit(T, Batch(run=RunUpdate(status="completed")))
        with pytest.raises(il.FinishedRunError):
            await request_replan(storage, T, why="late", at=NOW)
        assert len(await storage.load_handoffs(T)) == 2
