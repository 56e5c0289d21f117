"""Going through checkpoints, newest first, a page at a time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import CheckpointTuple, get_checkpoint_id
from langgraph.checkpoint.serde.base import SerializerProtocol

from interlock.checkpoints.channel_rows import ValueReader
from interlock.checkpoints.checkpoint_rows import Place, build_tuple
from interlock.checkpoints.connection import Connection

PAGE: Final = 64
"""Checkpoints that are revived at once, so that a long history does not fill the memory."""


@dataclass(frozen=True, slots=True)
class Listing:
    """Which checkpoints are asked for, and how far it has come.

    Attributes:
        thread_id: None for all threads.
        namespace: None for all namespaces.
        checkpoint_id: None for all checkpoints.
        before: Only checkpoints older than this one.
        metadata: What the metadata must hold. Compared in Python, never part of a statement,
            so keys may come from anywhere (CVE-2025-67644).
        limit: How many at most; None for all.
        after: Key of the last checkpoint listed so far.
    """

    thread_id: str | None
    namespace: str | None
    checkpoint_id: str | None
    before: str | None
    metadata: Mapping[str, Any]
    limit: int | None
    after: tuple[str | None, str | None, str | None] = (None, None, None)

    def advance(self, page: Sequence[CheckpointTuple]) -> "Listing | None":
        """Return what is left after a page, or None at the end."""
        left = None if self.limit is None else self.limit - len(page)
        if len(page) < PAGE or left == 0:
            return None
        last = page[-1].config.get("configurable", {})
        key = (last["checkpoint_id"], last["thread_id"], last["checkpoint_ns"])
        return replace(self, limit=left, after=key)


def parse_listing(
    config: RunnableConfig | None,
    *,
    metadata: Mapping[str, Any] | None,
    before: RunnableConfig | None,
    limit: int | None,
) -> Listing:
    """Return what the arguments of a saver's `list` ask for."""
    configurable = config.get("configurable", {}) if config else {}
    thread_id = configurable.get("thread_id")
    return Listing(
        thread_id=None if thread_id is None else str(thread_id),
        namespace=configurable.get("checkpoint_ns"),
        checkpoint_id=configurable.get("checkpoint_id") or None,
        before=get_checkpoint_id(before) if before else None,
        metadata=metadata or {},
        limit=limit,
    )


def load_page(
    connection: Connection, serde: SerializerProtocol, listing: Listing
) -> Sequence[CheckpointTuple]:
    """Return the next checkpoints of a listing, at most a page."""
    size = PAGE if listing.limit is None else min(PAGE, listing.limit)
    page: list[CheckpointTuple] = []
    reader = ValueReader(connection, serde)
    if size <= 0:
        return page
    for row in connection.run(_choose_statement(listing), _derive_parameters(listing)):
        thread_id, namespace, checkpoint_id, parent_id, kind, data = row
        document, metadata = serde.loads_typed((kind, data))
        if any(metadata.get(key) != value for key, value in listing.metadata.items()):
            continue
        place = Place(thread_id, namespace, checkpoint_id)
        page.append(
            build_tuple(
                reader,
                place,
                parent_id=parent_id,
                document=document,
                metadata=metadata,
            )
        )
        if len(page) == size:
            break
    return page


def _choose_statement(listing: Listing) -> str:
    if listing.thread_id is None:
        return "list_checkpoints"
    if listing.namespace is None:
        return "list_thread_checkpoints"
    return "list_namespace_checkpoints"


def _derive_parameters(listing: Listing) -> tuple[str | None, ...]:
    """Return what the chosen statement takes: databases refuse parameters that none uses."""
    rest = (listing.checkpoint_id, listing.before, *listing.after)
    if listing.thread_id is None:
        return rest
    if listing.namespace is None:
        return (*rest, listing.thread_id)
    return (*rest, listing.thread_id, listing.namespace)
