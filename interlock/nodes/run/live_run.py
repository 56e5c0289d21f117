"""The part of a run that lives only in this process: slots, drain and cancel requests."""

import asyncio
from collections.abc import Awaitable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from interlock.contracts.ids import QuestionId, StepId, ThreadId
from interlock.contracts.policy import Budget
from interlock.contracts.prices import Price
from interlock.contracts.spending import Amount
from interlock.contracts.storage import Storage
from interlock.nodes.run.account import Account
from interlock.nodes.run.board import Board
from interlock.nodes.run.plan_stream import PlanStream
from interlock.nodes.run.slots import RunSlots, WorkerSlots
from interlock.nodes.run.spending_book import Book


@dataclass(slots=True, kw_only=True)
class LiveRun:
    """What dispatch, the step graph and the facade share about one run in one process.

    Attributes:
        thread_id: The thread.
        scope: The path of the steps above, in nested teams.
        slots_limit: Steps at once.
        workers: Use of workers over all runs.
        budget: The run's upper bounds.
        prices: What models cost; those of the run above hold too, in nested teams.
        parent: The run that this one is a step of, in nested teams.
        started_at: When the run's first node ran; None until a dispatch has read it.
        slots: This run's slots; new ones for each dispatch.
        cancel_reason: Why the run is to be cancelled, once somebody asked.
        drain_reason: Why the run is to stop, once somebody asked.
        account: What is left of the run's budget; below that of the step above, in nested teams.
        step_accounts: The same of its steps, by path.
        working: Tasks that run workers or the planner now.
        asked_by: Interrupt id to the path of the step whose worker raised it; kept by the
            outermost run.
        plan_stream: The plan that is still being written while its first steps run.
        put_aside: Questions of steps that were put aside while others of their team ask in their
            own way, so that no interrupt says them; kept by the outermost run.
    """

    thread_id: ThreadId
    scope: str = ""
    slots_limit: int | None
    workers: WorkerSlots
    budget: Budget = field(default_factory=Budget)
    prices: Mapping[str, Price] = field(default_factory=dict)
    parent: "LiveRun | None" = None
    started_at: datetime | None = None
    cancel_reason: str | None = None
    drain_reason: str | None = None
    account: Account = field(init=False)
    step_accounts: dict[StepId, Account] = field(default_factory=dict)
    slots: RunSlots = field(init=False)
    working: "set[asyncio.Task[object]]" = field(default_factory=set)
    asked_by: dict[str, StepId] = field(default_factory=dict)
    plan_stream: PlanStream | None = None
    put_aside: set[QuestionId] = field(default_factory=set)
    _open_boards: dict[int, Board] = field(default_factory=dict)
    _waits: "set[asyncio.Future[None]]" = field(default_factory=set)

    def __post_init__(self) -> None:
        """Open the slots; a run inside one that is stopping stops too."""
        self.slots = RunSlots(self.slots_limit, self.workers)
        if self.parent is not None:
            self.cancel_reason = self.parent.cancel_reason
            self.drain_reason = self.parent.drain_reason
            self.prices = {**self.parent.prices, **self.prices}
        above = self._find_account_above()
        book = Book() if above is None else above.book
        self.account = Account(
            kind="run", key=self.scope, budget=self.budget, book=book, parent=above
        )

    def _find_account_above(self) -> Account | None:
        if self.parent is None:
            return None
        return self.parent.step_accounts.get(
            StepId(self.scope.removesuffix("/")), self.parent.account
        )

    async def load_spending(self, storage: Storage) -> None:
        """Take up what the thread has used so far, once, so that budgets hold over resumes (I11).

        What refused attempts and nested teams used counts too, on all branches, and so do attempts
        that no process has ended: handed over once more, they are not counted again.
        """
        if not self.account.book.is_loaded:
            self.account.book.load(await storage.load_spending(self.thread_id))

    def get_step_account(self, path: StepId, budget: Budget | None) -> Account:
        """Return the account of a step, the same one for all its attempts in this process."""
        account = self.step_accounts.get(path)
        if account is None:
            account = self.step_accounts[path] = Account(
                kind="step",
                key=path,
                budget=budget or Budget(),
                book=self.account.book,
                parent=self.account,
            )
        return account

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

    def count_attempt(self, path: StepId, attempt: int) -> None:
        """Count an attempt that starts, unless an earlier process started it (I11)."""
        book = self.account.book
        if (path, attempt) in book.running:
            book.running.discard((path, attempt))
            return
        book.add(path, Amount(attempts=1))
        self.step_accounts.get(path, self.account).spend(Amount(attempts=1))

    def note_asker(self, interrupt_id: str, path: StepId) -> None:
        """Remember whose worker raised an interrupt; the innermost step says it first."""
        self._find_outermost().asked_by.setdefault(interrupt_id, path)

    def note_put_aside(self, questions: Iterable[QuestionId]) -> None:
        """Remember what is asked about steps that wait beside one whose worker asks by itself."""
        self._find_outermost().put_aside.update(questions)

    def _find_outermost(self) -> "LiveRun":
        *_, outermost = self.list_levels()
        return outermost


def forget_cancel() -> None:
    """Let the calling task go on: the run's cancel has reached it."""
    task = asyncio.current_task()
    if task is not None:
        task.uncancel()
