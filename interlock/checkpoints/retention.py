"""Deleting, copying and pruning checkpoints; the journal is not touched here.

A copy of a thread gets the thread's payloads too, since its checkpoints refer to some of them.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

from langgraph.checkpoint.serde.base import SerializerProtocol

from interlock.checkpoints.connection import Connection, Operation
from interlock.checkpoints.growing_values import parse_tail

_COPIES = (
    ("read_thread_checkpoints", "insert_checkpoint"),
    ("read_thread_channel_values", "insert_channel_value"),
    ("read_thread_writes", "replace_write"),
    ("read_thread_blobs", "insert_blob"),
    ("read_thread_payloads", "insert_payload"),
)
"""What reads the rows of a thread, and what writes each kind of them; the thread comes first."""

_ValueKey = tuple[str, str, str]
"""Namespace, channel, version."""

_Guard = Callable[[str], Operation[None]]


def delete_thread(connection: Connection, thread_id: str) -> None:
    """Delete every checkpoint, channel value and task write of a thread."""
    for name in (
        "delete_thread_checkpoints",
        "delete_thread_channel_values",
        "delete_thread_writes",
        "delete_thread_blobs",
    ):
        connection.run(name, (thread_id,))


def delete_for_runs(
    connection: Connection,
    serde: SerializerProtocol,
    run_ids: Iterable[str],
    *,
    derive_guard: _Guard,
) -> None:
    """Delete the checkpoints that these LangGraph runs wrote, on every thread."""
    rows = [
        row
        for run_id in run_ids
        for row in connection.run("list_run_checkpoints", (run_id,)).fetchall()
    ]
    threads = sorted({str(row[0]) for row in rows})
    for thread_id in threads:
        connection.lock(thread_id)
        derive_guard(thread_id)(connection)
    _delete_checkpoints(connection, rows)
    for thread_id in threads:
        _delete_unused_values(connection, serde, thread_id)


def copy_thread(connection: Connection, source_id: str, target_id: str) -> None:
    """Copy every checkpoint of a thread, parents included, to another thread."""
    connection.lock(source_id)  # so that nothing is pruned from it meanwhile
    for read, write in _COPIES:
        rows = [(target_id, *row[1:]) for row in connection.run(read, (source_id,)).fetchall()]
        connection.run_many(write, rows)


def keep_newest(connection: Connection, serde: SerializerProtocol, thread_id: str) -> None:
    """Delete all checkpoints of a thread but the newest of each namespace.

    A namespace with delta channels is left whole: their values are rebuilt from ancestors.
    """
    newest: dict[str, bool] = {}
    doomed: list[Sequence[object]] = []
    rows = connection.run("list_checkpoint_ids", (thread_id,)).fetchall()
    for namespace, checkpoint_id, _parent_id, kind, data in rows:
        if namespace not in newest:
            _document, metadata = serde.loads_typed((kind, data))
            newest[namespace] = bool(metadata.get("counters_since_delta_snapshot"))
        elif not newest[namespace]:
            doomed.append((thread_id, namespace, checkpoint_id))
    _delete_checkpoints(connection, doomed)
    _delete_unused_values(connection, serde, thread_id)


def _delete_checkpoints(connection: Connection, keys: Sequence[Sequence[object]]) -> None:
    connection.run_many("delete_checkpoint", keys)
    connection.run_many("delete_checkpoint_writes", keys)


def _delete_unused_values(
    connection: Connection, serde: SerializerProtocol, thread_id: str
) -> None:
    """Delete channel values and blobs that no checkpoint of the thread needs any more.

    A value that grew is needed by what was added to it later.
    """
    used: set[tuple[str, str, str]] = set()
    for row in connection.run("list_checkpoint_ids", (thread_id,)):
        namespace, _checkpoint_id, _parent_id, kind, data = row
        document, _metadata = serde.loads_typed((kind, data))
        used.update(
            (namespace, channel, str(version))
            for channel, version in document["channel_versions"].items()
        )
    rows = connection.run("list_channel_versions", (thread_id,)).fetchall()
    held = {(namespace, channel, version): kind for namespace, channel, version, kind in rows}
    used |= _find_bases(held, used)
    unused = [(thread_id, *key) for key in held if key not in used]
    connection.run_many("delete_channel_value", unused)
    connection.run("delete_unused_blobs", (thread_id,))


def _find_bases(held: Mapping[_ValueKey, str], used: Iterable[_ValueKey]) -> set[_ValueKey]:
    """Return the values that tails in use follow, each of them in use itself."""
    found: set[_ValueKey] = set()
    for key in used:
        here = key
        while (tail := parse_tail(held.get(here, ""))) is not None:
            here = (here[0], here[1], tail.base)
            if here in found:
                break
            found.add(here)
    return found
