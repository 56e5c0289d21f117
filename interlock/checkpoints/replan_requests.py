"""What people ask of a run's planner: written into the journal, read by the run before it ends."""

from collections.abc import Sequence

from interlock.checkpoints.connection import Connection
from interlock.checkpoints.database import Database
from interlock.checkpoints.journal import derive_handoff_rows, insert_handoffs, parse_handoff
from interlock.checkpoints.payload_rows import (
    derive_payload_rows,
    insert_payloads,
    load_payload,
)
from interlock.contracts.errors import FinishedRunError, UnknownThreadError
from interlock.contracts.handoff import Handoff
from interlock.contracts.ids import ThreadId
from interlock.contracts.outcome import TERMINAL_RUN_STATUSES


async def request_replan(database: Database, request: Handoff) -> None:
    """Write a request down, if its run has not ended; needs no lease.

    Raises:
        UnknownThreadError: There is no such run.
        FinishedRunError: It has ended.
    """
    thread_id = request.thread_id
    payload_rows = derive_payload_rows(thread_id, handoffs=(request,), payloads=())
    rows = derive_handoff_rows((request,))

    def operation(connection: Connection) -> None:
        found = connection.run("load_run_status", (thread_id,)).fetchone()
        if found is None:
            raise UnknownThreadError(thread_id=thread_id)
        if found[0] in TERMINAL_RUN_STATUSES:
            raise FinishedRunError(thread_id=thread_id, status=found[0])
        insert_payloads(connection, payload_rows)
        insert_handoffs(connection, rows)

    await database.write(operation, lane=thread_id)


async def load_replan_requests(database: Database, thread_id: ThreadId) -> Sequence[Handoff]:
    """Return all requests of a thread with their payloads, oldest first."""

    def operation(connection: Connection) -> Sequence[Handoff]:
        found = connection.run("load_replan_requests", (thread_id,)).fetchall()
        return [_parse(connection, thread_id, row) for row in found]

    return await database.read(operation)


def _parse(connection: Connection, thread_id: ThreadId, row: Sequence[object]) -> Handoff:
    bare = parse_handoff(row, payloads={})
    data = load_payload(connection, thread_id, bare.payload_hash)
    return bare if data is None else parse_handoff(row, payloads={bare.payload_hash: data})
