"""What each request to the ledger does, on a connection, inside an open transaction (I5)."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from interlock.checkpoints.connection import Connection
from interlock.checkpoints.effect_rows import (
    EffectRow,
    complete,
    encode_answer,
    list_rows,
    load_row,
)
from interlock.checkpoints.effect_writes import EffectWrites
from interlock.checkpoints.leases import Leases
from interlock.checkpoints.named_payloads import delete_unnamed
from interlock.checkpoints.process_identity import (
    identify_this_process,
    is_surely_dead,
)
from interlock.checkpoints.run_ledger import dump_time
from interlock.contracts.effect_errors import (
    EffectSettledError,
    KeyReusedError,
    UnknownEffectError,
)
from interlock.contracts.effect_ledger import (
    Decision,
    ForgetEffects,
    ListEffects,
    LoadEffect,
    RecordEnd,
    RecordNothing,
    Reservation,
    ReserveEffect,
    SettleEffect,
)
from interlock.contracts.effects import (
    ENDED,
    EffectCall,
    EffectRecord,
    EffectState,
    derive_effect_key,
)
from interlock.contracts.ids import IdempotencyKey, ThreadId
from interlock.contracts.plain import Plain

_LONGEST_ELSEWHERE: Final = timedelta(hours=1)
"""How long a call outside a run, in a process that cannot be looked at, counts as running."""
_GONE: Final = "whoever began it is gone, and did not record how it ended"


class EffectOperations:
    """The ledger's operations; each is one transaction's work."""

    def __init__(self, leases: Leases, now: Callable[[], datetime]) -> None:
        """Use the storage's leases and clock."""
        self._leases = leases
        self._now = now
        self.writes = EffectWrites(identify_this_process(), now)
        self._identity: str | None = None
        self.begun: set[tuple[ThreadId, IdempotencyKey, int]] = set()
        """Tries that this process has begun and not recorded the end of."""

    def reserve(
        self, connection: Connection, request: ReserveEffect, *, token: int | None
    ) -> Reservation:
        """Find out whether a call is a duplicate; start the effect if it is not."""
        row = self.find_or_add(connection, request.call, token=token)
        record = row.record
        if record.state == "intended":
            self.writes.start(connection, record, token=token)
            row = self.writes.load(connection, record)
            self.writes.note_use(connection, request.call, row, did_start=True)
            return Reservation(decision="run", record=complete_answer(connection, row))
        if record.state == "started" and not self.is_running(connection, row):
            row = self._give_up(connection, row)
            record = row.record
        self.writes.note_use(connection, request.call, row, did_start=False)
        return tell_duplicate(connection, row)

    def find_or_add(
        self, connection: Connection, call: EffectCall, *, token: int | None
    ) -> EffectRow:
        """Return the row of a call's effect, which is intended if it is new.

        Raises:
            KeyReusedError: The key stands for other arguments.
        """
        key, ordinal = self._derive_key(connection, call)
        row = load_row(connection, call.thread_id, key)
        if row is None:
            self.writes.insert(connection, call, key, ordinal, token=token)
            return self.writes.load_key(connection, call.thread_id, key)
        if row.record.arguments_hash != call.arguments_hash:
            given = row.record.model_copy(update={"arguments": call.arguments})
            raise KeyReusedError(
                tool=call.tool, key=key, recorded=row.record.describe(), given=given.describe()
            )
        return row

    def _derive_key(self, connection: Connection, call: EffectCall) -> tuple[IdempotencyKey, int]:
        identity = self._identity
        if identity is None:
            identity = str(connection.run("load_ledger_identity").fetchone()[0])
            self._identity = identity
        where = (call.thread_id, call.attempt, call.name)
        known = connection.run("load_effect_use", (*where, call.place)).fetchone()
        if known is not None:
            key = IdempotencyKey(known[0])
            row = load_row(connection, call.thread_id, key)
            if row is not None:
                return key, row.record.ordinal
        ordinal = 0
        if not call.is_sole:
            if (row := self._find_retried(connection, call)) is not None:
                return row.record.key, row.record.ordinal
            (ordinal,) = connection.run("count_effects_used", where).fetchone()
        return self._derive_standing(connection, call, identity, ordinal), ordinal

    def _find_retried(self, connection: Connection, call: EffectCall) -> EffectRow | None:
        """Return the effect of an equal call before, in the same attempt, that this one repeats.

        That is one of which nobody knows whether it happened, or that did not happen, or that runs
        on though its caller was cut off. A new effect beside it could be the same one twice.
        """
        where = (call.thread_id, call.attempt, call.name)
        for key, place in connection.run("list_open_uses", where).fetchall():
            row = load_row(connection, call.thread_id, key)
            if row is not None and (
                row.record.state != "started"
                or place in call.repeats
                or not self.is_running(connection, row)
            ):
                return row
        return None

    def _derive_standing(
        self, connection: Connection, call: EffectCall, identity: str, ordinal: int
    ) -> IdempotencyKey:
        """Return the key of an effect that has not been taken back: what was answers nobody."""
        name, times = call.name, 0
        while True:
            key = derive_effect_key(identity, name, ordinal)
            row = load_row(connection, call.thread_id, key)
            if row is None or row.record.undone_by is None:
                return key
            times += 1
            name = f"{call.name}/{times}"

    def is_running(self, connection: Connection, row: EffectRow) -> bool:
        """Return whether whoever started an effect can still run it."""
        record, process = row.record, row.process
        is_here = process == self.writes.this
        if is_here and (record.thread_id, record.key, record.tries) in self.begun:
            return True
        if is_surely_dead(process, seen_from=self.writes.this):
            return False
        if row.token is not None:
            return self._leases.is_held_under(connection, record.thread_id, row.token)
        if process.host == self.writes.this.host:
            return True
        return self._now() - row.started_at < _LONGEST_ELSEWHERE

    def _give_up(self, connection: Connection, row: EffectRow) -> EffectRow:
        return self.writes.end(connection, row, state="unknown", by="takeover", note=_GONE)

    def record_end(self, connection: Connection, request: RecordEnd) -> EffectRecord:
        """Record how a try ended; a late one settles what is unknown, or is only noted."""
        row = load_row(connection, request.thread_id, request.key)
        if row is None:
            raise UnknownEffectError(key=request.key, thread_id=request.thread_id, unknown=())
        record = row.record
        is_last = record.tries == request.tries
        if (is_last and record.state == "started") or self._can_settle(record, request):
            by = "late answer" if record.state != "started" and request.by == "tool" else request.by
            has_answer = request.state == "done" and request.error is None
            row = self.writes.end(
                connection,
                row,
                state=request.state,
                by=by,
                note=request.note,
                answer=encode_answer(request.answer) if has_answer else None,
                error=None if request.error is None else request.error.model_dump_json(),
            )
        elif not (record.state == request.state and is_last):
            note = f"came when the effect was {record.state} at try {record.tries}"
            words = f"{request.note}; {note}" if request.note else note
            late = record.model_copy(update={"tries": request.tries})
            self.writes.note_move(
                connection, late, state=request.state, by="late answer", note=words
            )
        return complete_answer(connection, row)

    def _can_settle(self, record: EffectRecord, request: RecordEnd) -> bool:
        if record.tries == request.tries:
            return record.state == "unknown" and request.state in ENDED
        # Somebody said that it had not happened; it has, and nobody has begun it again.
        return record.state == "intended" and request.state == "done" and request.by == "tool"

    def record_nothing(self, connection: Connection, request: RecordNothing) -> EffectRecord:
        """Record that a try changed nothing: the effect is intended again."""
        row = load_row(connection, request.thread_id, request.key)
        if row is None:
            raise UnknownEffectError(key=request.key, thread_id=request.thread_id, unknown=())
        record = row.record
        if record.tries == request.tries and record.state in {"started", "unknown"}:
            row = self.writes.free(connection, row, by=request.by, note=request.note)
        return complete_answer(connection, row)

    def settle(self, connection: Connection, request: SettleEffect) -> EffectRecord:
        """Settle an unknown effect on a person's word."""
        row = self._find(connection, request.thread_id, request.key)
        record = row.record
        if record.state == "started":
            if self.is_running(connection, row):
                raise EffectSettledError(
                    key=record.key, state="running", reason=f"{record.runner} is running it"
                )
            row = self._give_up(connection, row)
        elif record.state != "unknown":
            return self._repeat_settlement(connection, row, request)
        if not request.happened:
            row = self.writes.free(connection, row, by="person", note=request.why or None)
        else:
            row = self.writes.end(
                connection,
                row,
                state="done",
                by="person",
                note=request.why or None,
                answer=encode_answer(request.answer),
            )
        return complete(connection, row, answer=True, moves=True)

    def _repeat_settlement(
        self, connection: Connection, row: EffectRow, request: SettleEffect
    ) -> EffectRecord:
        """Return what is recorded if a person has said the same before.

        Raises:
            EffectSettledError: The outcome is known otherwise.
        """
        known = complete(connection, row, answer=True, moves=True)
        if known.settled_by == "person":
            is_same = known.state == "intended"
            if request.happened:
                is_same = known.state == "done" and known.answer == request.answer
            if is_same:
                return known
        said = f" ({known.note})" if known.note else ""
        raise EffectSettledError(
            key=known.key,
            state=known.state,
            reason=f"that is the word of: {known.settled_by}{said}",
        )

    def _find(self, connection: Connection, thread_id: ThreadId, key: IdempotencyKey) -> EffectRow:
        """Return the one effect whose key begins so.

        Raises:
            UnknownEffectError: There is none, or more than one.
        """
        row = load_row(connection, thread_id, key)
        if row is not None:
            return row
        found = []
        if key:
            found = connection.run(
                "find_effect_keys", (thread_id, key, f"{key}\U0010ffff")
            ).fetchall()
        if len(found) == 1:
            return self.writes.load_key(connection, thread_id, found[0][0])
        open_keys = connection.run("list_unknown_effects", (thread_id,)).fetchall()
        raise UnknownEffectError(
            key=key, thread_id=thread_id, unknown=tuple(str(one) for (one,) in open_keys)
        )

    def end_in_transaction(
        self, connection: Connection, row: EffectRow, *, answer: Plain, error: str | None
    ) -> EffectRow:
        """End an intended effect that was made in this very transaction."""
        return self.writes.end(
            connection,
            row,
            state="done" if error is None else "failed",
            by="tool",
            note=None,
            answer=encode_answer(answer) if error is None else None,
            error=error,
        )

    def load(self, connection: Connection, request: LoadEffect) -> EffectRecord | None:
        """Return one effect with all that is known of it."""
        row = load_row(connection, request.thread_id, request.key)
        if row is None:
            return None
        record = complete(connection, row, answer=True, moves=True)
        return self._show(connection, row, record)

    def list(self, connection: Connection, request: ListEffects) -> Sequence[EffectRecord]:
        """Return the effects of a thread, oldest first."""
        full = request.answers
        return [
            self._show(connection, row, complete(connection, row, answer=full, moves=full))
            for row in list_rows(connection, request.thread_id, request.step_id)
        ]

    def _show(self, connection: Connection, row: EffectRow, record: EffectRecord) -> EffectRecord:
        """Return a record; one whose runner is gone as what it is: unknown."""
        if record.state != "started" or self.is_running(connection, row):
            return record
        lost = {"state": "unknown", "settled_by": "takeover", "note": _GONE}
        return record.model_copy(update=lost)

    def forget(self, connection: Connection, request: ForgetEffects) -> int:
        """Delete old effects, each together with its undo; returns how many."""
        rows = connection.run(
            "list_old_effects", (dump_time(request.before), request.thread_id)
        ).fetchall()
        doomed = _keep_pairs_together(connection, rows)
        if request.dry_run:
            return len(doomed)
        for thread_id in sorted({thread_id for thread_id, _, _ in doomed}):
            connection.lock(thread_id)
        for thread_id, key, _ in doomed:
            for statement in ("delete_effect", "delete_effect_uses", "delete_effect_moves"):
                connection.run(statement, (thread_id, key))
        _delete_answers(connection, doomed)
        return len(doomed)


def tell_duplicate(connection: Connection, row: EffectRow) -> Reservation:
    """Return what the caller of an effect is told that somebody has begun before."""
    told: dict[EffectState, Decision] = {"started": "running", "unknown": "unknown"}
    decision = told.get(row.record.state, "answered")
    return Reservation(decision=decision, record=complete_answer(connection, row))


def complete_answer(connection: Connection, row: EffectRow) -> EffectRecord:
    """Return a record with its answer and uses."""
    return complete(connection, row, answer=True, moves=False)


def _keep_pairs_together(
    connection: Connection, rows: Sequence[Sequence[Any]]
) -> list[tuple[ThreadId, IdempotencyKey, str | None]]:
    """Return what may go: an undo and what it undoes go together, or stay."""
    old = {(thread_id, key) for thread_id, key, _, _ in rows}
    found: list[tuple[ThreadId, IdempotencyKey, str | None]] = []
    for thread_id, key, undoes, answer_hash in rows:
        row = load_row(connection, thread_id, key)
        partners = {undoes, None if row is None else row.record.undone_by} - {None}
        if all((thread_id, partner) in old for partner in partners):
            found.append((thread_id, key, answer_hash))
    return found


def _delete_answers(
    connection: Connection, forgotten: Sequence[tuple[ThreadId, IdempotencyKey, str | None]]
) -> None:
    """Delete big answers of effects, unless something of their thread still names them."""
    by_thread: dict[ThreadId, set[str]] = {}
    for thread_id, _, answer_hash in forgotten:
        if answer_hash is not None:
            by_thread.setdefault(thread_id, set()).add(answer_hash)
    for thread_id, hashes in by_thread.items():
        delete_unnamed(connection, thread_id, frozenset(hashes))
