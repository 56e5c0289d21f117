"""Reading where outputs went: the rows that faults and critical paths are derived from (I12)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from interlock.checkpoints.connection import Connection
from interlock.checkpoints.database import Database
from interlock.checkpoints.fault_rows import parse_fault
from interlock.checkpoints.measures import derive_scope
from interlock.contracts.blame import (
    AskedPerson,
    CalledTool,
    FactPassage,
    FoundFault,
    GateResult,
    ReviewedOutput,
    SettledStep,
    StepRef,
    StepWait,
    ThreadLineage,
)
from interlock.contracts.fault import Fault
from interlock.contracts.ids import ThreadId
from interlock.contracts.measures import MeasureWindow
from interlock.contracts.outcome import TERMINAL_RUN_STATUSES


class SqlBlameLedger:
    """Reads where outputs went, on one database (`contracts.blame.BlameLedger`)."""

    def __init__(self, database: Database) -> None:
        """Use a database."""
        self._database = database

    async def list_faults(self, window: MeasureWindow) -> Sequence[FoundFault]:
        """Return the faults that were found in a window, the first found first."""
        scope, which = derive_scope(window)

        def operation(connection: Connection) -> Sequence[FoundFault]:
            rows = connection.run(f"list_faults_of_{scope}", which).fetchall()
            faults = [parse_fault(row) for row in rows]
            return [
                FoundFault(fault=fault, gates=_load_gates(connection, fault)) for fault in faults
            ]

        return await self._database.read(operation)

    async def load_lineage(self, thread_id: ThreadId) -> ThreadLineage:
        """Return what a thread's journal says of who was given what, read at one instant."""
        return await self._database.read(lambda connection: _load_lineage(connection, thread_id))


def _load_gates(connection: Connection, fault: Fault) -> list[GateResult]:
    which = (fault.blame.thread_id, fault.blame.step_id, fault.superstep, fault.attempt)
    rows = connection.run("load_gates_of_fault", which)
    return [GateResult(kind=kind, words=words, result=result) for _, _, kind, words, result in rows]


def _load_lineage(connection: Connection, thread_id: ThreadId) -> ThreadLineage:
    which = (thread_id,)
    start = connection.run("load_run_start", which).fetchone()
    outcomes = connection.run("load_lineage_outcomes", which).fetchall()
    waits = connection.run("load_lineage_waits", which).fetchall()
    outputs = connection.run("load_lineage_outputs", which).fetchall()
    tools = connection.run("load_lineage_tools", which).fetchall()
    questions = connection.run("load_lineage_questions", which).fetchall()
    passages = connection.run("load_lineage_passages", which).fetchall()
    return ThreadLineage(
        thread_id=thread_id,
        accepted_at=None if start is None else _parse_time(start[0]),
        is_over=start is not None and start[1] in TERMINAL_RUN_STATUSES,
        outcomes=[_parse_outcome(row) for row in outcomes],
        waits=[
            StepWait(superstep=superstep, step_id=step, need=need, is_read=bool(is_read))
            for superstep, step, need, is_read in waits
        ],
        outputs=[_parse_output(row) for row in outputs],
        tools=[
            CalledTool(
                step_id=step,
                attempt=attempt,
                tool=tool,
                started_at=datetime.fromisoformat(started),
                ended_at=datetime.fromisoformat(ended),
            )
            for step, attempt, tool, started, ended in tools
        ],
        questions=[
            AskedPerson(
                step_id=step,
                asked_at=datetime.fromisoformat(asked),
                answered_at=_parse_time(answered),
            )
            for step, asked, answered in questions
        ],
        passages=[
            FactPassage(
                superstep=superstep,
                step_id=step,
                reader=StepRef(*reader),
                attempt=attempt,
                key=key,
            )
            for superstep, step, *reader, attempt, key in passages
        ],
    )


def _parse_outcome(row: Sequence[Any]) -> SettledStep:
    seq, superstep, step, status, worker, attempts, fallback, begun, settled, *used = row
    settle, read, written, money = (int(number or 0) for number in used)
    return SettledStep(
        seq=seq,
        superstep=superstep,
        step_id=step,
        status=status,
        worker=worker,
        attempts=attempts or 0,
        fallback=fallback,
        begun_at=_parse_time(begun),
        settled_at=_parse_time(settled),
        settle_us=settle,
        tokens=read + written,
        money=money,
    )


def _parse_output(row: Sequence[Any]) -> ReviewedOutput:
    superstep, step, attempt, sender, turn, started, *spans = row
    queue, brief, work, model, tool, review = (int(span or 0) for span in spans)
    return ReviewedOutput(
        superstep=superstep,
        step_id=step,
        attempt=attempt,
        sender=sender,
        turn_at=_parse_time(turn),
        started_at=_parse_time(started),
        queue_us=queue,
        brief_us=brief,
        work_us=work,
        model_us=model,
        tool_us=tool,
        review_us=review,
    )


def _parse_time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
