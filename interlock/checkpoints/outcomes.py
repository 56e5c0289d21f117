"""Outcomes of steps: what has settled in a dispatch superstep, and stays so (I6, I9)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from interlock.checkpoints.connection import Connection
from interlock.checkpoints.database import Database
from interlock.checkpoints.run_ledger import dump_time
from interlock.contracts.ids import StepId, ThreadId
from interlock.contracts.outcome import StepOutcome
from interlock.contracts.prices import parse_money

_Row = tuple[object, ...]

_MICROSECOND: Final = timedelta(microseconds=1)


async def load_superstep(
    database: Database, thread_id: ThreadId, *, superstep: str
) -> Mapping[StepId, StepOutcome]:
    """Return what has settled in one dispatch superstep, waiting steps included."""

    def operation(connection: Connection) -> Mapping[StepId, StepOutcome]:
        rows = connection.run("load_outcomes", (thread_id, superstep))
        outcomes = [StepOutcome.model_validate_json(text) for _, text in rows]
        return {outcome.step_id: outcome for outcome in outcomes}

    return await database.read(operation)


@dataclass(frozen=True, slots=True)
class OutcomeRows:
    """Rows of outcomes, but for when they are settled.

    Attributes:
        rows: What goes before it.
        times: Of each, since when its life and its last verdict count.
        costs: Of each.
    """

    rows: Sequence[_Row]
    times: Sequence[tuple[datetime | None, datetime | None]]
    costs: Sequence[_Row]

    def stamp(self, now: datetime) -> list[_Row]:
        """Return the rows as they are settled now."""
        at = dump_time(now)
        return [
            (*row, at, *cost, _count(begun, now), _count(reviewed, now))
            for row, (begun, reviewed), cost in zip(self.rows, self.times, self.costs, strict=True)
        ]


def derive_outcome_rows(
    thread_id: ThreadId, *, superstep: str, outcomes: Iterable[StepOutcome]
) -> OutcomeRows:
    """Return the rows of outcomes, to be stamped in the transaction that writes them."""
    outcomes = tuple(outcomes)
    return OutcomeRows(
        rows=[
            (
                thread_id,
                superstep,
                outcome.step_id,
                outcome.status,
                outcome.model_dump_json(),
                outcome.worker,
                outcome.attempts,
                outcome.fallback,
                outcome.approved_by_person,
                None if outcome.begun_at is None else dump_time(outcome.begun_at),
            )
            for outcome in outcomes
        ],
        times=[(outcome.begun_at, outcome.reviewed_at) for outcome in outcomes],
        costs=[
            (
                outcome.usage.input_tokens,
                outcome.usage.output_tokens,
                outcome.usage.model_calls,
                parse_money(outcome.usage.money),
            )
            for outcome in outcomes
        ],
    )


def insert_outcomes(connection: Connection, rows: Sequence[_Row]) -> None:
    """Store outcomes; the first of a superstep and step stays (I9)."""
    connection.run_many("insert_outcome", rows)


def _count(since: datetime | None, now: datetime) -> int | None:
    return None if since is None else (now - since) // _MICROSECOND
