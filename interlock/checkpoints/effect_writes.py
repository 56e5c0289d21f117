"""What changes rows of the ledger: each change of a state with its move (I5)."""

import json
from collections.abc import Callable
from datetime import datetime

from interlock.checkpoints.connection import Connection
from interlock.checkpoints.effect_rows import EffectRow, load_row, store_answer
from interlock.checkpoints.process_identity import ProcessIdentity
from interlock.checkpoints.run_ledger import dump_time
from interlock.contracts.effects import (
    ENDED,
    EffectCall,
    EffectRecord,
    EffectState,
    Settler,
)
from interlock.contracts.ids import IdempotencyKey, ThreadId


class EffectWrites:
    """Writes effects, their uses and their moves, inside an open transaction."""

    def __init__(self, this: ProcessIdentity, now: Callable[[], datetime]) -> None:
        """Write in a process's name, by a clock.

        Args:
            this: The process that effects are started in.
            now: The time.
        """
        self.this = this
        self._now = now

    def insert(
        self,
        connection: Connection,
        call: EffectCall,
        key: IdempotencyKey,
        ordinal: int,
        *,
        token: int | None,
    ) -> None:
        """Add an effect that is intended."""
        now = dump_time(self._now())
        connection.run(
            "insert_effect",
            (
                call.thread_id,
                key,
                call.epoch,
                call.step_id,
                call.worker,
                call.tool,
                json.dumps(call.arguments, ensure_ascii=False),
                call.arguments_hash,
                ordinal,
                call.is_natural,
                call.is_irreversible,
                call.can_undo,
                call.undoes,
                "intended",
                token,
                self.this.host,
                self.this.pid,
                self.this.started,
                now,
                now,
            ),
        )

    def start(self, connection: Connection, record: EffectRecord, *, token: int | None) -> None:
        """Let an effect be started by this process."""
        this = self.this
        connection.run(
            "start_effect",
            (
                token,
                this.host,
                this.pid,
                this.started,
                dump_time(self._now()),
                record.thread_id,
                record.key,
            ),
        )
        self.note_move(connection, record, state="started", by="tool")

    def end(
        self,
        connection: Connection,
        row: EffectRow,
        *,
        state: EffectState,
        by: Settler,
        note: str | None,
        answer: bytes | None = None,
        error: str | None = None,
    ) -> EffectRow:
        """Record how an effect ended, or that nobody knows; returns its row."""
        record = row.record
        inline, reference = None, None
        if answer is not None:
            inline, reference = store_answer(connection, record.thread_id, answer)
        ended_at = dump_time(self._now()) if state in ENDED else None
        connection.run(
            "end_effect",
            (
                state,
                inline,
                reference,
                error,
                by,
                note,
                ended_at,
                record.thread_id,
                record.key,
            ),
        )
        self.note_move(connection, record, state=state, by=by, note=note)
        return self.load(connection, record)

    def free(
        self, connection: Connection, row: EffectRow, *, by: Settler, note: str | None
    ) -> EffectRow:
        """Let an effect be intended again, as its next try; returns its row."""
        record = row.record
        connection.run("free_effect", (by, note, record.thread_id, record.key))
        after = self.load(connection, record)
        self.note_move(connection, after.record, state="intended", by=by, note=note)
        return after

    def note_use(
        self, connection: Connection, call: EffectCall, row: EffectRow, *, did_start: bool
    ) -> None:
        """Note that an attempt called for an effect; once a place."""
        connection.run(
            "insert_effect_use",
            (
                call.thread_id,
                call.attempt,
                call.name,
                call.place,
                row.record.key,
                did_start,
                dump_time(self._now()),
            ),
        )

    def note_move(
        self,
        connection: Connection,
        record: EffectRecord,
        *,
        state: EffectState,
        by: Settler,
        note: str | None = None,
    ) -> None:
        """Add a change of state to the history."""
        connection.run(
            "insert_effect_move",
            (
                record.thread_id,
                record.key,
                record.tries,
                state,
                by,
                note,
                dump_time(self._now()),
            ),
        )

    def load(self, connection: Connection, record: EffectRecord) -> EffectRow:
        """Return an effect's row as it stands now."""
        return self.load_key(connection, record.thread_id, record.key)

    def load_key(
        self, connection: Connection, thread_id: ThreadId, key: IdempotencyKey
    ) -> EffectRow:
        """Return the row of an effect that is there."""
        row = load_row(connection, thread_id, key)
        assert row is not None  # noqa: S101 - it was there in this very transaction
        return row
