"""Where an outcome belongs: thread, superstep, step."""

from dataclasses import dataclass
from typing import Any

from langgraph.runtime import Runtime

from interlock.contracts.ids import StepId, ThreadId


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where an outcome belongs.

    Attributes:
        thread_id: The run's thread.
        superstep: Checkpoint id of the dispatch superstep.
        path: The step's id, prefixed by its team's scope.
    """

    thread_id: ThreadId
    superstep: str
    path: StepId


def get_thread_id(runtime: Runtime[Any]) -> ThreadId:
    """Return the thread that a node runs on; empty if the graph has no saver."""
    info = runtime.execution_info
    return ThreadId(str(info.thread_id) if info is not None else "")


def get_superstep(runtime: Runtime[Any]) -> str:
    """Return the checkpoint id of the superstep that a node runs in; empty outside a run."""
    info = runtime.execution_info
    return info.checkpoint_id if info is not None else ""
