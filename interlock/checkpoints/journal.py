"""The journal of handoffs, append-only (I8, I12)."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from interlock.checkpoints.connection import Connection
from interlock.checkpoints.database import Database
from interlock.checkpoints.payload_rows import load_payload, load_payloads
from interlock.checkpoints.run_ledger import dump_time
from interlock.contracts.errors import StorageError
from interlock.contracts.handoff import Handoff, Verdict
from interlock.contracts.ids import PayloadHash, StepId, ThreadId
from interlock.contracts.plain import Plain, decode_plain
from interlock.contracts.prices import dump_money, parse_money
from interlock.contracts.storage import OpenAttempt, ThreadCounts

_Row = tuple[object, ...]

_MICROSECOND: Final = timedelta(microseconds=1)


class Journal:
    """What is read from the journal and the outcomes."""

    def __init__(self, database: Database) -> None:
        """Use a database."""
        self._database = database

    async def load_handoffs(
        self, thread_id: ThreadId, *, step_id: StepId | None, payloads: bool
    ) -> Sequence[Handoff]:
        """Return the journal of a thread or of one step, oldest first."""

        def operation(connection: Connection) -> Sequence[Handoff]:
            which = (thread_id, step_id)
            found = load_payloads(connection, thread_id, step_id) if payloads else {}
            rows = connection.run("load_handoffs", which)
            return [parse_handoff(row, payloads=found) for row in rows]

        return await self._database.read(operation)

    async def load_payload(self, thread_id: ThreadId, payload_hash: PayloadHash) -> Plain:
        """Return a value stored by hash.

        Raises:
            StorageError: There is no such payload on this thread.
        """

        def operation(connection: Connection) -> Plain:
            data = load_payload(connection, thread_id, payload_hash)
            if data is None:
                raise StorageError(
                    f"Thread {thread_id!r} has no payload {payload_hash!r}. "
                    "Check that thread and hash belong together."
                )
            return decode_plain(data)

        return await self._database.read(operation)

    async def count_thread(self, thread_id: ThreadId, *, scope: str) -> ThreadCounts:
        """Return where a thread stands, or the part of it below a scope."""

        def operation(connection: Connection) -> ThreadCounts:
            which = (thread_id, scope)
            handoffs, attempts, retries = connection.run("count_handoffs", which).fetchone()
            input_tokens, output_tokens = connection.run("sum_tokens", which).fetchone()
            return ThreadCounts(
                settled=dict(connection.run("count_settled", which)),
                running=[
                    _parse_attempt(row) for row in connection.run("load_open_attempts", which)
                ],
                attempts=attempts,
                retries=retries,
                handoffs=handoffs,
                input_tokens=input_tokens,
                output_tokens=output_tokens,
            )

        return await self._database.read(operation)


def derive_handoff_rows(handoffs: Iterable[Handoff]) -> list[_Row]:
    """Return the rows of handoffs, without their payloads."""
    return [
        (
            handoff.id,
            handoff.thread_id,
            handoff.superstep,
            handoff.kind,
            handoff.sender,
            handoff.receiver,
            handoff.step_id,
            handoff.attempt,
            handoff.worker,
            handoff.payload_hash,
            None if handoff.verdict is None else handoff.verdict.model_dump_json(),
            handoff.status,
            _dump_time(handoff.queued_at),
            _dump_time(handoff.started_at),
            dump_time(handoff.ended_at),
            handoff.input_tokens,
            handoff.output_tokens,
            handoff.trace_id,
            None if handoff.verdict is None else handoff.verdict.action,
            None if handoff.verdict is None else handoff.verdict.error,
            _dump_time(handoff.turn_at),
            _dump_time(handoff.reviewed_at),
            _count(handoff.model_time),
            _count(handoff.tool_time),
            _count(handoff.judge_time),
            None if handoff.money is None else parse_money(handoff.money),
            handoff.question_id,
            *_count_stages(handoff),
        )
        for handoff in handoffs
    ]


def insert_handoffs(connection: Connection, rows: Sequence[_Row]) -> None:
    """Append handoffs; one whose id is stored is ignored."""
    connection.run_many("insert_handoff", rows)


def parse_handoff(row: Sequence[Any], *, payloads: Mapping[str, bytes]) -> Handoff:
    """Return the handoff of a row, with its payload if it is among those given by hash."""
    (identifier, thread_id, superstep, kind, sender, receiver, step_id, attempt, worker) = row[:9]
    (payload_hash, verdict, status, queued_at, started_at, ended_at) = row[9:15]
    data = payloads.get(payload_hash)
    return Handoff(
        id=identifier,
        thread_id=thread_id,
        superstep=superstep,
        kind=kind,
        sender=sender,
        receiver=receiver,
        step_id=step_id,
        attempt=attempt,
        worker=worker,
        payload=None if data is None else decode_plain(data),
        payload_hash=payload_hash,
        verdict=None if verdict is None else Verdict.model_validate_json(verdict),
        status=status,
        queued_at=_parse_time(queued_at),
        started_at=_parse_time(started_at),
        ended_at=datetime.fromisoformat(ended_at),
        input_tokens=row[15],
        output_tokens=row[16],
        trace_id=row[17],
        turn_at=_parse_time(row[18]),
        reviewed_at=_parse_time(row[19]),
        model_time=_parse_span(row[20]),
        tool_time=_parse_span(row[21]),
        judge_time=_parse_span(row[22]),
        money=None if row[23] is None else dump_money(row[23]),
        question_id=row[24],
        queue_time=_parse_span(row[25]),
    )


def _dump_time(instant: datetime | None) -> str | None:
    return None if instant is None else dump_time(instant)


def _count(span: timedelta | None) -> int | None:
    return None if span is None else span // _MICROSECOND


def _count_stages(handoff: Handoff) -> tuple[int | None, ...]:
    """Return how long an attempt waited, was prepared, worked and was reviewed, in microseconds."""
    if handoff.kind != "output" or handoff.turn_at is None:
        return (None,) * 4
    started, ended = handoff.started_at or handoff.turn_at, handoff.ended_at
    reviewed = handoff.reviewed_at or ended
    spans = (started - handoff.turn_at, ended - started, reviewed - ended)
    return (_count(handoff.queue_time), *(_count(span) for span in spans))


def _parse_span(count: int | None) -> timedelta | None:
    return None if count is None else count * _MICROSECOND


def _parse_time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _parse_attempt(row: Sequence[Any]) -> OpenAttempt:
    step_id, attempt, worker, started_at, ended_at = row
    return OpenAttempt(
        step_id=step_id,
        attempt=attempt,
        worker=worker or "",
        started_at=datetime.fromisoformat(started_at or ended_at),
    )
