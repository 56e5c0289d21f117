"""Scratchpads in every storage: each note once, in order, and there to stay."""

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest

from interlock.checkpoints import SqlStorage, open_storage
from interlock.contracts.errors import LeaseLostError
from interlock.contracts.scratchpad import Note, derive_note_id
from interlock.contracts.storage import Batch, RunUpdate
from tests.contract.conftest import NOON, ManualClock
from tests.raw_database import REFUSED, open_raw

MakeRun = Callable[..., Any]


def make_note(text: str = "look at page 3", nth: int = 0, **changes: Any) -> Note:
    """Return a note of the reader's first attempt on the step `read`."""
    fields: dict[str, Any] = {
        "thread_id": "t",
        "superstep": "c1",
        "step_id": "read",
        "worker": "reader",
        "attempt": 1,
        "text": text,
        **changes,
    }
    return Note(id=derive_note_id(**fields, nth=nth), at=NOON, **fields)


async def test_notes_come_back_as_they_were_in_order(storage: SqlStorage) -> None:
    """Text of any kind, also with U+0000, and the empty one, comes back in the order it was made."""
    texts = ["first", "", "a\x00b", "lines\nand\ttabs", "é 日本 🜁", "x" * 70_000, "first again"]
    notes = [make_note(text) for text in texts]
    for note in notes:
        storage.post("t", Batch(notes=[note]))
    await storage.flush("t")
    loaded = await storage.load_notes("t", step_id="read")
    assert [note.text for note in loaded] == texts
    assert list(loaded) == notes


async def test_a_note_is_stored_once(storage: SqlStorage) -> None:
    """The same note of the same attempt, made again, is no second one; another attempt's is."""
    twice, again = make_note("x"), make_note("x", nth=1)
    later = make_note("x", attempt=2)
    for batch in ([twice], [twice, again], [twice, again, later]):
        await storage.commit("t", Batch(notes=batch))
    assert list(await storage.load_notes("t", step_id="read")) == [twice, again, later]


async def test_notes_are_found_by_thread_and_step(storage: SqlStorage) -> None:
    """Each step has its own, by its whole path; without a step, all of the thread's come."""
    mine = make_note()
    others = [
        make_note(step_id="write"),
        make_note(step_id="outer/read"),
        make_note(worker="second"),
        make_note(superstep="c2"),
    ]
    elsewhere = make_note(thread_id="u")
    await storage.commit("t", Batch(notes=[mine, *others]))
    await storage.commit("u", Batch(notes=[elsewhere]))
    assert list(await storage.load_notes("t", step_id="read")) == [mine, *others[2:]]
    assert list(await storage.load_notes("t", step_id="outer/read")) == [others[1]]
    assert list(await storage.load_notes("t")) == [mine, *others]
    assert list(await storage.load_notes("u")) == [elsewhere]
    assert list(await storage.load_notes("t", step_id="none")) == []


async def test_who_lost_the_thread_notes_nothing(lasting_url: str, clock: ManualClock) -> None:
    """A note of a process that was taken over is not stored: its lease is checked with it."""
    async with (
        open_storage(lasting_url, clock=clock) as first,
        open_storage(lasting_url, clock=clock) as second,
    ):
        await first.acquire_lease("t", ttl=timedelta(seconds=5))
        clock.advance(60)
        await second.acquire_lease("t", ttl=timedelta(seconds=5))
        first.post("t", Batch(notes=[make_note("from the dead")]))
        with pytest.raises(LeaseLostError):
            await first.flush("t")
        await second.commit("t", Batch(notes=[make_note("alive")]))
        assert [note.text for note in await second.load_notes("t")] == ["alive"]


async def test_notes_are_append_only(
    lasting_url: str, make_run: MakeRun, clock: ManualClock
) -> None:
    """While a run is under way no SQL by hand changes, replaces or deletes a note."""
    async with open_storage(lasting_url, clock=clock) as storage:
        await storage.accept_run(make_run())
        await storage.commit("t", Batch(notes=[make_note("kept")]))
        with open_raw(lasting_url) as raw:
            for statement in (
                "UPDATE scratchpad_notes SET attempt = 2",
                "UPDATE scratchpad_notes SET worker = 'other'",
                "DELETE FROM scratchpad_notes",
            ):
                with pytest.raises(REFUSED):
                    raw.execute(statement)
            columns = "id, thread_id, superstep, step_id, attempt, size, noted_at, note"
            copied = f"SELECT 'other', {columns} FROM scratchpad_notes"
            verb = "INSERT" if raw.is_postgres else "INSERT OR REPLACE"
            with suppress(*REFUSED):
                raw.execute(f"{verb} INTO scratchpad_notes (worker, {columns}) {copied}")
            assert list(await storage.load_notes("t")) == [make_note("kept")]
            await storage.commit("t", Batch(run=RunUpdate(status="completed")))
            raw.execute("DELETE FROM scratchpad_notes")
        assert list(await storage.load_notes("t")) == []
