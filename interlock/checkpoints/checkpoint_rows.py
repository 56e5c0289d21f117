"""LangGraph checkpoints as rows, and back.

A checkpoint's row holds everything but channel values. Each value lies in a row of its own
(`channel_rows`), by channel and version, written once when the channel changed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    WRITES_IDX_MAP,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    get_checkpoint_id,
    get_serializable_checkpoint_metadata,
)
from langgraph.checkpoint.serde.base import SerializerProtocol

from interlock.checkpoints.channel_rows import (
    Row,
    ValueReader,
    ValueRow,
    insert_values,
    pack_value,
)
from interlock.checkpoints.connection import Connection
from interlock.checkpoints.growing_values import GrowingValues


@dataclass(frozen=True, slots=True)
class Place:
    """Where a checkpoint lies, or where the newest is asked for.

    Attributes:
        thread_id: The thread.
        namespace: Empty for the root graph.
        checkpoint_id: None for the newest.
    """

    thread_id: str
    namespace: str
    checkpoint_id: str | None

    def derive_config(self, checkpoint_id: str) -> RunnableConfig:
        """Return the config of a checkpoint in the same namespace."""
        return {
            "configurable": {
                "thread_id": self.thread_id,
                "checkpoint_ns": self.namespace,
                "checkpoint_id": checkpoint_id,
            }
        }


@dataclass(slots=True)
class EncodedRows:
    """Rows that are ready to be inserted, serialised before they were queued."""

    checkpoint: Row | None = None
    values: list[ValueRow] = field(default_factory=list)
    writes: list[tuple[bool, Row]] = field(default_factory=list)
    blobs: list[Row] = field(default_factory=list)

    def insert(self, connection: Connection) -> None:
        """Insert everything."""
        if self.blobs:
            connection.run_many("insert_blob", self.blobs)
        if self.checkpoint is not None:
            connection.run_many("insert_checkpoint", [self.checkpoint])
        insert_values(connection, self.values)
        for name, is_special in (("insert_write", False), ("replace_write", True)):
            connection.run_many(
                name, [row for special, row in self.writes if special is is_special]
            )


def parse_place(config: RunnableConfig) -> Place:
    """Return what a config names."""
    configurable = config.get("configurable", {})
    return Place(
        str(configurable["thread_id"]),
        configurable.get("checkpoint_ns") or "",
        get_checkpoint_id(config) or None,
    )


def encode_checkpoint(
    serde: SerializerProtocol,
    config: RunnableConfig,
    *,
    checkpoint: Checkpoint,
    metadata: CheckpointMetadata,
    new_versions: ChannelVersions,
    growing: GrowingValues,
) -> EncodedRows:
    """Return the rows of a checkpoint: its own, and one for every channel that changed.

    What `growing` knows is taken as stored, and so are the new values from now on.
    """
    place = parse_place(config)
    values = checkpoint["channel_values"]
    document = {key: value for key, value in checkpoint.items() if key != "channel_values"}
    kept_metadata = get_serializable_checkpoint_metadata(config, metadata)
    kind, data = serde.dumps_typed([document, kept_metadata])
    rows = EncodedRows(
        checkpoint=(
            place.thread_id,
            place.namespace,
            checkpoint["id"],
            place.checkpoint_id,
            kept_metadata.get("run_id"),
            kind,
            data,
        )
    )
    for channel, version in new_versions.items():
        if channel in values:
            key = (place.thread_id, place.namespace, channel)
            encoded = growing.encode(serde, key, version=str(version), value=values[channel])
            packed = pack_value(encoded.format, encoded.data, place.thread_id, blobs=rows.blobs)
            rows.values.append(ValueRow((*key, str(version)), packed, encoded))
    return rows


def encode_writes(
    serde: SerializerProtocol,
    config: RunnableConfig,
    *,
    writes: Sequence[tuple[str, Any]],
    task_id: str,
    task_path: str,
) -> EncodedRows:
    """Return the rows of a task's writes; LangGraph's special ones replace earlier ones."""
    place = parse_place(config)
    key = (place.thread_id, place.namespace, place.checkpoint_id, task_path, task_id)
    rows = EncodedRows()
    for position, (channel, value) in enumerate(writes):
        index = WRITES_IDX_MAP.get(channel, position)
        packed = pack_value(*serde.dumps_typed(value), place.thread_id, blobs=rows.blobs)
        rows.writes.append((index < 0, (*key, index, channel, *packed)))
    return rows


def load_tuple(
    connection: Connection, serde: SerializerProtocol, place: Place, *, growing: GrowingValues
) -> CheckpointTuple | None:
    """Return a checkpoint, or the newest of its namespace, or None.

    What can be added to the newest next is told to `growing`.
    """
    is_newest = place.checkpoint_id is None
    if place.checkpoint_id is None:
        name, parameters = "load_newest_checkpoint", (place.thread_id, place.namespace)
        row = connection.run(name, parameters).fetchone()
    else:
        which = (place.thread_id, place.namespace, place.checkpoint_id)
        row = connection.run("load_checkpoint", which).fetchone()
    if row is None:
        return None
    checkpoint_id, parent_id, kind, data = row
    document, metadata = serde.loads_typed((kind, data))
    return build_tuple(
        ValueReader(connection, serde, growing if is_newest else None),
        Place(place.thread_id, place.namespace, checkpoint_id),
        parent_id=parent_id,
        document=document,
        metadata=metadata,
    )


def build_tuple(
    reader: ValueReader,
    place: Place,
    *,
    parent_id: str | None,
    document: Mapping[str, Any],
    metadata: CheckpointMetadata,
) -> CheckpointTuple:
    """Return a checkpoint from its row, with its channel values and task writes."""
    thread_id, namespace = place.thread_id, place.namespace
    values = reader.load_values(thread_id, namespace, document["channel_versions"])
    checkpoint: Any = {**document, "channel_values": values}
    which = (thread_id, namespace, str(place.checkpoint_id))
    loads = reader.serde.loads_typed
    return CheckpointTuple(
        config=place.derive_config(str(place.checkpoint_id)),
        checkpoint=checkpoint,
        metadata=metadata,
        parent_config=None if parent_id is None else place.derive_config(parent_id),
        pending_writes=[
            (task_id, channel, loads((kind, held if held is not None else big)))
            for task_id, channel, kind, _index, held, _hash, big in reader.connection.run(
                "load_writes", which
            )
        ],
    )
