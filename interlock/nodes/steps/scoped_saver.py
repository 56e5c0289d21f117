"""A saver that opens only one worker's own namespace (I4).

LangGraph lends its saver to every subgraph through the config, where a tool could use it to
read the whole thread. Workers are lent this one instead.
"""

from collections.abc import AsyncIterator, Generator, Iterator, Sequence
from contextlib import contextmanager
from inspect import signature
from typing import Any, Final

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    BaseCheckpointSaver,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
)

from interlock.contracts.errors import STORAGE_FAILURES, PermanentError

CHECKPOINTER: Final = "__pregel_checkpointer"
"""Where LangGraph's config holds the saver that is lent."""


class ForeignNamespaceError(PermanentError):
    """A worker reached for checkpoints that are not its own."""


class ScopedSaver(BaseCheckpointSaver[Any]):
    """Delegates to a saver, inside one namespace and what lies below it.

    Attributes:
        failures: What the storage has failed with; whoever lent the saver can tell it from the
            worker's own errors.
    """

    def __init__(
        self,
        saver: BaseCheckpointSaver[Any],
        *,
        thread_id: str,
        namespace: str,
        below: BaseCheckpointSaver[Any] | None = None,
        failures: list[Exception] | None = None,
    ) -> None:
        """Wrap a saver.

        Args:
            saver: The saver that stores.
            thread_id: The only thread that is open.
            namespace: The only namespace that is open, with those below it.
            below: The saver that stores what lies below the namespace, if it is another one.
            failures: Shared with another scope; a list of its own if left out.
        """
        self.failures: list[Exception] = [] if failures is None else failures
        # Not through the base class, which looks at the serializer again: there are four a step.
        self.serde = saver.serde
        self._saver = saver
        self._below = saver if below is None else below
        self._thread_id = thread_id
        self._namespace = namespace

    @property
    def strict(self) -> "ScopedSaver":
        """The same scope on the wrapped saver's strict form, if it has one."""
        return self._rescope(getattr(self._saver, "strict", self._saver))

    @property
    def relaxed(self) -> "ScopedSaver":
        """The same scope on the wrapped saver's relaxed form, if it has one."""
        return self._rescope(getattr(self._saver, "relaxed", self._saver))

    @property
    def config_specs(self) -> list[Any]:
        """The wrapped saver's."""
        return self._saver.config_specs

    def get_next_version(self, current: Any, channel: None) -> Any:  # noqa: ANN401
        """Return the wrapped saver's next version."""
        return self._saver.get_next_version(current, channel)

    def with_allowlist(self, extra_allowlist: Any) -> "ScopedSaver":  # noqa: ANN401
        """Return the same scope on the wrapped saver with more types allowed."""
        return self._rescope(
            self._saver.with_allowlist(extra_allowlist),
            below=self._below.with_allowlist(extra_allowlist),
        )

    def _rescope(
        self, saver: BaseCheckpointSaver[Any], below: BaseCheckpointSaver[Any] | None = None
    ) -> "ScopedSaver":
        return ScopedSaver(
            saver,
            thread_id=self._thread_id,
            namespace=self._namespace,
            below=below,
            failures=self.failures,
        )

    def _choose(self, own: RunnableConfig) -> BaseCheckpointSaver[Any]:
        is_below = own.get("configurable", {}).get("checkpoint_ns") != self._namespace
        return self._below if is_below else self._saver

    @contextmanager
    def _noting_failures(self) -> Generator[None]:
        try:
            yield
        except STORAGE_FAILURES as exc:
            self.failures.append(exc)
            raise

    def _require_own(self, config: RunnableConfig | None) -> RunnableConfig:
        conf = (config or {}).get("configurable", {})
        namespace = str(conf.get("checkpoint_ns", ""))
        is_own = namespace == self._namespace or namespace.startswith(
            (f"{self._namespace}|", f"{self._namespace}:")
        )
        if config is None or conf.get("thread_id") != self._thread_id or not is_own:
            raise ForeignNamespaceError(
                f"A worker asked for checkpoints of {conf.get('thread_id')!r}/{namespace!r}, which "
                f"are not its own. A worker sees its brief and its own state ({self._namespace!r})."
            )
        return config

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """Return a checkpoint of the own namespace."""
        with self._noting_failures():
            return await self._saver.aget_tuple(self._require_own(config))

    def get_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """Return a checkpoint of the own namespace."""
        with self._noting_failures():
            return self._saver.get_tuple(self._require_own(config))

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,  # noqa: A002 - LangGraph's name
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        """Go through the checkpoints of the own namespace."""
        own = self._require_own(config)
        async for found in self._saver.alist(own, filter=filter, before=before, limit=limit):
            yield found

    def list(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,  # noqa: A002 - LangGraph's name
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> Iterator[CheckpointTuple]:
        """Go through the checkpoints of the own namespace."""
        own = self._require_own(config)
        return self._saver.list(own, filter=filter, before=before, limit=limit)

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Store a checkpoint in the own namespace."""
        own = self._require_own(config)
        with self._noting_failures():
            return await self._choose(own).aput(own, checkpoint, metadata, new_versions)

    def put(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Store a checkpoint in the own namespace."""
        own = self._require_own(config)
        with self._noting_failures():
            return self._choose(own).put(own, checkpoint, metadata, new_versions)

    async def aput_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        """Store pending writes in the own namespace."""
        own = self._require_own(config)
        with self._noting_failures():
            await self._choose(own).aput_writes(own, writes, task_id, task_path)

    def put_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        """Store pending writes in the own namespace."""
        own = self._require_own(config)
        with self._noting_failures():
            self._choose(own).put_writes(own, writes, task_id, task_path)


# LangGraph asks for these at the start of every graph's run: so that it need not work them out.
for _method in (ScopedSaver.put_writes, ScopedSaver.aput_writes):
    setattr(_method, "__signature__", signature(_method))  # noqa: B010 - no attribute that mypy knows
