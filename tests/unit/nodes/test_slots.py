"""Concurrency slots: never above a limit, greatest priority first, no wake-up lost."""

import asyncio
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    rule,
)

from interlock.contracts.ids import WorkerName
from interlock.nodes.run.board import SuspendedError
from interlock.nodes.run.slots import RunSlots, Slot, WorkerSlots

WORKERS = [WorkerName(name) for name in "abc"]


class SlotsMachine(RuleBasedStateMachine):
    """Two runs share three workers; steps take, move, give back, are cancelled, and one run closes.

    The model keeps only who holds what and who waits; what must hold is checked after every rule.
    """

    takers: Bundle[int] = Bundle("takers")

    @initialize(
        runs=st.lists(st.none() | st.integers(1, 3), min_size=2, max_size=2),
        limits=st.lists(st.none() | st.integers(1, 2), min_size=3, max_size=3),
    )
    def start(self, runs: list[int | None], limits: list[int | None]) -> None:
        """Draw the limits."""
        self.loop = asyncio.new_event_loop()
        self.run_limits = runs
        self.worker_limits = dict(zip(WORKERS, limits, strict=True))
        workers = WorkerSlots(self.worker_limits)
        self.pools = [RunSlots(limit, workers) for limit in runs]
        self.closed = [False, False]
        self.slots: dict[int, tuple[int, Slot, float]] = {}
        self.tasks: dict[int, asyncio.Task[bool]] = {}
        self.before: set[int] = set()

    def settle(self) -> None:
        """Let every task go as far as it can."""
        for _ in range(8):
            self.loop.run_until_complete(asyncio.sleep(0))

    def list_holders(self) -> set[int]:
        """Return the takers that hold a slot."""
        return {key for key, (_, slot, _) in self.slots.items() if slot.is_held}

    def list_waiters(self) -> set[int]:
        """Return the takers that wait for a slot."""
        return {key for key, task in self.tasks.items() if not task.done()}

    def can_start(self, run: int, worker: WorkerName) -> bool:
        """Return whether the model has room for one more step of a run with a worker."""
        held = [self.slots[key] for key in self.list_holders()]
        of_run = sum(owner == run for owner, _, _ in held)
        of_worker = sum(slot.worker == worker for _, slot, _ in held)
        limit, worker_limit = self.run_limits[run], self.worker_limits[worker]
        has_run_room = limit is None or of_run < limit
        return has_run_room and (worker_limit is None or of_worker < worker_limit)

    @rule(
        target=takers,
        run=st.integers(0, 1),
        worker=st.sampled_from(WORKERS),
        priority=st.integers(0, 5),
    )
    def take(self, run: int, worker: WorkerName, priority: int) -> int:
        """Ask for a slot."""
        key = len(self.slots)
        slot = self.pools[run].open_slot(worker, priority=priority)
        self.slots[key] = (run, slot, priority)
        self.tasks[key] = self.loop.create_task(slot.take())
        self.settle()
        return key

    @rule(key=takers, worker=st.sampled_from(WORKERS))
    def move(self, key: int, worker: WorkerName) -> None:
        """Go on with another worker, as a fallback does; the old place comes free."""
        _, slot, _ = self.slots[key]
        if self.tasks[key].done() and slot.is_held:
            self.tasks[key] = self.loop.create_task(slot.take(worker))
            self.settle()

    @rule(key=takers)
    def give_back(self, key: int) -> None:
        """Free a slot, once or again, and let the next have it: the one of greatest priority."""
        if not self.tasks[key].done():
            return
        waiting = self.list_waiters()
        self.slots[key][1].give_back()
        self.settle()
        for winner in waiting & self.list_holders():
            run, slot, priority = self.slots[winner]
            for other in waiting & self.list_waiters():
                other_run, other_slot, other_priority = self.slots[other]
                if (other_run, other_slot.worker) == (run, slot.worker):
                    assert priority >= other_priority

    @rule(key=consumes(takers))
    def cancel(self, key: int) -> None:
        """Cancel a taker, whether it waits or holds; what it held is given back."""
        self.tasks[key].cancel()
        self.settle()
        self.slots[key][1].give_back()
        self.settle()

    @rule(key=takers)
    def cancel_as_it_is_granted(self, key: int) -> None:
        """Free a slot and cancel, in the same instant, whoever is granted it."""
        if not self.tasks[key].done():
            return
        waiting = self.list_waiters()
        self.slots[key][1].give_back()
        granted = waiting & self.list_holders()
        for winner in granted:
            self.tasks[winner].cancel()
        self.settle()
        assert not granted & self.list_holders()

    @rule(run=st.integers(0, 1))
    def close(self, run: int) -> None:
        """Close a run: its waiters are turned away, its holders keep what they have."""
        holders = self.list_holders()
        self.pools[run].close()
        self.closed[run] = True
        self.settle()
        assert holders <= self.list_holders()
        for key, task in self.tasks.items():
            if self.slots[key][0] == run:
                assert task.done()

    @invariant()
    def limits_hold(self) -> None:
        """No run and no worker has more at once than its limit."""
        if not hasattr(self, "slots"):
            return
        held = [self.slots[key] for key in self.list_holders()]
        for run, limit in enumerate(self.run_limits):
            assert limit is None or sum(owner == run for owner, _, _ in held) <= limit
        for worker, limit in self.worker_limits.items():
            assert limit is None or sum(slot.worker == worker for _, slot, _ in held) <= limit

    @invariant()
    def nobody_waits_while_there_is_room(self) -> None:
        """No wake-up is lost: a waiter waits only for what is taken."""
        if not hasattr(self, "slots"):
            return
        for key in self.list_waiters():
            run, slot, _ = self.slots[key]
            assert not self.can_start(run, slot.worker)

    @invariant()
    def who_was_granted_holds(self) -> None:
        """`take` says True to those that hold their slot, and False only when closing."""
        for key, task in getattr(self, "tasks", {}).items():
            if task.done() and not task.cancelled() and not task.result():
                assert self.closed[self.slots[key][0]]

    def teardown(self) -> None:
        """End every task."""
        if not hasattr(self, "loop"):
            return
        for task in self.tasks.values():
            task.cancel()
        self.settle()
        self.loop.close()


class TestSlots(SlotsMachine.TestCase):
    """The machine, as pytest collects it."""

    settings = settings(
        max_examples=60,
        stateful_step_count=25,
        deadline=None,
        phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
        suppress_health_check=[HealthCheck.too_slow],
    )


def build_pool(limit: int | None, **limits: int | None) -> RunSlots:
    """Return the slots of a run, with limits by worker."""
    return RunSlots(limit, WorkerSlots({WorkerName(name): n for name, n in limits.items()}))


async def start_taking(slot: Slot) -> asyncio.Task[bool]:
    """Return the task that takes a slot, once it waits or holds."""
    task = asyncio.ensure_future(slot.take())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return task


async def test_the_longest_remaining_path_goes_first() -> None:
    """Of five that wait, each free slot goes to the one with the longest way to go."""
    pool = build_pool(1, w=None)
    first = pool.open_slot(WorkerName("w"), priority=0)
    await first.take()
    slots = [pool.open_slot(WorkerName("w"), priority=priority) for priority in (2, 5, 1, 5, 9)]
    tasks = [await start_taking(slot) for slot in slots]
    order = []
    holder = first
    for _ in slots:
        holder.give_back()
        holder = next(slot for slot in slots if slot.is_held)
        order.append(slots.index(holder))
        await asyncio.sleep(0)
    assert order == [4, 1, 3, 0, 2]  # equal priorities in the order in which they asked
    assert all(task.done() and task.result() for task in tasks)


async def test_a_busy_worker_does_not_hold_up_the_others() -> None:
    """A step that waits for a limited worker leaves its place in the run to other workers."""
    pool = build_pool(2, slow=1, fast=None)
    await pool.open_slot(WorkerName("slow"), priority=0).take()
    blocked = await start_taking(pool.open_slot(WorkerName("slow"), priority=9))
    async with asyncio.timeout(5):
        assert await pool.open_slot(WorkerName("fast"), priority=1).take()
    assert not blocked.done()
    pool.close()
    assert not await blocked


async def test_a_worker_freed_by_one_run_goes_to_another() -> None:
    """A limit of a worker counts over all runs of a team."""
    workers = WorkerSlots({WorkerName("w"): 1})
    one, two = RunSlots(None, workers), RunSlots(None, workers)
    held = one.open_slot(WorkerName("w"), priority=0)
    await held.take()
    waiting = await start_taking(two.open_slot(WorkerName("w"), priority=0))
    assert not waiting.done()
    held.give_back()
    async with asyncio.timeout(5):
        assert await waiting


async def list_winners(held: Slot, slots: dict[str, list[Slot]], *, count: int) -> list[str]:
    """Return which runs get the one place, in order, as it is given back again and again."""
    winners: list[str] = []
    for _ in range(count):
        held.give_back()
        ((name, held),) = ((n, s) for n, run in slots.items() for s in run if s.is_held)
        winners.append(name)
    return winners


async def test_a_worker_goes_round_the_runs_that_wait_for_it() -> None:
    """A big run that asked first, with longer paths, does not hold up the small ones."""
    workers = WorkerSlots({WorkerName("w"): 1})
    runs = {name: RunSlots(None, workers) for name in ("big", "small", "tiny")}
    held = runs["big"].open_slot(WorkerName("w"), priority=9)
    await held.take()
    slots = {
        name: [runs[name].open_slot(WorkerName("w"), priority=priority) for _ in range(count)]
        for name, count, priority in (("big", 20, 9), ("small", 3, 1), ("tiny", 1, 1))
    }
    tasks = [await start_taking(slot) for run in slots.values() for slot in run]
    winners = await list_winners(held, slots, count=9)
    assert winners == ["big", "small", "tiny", "big", "small", "big", "small", "big", "big"]
    for run in runs.values():
        run.close()
    await asyncio.gather(*tasks)


async def test_a_run_that_is_full_keeps_its_turn() -> None:
    """A run that cannot use the worker now is passed over, and is the next once it can."""
    workers = WorkerSlots({WorkerName("w"): 1, WorkerName("v"): None})
    full, other = RunSlots(1, workers), RunSlots(None, workers)
    place = full.open_slot(WorkerName("v"), priority=0)
    held = other.open_slot(WorkerName("w"), priority=0)
    await place.take()
    await held.take()
    waits = full.open_slot(WorkerName("w"), priority=0)
    others = [other.open_slot(WorkerName("w"), priority=0) for _ in range(3)]
    tasks = [await start_taking(slot) for slot in (waits, *others)]
    held.give_back()
    assert [slot.is_held for slot in others] == [True, False, False]
    place.give_back()
    assert not waits.is_held
    others[0].give_back()
    assert waits.is_held
    full.close()
    other.close()
    await asyncio.gather(*tasks)


async def test_a_worker_freed_among_a_thousand_runs_asks_one() -> None:
    """Who is next is known without asking every run that waits."""
    workers = WorkerSlots({WorkerName("w"): 1})
    asked: list[RunSlots] = []

    class Counted(RunSlots):
        def grant(self) -> None:
            asked.append(self)
            super().grant()

    runs = [Counted(None, workers) for _ in range(1000)]
    held = runs[0].open_slot(WorkerName("w"), priority=0)
    await held.take()
    slots = [run.open_slot(WorkerName("w"), priority=0) for run in runs]
    tasks = [asyncio.ensure_future(slot.take()) for slot in slots]
    await asyncio.sleep(0)
    asked.clear()
    held.give_back()
    assert len(asked) == 2  # the one whose turn it is, and the one that gave back
    for run in runs:
        run.close()
    await asyncio.gather(*tasks)


async def test_a_closing_run_suspends_who_asks() -> None:
    """After a drain nothing more starts; a held slot stays held."""
    pool = build_pool(1, w=None)
    held = pool.open_slot(WorkerName("w"), priority=0)
    await held.take_or_suspend()
    pool.close()
    with pytest.raises(SuspendedError):
        await pool.open_slot(WorkerName("w"), priority=0).take_or_suspend()
    await held.take_or_suspend()
    assert held.is_held


async def test_ten_thousand_waiters_cost_no_scan() -> None:
    """Granting looks at the head of each worker's heap, not at all who wait."""
    pool = build_pool(1, w=None)
    slots = [pool.open_slot(WorkerName("w"), priority=n) for n in range(10_000)]
    tasks = [asyncio.ensure_future(slot.take()) for slot in slots]
    await asyncio.sleep(0)
    compared = 0

    class Counted(float):
        def __lt__(self, other: Any) -> bool:
            nonlocal compared
            compared += 1
            return float.__lt__(self, other)

    for heap in pool._heaps.values():
        for waiter in heap:
            waiter.rank = (Counted(waiter.rank[0]), waiter.rank[1])
    held = next(slot for slot in slots if slot.is_held)
    held.give_back()
    assert 0 < compared < 60  # twice the depth of a heap of 10,000
    pool.close()
    await asyncio.gather(*tasks)
