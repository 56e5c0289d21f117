"""Which effect an equal call of the same attempt stands for, on every kind of storage (I5)."""

import pytest

from interlock.checkpoints import SqlStorage
from interlock.contracts.effect_ledger import RecordNothing, Reservation
from interlock.contracts.effects import EffectRecord
from tests.contract.effect_calls import build_call, end, list_all, reserve


async def free(storage: SqlStorage, record: EffectRecord) -> EffectRecord:
    """Say that a try changed nothing."""
    nothing = RecordNothing(thread_id=record.thread_id, key=record.key, tries=record.tries)
    return await storage.ledger.apply(nothing)


async def call(storage: SqlStorage, place: str, attempt: str = "a1") -> Reservation:
    """Call at a place of an attempt."""
    return await storage.ledger.apply(reserve(attempt=attempt, place=place))


async def test_no_effect_begins_beside_one_that_is_unknown(storage: SqlStorage) -> None:
    """An equal call at another place of the attempt is the retry of what may have happened."""
    first = (await call(storage, "x!1")).record
    await storage.ledger.apply(end(first, None, state="unknown"))
    again = await call(storage, "y!2")
    assert (again.decision, again.record.key) == ("unknown", first.key)


async def test_a_retry_at_another_place_takes_no_number(storage: SqlStorage) -> None:
    """A call that changed nothing and its retry are one effect; the next one is the second."""
    first = (await call(storage, "x!1")).record
    await free(storage, first)
    retried = await call(storage, "y!2")
    assert (retried.decision, retried.record.key) == ("run", first.key)
    await storage.ledger.apply(end(retried.record, "first"))
    second = (await call(storage, "z!3")).record
    await storage.ledger.apply(end(second, "second"))
    later = [(await call(storage, place, "a2")).record.answer for place in ("p!1", "p!2")]
    assert later == ["first", "second"]


async def test_a_call_that_was_cut_off_is_waited_for(storage: SqlStorage) -> None:
    """An equal call waits for the one whose caller got no answer; beside others it is a new one."""
    first = (await call(storage, "x!1")).record
    beside = await call(storage, "x!2")
    assert (beside.decision, beside.record.key == first.key) == ("run", False)
    retry = build_call(place="y!3").model_copy(update={"repeats": ("x!1",)})
    again = await storage.ledger.apply(type(reserve())(call=retry))
    assert (again.decision, again.record.key) == ("running", first.key)


@pytest.mark.parametrize("is_sole", [False, True])
async def test_an_effect_that_was_taken_back_answers_no_new_call(
    storage: SqlStorage, *, is_sole: bool
) -> None:
    """Once undone it does not stand: another branch makes it anew, the same call is told of it."""
    ledger = storage.ledger
    first = (await ledger.apply(reserve(is_sole=is_sole))).record
    await ledger.apply(end(first, "first"))
    undo = await ledger.apply(
        reserve("undo of pay", place=f"undo#{first.key}", is_sole=True, undoes=first.key)
    )
    await ledger.apply(end(undo.record, None))
    anew = await ledger.apply(reserve(attempt="fork", is_sole=is_sole))
    assert (anew.decision, anew.record.key == first.key) == ("run", False)
    await ledger.apply(end(anew.record, "anew"))
    assert (await ledger.apply(reserve(attempt="f2", is_sole=is_sole))).record.answer == "anew"
    assert (await ledger.apply(reserve(is_sole=is_sole))).record.answer == "first"


async def test_the_tools_own_word_that_it_happened_counts_late(storage: SqlStorage) -> None:
    """Believed not to have happened and not begun again, it is done when its answer comes."""
    first = (await call(storage, "#0")).record
    await free(storage, first)
    after = await storage.ledger.apply(end(first, "late"))
    assert (after.state, after.settled_by) == ("done", "late answer")
    again = await call(storage, "#0", "a2")
    assert (again.decision, again.record.answer) == ("answered", "late")


async def test_a_late_word_changes_nothing_once_it_was_begun_again(storage: SqlStorage) -> None:
    """The try that runs now has the last word; the late one stands among the moves."""
    first = (await call(storage, "#0")).record
    await free(storage, first)
    assert (await call(storage, "#0")).decision == "run"
    await storage.ledger.apply(end(first, "late"))
    (listed,) = await storage.ledger.apply(list_all())
    assert (listed.state, listed.moves[-1].by) == ("started", "late answer")
