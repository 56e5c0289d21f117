"""Effects: what tools change outside, and what the ledger knows of each (I5).

An effect has an idempotency key; equal keys are one effect. Its record moves one way: intended,
started, then done, failed or unknown. Only where it is known that nothing happened does a record
go back to `intended`, as its next try. The guard in `tools` drives it, `checkpoints` keeps it.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, Literal, TypeAlias

from interlock.contracts.frozen_model import FrozenModel
from interlock.contracts.ids import (
    IdempotencyKey,
    PayloadHash,
    StepId,
    ThreadId,
    WorkerName,
    derive_id,
)
from interlock.contracts.plain import Plain

EffectKind: TypeAlias = Literal["read", "write"]
EffectState: TypeAlias = Literal["intended", "started", "done", "failed", "unknown"]
EndState: TypeAlias = Literal["done", "failed", "unknown"]
Settler: TypeAlias = Literal["tool", "probe", "person", "takeover", "late answer"]
"""Whose word a record's state rests on."""

ENDED: Final = frozenset({"done", "failed"})
"""States that absorb: every duplicate gets the recorded answer or error."""


class RecordedError(FrozenModel):
    """An error as the ledger keeps it.

    Attributes:
        type: Class name with its module, such as `builtins.ValueError`.
        message: What it said.
        values: The attributes of an error of interlock's own, where they are plain.
    """

    type: str
    message: str
    values: dict[str, Plain] = {}


class EffectCall(FrozenModel):
    """One call of a guarded tool, before anybody knows whether it is a duplicate.

    Attributes:
        thread_id: The run's thread, or the scope that calls outside a run are made in.
        epoch: The effect epoch; another epoch has other keys.
        step_id: The step, prefixed by its team's scope; empty outside a run.
        worker: Who calls; empty outside a run.
        tool: The tool's name.
        arguments: What it is called with, without what is filled in.
        arguments_hash: SHA-256 of their canonical form (RFC 8785).
        name: What all equal calls share: the hash of all that makes the key but the ordinal.
        attempt: The attempt, by path: `step@superstep#1`, and `outer@superstep#1/inner@...#2` in
            nested teams. Names the run of the block outside a run.
        place: Where in the attempt the call stands; the same when it is run again.
        repeats: Places of equal calls of this attempt whose callers got no answer: this call is
            the retry of one of them, if it still runs.
        is_sole: Whether equal calls are one effect however often they are made: the tool names
            its effects by business key.
        is_fenced: Whether the thread's lease is checked before the tool may start.
        is_natural: Whether running it twice does no harm.
        is_irreversible: Whether it can never be undone.
        can_undo: Whether an `undo` is declared.
        undoes: The effect that this one compensates.
    """

    thread_id: ThreadId
    epoch: int = 0
    step_id: StepId = StepId("")
    worker: WorkerName = WorkerName("")
    tool: str
    arguments: dict[str, Plain]
    arguments_hash: PayloadHash
    name: str
    attempt: str
    place: str
    repeats: tuple[str, ...] = ()
    is_sole: bool = False
    is_fenced: bool = False
    is_natural: bool = False
    is_irreversible: bool = False
    can_undo: bool = False
    undoes: IdempotencyKey | None = None


class EffectUse(FrozenModel):
    """That an attempt called for an effect.

    Attributes:
        attempt: The attempt, by path.
        place: Where in it.
        did_start: Whether this call began the effect; if not, it was answered from the ledger.
        called_at: When it was first made.
    """

    attempt: str
    place: str
    did_start: bool
    called_at: datetime


class EffectMove(FrozenModel):
    """One change of an effect's state.

    Attributes:
        tries: The try it belongs to, from 1.
        state: The state it led to.
        by: Whose word it rests on.
        note: In words: why, or what was found.
        at: When.
    """

    tries: int
    state: EffectState
    by: Settler
    note: str | None = None
    at: datetime


class EffectRecord(FrozenModel):
    """What the ledger knows of one effect.

    Attributes:
        key: Its idempotency key.
        thread_id: The thread or scope it belongs to.
        epoch: The effect epoch.
        step_id: The step, by path; empty outside a run.
        worker: Who called first.
        tool: The tool's name.
        arguments: What it was called with.
        arguments_hash: SHA-256 of their canonical form.
        ordinal: Its place among equal calls of one attempt, from 0.
        state: Where it stands.
        tries: How often it was to be run, from 1; above 1 only after it was known that nothing
            had happened.
        runner: Who started the last try, readable by a person.
        is_natural: Whether running it twice does no harm.
        is_irreversible: Whether it can never be undone.
        can_undo: Whether the tool declares an `undo`.
        undoes: The effect that this one compensates.
        undone_by: The effect that has compensated this one, once it is done.
        answer: The recorded answer, when read with answers.
        answer_ref: Where the answer lies in the thread's payloads.
        error: The recorded error.
        settled_by: Whose word the state rests on.
        note: Why, in words, where somebody said it.
        began_at: When it was first called.
        ended_at: When its end was recorded.
        uses: Which attempts called for it, oldest first.
        moves: All changes of its state, oldest first; when read with them.
    """

    key: IdempotencyKey
    thread_id: ThreadId
    epoch: int
    step_id: StepId
    worker: WorkerName
    tool: str
    arguments: dict[str, Plain]
    arguments_hash: PayloadHash
    ordinal: int
    state: EffectState
    tries: int
    runner: str = ""
    is_natural: bool = False
    is_irreversible: bool = False
    can_undo: bool = False
    undoes: IdempotencyKey | None = None
    undone_by: IdempotencyKey | None = None
    answer: Plain = None
    answer_ref: PayloadHash | None = None
    error: RecordedError | None = None
    settled_by: Settler = "tool"
    note: str | None = None
    began_at: datetime
    ended_at: datetime | None = None
    uses: tuple[EffectUse, ...] = ()
    moves: tuple[EffectMove, ...] = ()

    @property
    def stands(self) -> bool:
        """Whether it changed the world, or may have, and nothing has taken it back.

        What takes another effect back does not count as one that stands.
        """
        may_stand = self.state in {"started", "done", "unknown"}
        return may_stand and self.undoes is None and self.undone_by is None

    def describe(self) -> str:
        """Return the call as a person would write it, shortened."""
        words = ", ".join(f"{name}={value!r}" for name, value in self.arguments.items())
        return f"{self.tool}({words if len(words) <= _SHOWN else words[:_SHOWN] + '...'})"


_SHOWN: Final = 160


def derive_effect_key(ledger_id: str, name: str, ordinal: int) -> IdempotencyKey:
    """Return the idempotency key of an effect: `e-<24 hex digits>`.

    Args:
        ledger_id: Names the database, so that two tenants with a database each never send one key
            to a service that both use.
        name: What all equal calls share.
        ordinal: Place among equal calls of the attempt, from 0.
    """
    return IdempotencyKey(derive_id("e", ledger_id, name, ordinal))


def sort_for_undo(effects: Sequence[EffectRecord]) -> list[EffectRecord]:
    """Return effects in the order in which they are to be undone: last ended first."""
    return sorted(effects, key=lambda e: (e.ended_at or e.began_at, e.began_at), reverse=True)
