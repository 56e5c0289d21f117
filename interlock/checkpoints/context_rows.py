"""Facts, versions of spaces, uses and marks as rows, and back."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from interlock.checkpoints.connection import Connection
from interlock.checkpoints.payload_rows import derive_payload_rows, insert_payloads, load_payload
from interlock.checkpoints.run_ledger import dump_time
from interlock.contracts.big_values import BIG_BYTES
from interlock.contracts.context_records import (
    ContextVersion,
    FactMark,
    FactRecord,
    FactRef,
    FactUse,
)
from interlock.contracts.criteria import Finding
from interlock.contracts.errors import StorageError
from interlock.contracts.ids import PayloadHash, ThreadId
from interlock.contracts.plain import Plain, decode_plain, derive_bytes_hash, encode_plain
from interlock.contracts.shared_context import is_shared_space

_FACT_COLUMNS = 9


def name_owner(space: str, thread_id: ThreadId) -> ThreadId:
    """Return under whose name a space's big values lie: its thread's, or a named space's own."""
    return ThreadId(space) if is_shared_space(space) else thread_id


def name_lane(space: str, thread_id: ThreadId) -> str:
    """Return what is locked to write to a space: its thread's lane, or a named space's own."""
    return space if is_shared_space(space) else thread_id


def insert_version(connection: Connection, made: ContextVersion) -> None:
    """Append a version of a space, without facts."""
    connection.run(
        "insert_context_version",
        (
            made.space,
            made.version,
            made.kind,
            made.thread_id,
            made.superstep,
            made.epoch,
            made.step_id,
            made.attempt,
            made.worker,
            made.brief_hash,
            _dump([finding.model_dump(mode="json") for finding in made.findings]),
            _dump(made.base),
            _dump(made.kept),
            None if made.why is None else _dump(made.why),
            dump_time(made.at),
        ),
    )


def insert_fact(connection: Connection, fact: FactRecord) -> None:
    """Append a fact; its version is there."""
    text, reference = None, None
    if fact.is_held:
        data = encode_plain(fact.value)
        text = data.decode()
        if len(data) > BIG_BYTES:
            text, reference = None, store_value(connection, fact, data)
    connection.run(
        "insert_fact",
        (
            fact.space,
            fact.key,
            fact.version,
            fact.state,
            text,
            reference,
            fact.rule,
            fact.plan_order,
            fact.replaces,
        ),
    )


def store_value(connection: Connection, fact: FactRecord, data: bytes) -> PayloadHash:
    """Store a big value where its space's values lie, and return its hash."""
    owner = name_owner(fact.space, fact.made.thread_id)
    insert_payloads(connection, derive_payload_rows(owner, handoffs=(), payloads=(data,)))
    return derive_bytes_hash(data)


def parse_fact(connection: Connection, row: Sequence[Any]) -> FactRecord:
    """Return a fact with its value, wherever that lies."""
    space, key, version, state, text, reference, rule, plan_order, replaces = row[:_FACT_COLUMNS]
    made = parse_version((space, version, *row[_FACT_COLUMNS:]))
    value: Plain = None
    if text is not None:
        value = decode_plain(text.encode())
    elif reference is not None:
        value = _load_value(connection, name_owner(space, made.thread_id), reference)
    return FactRecord(
        space=space,
        key=key,
        version=version,
        state=state,
        value=value,
        rule=rule,
        plan_order=plan_order,
        replaces=replaces,
        made=made,
    )


def parse_version(row: Sequence[Any]) -> ContextVersion:
    """Return a version of a space."""
    space, version, kind, thread_id, superstep, epoch, step_id, attempt, worker = row[:9]
    brief_hash, findings, base, kept, why, at = row[9:]
    return ContextVersion(
        space=space,
        version=version,
        kind=kind,
        thread_id=thread_id,
        superstep=superstep,
        epoch=epoch,
        step_id=step_id,
        attempt=attempt,
        worker=worker,
        brief_hash=brief_hash,
        findings=tuple(Finding.model_validate(finding) for finding in json.loads(findings)),
        base=json.loads(base),
        kept=json.loads(kept),
        why=None if why is None else json.loads(why),
        at=datetime.fromisoformat(at),
    )


def derive_use_rows(uses: Sequence[FactUse]) -> list[tuple[object, ...]]:
    """Return the rows of uses."""
    return [
        (
            use.thread_id,
            use.superstep,
            use.step_id,
            use.attempt,
            use.space,
            use.key,
            use.version,
        )
        for use in uses
    ]


def parse_use(row: Sequence[Any]) -> FactUse:
    """Return a use."""
    space, key, version, thread_id, superstep, step_id, attempt = row
    return FactUse(
        space=space,
        key=key,
        version=version,
        thread_id=thread_id,
        superstep=superstep,
        step_id=step_id,
        attempt=attempt,
    )


def parse_mark(row: Sequence[Any]) -> FactMark:
    """Return a mark."""
    marked, cause = FactRef(*row[:3]), FactRef(*row[3:6])
    kind, why, at = row[6:9]
    return FactMark(
        space=marked.space,
        key=marked.key,
        version=marked.version,
        cause_space=cause.space,
        cause_key=cause.key,
        cause_version=cause.version,
        kind=kind,
        why=None if why is None else json.loads(why),
        at=datetime.fromisoformat(at),
    )


def _dump(value: Plain) -> str:
    return encode_plain(value).decode()


def _load_value(connection: Connection, owner: ThreadId, reference: PayloadHash) -> Plain:
    data = load_payload(connection, owner, reference)
    if data is None:
        raise StorageError(
            f"The value {reference!r} of a fact is gone from the payloads of {owner!r}. "
            "Restore the database from a backup."
        )
    return decode_plain(data)
