"""Concurrency limits: run-wide and per worker, granted by longest remaining path.

LangGraph's `max_concurrency` would deadlock a node that awaits tasks, so limits are held
here, inside. Called by dispatch and by the brief node, which gives the slot back while it
waits for a backoff. Between the runs that wait for one worker it goes by turns, so that a big
run holds up a small one by one step at most.
"""

import asyncio
import heapq
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field

from interlock.contracts.ids import WorkerName
from interlock.nodes.run.board import SuspendedError


@dataclass(order=True)
class _Waiter:
    rank: tuple[float, int]
    future: "asyncio.Future[None]" = field(compare=False)
    slot: "Slot" = field(compare=False)


class WorkerSlots:
    """How many steps use each worker at once, over all runs of a team in this process."""

    def __init__(self, limits: Mapping[WorkerName, int | None]) -> None:
        """Keep the limits; None is no limit."""
        self._limits = dict(limits)
        self._used: dict[WorkerName, int] = dict.fromkeys(limits, 0)
        self._turns: dict[WorkerName, OrderedDict[RunSlots, None]] = {}

    def has_room(self, worker: WorkerName) -> bool:
        """Return whether one more step may use the worker."""
        limit = self._limits.get(worker)
        return limit is None or self._used[worker] < limit

    def is_limited(self, worker: WorkerName) -> bool:
        """Return whether the worker has a limit of its own."""
        return self._limits.get(worker) is not None

    def add(self, worker: WorkerName, count: int) -> None:
        """Count a step that starts (+1) or stops (-1) using the worker."""
        self._used[worker] = self._used.get(worker, 0) + count

    def join(self, worker: WorkerName, run: "RunSlots") -> None:
        """Give a run a turn at a limited worker; its place stays if it has one."""
        self._turns.setdefault(worker, OrderedDict()).setdefault(run, None)

    def leave(self, run: "RunSlots") -> None:
        """Take a run's turns away."""
        for turns in self._turns.values():
            turns.pop(run, None)

    def wake(self, worker: WorkerName) -> None:
        """Let the runs that wait for a worker look again, those first that had it longest ago.

        Cost: the runs up to the one that takes the place, not all that wait.
        """
        turns = self._turns.get(worker, OrderedDict())
        passed: list[RunSlots] = []
        while turns and self.has_room(worker):
            run, _ = turns.popitem(last=False)
            used = self._used[worker]
            run.grant()
            if self._used[worker] == used and run.is_waiting_for(worker):
                passed.append(run)  # it has no place left of its own: its turn is still to come
            elif run.is_waiting_for(worker):
                turns[run] = None
        for run in reversed(passed):
            turns[run] = None
            turns.move_to_end(run, last=False)


class RunSlots:
    """The slots of one run.

    Waiters are kept in one heap for each worker that has a limit of its own and one for all
    others, so that granting looks at the heads and never at all waiters: the cost of a step grows
    neither with the plan nor with the team.
    """

    def __init__(self, limit: int | None, workers: WorkerSlots) -> None:
        """Start with all slots free.

        Args:
            limit: Steps at once in this run; None is no limit.
            workers: The limits of the workers, shared with other runs.
        """
        self._limit = limit
        self._used = 0
        self._workers = workers
        self._heaps: dict[WorkerName | None, list[_Waiter]] = {}
        self._closed = False
        self._count = 0

    def is_waiting_for(self, worker: WorkerName) -> bool:
        """Return whether a step of this run waits for the worker."""
        return bool(self._heaps.get(worker))

    def open_slot(self, worker: WorkerName, *, priority: float) -> "Slot":
        """Return a slot, not yet taken.

        Args:
            worker: Who will use it.
            priority: Greater goes first; the longest remaining path.
        """
        self._count += 1
        return Slot(self, worker, (-priority, self._count))

    async def take(self, slot: "Slot") -> bool:
        """Wait until the slot is granted; False if the run is closing instead."""
        if self._closed:
            return False
        waiter = _Waiter(slot.rank, asyncio.get_running_loop().create_future(), slot)
        heap = self._name_heap(slot.worker)
        heapq.heappush(self._heaps.setdefault(heap, []), waiter)
        self.grant()
        if heap is not None and not waiter.future.done():
            self._workers.join(heap, self)
        try:
            await waiter.future
        except asyncio.CancelledError:
            if waiter.future.done() and not waiter.future.cancelled() and slot.is_held:
                self.give_back(slot)
            raise
        return slot.is_held

    def _name_heap(self, worker: WorkerName) -> WorkerName | None:
        return worker if self._workers.is_limited(worker) else None

    def grant(self) -> None:
        """Give free slots to the waiters with the longest remaining paths."""
        while self._limit is None or self._used < self._limit:
            heads = [
                heap[0]
                for worker, heap in self._heaps.items()
                if heap and (worker is None or self._workers.has_room(worker))
            ]
            if not heads:
                return
            best = min(heads)
            heapq.heappop(self._heaps[self._name_heap(best.slot.worker)])
            if not best.future.done():
                self._used += 1
                self._workers.add(best.slot.worker, 1)
                best.slot.is_held = True
                best.future.set_result(None)

    def give_back(self, slot: "Slot") -> None:
        """Free a held slot; its worker goes to the run whose turn it is."""
        slot.is_held = False
        self._used -= 1
        self._workers.add(slot.worker, -1)
        self._workers.wake(slot.worker)
        self.grant()

    def close(self) -> None:
        """Turn away all who wait; held slots stay held until given back."""
        self._closed = True
        for heap in self._heaps.values():
            for waiter in heap:
                if not waiter.future.done():
                    waiter.future.set_result(None)
            heap.clear()
        self._workers.leave(self)


class Slot:
    """One step's place among those that work at once."""

    def __init__(self, pool: RunSlots, worker: WorkerName, rank: tuple[float, int]) -> None:
        """Belong to a pool; not held yet."""
        self._pool = pool
        self.worker = worker
        self.rank = rank
        self.is_held = False

    async def take(self, worker: WorkerName | None = None) -> bool:
        """Hold the slot for a worker; at once if held already. False if the run is closing."""
        worker = worker or self.worker
        if self.is_held and worker == self.worker:
            return True
        self.give_back()
        self.worker = worker
        return await self._pool.take(self)

    async def take_or_suspend(self, worker: WorkerName | None = None) -> None:
        """Hold the slot for a worker.

        Raises:
            SuspendedError: The run is closing.
        """
        if not await self.take(worker):
            raise SuspendedError

    def give_back(self) -> None:
        """Free the slot if held; safe to repeat."""
        if self.is_held:
            self._pool.give_back(self)
