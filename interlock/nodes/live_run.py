"""The part of a run that lives only in this process: slots, drain and cancel requests."""

import asyncio
from dataclasses import dataclass, field

from interlock.contracts.ids import StepId, ThreadId
from interlock.contracts.outcome import Usage
from interlock.nodes.board import Board
from interlock.nodes.slots import RunSlots, WorkerSlots


@dataclass(slots=True, kw_only=True)
class LiveRun:
    """What dispatch, the step graph and the facade share about one run in one process.

    Attributes:
        thread_id: The thread.
        slots_limit: Steps at once.
        workers: Use of workers over all runs.
        slots: This run's slots; new ones for each dispatch.
        cancel_reason: Why the run is to be cancelled, once somebody asked.
        drain_reason: Why the run is to stop, once somebody asked.
        usage: Cost so far, for budgets; None until loaded.
        working: Tasks that run workers now.
        asked_by: Interrupt id to the path of the step whose worker raised it.
    """

    thread_id: ThreadId
    slots_limit: int | None
    workers: WorkerSlots
    cancel_reason: str | None = None
    drain_reason: str | None = None
    usage: Usage | None = None
    slots: RunSlots = field(init=False)
    working: "set[asyncio.Task[object]]" = field(default_factory=set)
    asked_by: dict[str, StepId] = field(default_factory=dict)
    _open_boards: dict[int, Board] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Open the slots."""
        self.slots = RunSlots(self.slots_limit, self.workers)

    def open_board(self, board: Board) -> None:
        """Take part in drains and cancels from now on."""
        self._open_boards[id(board)] = board
        self.slots = RunSlots(self.slots_limit, self.workers)
        if self.is_stopping:
            self._stop()

    def close_board(self, board: Board) -> None:
        """Take no more part."""
        self._open_boards.pop(id(board), None)

    @property
    def is_stopping(self) -> bool:
        """Whether no further step may start."""
        return self.cancel_reason is not None or self.drain_reason is not None

    def drain(self, reason: str) -> None:
        """Let running workers end their nodes and start nothing more."""
        self.drain_reason = self.drain_reason or reason
        self._stop()

    def cancel(self, reason: str) -> None:
        """Stop running workers and start nothing more."""
        self.cancel_reason = self.cancel_reason or reason
        self._stop()
        for task in list(self.working):
            task.cancel()

    def _stop(self) -> None:
        for board in list(self._open_boards.values()):
            board.close()
        self.slots.close()

    def add_usage(self, usage: Usage) -> None:
        """Count cost against the run's budget."""
        self.usage = (self.usage or Usage()) + usage
