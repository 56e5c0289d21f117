"""What metrics are counted from, as rows of one batch: findings, needs, calls of tools."""

from collections.abc import Sequence
from dataclasses import dataclass

from interlock.checkpoints.connection import Connection
from interlock.checkpoints.finding_rows import derive_finding_rows
from interlock.checkpoints.run_ledger import dump_time
from interlock.contracts.storage import Batch

_Rows = Sequence[tuple[object, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredRows:
    """Rows of one batch.

    Attributes:
        criteria: By the hash of their words.
        findings: Of its outputs.
        needs: Of its steps.
        tool_calls: Of its attempts.
    """

    criteria: _Rows
    findings: _Rows
    needs: _Rows
    tool_calls: _Rows


def derive_measured_rows(batch: Batch) -> MeasuredRows:
    """Return the rows of a batch."""
    criteria, findings = derive_finding_rows(batch.handoffs)
    return MeasuredRows(
        criteria=criteria,
        findings=findings,
        needs=[
            (need.thread_id, need.superstep, need.step_id, need.need, need.is_read)
            for need in batch.needs
        ],
        tool_calls=[
            (
                call.thread_id,
                call.handoff_id,
                call.ordinal,
                call.tool,
                dump_time(call.started_at),
                dump_time(call.ended_at),
                call.error,
            )
            for call in batch.tool_calls
        ],
    )


def insert_measured(connection: Connection, rows: MeasuredRows) -> None:
    """Store the rows; those that are stored stay as they are."""
    connection.run_many("insert_criterion", rows.criteria)
    connection.run_many("insert_finding", rows.findings)
    connection.run_many("insert_step_need", rows.needs)
    connection.run_many("insert_tool_call", rows.tool_calls)
