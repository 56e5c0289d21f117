"""Outcomes of steps: what has settled in a dispatch superstep, and stays so (I6, I9)."""

from collections.abc import Iterable, Mapping, Sequence

from interlock.checkpoints.connection import Connection
from interlock.checkpoints.database import Database
from interlock.contracts.ids import StepId, ThreadId
from interlock.contracts.outcome import StepOutcome


async def load_superstep(
    database: Database, thread_id: ThreadId, *, superstep: str
) -> Mapping[StepId, StepOutcome]:
    """Return what has settled in one dispatch superstep, waiting steps included."""

    def operation(connection: Connection) -> Mapping[StepId, StepOutcome]:
        rows = connection.run("load_outcomes", (thread_id, superstep))
        outcomes = [StepOutcome.model_validate_json(text) for _, text in rows]
        return {outcome.step_id: outcome for outcome in outcomes}

    return await database.read(operation)


def derive_outcome_rows(
    thread_id: ThreadId, *, superstep: str, outcomes: Iterable[StepOutcome]
) -> list[tuple[object, ...]]:
    """Return the rows of outcomes."""
    return [
        (thread_id, superstep, outcome.step_id, outcome.status, outcome.model_dump_json())
        for outcome in outcomes
    ]


def insert_outcomes(connection: Connection, rows: Sequence[tuple[object, ...]]) -> None:
    """Store outcomes; the first of a superstep and step stays (I9)."""
    connection.run_many("insert_outcome", rows)
