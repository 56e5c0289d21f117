"""Which trace handoffs belong to, and which span a run's last drive is: the same on every storage."""

from collections.abc import Callable

from interlock.checkpoints import SqlStorage
from interlock.contracts.handoff import Handoff
from interlock.contracts.run_record import RunRecord
from interlock.contracts.storage import Batch, RunUpdate

FIRST = "00-" + "a" * 32 + "-" + "1" * 16 + "-01"
SECOND = "00-" + "b" * 32 + "-" + "2" * 16 + "-01"


async def test_a_drive_marks_its_handoffs_and_no_others(
    storage: SqlStorage,
    make_run: Callable[..., RunRecord],
    make_handoff: Callable[..., Handoff],
) -> None:
    """From the update that begins a drive to the one that ends it, its thread's handoffs have its trace."""
    await storage.accept_run(make_run())
    await storage.accept_run(make_run("other"))

    def derive(step: str, thread: str = "t") -> Handoff:
        return make_handoff(step_id=step, thread_id=thread)

    running = RunUpdate(status="running", trace_parent=FIRST)
    await storage.commit("t", Batch(run=running, handoffs=[derive("with the update")]))
    storage.post("t", Batch(handoffs=[derive("posted")]))
    await storage.commit("other", Batch(handoffs=[derive("elsewhere", "other")]))
    waiting = RunUpdate(status="waiting")
    await storage.commit("t", Batch(run=waiting, handoffs=[derive("last")]))
    await storage.commit("t", Batch(handoffs=[derive("between drives")]))
    again = RunUpdate(status="running", trace_parent=SECOND)
    await storage.commit("t", Batch(run=again, handoffs=[derive("resumed")]))

    handoffs = [*await storage.load_handoffs("t"), *await storage.load_handoffs("other")]
    assert {handoff.step_id: handoff.trace_id for handoff in handoffs} == {
        "with the update": "a" * 32,
        "posted": "a" * 32,
        "last": "a" * 32,
        "between drives": None,
        "resumed": "b" * 32,
        "elsewhere": None,
    }


async def test_a_run_keeps_the_span_of_its_last_drive(
    storage: SqlStorage, make_run: Callable[..., RunRecord]
) -> None:
    """What a resumed run is linked to is durable when a drive begins, and stays through other updates."""
    await storage.accept_run(make_run())
    found = [await storage.load_run("t")]
    for update in (
        RunUpdate(status="running", trace_parent=FIRST),
        RunUpdate(status="waiting"),
        RunUpdate(status="running", trace_parent=SECOND),
        RunUpdate(status="running"),
        RunUpdate(status="completed"),
    ):
        await storage.commit("t", Batch(run=update))
        found.append(await storage.load_run("t"))
    kept = [run.trace_parent if run else "gone" for run in found]
    assert kept == [None, FIRST, FIRST, SECOND, SECOND, SECOND]
