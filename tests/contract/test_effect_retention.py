"""Old effects are forgotten on request; what may still matter is kept."""

from datetime import timedelta
from typing import Any

from interlock.checkpoints import SqlStorage
from interlock.contracts.effect_ledger import ForgetEffects
from interlock.contracts.ids import ThreadId
from interlock.contracts.storage import Batch, RunUpdate
from tests.contract.conftest import NOON, ManualClock
from tests.contract.effect_calls import end, list_all, reserve

LATER = NOON + timedelta(days=1)


async def test_ended_effects_are_forgotten_and_open_ones_kept(
    storage: SqlStorage, clock: ManualClock
) -> None:
    """What ended before the instant goes; what ended after it, or has not ended, stays."""
    for tool in ("old", "begun"):
        one = await storage.ledger.apply(reserve(tool))
        if tool == "old":
            await storage.ledger.apply(end(one.record))
    clock.advance(2 * 86_400)
    new = await storage.ledger.apply(reserve("new"))
    await storage.ledger.apply(end(new.record))
    assert await storage.ledger.apply(ForgetEffects(before=LATER, dry_run=True)) == 1
    assert len(await storage.ledger.apply(list_all())) == 3
    assert await storage.ledger.apply(ForgetEffects(before=LATER)) == 1
    listed = await storage.ledger.apply(list_all())
    assert [one.tool for one in listed] == ["begun", "new"]
    assert (await storage.ledger.apply(reserve("old", attempt="a2"))).decision == "run"


async def test_threads_under_way_are_left_alone(storage: SqlStorage, make_run: Any) -> None:
    """A run that has not ended keeps its effects, since it may be resumed; then they may go."""
    await storage.accept_run(make_run())
    await storage.acquire_lease(ThreadId("t"), ttl=timedelta(days=9))
    one = await storage.ledger.apply(reserve())
    await storage.ledger.apply(end(one.record))
    assert await storage.ledger.apply(ForgetEffects(before=LATER)) == 0
    await storage.commit(ThreadId("t"), Batch(run=RunUpdate(status="completed")))
    other = ForgetEffects(before=LATER, thread_id=ThreadId("u"))
    assert await storage.ledger.apply(other) == 0
    assert await storage.ledger.apply(ForgetEffects(before=LATER)) == 1


async def test_an_effect_and_its_undo_go_together(storage: SqlStorage, clock: ManualClock) -> None:
    """While the undo is young, what it undid stays: else it would seem to stand."""
    paid = (await storage.ledger.apply(reserve())).record
    await storage.ledger.apply(end(paid))
    clock.advance(2 * 86_400)
    undo = await storage.ledger.apply(reserve("undo of pay", undoes=paid.key))
    await storage.ledger.apply(end(undo.record))
    assert await storage.ledger.apply(ForgetEffects(before=LATER)) == 0
    assert await storage.ledger.apply(ForgetEffects(before=clock.now() + timedelta(days=1))) == 2


async def test_a_big_answer_goes_with_the_last_effect_that_has_it(
    storage: SqlStorage, make_handoff: Any, make_run: Any
) -> None:
    """The payload is deleted, unless the journal or another effect names it too."""
    sizes = []
    for value, is_kept in (("x" * 50_000, False), ("y" * 50_000, True)):
        one = await storage.ledger.apply(reserve(value[0]))
        await storage.ledger.apply(end(one.record, value))
        if is_kept:
            handoff = make_handoff(payload=value)
            await storage.commit(ThreadId("t"), Batch(handoffs=(handoff,)))
    rows = "SELECT count(*) FROM payloads WHERE size > 40000"
    sizes.append(await storage.transact(lambda tx: tx.execute(rows)))
    assert await storage.ledger.apply(ForgetEffects(before=LATER)) == 2
    sizes.append(await storage.transact(lambda tx: tx.execute(rows)))
    assert sizes == [[(2,)], [(1,)]]
