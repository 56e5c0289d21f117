"""The ledger of effects (I5), on every kind of storage."""

import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest

from interlock.checkpoints import SqlStorage, open_storage
from interlock.checkpoints.named_sql import load_migrations
from interlock.checkpoints.process_identity import ProcessIdentity
from interlock.checkpoints.sqlite.database_file import APPLICATION_ID
from interlock.contracts.effect_errors import (
    EffectSettledError,
    KeyReusedError,
    UnknownEffectError,
)
from interlock.contracts.effect_ledger import (
    ListEffects,
    LoadEffect,
    RecordNothing,
    SettleEffect,
)
from interlock.contracts.effects import RecordedError
from interlock.contracts.errors import LeaseLostError, StorageError
from interlock.contracts.ids import IdempotencyKey, StepId, ThreadId
from tests.contract.conftest import ManualClock
from tests.contract.effect_calls import build_call, end, list_all, reserve
from tests.raw_database import REFUSED, open_raw

TTL = timedelta(seconds=30)


def settle(key: str, *, happened: bool, **changes: Any) -> SettleEffect:
    """Return a person's word on an effect."""
    return SettleEffect(
        thread_id=ThreadId("t"), key=IdempotencyKey(key), happened=happened, **changes
    )


async def test_the_first_call_may_run_and_duplicates_are_answered(storage: SqlStorage) -> None:
    """The first call is let run; while it runs others wait; once it has ended they are answered."""
    ledger = storage.ledger
    first = await ledger.apply(reserve())
    assert (first.decision, first.record.state, first.record.tries) == ("run", "started", 1)
    assert (await ledger.apply(reserve(attempt="a2"))).decision == "running"
    await ledger.apply(end(first.record, {"receipt": 1}))
    again = await ledger.apply(reserve(attempt="a3"))
    assert (again.decision, again.record.answer) == ("answered", {"receipt": 1})
    (listed,) = await ledger.apply(list_all())
    assert [(use.attempt, use.did_start) for use in listed.uses] == [
        ("a1", True),
        ("a2", False),
        ("a3", False),
    ]
    assert [(move.state, move.by) for move in listed.moves] == [
        ("started", "tool"),
        ("done", "tool"),
    ]


async def test_a_recorded_error_is_an_answer(storage: SqlStorage) -> None:
    """A call that failed is answered with its error."""
    first = await storage.ledger.apply(reserve())
    error = RecordedError(type="builtins.ValueError", message="no", values={"args": ["no"]})
    await storage.ledger.apply(end(first.record, state="failed", answer=None, error=error))
    again = await storage.ledger.apply(reserve(attempt="a2"))
    assert (again.decision, again.record.state, again.record.error) == ("answered", "failed", error)


async def test_blocking_requests_mean_the_same(storage: SqlStorage) -> None:
    """`apply_blocking` is `apply` for threads, and may be called in the event loop too."""
    first = storage.ledger.apply_blocking(reserve())
    storage.ledger.apply_blocking(end(first.record))
    assert storage.ledger.apply_blocking(reserve(attempt="a2")).decision == "answered"
    (listed,) = storage.ledger.apply_blocking(list_all())
    assert listed.state == "done"


async def test_equal_calls_of_an_attempt_are_matched_one_by_one(storage: SqlStorage) -> None:
    """Two places are two effects; the retry's first and second get the first's and the second's."""
    ledger = storage.ledger
    keys = []
    for place in ("#0", "#1"):
        one = await ledger.apply(reserve(place=place))
        await ledger.apply(end(one.record, place))
        keys.append(one.record.key)
    assert len(set(keys)) == 2
    retry = [await ledger.apply(reserve(attempt="a2", place=p)) for p in ("x!1", "x!2", "x!1")]
    assert [one.record.answer for one in retry] == ["#0", "#1", "#0"]
    assert (await ledger.apply(reserve(attempt="a2", place="x!3"))).decision == "run"
    sole = [await ledger.apply(reserve("sole", place=p, is_sole=True)) for p in ("#0", "#1")]
    assert sole[0].record.key == sole[1].record.key


async def test_keys_never_cross_threads_epochs_tools_or_databases(
    storage: SqlStorage, url: str, tmp_path: Path
) -> None:
    """Whatever differs makes another key; so does another database, for one and the same call."""
    changes: list[dict[str, Any]] = [{}, {"thread_id": ThreadId("u")}, {"epoch": 1}]
    found = [await storage.ledger.apply(reserve(**change)) for change in changes]
    found.append(await storage.ledger.apply(reserve("mail")))
    assert [one.decision for one in found] == ["run"] * 4
    other_url = url if url == "memory://" else f"sqlite:///{tmp_path}/other.db"
    async with open_storage(other_url) as other:
        found.append(await other.ledger.apply(reserve()))
    assert len({one.record.key for one in found}) == 5


async def test_a_key_with_other_arguments_is_refused(storage: SqlStorage) -> None:
    """Both calls are shown, and nothing is written."""
    await storage.ledger.apply(reserve(name="refund of o1", is_sole=True))
    other = reserve(name="refund of o1", is_sole=True, attempt="a2", arguments={"order": "o2"})
    with pytest.raises(KeyReusedError) as caught:
        await storage.ledger.apply(other)
    assert "order='o1'" in str(caught.value)
    assert "order='o2'" in str(caught.value)
    (listed,) = await storage.ledger.apply(list_all())
    assert len(listed.uses) == 1


def pretend_to_be(storage: SqlStorage, process: ProcessIdentity) -> None:
    """Let a ledger start effects in another process's name."""
    storage.ledger._operations.writes.this = process


async def start_in_dead_process(storage: SqlStorage, **changes: Any) -> Any:
    """Start an effect in the name of a real process that has been killed meanwhile."""
    here = storage.ledger._operations.writes.this
    command = [sys.executable, "-c", "input()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as child:
        started = psutil.Process(child.pid).create_time()
        pretend_to_be(storage, ProcessIdentity(here.host, child.pid, started))
        reservation = await storage.ledger.apply(reserve(**changes))
        storage.ledger._operations.begun.clear()
        pretend_to_be(storage, here)
        again = await storage.ledger.apply(reserve(attempt="while it lives"))
        assert again.decision == "running"
        child.kill()
    return reservation.record


async def test_what_a_dead_process_began_is_unknown(storage: SqlStorage) -> None:
    """A real process that dies between start and end leaves an outcome that nobody knows."""
    record = await start_in_dead_process(storage)
    (listed,) = await storage.ledger.apply(list_all())
    assert (listed.state, listed.settled_by) == ("unknown", "takeover")
    again = await storage.ledger.apply(reserve(attempt="a2"))
    assert (again.decision, again.record.state) == ("unknown", "unknown")
    late = await storage.ledger.apply(end(record, "came late"))
    assert (late.state, late.answer, late.settled_by) == ("done", "came late", "late answer")


async def test_what_a_fenced_process_began_is_unknown_once_the_thread_is_taken_over(
    url: str, tmp_path: Path, clock: ManualClock
) -> None:
    """The old holder starts nothing more, writes nothing, and its running call is unknown."""
    if url == "memory://":
        url = f"sqlite:///{tmp_path}/shared.db"  # two storages on one database
    old, new = (SqlStorage(url, clock=clock) for _ in range(2))
    await old.connect()
    await new.connect()
    await old.acquire_lease(ThreadId("t"), ttl=TTL)
    begun = await old.ledger.apply(reserve(is_fenced=True))
    assert (await new.ledger.apply(reserve(attempt="a2"))).decision == "running"
    clock.advance(31)
    await new.acquire_lease(ThreadId("t"), ttl=TTL)
    with pytest.raises(LeaseLostError):
        await old.ledger.apply(reserve("mail", is_fenced=True))
    again = await new.ledger.apply(reserve(attempt="a2", is_fenced=True))
    assert again.decision == "unknown"
    await old.ledger.apply(end(begun.record, "it did happen"))
    (listed,) = await new.ledger.apply(list_all())
    assert (listed.tool, listed.state, listed.answer) == ("pay", "done", "it did happen")
    await new.aclose()
    await old._database.aclose()


async def test_a_call_outside_runs_on_another_machine_is_waited_for_an_hour(
    storage: SqlStorage, clock: ManualClock
) -> None:
    """A process that cannot be looked at counts as running until an hour has passed."""
    here = storage.ledger._operations.writes.this
    pretend_to_be(storage, ProcessIdentity("elsewhere", 1, 1.0))
    await storage.ledger.apply(reserve())
    storage.ledger._operations.begun.clear()
    pretend_to_be(storage, here)
    clock.advance(3599)
    assert (await storage.ledger.apply(reserve(attempt="a2"))).decision == "running"
    clock.advance(2)
    assert (await storage.ledger.apply(reserve(attempt="a2"))).decision == "unknown"


async def test_a_late_answer_of_an_older_try_changes_nothing_but_the_history(
    storage: SqlStorage,
) -> None:
    """Once it was said that nothing happened, the old try's end is kept as a note for people."""
    ledger = storage.ledger
    first = (await ledger.apply(reserve())).record
    freed = await ledger.apply(
        RecordNothing(thread_id=ThreadId("t"), key=first.key, tries=1, note="locked")
    )
    assert (freed.state, freed.tries) == ("intended", 2)
    second = await ledger.apply(reserve(attempt="a2"))
    assert (second.decision, second.record.tries) == ("run", 2)
    await ledger.apply(end(first, "from try 1"))
    (listed,) = await ledger.apply(list_all())
    assert (listed.state, listed.answer) == ("started", None)
    assert "from" not in str(listed.answer)
    assert (listed.moves[-1].by, listed.moves[-1].tries) == ("late answer", 1)
    await ledger.apply(end(second.record, "from try 2"))
    assert (await ledger.apply(reserve(attempt="a3"))).record.answer == "from try 2"


async def test_a_person_settles_what_is_unknown(storage: SqlStorage) -> None:
    """It happened, with an answer; the same said again is harmless; another word is refused."""
    record = await start_in_dead_process(storage)
    done = await storage.ledger.apply(settle(record.key[:8], happened=True, answer=7, why="seen"))
    assert (done.state, done.answer, done.settled_by, done.note) == ("done", 7, "person", "seen")
    again = await storage.ledger.apply(settle(record.key, happened=True, answer=7))
    assert again.state == "done"
    for other in (settle(record.key, happened=False), settle(record.key, happened=True, answer=8)):
        with pytest.raises(EffectSettledError):
            await storage.ledger.apply(other)


async def test_a_person_says_that_it_did_not_happen(storage: SqlStorage) -> None:
    """Then it may be run again, as its second try."""
    record = await start_in_dead_process(storage)
    freed = await storage.ledger.apply(settle(record.key, happened=False, why="not there"))
    assert (freed.state, freed.tries) == ("intended", 2)
    assert (await storage.ledger.apply(settle(record.key, happened=False))).state == "intended"
    assert (await storage.ledger.apply(reserve(attempt="a2"))).decision == "run"


async def test_what_cannot_be_settled_is_refused(storage: SqlStorage) -> None:
    """A running effect, one that has ended by itself, and a key that nobody knows."""
    running = (await storage.ledger.apply(reserve())).record
    with pytest.raises(EffectSettledError, match="running it"):
        await storage.ledger.apply(settle(running.key, happened=True))
    await storage.ledger.apply(end(running))
    with pytest.raises(EffectSettledError, match="done"):
        await storage.ledger.apply(settle(running.key, happened=False))
    for key in ("e-nobody", ""):
        with pytest.raises(UnknownEffectError):
            await storage.ledger.apply(settle(key, happened=True))
    await storage.ledger.apply(reserve("mail"))
    with pytest.raises(UnknownEffectError, match="more than one"):
        await storage.ledger.apply(settle("e-", happened=True))


async def test_big_answers_lie_by_reference_and_once(file_url: str, tmp_path: Path) -> None:
    """An answer of 10 MB comes back whole, from two effects, and lies in the file once."""
    answer = {"text": "x" * 10_000_000}
    async with open_storage(file_url) as storage:
        for attempt, place in (("a1", "#0"), ("a1", "#1")):
            one = await storage.ledger.apply(reserve(attempt=attempt, place=place))
            ended = await storage.ledger.apply(end(one.record, answer))
            assert ended.answer_ref is not None
        for place in ("#0", "#1"):
            again = await storage.ledger.apply(reserve(attempt="a2", place=place))
            assert again.record.answer == answer
    assert (tmp_path / "storage.db").stat().st_size < 13_000_000


async def test_effects_are_listed_by_step_and_what_lies_below_it(storage: SqlStorage) -> None:
    """A step's list holds nested steps' effects, and none of a step whose name begins alike."""
    for step in ("pay", "pay/inner", "pay/inner/more", "payment", "pay-2"):
        await storage.ledger.apply(reserve(f"in {step}", step_id=StepId(step)))
    listed = await storage.ledger.apply(ListEffects(thread_id=ThreadId("t"), step_id=StepId("pay")))
    assert [one.step_id for one in listed] == ["pay", "pay/inner", "pay/inner/more"]


async def test_an_undo_is_linked_to_what_it_undoes(storage: SqlStorage) -> None:
    """Once the undo is done the effect no longer stands; while it is not, it does."""
    paid = (await storage.ledger.apply(reserve())).record
    await storage.ledger.apply(end(paid))
    undo = await storage.ledger.apply(reserve("undo of pay", undoes=paid.key))
    load = LoadEffect(thread_id=ThreadId("t"), key=paid.key)
    before = await storage.ledger.apply(load)
    await storage.ledger.apply(end(undo.record))
    after = await storage.ledger.apply(load)
    assert before is not None
    assert after is not None
    assert (before.stands, before.undone_by) == (True, None)
    assert (after.stands, after.undone_by) == (False, undo.record.key)


FORBIDDEN = {
    "an ended effect moves": "UPDATE effects SET state = 'started' WHERE tool = 'ended'",
    "an ended answer changes": "UPDATE effects SET answer = NULL WHERE tool = 'ended'",
    "a state goes back": "UPDATE effects SET state = 'intended' WHERE tool = 'begun'",
    "a try is skipped": "UPDATE effects SET tries = 3, state = 'intended' WHERE tool = 'begun'",
    "a try goes back": "UPDATE effects SET tries = 0 WHERE tool = 'begun'",
    "a key stands for another call": "UPDATE effects SET arguments = '{}' WHERE tool = 'begun'",
    "an open effect is deleted": "DELETE FROM effects WHERE tool = 'begun'",
    "an effect is replaced": {
        "sqlite": "INSERT OR REPLACE INTO effects SELECT * FROM effects",
        "postgresql": "INSERT INTO effects OVERRIDING SYSTEM VALUE SELECT * FROM effects",
    },
    "a use changes": "UPDATE effect_uses SET key = 'x'",
    "a use is deleted": "DELETE FROM effect_uses",
    "a move changes": "UPDATE effect_moves SET note = 'x'",
    "a move is deleted": "DELETE FROM effect_moves",
    "the identity changes": "UPDATE ledger_identity SET id = 'x'",
    "the identity is deleted": "DELETE FROM ledger_identity",
}


@pytest.mark.parametrize("what", FORBIDDEN)
async def test_i05_plain_sql_cannot_break_the_ledger(what: str, lasting_url: str) -> None:
    """I5: the database itself refuses what would let an effect happen twice or be forgotten."""
    async with open_storage(lasting_url) as storage:
        ended = await storage.ledger.apply(reserve("ended"))
        await storage.ledger.apply(end(ended.record))
        await storage.ledger.apply(reserve("begun"))
    statement = FORBIDDEN[what]
    with open_raw(lasting_url) as raw:
        if not isinstance(statement, str):
            statement = statement["postgresql" if raw.is_postgres else "sqlite"]
        before = raw.dump()
        with pytest.raises(REFUSED):
            raw.execute(statement)
        assert raw.dump() == before


@pytest.mark.parametrize("table", ["effects", "effect_uses", "effect_moves", "ledger_identity"])
async def test_i05_plain_sql_cannot_empty_the_ledger(table: str, postgres_url: str) -> None:
    """I5: PostgreSQL's TRUNCATE, which asks no row, is refused too."""
    async with open_storage(postgres_url) as storage:
        await storage.ledger.apply(end((await storage.ledger.apply(reserve("ended"))).record))
    with open_raw(postgres_url) as raw, pytest.raises(REFUSED):
        raw.execute(f"TRUNCATE {table} CASCADE")


def make_first_schema(url: str) -> None:
    """Make the database that the first release left, with an unfinished run in it."""
    with open_raw(url) as raw:
        dialect = "postgresql" if raw.is_postgres else "sqlite"
        script = load_migrations(dialect)[0].script
        if raw.is_postgres:
            raw.run_script(
                f"CREATE SCHEMA {raw.schema}; CREATE TABLE interlock_schema_version (version BIGINT);"
                f"INSERT INTO interlock_schema_version VALUES (1); {script}"
            )
        else:
            mark = f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = 1"
            raw.run_script(f"{mark}; {script}")
        raw.execute(
            "INSERT INTO runs (thread_id, goal, context, status, accepted_at, updated_at, result,"
            " stepwise) VALUES ('t', 'report', '{}', 'running', ?, ?, 'null', "
            + ("false)" if raw.is_postgres else "0)"),
            ("2026-01-01T12:00:00+00:00", "2026-01-01T12:00:00+00:00"),
        )


async def test_a_database_without_a_ledger_gets_one_and_keeps_its_runs(lasting_url: str) -> None:
    """A database of the first schema is brought up to date; what it held is still there."""
    make_first_schema(lasting_url)
    async with open_storage(lasting_url) as storage:
        run = await storage.load_run(ThreadId("t"))
        assert run is not None
        assert run.goal == "report"
        assert (await storage.ledger.apply(reserve())).decision == "run"


async def test_an_answer_that_is_gone_is_said(lasting_url: str) -> None:
    """A big answer whose payload somebody deleted is an error that names it, not None."""
    async with open_storage(lasting_url) as storage:
        one = await storage.ledger.apply(reserve())
        await storage.ledger.apply(end(one.record, "x" * 50_000))
    with open_raw(lasting_url) as raw:
        raw.execute("DELETE FROM payloads")
    async with open_storage(lasting_url) as storage:
        with pytest.raises(StorageError, match="is gone"):
            await storage.ledger.apply(reserve(attempt="a2"))


def test_a_call_is_the_same_on_every_machine() -> None:
    """Equal calls are equal values, so that a request can be made again."""
    assert build_call() == build_call()
