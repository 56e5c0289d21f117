"""The run ledger: an accepted run never vanishes, and an ended one never changes (I9)."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from interlock.checkpoints.connection import Connection, Operation
from interlock.checkpoints.database import Database
from interlock.checkpoints.payload_rows import derive_payload_rows, insert_payloads, load_payload
from interlock.contracts.big_values import is_big
from interlock.contracts.clock import Clock
from interlock.contracts.errors import (
    FinishedRunError,
    StorageError,
    UnfinishedRunError,
    UnknownThreadError,
)
from interlock.contracts.ids import PayloadHash, ThreadId
from interlock.contracts.outcome import TERMINAL_RUN_STATUSES, RunStatus
from interlock.contracts.plain import Plain, decode_plain, derive_bytes_hash, encode_plain
from interlock.contracts.run_record import RunRecord
from interlock.contracts.storage import RunUpdate

_REFS: Final = 9
"""Where the hashes of big values stand in the row of a run."""


class RunLedger:
    """Runs, one a thread."""

    def __init__(self, database: Database, clock: Clock) -> None:
        """Use a database and a clock."""
        self._database = database
        self._clock = clock

    async def accept(self, run: RunRecord, *, seed: Operation[object] | None = None) -> None:
        """Write a run down, durably.

        Args:
            run: To be accepted.
            seed: Run in the same transaction; if it raises, the run is not accepted.

        Raises:
            UnfinishedRunError: The thread has a run under way.
            FinishedRunError: The thread's run has ended.
        """
        context, big = _put_by_hash(run.context)
        payload_rows = derive_payload_rows(run.thread_id, handoffs=(), payloads=big.values())
        refs = {key: derive_bytes_hash(data) for key, data in big.items()}
        row = (
            run.thread_id,
            run.goal,
            encode_plain(context).decode(),
            run.status,
            dump_time(run.accepted_at),
            dump_time(run.updated_at),
            run.cancel_reason,
            encode_plain(run.result).decode(),
            run.stepwise,
            encode_plain(run.spaces).decode(),
            encode_plain(refs).decode(),
            run.team,
        )

        def operation(connection: Connection) -> None:
            status = _load_status(connection, run.thread_id)
            if status in TERMINAL_RUN_STATUSES:
                raise FinishedRunError(thread_id=run.thread_id, status=str(status))
            if status is not None:
                raise UnfinishedRunError(thread_id=run.thread_id, status=status)
            if seed is not None:
                seed(connection)
            insert_payloads(connection, payload_rows)
            connection.run("insert_run", row)

        await self._database.write(operation, lane=run.thread_id)

    async def load(self, thread_id: ThreadId) -> RunRecord | None:
        """Return the thread's run, or None."""

        def operation(connection: Connection) -> RunRecord | None:
            row = connection.run("load_run", (thread_id,)).fetchone()
            return None if row is None else _parse_run(row, _load_big(connection, thread_id, row))

        return await self._database.read(operation)

    async def list(self, *, status: RunStatus | None) -> Sequence[RunRecord]:
        """Return all runs, newest first, without results; big values of contexts are None."""

        def operation(connection: Connection) -> Sequence[RunRecord]:
            if status is None:
                rows = connection.run("list_runs")
            else:
                rows = connection.run("list_runs_by_status", (status,))
            return [_parse_run(row) for row in rows]

        return await self._database.read(operation)

    async def request_cancel(self, thread_id: ThreadId, *, why: str) -> None:
        """Ask whoever runs the thread to stop it; the first reason stays.

        Raises:
            UnknownThreadError: There is no such run.
        """

        def operation(connection: Connection) -> None:
            if _load_status(connection, thread_id) is None:
                raise UnknownThreadError(thread_id=thread_id)
            connection.run("request_cancel", (why, thread_id))

        await self._database.write(operation, lane=thread_id)

    def derive_update(self, thread_id: ThreadId, update: RunUpdate) -> Sequence[object]:
        """Return the parameters of `apply_update`."""
        return (
            update.status,
            encode_plain(update.result).decode(),
            dump_time(self._clock.now()),
            thread_id,
        )


def apply_update(connection: Connection, parameters: Sequence[object]) -> None:
    """Change a run's status, unless it is terminal (I9)."""
    connection.run("update_run", parameters)


def dump_time(instant: datetime) -> str:
    """Return an instant as ISO 8601 in UTC, so that equal texts are equal instants."""
    return instant.astimezone(UTC).isoformat(timespec="microseconds")


def _load_status(connection: Connection, thread_id: str) -> str | None:
    row = connection.run("load_run_status", (thread_id,)).fetchone()
    return None if row is None else str(row[0])


def _put_by_hash(context: Mapping[str, Plain]) -> tuple[dict[str, Plain], dict[str, bytes]]:
    """Return a context with None for its big values, and their encodings by key."""
    big = {key: encode_plain(value) for key, value in context.items() if is_big(value)}
    return {**context, **dict.fromkeys(big)}, big


def _load_big(connection: Connection, thread_id: ThreadId, row: Sequence[Any]) -> dict[str, Plain]:
    """Return the big values of a run's context."""
    loaded: dict[str, Plain] = {}
    for key, reference in json.loads(row[_REFS]).items():
        data = load_payload(connection, thread_id, PayloadHash(reference))
        if data is None:
            raise StorageError(
                f"The value {key!r} of the context that run {thread_id!r} was given is gone from its "
                "payloads. Restore the database from a backup."
            )
        loaded[key] = decode_plain(data)
    return loaded


def _parse_run(row: Sequence[Any], big: Mapping[str, Plain] | None = None) -> RunRecord:
    thread_id, goal, context, status, accepted_at, updated_at, cancel_reason, stepwise = row[:8]
    spaces, _refs, team, *rest = row[8:]
    return RunRecord(
        thread_id=thread_id,
        goal=goal,
        context={**json.loads(context), **(big or {})},
        status=status,
        accepted_at=datetime.fromisoformat(accepted_at),
        updated_at=datetime.fromisoformat(updated_at),
        cancel_reason=cancel_reason,
        stepwise=bool(stepwise),
        spaces=json.loads(spaces),
        team=team,
        result=decode_plain(rest[0].encode()) if rest else None,
        trace_parent=rest[1] if rest else None,
    )
