"""What a storage may forget, and the account it gives of what it forgot."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from interlock.contracts.frozen_model import FrozenModel
from interlock.contracts.ids import ThreadId
from interlock.contracts.policy import Duration, PositiveCount


class Retention(FrozenModel):
    """What `prune` deletes. Nothing that is younger than the age, and nothing a resume needs.

    Attributes:
        older_than: The age. Checkpoints, notes and effects count from when they were written,
            threads as a whole from when their run ended.
        thread_id: Of this thread only; None for all.
        keep_checkpoints: How many of the newest checkpoints of each graph of an unfinished thread
            stay for time travel, whatever their age; 1 is what a resume needs.
        journal: Whether the record of threads that ended goes too: handoffs, outcomes, questions
            and their payloads. The run with its result stays, and so does the shared context.
        compact: Whether an SQLite file is rewritten without the room that has become free. It
            takes as long as copying the file, and nothing else is written meanwhile.
    """

    older_than: Duration = timedelta(days=30)
    thread_id: ThreadId | None = None
    keep_checkpoints: PositiveCount = 1
    journal: bool = False
    compact: bool = False


class Pruned(FrozenModel):
    """What was deleted from one table.

    Attributes:
        rows: How many.
        bytes: Of the values in them, as they are stored; keys and indexes come on top.
    """

    rows: int = 0
    bytes: int = 0

    def __add__(self, other: "Pruned") -> "Pruned":
        """Return both together."""
        return Pruned(rows=self.rows + other.rows, bytes=self.bytes + other.bytes)


class PruneReport(FrozenModel):
    """What a storage forgot, or would forget.

    Attributes:
        before: What was older than this instant could go.
        dry_run: Whether it was only counted.
        tables: By table; those with nothing to delete are left out.
        trimmed: Threads that lost checkpoints they no longer need, and go on as before.
        emptied: Threads that had ended, whose checkpoints are all gone.
        busy: Threads that somebody is running, which were left alone.
        file_bytes_before: Of an SQLite file with its log; None elsewhere.
        file_bytes_after: The same, afterwards.
    """

    before: datetime
    dry_run: bool
    tables: Mapping[str, Pruned] = {}
    trimmed: tuple[ThreadId, ...] = ()
    emptied: tuple[ThreadId, ...] = ()
    busy: tuple[ThreadId, ...] = ()
    file_bytes_before: int | None = None
    file_bytes_after: int | None = None

    @property
    def total(self) -> Pruned:
        """Everything together."""
        return sum(self.tables.values(), Pruned())
