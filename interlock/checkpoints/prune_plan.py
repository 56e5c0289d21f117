"""What is to be deleted from one thread, as keys by table: read in one snapshot, deleted later.

Deleting may take its time and stop anywhere: what a plan names can never be needed again, whatever
the thread has done meanwhile. Only somebody who goes back to an old checkpoint just then finds it
without its values.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from langgraph.checkpoint.serde.base import SerializerProtocol

from interlock.checkpoints.connection import Connection
from interlock.checkpoints.growing_values import parse_tail
from interlock.checkpoints.kept_checkpoints import Wanted, choose_kept, is_older
from interlock.checkpoints.payload_reach import list_unnamed
from interlock.checkpoints.run_ledger import dump_time
from interlock.contracts.outcome import TERMINAL_RUN_STATUSES
from interlock.contracts.retention import Retention

Key = tuple[object, ...]

STATEMENTS: Final[Mapping[str, str]] = {
    "task_writes": "delete_write",
    "channel_values": "delete_channel_value",
    "checkpoints": "delete_checkpoint",
    "blobs": "delete_unused_blob",
    "scratchpad_notes": "delete_note",
    "handoffs": "delete_handoff",
    "outcomes": "delete_outcome",
    "questions": "delete_question",
    "model_calls": "delete_model_call",
    "findings": "delete_finding",
    "criteria": "delete_criterion",
    "step_needs": "delete_step_need",
    "tool_calls": "delete_tool_call",
    "faults": "delete_fault",
    "payloads": "delete_unnamed_payload",
}
"""By table, in the order of deletion: what stops half-way is found again by the next plan."""

RECORD: Final = frozenset(
    {"handoffs", "outcomes", "questions", "model_calls", "findings", "faults"}
)
"""Tables whose rows stay unless a pruning is written down in the same transaction."""


@dataclass(slots=True)
class PrunePlan:
    """What goes from one thread.

    Attributes:
        is_emptied: Whether the thread keeps no checkpoint.
        keys: Of the rows, by table.
        counted: Rows and bytes, by table.
        named_blobs: Blobs that what stays is kept in, and None.
    """

    is_emptied: bool
    keys: dict[str, list[Key]] = field(default_factory=dict)
    counted: dict[str, tuple[int, int]] = field(default_factory=dict)
    named_blobs: set[str | None] = field(default_factory=set)

    def add(self, table: str, key: Key, size: int) -> None:
        """Add a row: its key, and how many bytes its values have."""
        self.keys.setdefault(table, []).append(key)
        rows, held = self.counted.get(table, (0, 0))
        self.counted[table] = (rows + 1, held + size)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanTerms:
    """What plans are made by.

    Attributes:
        retention: What may go.
        before: What is older may go.
        serde: Reads checkpoints.
    """

    retention: Retention
    before: datetime
    serde: SerializerProtocol


def build_plan(connection: Connection, thread_id: str, terms: PlanTerms) -> PrunePlan:
    """Return what goes from a thread that nobody is running."""
    status, updated_at = connection.run("load_run_age", (thread_id,)).fetchone() or ("", "")
    before = dump_time(terms.before)
    is_ended = status in TERMINAL_RUN_STATUSES
    checkpoints = connection.run("list_checkpoint_sizes", (thread_id,)).fetchall()
    # A branch that somebody has forked off meanwhile goes on without the run's record.
    is_forked = any(not is_older(one, terms.before) for _, one, _ in checkpoints)
    is_old = is_ended and updated_at < before and not is_forked
    plan = PrunePlan(is_emptied=is_old)
    _add_checkpoints(plan, connection, thread_id, rows=checkpoints, terms=terms)
    if not (status and is_forked) and (is_ended or not status):
        notes = connection.run("list_old_notes", (thread_id, before)).fetchall()
        for note_id, size in notes:
            plan.add("scratchpad_notes", (note_id,), size)
    if is_old:
        is_record_gone = terms.retention.journal and not _has_open_effects(connection, thread_id)
        if is_record_gone:
            _add_record(plan, connection, thread_id)
        unnamed = list_unnamed(connection, thread_id, with_record=not is_record_gone)
        for name, size in unnamed:
            plan.add("payloads", (name,), size)
    plan.is_emptied = plan.is_emptied and "checkpoints" in plan.keys
    return plan


def _has_open_effects(connection: Connection, thread_id: str) -> bool:
    """Return whether a thread has effects of which a person may still have to know all."""
    return bool(connection.run("count_open_effects", (thread_id,)).fetchone()[0])


def _add_record(plan: PrunePlan, connection: Connection, thread_id: str) -> None:
    for table in ("handoff", "outcome", "question"):
        rows = connection.run(f"list_{table}_sizes", (thread_id,)).fetchall()
        for *key, size in rows:
            plan.add(f"{table}s", tuple(key), size)
    for (call_id,) in connection.run("list_model_call_ids", (thread_id,)).fetchall():
        plan.add("model_calls", (call_id,), 0)
    for table in ("findings", "criteria", "step_needs", "tool_calls", "faults"):
        for key in connection.run(f"list_keys_of_{table}", (thread_id,)).fetchall():
            plan.add(table, tuple(key), 0)


def _add_checkpoints(
    plan: PrunePlan,
    connection: Connection,
    thread_id: str,
    *,
    rows: Sequence[Any],
    terms: PlanTerms,
) -> None:
    kept: dict[str, set[str]] = {}
    if not plan.is_emptied:
        kept = _choose_kept(connection, thread_id, rows, terms=terms)
    touched: set[str] = set()
    for ns, one, size in rows:
        if one not in kept.get(ns, ()):
            plan.add("checkpoints", (ns, one), size)
            touched.add(ns)
    read = _build_reader(connection, thread_id, terms.serde)
    used = {
        ns: {
            (channel, str(version))
            for one in kept.get(ns, ())
            for channel, version in read(ns, one)[0]["channel_versions"].items()
        }
        for ns in touched
    }
    _add_values(plan, connection, thread_id, kept=kept, used=used)
    _add_blobs(plan, connection, thread_id)


def _choose_kept(
    connection: Connection, thread_id: str, rows: Sequence[Any], *, terms: PlanTerms
) -> dict[str, set[str]]:
    found: dict[str, list[str]] = {}
    for ns, checkpoint_id, _ in rows:
        found.setdefault(ns, []).append(checkpoint_id)
    settled = connection.run("list_settled_steps", (thread_id,)).fetchall()
    read = _build_reader(connection, thread_id, terms.serde)
    return choose_kept(
        found,
        lambda ns, checkpoint_id: read(ns, checkpoint_id)[1],
        settled={(superstep, path) for superstep, path in settled},
        wanted=Wanted(newest=terms.retention.keep_checkpoints, before=terms.before),
    )


def _build_reader(
    connection: Connection, thread_id: str, serde: SerializerProtocol
) -> Callable[[str, str], Any]:
    """Return a function that reads a checkpoint's document and metadata."""

    def read(ns: str, checkpoint_id: str) -> Any:  # noqa: ANN401 - LangGraph's
        row = connection.run("load_checkpoint", (thread_id, ns, checkpoint_id)).fetchone()
        return serde.loads_typed((row[2], row[3]))

    return read


def _add_values(
    plan: PrunePlan,
    connection: Connection,
    thread_id: str,
    *,
    kept: Mapping[str, set[str]],
    used: Mapping[str, set[tuple[str, str]]],
) -> None:
    """Add the writes and values that belong to no kept checkpoint.

    Writes to a checkpoint that is still to come are left alone.

    Args:
        plan: Of the thread.
        connection: To read from.
        thread_id: The thread.
        kept: Ids of the kept checkpoints, by namespace.
        used: Channel and version of the values that these name, in namespaces that lose some.
    """
    writes, values = (
        connection.run(f"list_{kind}_sizes", (thread_id,)).fetchall() for kind in ("write", "value")
    )
    newest = {ns: max(ids, default="") for ns, ids in kept.items()}
    for ns, one, task_id, index, blob_hash, size in writes:
        is_lost = ns in kept and one not in kept[ns] and (one < newest[ns] or not kept[ns])
        if plan.is_emptied or is_lost:
            plan.add("task_writes", (ns, one, task_id, index), size)
        else:
            plan.named_blobs.add(blob_hash)
    needed = _follow_tails(values, used)
    for ns, channel, version, _, blob_hash, size in values:
        if plan.is_emptied or (ns in used and (ns, channel, version) not in needed):
            plan.add("channel_values", (ns, channel, version), size)
        else:
            plan.named_blobs.add(blob_hash)


def _add_blobs(plan: PrunePlan, connection: Connection, thread_id: str) -> None:
    for name, size in connection.run("list_blob_sizes", (thread_id,)):
        if name not in plan.named_blobs:
            plan.add("blobs", (name,), size)


def _follow_tails(
    held: Sequence[Any], used: Mapping[str, set[tuple[str, str]]]
) -> set[tuple[str, str, str]]:
    """Return namespace, channel and version of the values in use, with what tails follow."""
    formats = {
        (ns, channel, version): form for ns, channel, version, form, *_ in held if ns in used
    }
    needed: set[tuple[str, str, str]] = set()
    for ns, names in used.items():
        for channel, version in names:
            here: str | None = version
            while here is not None and (ns, channel, here) not in needed:
                needed.add((ns, channel, here))
                tail = parse_tail(formats.get((ns, channel, here), ""))
                here = None if tail is None else tail.base
    return needed
