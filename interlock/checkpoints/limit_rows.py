"""Breakers and rates as rows."""

import json
from typing import Any

from interlock.checkpoints.connection import Connection
from interlock.checkpoints.limit_states import LimitState, parse_instant
from interlock.contracts.limits import LimitRecord


def load_state(connection: Connection, name: str) -> LimitState:
    """Return what is known of a name; of an unknown one, that it is closed and at rest."""
    row = connection.run("load_limit", (name,)).fetchone()
    return LimitState() if row is None else _parse(row)


def save_state(connection: Connection, name: str, known: LimitState) -> None:
    """Write down what is known of a name."""
    connection.run(
        "save_limit",
        (
            name,
            known.state,
            known.since,
            json.dumps(known.failures),
            json.dumps(dict(known.probes)),
            known.passed,
            known.open_until,
            known.last_failure,
            known.next_at,
            known.held_until,
        ),
    )


def load_record(connection: Connection, name: str) -> LimitRecord | None:
    """Return what is known of a name for people and nodes, or None."""
    row = connection.run("load_limit", (name,)).fetchone()
    return None if row is None else _describe(name, _parse(row))


def list_records(connection: Connection) -> list[LimitRecord]:
    """Return all that is known, by name."""
    rows = connection.run("list_limits").fetchall()
    return [_describe(name, _parse(row)) for name, *row in rows]


def _parse(row: Any) -> LimitState:  # noqa: ANN401 - a tuple of whatever the columns hold
    state, since, failures, probes, passed, open_until, last_failure, next_at, held_until = row
    return LimitState(
        state=state,
        since=since,
        failures=tuple(json.loads(failures)),
        probes=json.loads(probes),
        passed=passed,
        open_until=open_until,
        last_failure=last_failure,
        next_at=next_at,
        held_until=held_until,
    )


def _describe(name: str, known: LimitState) -> LimitRecord:
    return LimitRecord(
        name=name,
        state=known.state,
        since=parse_instant(known.since),
        failures=tuple(parse_instant(at) for at in known.failures),
        probing=tuple(parse_instant(ends) for ends in known.probes.values()),
        until=None if known.open_until is None else parse_instant(known.open_until),
        last_failure=known.last_failure,
        next_at=None if known.next_at is None else parse_instant(known.next_at),
        held_until=None if known.held_until is None else parse_instant(known.held_until),
    )
