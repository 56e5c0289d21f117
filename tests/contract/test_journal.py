from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from interlock.checkpoints import SqlStorage
from interlock.checkpoints.connection import Connection
from interlock.checkpoints.named_sql import load_statements
from interlock.contracts.errors import StorageError
from interlock.contracts.handoff import Handoff, Verdict
from interlock.contracts.outcome import StepOutcome
from interlock.contracts.plain import derive_hash, encode_plain
from interlock.contracts.storage import Batch, OpenAttempt
from tests.contract.conftest import NOON, is_postgres


async def test_handoffs_are_read_back_oldest_first(
    storage: SqlStorage, make_handoff: Callable[..., Handoff]
) -> None:
    """The journal gives every field back, payloads only when asked for."""
    brief = make_handoff()
    output = make_handoff("output", verdict=Verdict(action="accept"), input_tokens=3, trace_id="x")
    other = make_handoff(step_id="write")
    await storage.commit("t", Batch(handoffs=[brief, output]))
    await storage.commit("t", Batch(handoffs=[other]))
    measured = dict.fromkeys(("model_time", "tool_time", "judge_time"), timedelta())
    output = output.model_copy(update={**measured, "money": Decimal(0)})  # it had no calls
    assert await storage.load_handoffs("t", payloads=True) == [brief, output, other]
    bare = await storage.load_handoffs("t", step_id="read")
    assert bare == [one.model_copy(update={"payload": None}) for one in (brief, output)]


async def test_an_attempt_waits_from_the_verdict_that_is_written_down(
    storage: SqlStorage, make_handoff: Callable[..., Handoff]
) -> None:
    """A review that a crash made again is in no row, and does not shorten the next attempt's wait."""
    refused = Verdict(action="retry")
    first = make_handoff("output", verdict=refused, turn_at=NOON, reviewed_at=NOON)
    turn = NOON + timedelta(seconds=9)
    again = first.model_copy(update={"reviewed_at": NOON + timedelta(seconds=7)})
    second = make_handoff(
        "output", attempt=2, verdict=refused, turn_at=turn, queue_time=timedelta(seconds=2)
    )
    for output in (first, again, second):
        await storage.commit("t", Batch(handoffs=[output]))
    waited = [one.queue_time for one in await storage.load_handoffs("t")]
    assert waited == [None, timedelta(seconds=9)]


async def test_handoff_is_recorded_once(
    storage: SqlStorage, make_handoff: Callable[..., Handoff]
) -> None:
    """A replay that writes the same handoff again changes nothing."""
    await storage.commit("t", Batch(handoffs=[make_handoff(receiver="reader")]))
    await storage.commit("t", Batch(handoffs=[make_handoff(receiver="other")]))
    (kept,) = await storage.load_handoffs("t")
    assert kept.receiver == "reader"


async def test_payload_is_stored_once_a_thread(
    storage: SqlStorage, make_handoff: Callable[..., Handoff]
) -> None:
    """Many handoffs of one value keep one copy of it, readable by its hash."""
    value = {"text": "é" * 1000, "n": [1, 2.5, None, True]}
    for attempt in range(1, 6):
        await storage.commit("t", Batch(handoffs=[make_handoff(attempt=attempt, payload=value)]))
    await storage.commit("t", Batch(payloads=[encode_plain(value)]))
    rows = await storage._database.read(
        lambda c: c.execute("SELECT count(*), sum(size) FROM payloads").fetchone()
    )
    assert rows == (1, len(encode_plain(value)))
    assert await storage.load_payload("t", derive_hash(value)) == value


async def test_unknown_payload_is_an_error(storage: SqlStorage) -> None:
    """A hash that names nothing on the thread is refused in words."""
    with pytest.raises(StorageError, match="no payload"):
        await storage.load_payload("t", "0" * 64)


async def test_terminal_outcome_absorbs(storage: SqlStorage) -> None:
    """I9: the first outcome of a superstep and step stays."""
    first = StepOutcome(step_id="read", status="accepted", value={"a": 1}, attempts=2)
    late = StepOutcome(step_id="read", status="failed")
    await storage.commit("t", Batch(superstep="c1", outcomes=[first]))
    await storage.commit("t", Batch(superstep="c1", outcomes=[late]))
    await storage.commit("t", Batch(superstep="c2", outcomes=[late]))
    assert await storage.load_outcomes("t", superstep="c1") == {"read": first}
    assert await storage.load_outcomes("t", superstep="c2") == {"read": late}
    assert await storage.load_outcomes("t", superstep="c3") == {}


async def test_counts_equal_what_was_written(
    storage: SqlStorage, make_handoff: Callable[..., Handoff], clock: Any
) -> None:
    """I12: the counts of a thread are a recount of its journal and newest outcomes."""
    await storage.commit(
        "t",
        Batch(
            superstep="c1",
            handoffs=[
                make_handoff(),
                make_handoff("output"),
                make_handoff(attempt=2),
                make_handoff(step_id="write"),
                make_handoff("plan", step_id="none", attempt=0),
            ],
            outcomes=[StepOutcome(step_id="read", status="waiting")],
        ),
    )
    outcomes = [
        StepOutcome(step_id="read", status="accepted"),
        StepOutcome(step_id="sum", status="accepted"),
        StepOutcome(step_id="say", status="skipped"),
    ]
    await storage.commit("t", Batch(superstep="c2", outcomes=outcomes))
    counts = await storage.count_thread("t")
    assert counts.settled == {"accepted": 2, "skipped": 1}
    assert counts.running == [
        OpenAttempt(step_id="read", attempt=2, worker="reader", started_at=clock.now()),
        OpenAttempt(step_id="write", attempt=1, worker="reader", started_at=clock.now()),
    ]
    assert (counts.attempts, counts.retries, counts.handoffs) == (3, 1, 5)
    assert (await storage.count_thread("other")).handoffs == 0


async def test_attempts_within_a_team_end_with_the_attempt_of_the_step_above(
    storage: SqlStorage, make_handoff: Callable[..., Handoff]
) -> None:
    """Cut off with it, they hand nothing back; those of the next attempt run, and so do others."""

    def brief(step_id: str, superstep: str) -> Handoff:
        identifier = f"{superstep}/{step_id}"
        return make_handoff(step_id=step_id, superstep=superstep, id=identifier)

    async def list_running() -> list[str]:
        return [one.step_id for one in (await storage.count_thread("t")).running]

    above, inner, deep = brief("a", "c1"), brief("a/x", "c2"), brief("a/x/y", "c3")
    beside = [brief("ab", "c1"), brief("ab/x", "c4")]
    await storage.commit("t", Batch(handoffs=[above, inner, deep, *beside]))
    assert await list_running() == ["a", "a/x", "a/x/y", "ab", "ab/x"]
    refused = make_handoff(
        "output", step_id="a", superstep="c1", verdict=Verdict(action="retry", reason="late")
    )
    await storage.commit("t", Batch(handoffs=[refused]))
    assert await list_running() == ["ab", "ab/x"]
    again = make_handoff(step_id="a", superstep="c1", attempt=2)
    await storage.commit("t", Batch(handoffs=[again, brief("a/x", "c5")]))
    assert await list_running() == ["ab", "ab/x", "a", "a/x"]
    assert (await storage.load_spending("t")).running == [
        ("ab", 1),
        ("ab/x", 1),
        ("a", 2),
        ("a/x", 1),
    ]


async def test_counting_reads_no_whole_table(storage: SqlStorage) -> None:
    """Counting a thread uses indexes, however many other threads there are."""
    names = ("count_handoffs", "sum_tokens", "count_settled", "load_open_attempts")

    def explain(connection: Connection) -> list[str]:
        if not is_postgres(storage):
            statements = load_statements("sqlite")
            plans = [
                connection.execute(f"EXPLAIN QUERY PLAN {statements[name]}", ("t", "")).fetchall()
                for name in names
            ]
            return [row[3] for plan in plans for row in plan]
        connection.execute("SET LOCAL enable_seqscan = off")  # tables this small are read whole
        statements = load_statements("postgresql")
        plans = [
            connection.execute(f"EXPLAIN {inline(statements[name], 't', '')}").fetchall()
            for name in names
        ]
        return [row[0] for plan in plans for row in plan]

    lines = await storage._database.read(explain)
    whole = ("SCAN h", "SCAN o", "SCAN b", "SCAN a")
    assert not [line for line in lines if line.startswith(whole) or "Seq Scan" in line], lines


def inline(statement: str, *texts: str) -> str:
    """Return a statement with texts in the place of its parameters."""
    for number, text in enumerate(texts, start=1):
        statement = statement.replace(f"${number}", f"'{text}'")
    return statement
