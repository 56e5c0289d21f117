"""Faults as rows: who was found to be wrong, by whom. The attempt is looked up as it is written."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from interlock.checkpoints.connection import Connection
from interlock.checkpoints.database import Database
from interlock.checkpoints.run_ledger import dump_time
from interlock.contracts.errors import UnknownThreadError
from interlock.contracts.fault import Blame, Fault
from interlock.contracts.fault_errors import NoValueError
from interlock.contracts.ids import StepId, ThreadId


def insert_blames(connection: Connection, blames: Iterable[Blame]) -> list[Fault]:
    """Store blames as faults of the attempts they are about; those about nothing are left out.

    A step that has no value, since none of its attempts was accepted, has none that is wrong.
    """
    faults = [fault for blame in blames if (fault := _find(connection, blame)) is not None]
    rows = [
        (
            fault.blame.id,
            fault.blame.thread_id,
            fault.superstep,
            fault.blame.step_id,
            fault.attempt,
            fault.blame.how,
            fault.blame.found_by,
            fault.blame.found_thread,
            fault.blame.found_superstep,
            fault.blame.found_attempt,
            dump_time(fault.blame.found_at),
            fault.blame.why,
        )
        for fault in faults
    ]
    connection.run_many("insert_fault", rows)
    return faults


def _find(connection: Connection, blame: Blame) -> Fault | None:
    if blame.fact is not None:
        row = connection.run("find_promotion", blame.fact).fetchone()
        if row is None:
            return None  # the run was started with it, or a person put it in
        thread_id, superstep, step_id, attempt = row
        names = {"thread_id": ThreadId(thread_id), "step_id": StepId(step_id)}
        return Fault(blame=blame.model_copy(update=names), superstep=superstep, attempt=attempt)
    # The branch that found it was given what it had settled itself, not what a fork settled later.
    which = (blame.thread_id, blame.step_id, blame.found_superstep)
    row = connection.run("find_valued_outcome", which).fetchone()
    if row is None:
        return None
    superstep, attempts, fallback = row
    is_declared = fallback == "use_value"  # no attempt made it
    return Fault(blame=blame, superstep=superstep, attempt=0 if is_declared else attempts or 0)


async def report_blame(database: Database, blame: Blame) -> Fault:
    """Write down that a step's value is wrong; needs no lease, the run may have ended.

    Raises:
        UnknownThreadError: There is no such run.
        NoValueError: The step has no value on this thread.
    """

    def operation(connection: Connection) -> Fault:
        if connection.run("load_run_status", (blame.thread_id,)).fetchone() is None:
            raise UnknownThreadError(thread_id=blame.thread_id)
        faults = insert_blames(connection, (blame,))
        if not faults:
            known = connection.run("list_valued_steps", (blame.thread_id,)).fetchall()
            raise NoValueError(
                thread_id=blame.thread_id,
                step_id=blame.step_id,
                known=[step for (step,) in known],
            )
        return faults[0]

    return await database.write(operation, lane=blame.thread_id)


async def load_faults(database: Database, thread_id: ThreadId) -> Sequence[Fault]:
    """Return the faults of a thread's steps, in the order in which they were found."""

    def operation(connection: Connection) -> Sequence[Fault]:
        return [parse_fault(row) for row in connection.run("load_faults", (thread_id,))]

    return await database.read(operation)


def parse_fault(row: Sequence[Any]) -> Fault:
    """Return the fault of a row."""
    (identifier, thread_id, superstep, step_id, attempt, how, found_by) = row[:7]
    found_thread, found_superstep, found_attempt, found_at, why = row[7:]
    blame = Blame(
        id=identifier,
        thread_id=thread_id,
        step_id=step_id,
        how=how,
        found_by=found_by,
        found_thread=found_thread,
        found_superstep=found_superstep,
        found_attempt=found_attempt,
        found_at=datetime.fromisoformat(found_at),
        why=why,
    )
    return Fault(blame=blame, superstep=superstep, attempt=attempt)
