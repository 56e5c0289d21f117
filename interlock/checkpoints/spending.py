"""Model calls as rows: written before they go out, settled when they come back (I11)."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from interlock.checkpoints.connection import Connection
from interlock.checkpoints.database import Database
from interlock.checkpoints.run_ledger import dump_time
from interlock.contracts.ids import StepId, ThreadId
from interlock.contracts.spending import (
    CallEnd,
    Caller,
    CallRecord,
    CallSum,
    ModelHabit,
    StoredCall,
    ThreadSpending,
)

_SPLIT = 1_000_000
"""Sums of money are added up in two parts: one alone may pass 64 bits."""


def derive_call_rows(calls: Iterable[CallRecord]) -> list[tuple[object, ...]]:
    """Return the rows of calls that go out."""
    return [
        (
            call.id,
            call.thread_id,
            call.caller.superstep,
            call.caller.path,
            call.caller.role,
            call.caller.worker,
            call.caller.attempt,
            call.model,
            call.calls,
            call.input_bytes,
            call.tokens,
            call.money,
            dump_time(call.started_at),
        )
        for call in calls
    ]


def derive_end_rows(thread_id: ThreadId, ends: Iterable[CallEnd]) -> list[tuple[object, ...]]:
    """Return what is changed by calls that came back."""
    return [
        (
            end.calls,
            end.tokens,
            end.money,
            end.input_tokens,
            end.output_tokens,
            end.cached_tokens,
            end.error,
            dump_time(end.ended_at),
            end.id,
            thread_id,
        )
        for end in ends
    ]


async def load_spending(database: Database, thread_id: ThreadId) -> ThreadSpending:
    """Return all that a thread has used, on all its branches."""

    def operation(connection: Connection) -> ThreadSpending:
        which = (thread_id,)
        return ThreadSpending(
            calls=[_parse_sum(row) for row in connection.run("sum_model_calls", which)],
            attempts=[
                (StepId(path), count) for path, count in connection.run("count_attempts", which)
            ],
            running=[
                (StepId(row[0]), row[1])
                for row in connection.run("load_open_attempts", (thread_id, ""))
            ],
            habits=[
                ModelHabit(
                    model=model,
                    output_tokens=int(output),
                    input_millionths=int(ratio),
                    input_beyond=max(0, int(beyond)),
                )
                for model, output, ratio, beyond in connection.run("list_model_habits", which)
            ],
        )

    return await database.read(operation)


async def load_model_calls(database: Database, thread_id: ThreadId) -> Sequence[StoredCall]:
    """Return a thread's model calls, oldest first."""

    def operation(connection: Connection) -> Sequence[StoredCall]:
        rows = connection.run("load_model_calls", (thread_id,))
        return [_parse_call(thread_id, row) for row in rows]

    return await database.read(operation)


def _parse_sum(row: Sequence[Any]) -> CallSum:
    path, superstep, attempt, role, calls, tokens, whole, rest, input_tokens, output_tokens = row
    caller = Caller(path=StepId(path), superstep=superstep, attempt=attempt, role=role, worker="")
    return CallSum(
        caller=caller,
        model_calls=int(calls),
        tokens=int(tokens),
        money=int(whole) * _SPLIT + int(rest),
        input_tokens=int(input_tokens),
        output_tokens=int(output_tokens),
    )


def _parse_call(thread_id: ThreadId, row: Sequence[Any]) -> StoredCall:
    identifier, superstep, path, role, worker, attempt, model, calls, size = row[:9]
    reserved_tokens, reserved_money, tokens, money, given, back, cached = row[9:16]
    error, started_at, ended_at = row[16:]
    record = CallRecord(
        id=identifier,
        thread_id=thread_id,
        caller=Caller(
            path=StepId(path), superstep=superstep, attempt=attempt, role=role, worker=worker
        ),
        model=model,
        calls=calls,
        input_bytes=size,
        tokens=reserved_tokens,
        money=reserved_money,
        started_at=datetime.fromisoformat(started_at),
    )
    if ended_at is None:
        return StoredCall(record=record, end=None)
    end = CallEnd(
        id=identifier,
        calls=calls,
        tokens=tokens,
        money=money,
        input_tokens=given,
        output_tokens=back,
        cached_tokens=cached,
        error=error,
        ended_at=datetime.fromisoformat(ended_at),
    )
    return StoredCall(record=record, end=end)
