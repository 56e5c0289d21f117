"""The LangGraph saver on our database: durable in groups, fenced by the thread's lease."""

import secrets
from collections.abc import AsyncIterator, Iterator, Sequence
from copy import copy
from itertools import count
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    WRITES_IDX_MAP,
    BaseCheckpointSaver,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
)
from langgraph.checkpoint.serde.base import SerializerProtocol

from interlock.checkpoints.checkpoint_listing import load_page, parse_listing
from interlock.checkpoints.checkpoint_rows import (
    EncodedRows,
    Place,
    encode_checkpoint,
    encode_writes,
    load_tuple,
    parse_place,
)
from interlock.checkpoints.connection import Connection, Operation
from interlock.checkpoints.database import MANY, Database
from interlock.checkpoints.growing_values import GrowingValues
from interlock.checkpoints.leases import Leases
from interlock.checkpoints.retention import (
    copy_thread,
    delete_for_runs,
    delete_thread,
    keep_newest,
)
from interlock.contracts.errors import ConfigurationError

_PRUNE_STRATEGIES = ("keep_latest", "delete")
_NEEDED_ON_RESUME = frozenset({*WRITES_IDX_MAP, "__return__"})
"""Channels of which no checkpoint tells: what stopped a node, and what its `@task`s returned."""


class Saver(BaseCheckpointSaver[str]):
    """A checkpointer whose every write is checked against the thread's fencing token.

    The sync methods block the calling thread until the database thread has answered; in an
    event loop use the async ones. Copies made by `with_allowlist` share everything but the
    serializer. Writes raise LeaseLostError or ThreadBusyError where another process owns the
    thread, and StorageError where the database fails.
    """

    def __init__(self, database: Database, leases: Leases, *, serde: SerializerProtocol) -> None:
        """Save to a database, as far as the leases allow."""
        super().__init__(serde=serde)
        self._database = database
        self._leases = leases
        self._salt = secrets.token_hex(4)
        self._versions = count()
        self._growing = GrowingValues()
        self._is_relaxed = False
        self._left_out: frozenset[str] = frozenset()

    def get_next_version(self, current: str | None, channel: None) -> str:  # noqa: ARG002
        """Return a greater version, with an ending that no fork of the thread repeats."""
        number = 0 if current is None else int(str(current).partition(".")[0])
        return f"{number + 1:08d}.{self._salt}{next(self._versions):x}"

    @property
    def relaxed(self) -> "Saver":
        """The same saver, whose async writes return as soon as they are queued.

        They stay in their order and are committed before or with whatever is queued after
        them. For a graph that runs one node a superstep, so that a checkpoint follows each node's
        writes at once, and that awaits `Storage.flush` before it touches the outside world.
        """
        twin = copy(self)
        twin._is_relaxed = True  # noqa: SLF001 - a twin of this class
        return twin

    @property
    def strict(self) -> "Saver":
        """The same saver, whose writes return once durable."""
        twin = copy(self)
        twin._is_relaxed = False  # noqa: SLF001 - a twin of this class
        return twin

    def leaving_out(self, *channels: str) -> "Saver":
        """The same saver, which stores no task of the root graph that writes to these channels.

        For a channel that is big, written whole, and whose writer runs alone in its superstep and
        can be run again: the checkpoint that follows holds what it wrote. Stored beside it as the
        task's write, it would be there a second time, once a superstep.
        """
        twin = copy(self)
        twin._left_out = frozenset(channels)  # noqa: SLF001 - a twin of this class
        return twin

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """Return a checkpoint, or the newest of its namespace, or None."""
        place = parse_place(config)
        if self._leases.is_surely_empty(place.thread_id, place.namespace):
            return None
        return await self._database.read(self._derive_load(place))

    def get_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """Do as `aget_tuple` does, blocking."""
        return self._database.read_blocking(self._derive_load(parse_place(config)))

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,  # noqa: A002 - LangGraph's name
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        """Go through checkpoints, newest first; a page of them is read at a time."""
        rest = parse_listing(config, metadata=filter, before=before, limit=limit)
        serde = self.serde
        while True:
            asked = rest
            page = await self._database.read(
                lambda connection, asked=asked: load_page(connection, serde, asked)  # type: ignore[misc]
            )
            for found in page:
                yield found
            left = rest.advance(page)
            if left is None:
                return
            rest = left

    def list(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,  # noqa: A002 - LangGraph's name
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> Iterator[CheckpointTuple]:
        """Do as `alist` does, blocking."""
        rest = parse_listing(config, metadata=filter, before=before, limit=limit)
        serde = self.serde
        while True:
            asked = rest
            page = self._database.read_blocking(
                lambda connection, asked=asked: load_page(connection, serde, asked)  # type: ignore[misc]
            )
            yield from page
            left = rest.advance(page)
            if left is None:
                return
            rest = left

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Store a checkpoint and the channel values that changed; return once durable."""
        operation = self._derive_put(config, checkpoint, metadata, new_versions=new_versions)
        place = parse_place(config)
        if self._is_relaxed:
            self._database.post(operation, key=self._leases.derive_key(place.thread_id))
        else:
            await self._database.write(
                operation, lane=place.thread_id, key=self._leases.derive_key(place.thread_id)
            )
        return place.derive_config(checkpoint["id"])

    def put(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Do as `aput` does, blocking."""
        operation = self._derive_put(config, checkpoint, metadata, new_versions=new_versions)
        place = parse_place(config)
        self._database.write_blocking(operation, lane=place.thread_id)
        return place.derive_config(checkpoint["id"])

    async def aput_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        """Store what a task wrote; return once durable.

        LangGraph goes on without waiting for this, so it needs no commit of its own. The relaxed
        saver leaves out what a node wrote to its channels: the next checkpoint holds it anyway.
        """
        place = parse_place(config)
        if self._is_left_out(place, writes):
            return
        operation = self._derive_writes(config, writes, task_id, path=task_path)
        thread_id = place.thread_id
        if self._is_relaxed:
            self._database.post(operation, key=self._leases.derive_key(thread_id))
        else:
            await self._database.write(
                operation,
                lane=thread_id,
                key=self._leases.derive_key(thread_id),
                is_urgent=False,
            )

    def put_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        """Do as `aput_writes` does, blocking."""
        operation = self._derive_writes(config, writes, task_id, path=task_path)
        self._database.write_blocking(operation, lane=parse_place(config).thread_id)

    async def adelete_thread(self, thread_id: str) -> None:
        """Delete all checkpoints of a thread; its run and journal stay."""
        await self._database.write(self._derive_delete(thread_id), lane=thread_id)

    def delete_thread(self, thread_id: str) -> None:
        """Do as `adelete_thread` does, blocking."""
        self._database.write_blocking(self._derive_delete(thread_id), lane=thread_id)

    async def adelete_for_runs(self, run_ids: Sequence[str]) -> None:
        """Delete the checkpoints that these LangGraph runs wrote."""
        await self._database.write(self._derive_delete_for_runs(run_ids), lane=MANY)

    def delete_for_runs(self, run_ids: Sequence[str]) -> None:
        """Do as `adelete_for_runs` does, blocking."""
        self._database.write_blocking(self._derive_delete_for_runs(run_ids), lane=MANY)

    async def acopy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """Copy all checkpoints of a thread to another one."""
        await self._database.write(
            self._derive_copy(source_thread_id, target_thread_id), lane=target_thread_id
        )

    def copy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """Do as `acopy_thread` does, blocking."""
        self._database.write_blocking(
            self._derive_copy(source_thread_id, target_thread_id), lane=target_thread_id
        )

    async def aprune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """Delete old checkpoints; delta channels keep what they are rebuilt from.

        Args:
            thread_ids: The threads.
            strategy: `keep_latest` keeps the newest of each namespace, `delete` keeps none.

        Raises:
            ConfigurationError: The strategy is another one.
        """
        await self._database.write(self._derive_prune(thread_ids, strategy), lane=MANY)

    def prune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """Do as `aprune` does, blocking."""
        self._database.write_blocking(self._derive_prune(thread_ids, strategy), lane=MANY)

    def _derive_load(self, place: Place) -> Operation[CheckpointTuple | None]:
        serde, growing = self.serde, self._growing
        return lambda connection: load_tuple(connection, serde, place, growing=growing)

    def _is_left_out(self, place: Place, writes: Sequence[tuple[str, Any]]) -> bool:
        """Return whether a task's writes need not be stored: all of them or none."""
        channels = {channel for channel, _ in writes}
        if self._is_relaxed and channels.isdisjoint(_NEEDED_ON_RESUME):
            return True
        return not place.namespace and not channels.isdisjoint(self._left_out)

    def _derive_put(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        *,
        new_versions: ChannelVersions,
    ) -> Operation[None]:
        rows = encode_checkpoint(
            self.serde,
            config,
            checkpoint=checkpoint,
            metadata=metadata,
            new_versions=new_versions,
            growing=self._growing,
        )
        place = parse_place(config)
        self._leases.note_namespace(place.thread_id, place.namespace)
        return self._derive_insert(place.thread_id, rows)

    def _derive_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        *,
        path: str,
    ) -> Operation[None]:
        rows = encode_writes(self.serde, config, writes=writes, task_id=task_id, task_path=path)
        return self._derive_insert(parse_place(config).thread_id, rows)

    def _derive_insert(self, thread_id: str, rows: EncodedRows) -> Operation[None]:
        guard = self._leases.derive_guard(thread_id)

        def operation(connection: Connection) -> None:
            guard(connection)
            rows.insert(connection)

        return operation

    def _derive_delete(self, thread_id: str) -> Operation[None]:
        guard = self._leases.derive_guard(thread_id)

        def operation(connection: Connection) -> None:
            guard(connection)
            delete_thread(connection, thread_id)

        return operation

    def _derive_delete_for_runs(self, run_ids: Sequence[str]) -> Operation[None]:
        serde, derive_guard = self.serde, self._leases.derive_guard
        wanted = tuple(run_ids)
        return lambda connection: delete_for_runs(
            connection, serde, wanted, derive_guard=derive_guard
        )

    def _derive_copy(self, source_id: str, target_id: str) -> Operation[None]:
        guard = self._leases.derive_guard(target_id)
        self._leases.forget_namespaces(target_id)

        def operation(connection: Connection) -> None:
            guard(connection)
            copy_thread(connection, source_id, target_id)

        return operation

    def _derive_prune(self, thread_ids: Sequence[str], strategy: str) -> Operation[None]:
        if strategy not in _PRUNE_STRATEGIES:
            known = ", ".join(_PRUNE_STRATEGIES)
            raise ConfigurationError(f"Prune strategy {strategy!r} is not known. Known: {known}.")
        guards = [(one, self._leases.derive_guard(one)) for one in sorted(thread_ids)]
        serde = self.serde

        def operation(connection: Connection) -> None:
            for thread_id, guard in guards:
                connection.lock(thread_id)
                guard(connection)
                if strategy == "delete":
                    delete_thread(connection, thread_id)
                else:
                    keep_newest(connection, serde, thread_id)

        return operation
