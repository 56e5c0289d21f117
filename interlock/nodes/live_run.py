"""The part of a run that lives only in this process: slots, drain and cancel requests."""

import asyncio
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from interlock.contracts.ids import StepId, ThreadId
from interlock.contracts.outcome import Usage
from interlock.contracts.policy import Budget
from interlock.nodes.board import Board
from interlock.nodes.slots import RunSlots, WorkerSlots


@dataclass(slots=True, kw_only=True)
class LiveRun:
    """What dispatch, the step graph and the facade share about one run in one process.

    Attributes:
        thread_id: The thread.
        slots_limit: Steps at once.
        workers: Use of workers over all runs.
        budget: The run's upper bounds.
        parent: The run that this one is a step of, in nested teams.
        started_at: When the run's first node ran; None until a dispatch has read it.
        slots: This run's slots; new ones for each dispatch.
        cancel_reason: Why the run is to be cancelled, once somebody asked.
        drain_reason: Why the run is to stop, once somebody asked.
        usage: Cost so far, nested teams' included, for budgets; None until loaded.
        open_attempts: Step path and number of attempts that were counted when `usage` was loaded
            and may be handed over once more.
        working: Tasks that run workers or the planner now.
        asked_by: Interrupt id to the path of the step whose worker raised it; kept by the
            outermost run.
    """

    thread_id: ThreadId
    slots_limit: int | None
    workers: WorkerSlots
    budget: Budget = field(default_factory=Budget)
    parent: "LiveRun | None" = None
    started_at: datetime | None = None
    cancel_reason: str | None = None
    drain_reason: str | None = None
    usage: Usage | None = None
    open_attempts: set[tuple[StepId, int]] = field(default_factory=set)
    slots: RunSlots = field(init=False)
    working: "set[asyncio.Task[object]]" = field(default_factory=set)
    asked_by: dict[str, StepId] = field(default_factory=dict)
    _open_boards: dict[int, Board] = field(default_factory=dict)
    _waits: "set[asyncio.Future[None]]" = field(default_factory=set)

    def __post_init__(self) -> None:
        """Open the slots; a run inside one that is stopping stops too."""
        self.slots = RunSlots(self.slots_limit, self.workers)
        if self.parent is not None:
            self.cancel_reason = self.parent.cancel_reason
            self.drain_reason = self.parent.drain_reason

    def open_board(self, board: Board) -> None:
        """Take part in drains and cancels from now on."""
        self._open_boards[id(board)] = board
        self.slots = RunSlots(self.slots_limit, self.workers)
        if self.is_stopping:
            self._stop()

    def close_board(self, board: Board) -> None:
        """Take no more part; the slots go with the last board."""
        self._open_boards.pop(id(board), None)
        if not self._open_boards:
            self.slots.close()

    @property
    def is_stopping(self) -> bool:
        """Whether no further step may start."""
        return self.cancel_reason is not None or self.drain_reason is not None

    def drain(self, reason: str) -> None:
        """Let running workers end their nodes and start nothing more."""
        self.drain_reason = self.drain_reason or reason
        self._stop()

    def cancel(self, reason: str) -> None:
        """Stop running workers and start nothing more; the first call counts.

        A worker is told once, so that it can clean up in peace.
        """
        if self.cancel_reason is not None:
            return
        self.cancel_reason = reason
        self._stop()
        for task in list(self.working):
            task.cancel()

    def _stop(self) -> None:
        for board in list(self._open_boards.values()):
            board.close()
        self.slots.close()
        for wait in list(self._waits):
            wait.cancel()

    async def wait_unless_stopping(self, wait: Awaitable[None]) -> None:
        """Return when a wait is over, or at once when the run is asked to stop."""
        waiting = asyncio.ensure_future(wait)
        self._waits.add(waiting)
        try:
            if self.is_stopping:
                return
            await asyncio.wait([waiting])
        finally:
            self._waits.discard(waiting)
            waiting.cancel()
        if not waiting.cancelled():
            waiting.result()

    @contextmanager
    def interrupt_on_cancel(self) -> Iterator[None]:
        """Let a cancel of this run reach the calling task inside the block.

        Raises:
            CancelledError: The run was cancelled before; the block is not entered.
        """
        if self.cancel_reason is not None:
            raise asyncio.CancelledError(self.cancel_reason)
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - nodes run in tasks
        self.working.add(task)
        try:
            yield
        finally:
            self.working.discard(task)

    def list_levels(self) -> "Iterator[LiveRun]":
        """Go through this run and those that it is nested in, innermost first."""
        level: LiveRun | None = self
        while level is not None:
            yield level
            level = level.parent

    def count_tokens(self, spent: Usage) -> None:
        """Count tokens against the budgets of this run and of those above it (I11)."""
        for level in self.list_levels():
            level.usage = (level.usage or Usage()) + spent.model_copy(update={"attempts": 0})

    def count_attempt(self, path: StepId, attempt: int) -> None:
        """Count an attempt that starts, unless an earlier process started it (I11)."""
        for level in self.list_levels():
            if (path, attempt) in level.open_attempts:
                level.open_attempts.discard((path, attempt))
            else:
                level.usage = (level.usage or Usage()) + Usage(attempts=1)

    def note_asker(self, interrupt_id: str, path: StepId) -> None:
        """Remember whose worker raised an interrupt; the innermost step says it first."""
        *_, outermost = self.list_levels()
        outermost.asked_by.setdefault(interrupt_id, path)


def forget_cancel() -> None:
    """Let the calling task go on: the run's cancel has reached it."""
    task = asyncio.current_task()
    if task is not None:
        task.uncancel()
