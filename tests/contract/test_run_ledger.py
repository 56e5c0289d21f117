from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from interlock.checkpoints import SqlStorage
from interlock.checkpoints.connection import Connection
from interlock.contracts.errors import FinishedRunError, UnfinishedRunError, UnknownThreadError
from interlock.contracts.plain import encode_plain
from interlock.contracts.retention import Retention
from interlock.contracts.run_record import RunRecord
from interlock.contracts.storage import Batch, RunUpdate


async def test_accepted_run_is_read_back_as_it_was(
    storage: SqlStorage, make_run: Callable[..., RunRecord]
) -> None:
    """A run that was accepted is found again, field by field."""
    run = make_run(stepwise=True, context={"a": [1, None, "é"]})
    await storage.accept_run(run)
    assert await storage.load_run("t") == run
    assert await storage.load_run("other") is None


@pytest.mark.parametrize("status", ["running", "waiting"])
async def test_second_run_on_an_unfinished_thread_is_refused(
    storage: SqlStorage, make_run: Callable[..., RunRecord], status: str
) -> None:
    """A thread with a run under way takes no other."""
    await storage.accept_run(make_run(status=status))
    with pytest.raises(UnfinishedRunError) as caught:
        await storage.accept_run(make_run(goal="other"))
    assert caught.value.status == status
    assert (await storage.load_run("t")).goal == "report"


@pytest.mark.parametrize("status", ["completed", "degraded", "failed", "cancelled"])
async def test_terminal_status_absorbs(
    storage: SqlStorage, make_run: Callable[..., RunRecord], clock: Any, status: str
) -> None:
    """I9: a run that has ended never changes again."""
    await storage.accept_run(make_run())
    clock.advance(5)
    await storage.commit("t", Batch(run=RunUpdate(status=status, result={"n": 1})))
    ended = await storage.load_run("t")
    assert (ended.status, ended.result, ended.updated_at) == (status, {"n": 1}, clock.now())
    await storage.commit("t", Batch(run=RunUpdate(status="running", result=None)))
    await storage.request_cancel("t", why="too late")
    assert await storage.load_run("t") == ended
    with pytest.raises(FinishedRunError):
        await storage.accept_run(make_run())


async def test_absorption_is_held_by_the_database_too(
    storage: SqlStorage, make_run: Callable[..., RunRecord]
) -> None:
    """I9: even a statement that forgets the condition cannot change an ended run."""
    await storage.accept_run(make_run(status="completed"))
    with pytest.raises(Exception, match="I9"):
        await storage._database.write(
            lambda c: c.execute("UPDATE runs SET status = 'running'"), lane="t"
        )
    assert (await storage.load_run("t")).status == "completed"


async def test_runs_are_listed_newest_first_without_results(
    storage: SqlStorage, make_run: Callable[..., RunRecord], clock: Any
) -> None:
    """The list has the newest run on top, can be narrowed by status, and leaves results out."""
    for name in ("a", "b", "c"):
        await storage.accept_run(make_run(name, accepted_at=clock.now()))
        clock.advance(1)
    await storage.commit("b", Batch(run=RunUpdate(status="completed", result={"big": 1})))
    assert [run.thread_id for run in await storage.list_runs()] == ["c", "b", "a"]
    (done,) = await storage.list_runs(status="completed")
    assert (done.thread_id, done.result) == ("b", None)


async def test_cancel_request_reaches_the_holder_at_renewal(
    storage: SqlStorage, make_run: Callable[..., RunRecord], clock: Any
) -> None:
    """Whoever runs the thread learns of a cancel request when it renews; the first reason stays."""
    await storage.accept_run(make_run())
    lease = await storage.acquire_lease("t", ttl=timedelta(seconds=10))
    assert (await storage.renew_lease(lease, ttl=timedelta(seconds=10))).cancel_reason is None
    await storage.request_cancel("t", why="budget")
    await storage.request_cancel("t", why="again")
    assert (await storage.renew_lease(lease, ttl=timedelta(seconds=10))).cancel_reason == "budget"
    assert (await storage.load_run("t")).cancel_reason == "budget"


async def test_cancelling_an_unknown_thread_is_refused(storage: SqlStorage) -> None:
    """There is nothing to cancel on a thread that no run was started on."""
    with pytest.raises(UnknownThreadError):
        await storage.request_cancel("nowhere", why="typo")


async def test_a_big_value_of_the_context_is_stored_once(
    storage: SqlStorage, make_run: Callable[..., RunRecord]
) -> None:
    """It lies among the payloads, where a state and a fact name the same; the run has its hash."""
    big = [f"line {number}" for number in range(5_000)]
    run = make_run(context={"big": big, "small": 1})
    await storage.accept_run(run)
    assert await storage.load_run("t") == run
    listed = await storage.list_runs()
    assert listed[0].context == {"big": None, "small": 1}
    await storage.commit("t", Batch(payloads=[encode_plain(big)]))

    def measure(connection: Connection) -> tuple[int, int]:
        (row,) = connection.execute("SELECT length(context) FROM runs").fetchone()
        (payloads,) = connection.execute("SELECT count(*) FROM payloads").fetchone()
        return int(row), int(payloads)

    in_row, payloads = await storage._database.read(measure)
    assert in_row < 100
    assert payloads == 1


async def test_pruning_keeps_what_a_run_was_given(
    storage: SqlStorage, make_run: Callable[..., RunRecord]
) -> None:
    """A run that has ended stays with its whole context."""
    run = make_run(context={"big": "x" * 50_000})
    await storage.accept_run(run)
    await storage.commit("t", Batch(run=RunUpdate(status="completed")))
    await storage.commit("t", Batch(payloads=[encode_plain("y" * 50_000)]))
    await storage.prune(Retention(older_than=timedelta(0), journal=True))
    kept = await storage.load_run("t")
    assert kept is not None
    assert kept.context == run.context
