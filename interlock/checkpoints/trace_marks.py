"""Which trace a thread's handoffs belong to: noted where they are written, for all who write them."""

from collections.abc import Sequence

from interlock.checkpoints.connection import Connection
from interlock.contracts.handoff import Handoff
from interlock.contracts.ids import ThreadId
from interlock.contracts.storage import Batch, RunUpdate


class TraceMarks:
    """The traces of the threads that this process drives.

    A drive says its own with the run's update that begins it; the next update ends it.
    """

    def __init__(self) -> None:
        """Know of no trace."""
        self._by_thread: dict[ThreadId, str] = {}

    def mark(self, thread_id: ThreadId, batch: Batch) -> Sequence[Handoff]:
        """Return a batch's handoffs, each with its thread's trace if there is one."""
        if batch.run is not None and batch.run.trace_parent is not None:
            self._by_thread[thread_id] = _find_trace(batch.run.trace_parent)
        trace = self._by_thread.get(thread_id)
        if batch.run is not None and batch.run.trace_parent is None:
            self._by_thread.pop(thread_id, None)
        if trace is None:
            return batch.handoffs
        return [one.model_copy(update={"trace_id": trace}) for one in batch.handoffs]


def note_trace(connection: Connection, thread_id: ThreadId, update: RunUpdate | None) -> None:
    """Write down which span a run's drive is, for links after a crash."""
    if update is not None and update.trace_parent is not None:
        connection.run("note_trace", (update.trace_parent, thread_id))


def _find_trace(trace_parent: str) -> str:
    """Return the trace's id in W3C's `version-trace-span-flags`."""
    return trace_parent.split("-")[1]
