"""Effects as rows, and back."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from interlock.checkpoints.connection import Connection
from interlock.checkpoints.payload_rows import (
    derive_payload_rows,
    insert_payloads,
    load_payload,
)
from interlock.checkpoints.process_identity import ProcessIdentity
from interlock.contracts.big_values import BIG_BYTES
from interlock.contracts.effects import EffectMove, EffectRecord, EffectUse, RecordedError
from interlock.contracts.errors import StorageError
from interlock.contracts.ids import IdempotencyKey, PayloadHash, StepId, ThreadId
from interlock.contracts.plain import Plain, decode_plain, derive_bytes_hash, encode_plain


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectRow:
    """One stored effect, with who started its last try.

    Attributes:
        record: Without answer, uses and moves.
        answer: A small answer, encoded.
        process: Who started the last try.
        token: The fencing token under which it did; None outside a run.
        started_at: When it was started.
    """

    record: EffectRecord
    answer: bytes | None
    process: ProcessIdentity
    token: int | None
    started_at: datetime


def load_row(connection: Connection, thread_id: ThreadId, key: IdempotencyKey) -> EffectRow | None:
    """Return one effect; None if there is none."""
    row = connection.run("load_effect", (thread_id, key)).fetchone()
    return None if row is None else _parse(row)


def list_rows(
    connection: Connection, thread_id: ThreadId, step_id: StepId | None
) -> list[EffectRow]:
    """Return the effects of a thread, or of a step and those nested below it, oldest first."""
    if step_id is None:
        rows = connection.run("list_effects", (thread_id,))
    else:
        rows = connection.run("list_step_effects", (thread_id, step_id))
    return [_parse(row) for row in rows.fetchall()]


def _parse(row: Sequence[Any]) -> EffectRow:
    (thread_id, key, epoch, step_id, worker, tool, arguments, arguments_hash, ordinal) = row[:9]
    (is_natural, is_irreversible, can_undo, undoes, state, tries, token) = row[9:16]
    (host, pid, started, answer, answer_hash, error, settled_by, note) = row[16:24]
    (began_at, started_at, ended_at, undone_by) = row[24:]
    process = ProcessIdentity(host, pid, started)
    record = EffectRecord(
        key=key,
        thread_id=thread_id,
        epoch=epoch,
        step_id=step_id,
        worker=worker,
        tool=tool,
        arguments=json.loads(arguments),
        arguments_hash=arguments_hash,
        ordinal=ordinal,
        state=state,
        tries=tries,
        runner=process.describe(),
        is_natural=bool(is_natural),
        is_irreversible=bool(is_irreversible),
        can_undo=bool(can_undo),
        undoes=undoes,
        undone_by=undone_by,
        answer_ref=answer_hash,
        error=None if error is None else RecordedError.model_validate_json(error),
        settled_by=settled_by,
        note=note,
        began_at=datetime.fromisoformat(began_at),
        ended_at=None if ended_at is None else datetime.fromisoformat(ended_at),
    )
    return EffectRow(
        record=record,
        answer=answer,
        process=process,
        token=token,
        started_at=datetime.fromisoformat(started_at),
    )


def store_answer(
    connection: Connection, thread_id: ThreadId, data: bytes
) -> tuple[bytes | None, PayloadHash | None]:
    """Return a small answer as it goes into its row, or store a big one and return its hash."""
    if len(data) <= BIG_BYTES:
        return data, None
    insert_payloads(connection, derive_payload_rows(thread_id, handoffs=(), payloads=(data,)))
    return None, derive_bytes_hash(data)


def load_answer(connection: Connection, row: EffectRow) -> Plain:
    """Return an effect's recorded answer; None if it has none.

    Raises:
        StorageError: It is gone.
    """
    if row.answer is not None:
        return decode_plain(row.answer)
    reference = row.record.answer_ref
    if reference is None:
        return None
    data = load_payload(connection, row.record.thread_id, reference)
    if data is None:
        raise StorageError(
            f"The recorded answer of effect {row.record.key!r} is gone: the thread has no payload "
            f"{reference!r}. Restore the database from a backup."
        )
    return decode_plain(data)


def complete(connection: Connection, row: EffectRow, *, answer: bool, moves: bool) -> EffectRecord:
    """Return a record with its uses, and with its answer and moves where they are asked for."""
    record = row.record
    where = (record.thread_id, record.key)
    update: dict[str, Any] = {
        "uses": tuple(
            EffectUse(attempt=one[0], place=one[1], did_start=bool(one[2]), called_at=one[3])
            for one in connection.run("list_effect_uses", where)
        )
    }
    if answer:
        update["answer"] = load_answer(connection, row)
    if moves:
        update["moves"] = tuple(
            EffectMove(tries=one[0], state=one[1], by=one[2], note=one[3], at=one[4])
            for one in connection.run("list_effect_moves", where)
        )
    return record.model_copy(update=update)


def encode_answer(answer: Plain) -> bytes:
    """Return an answer's canonical encoding."""
    return encode_plain(answer)
