"""Many runs of six steps at once on one database, whose connections somebody keeps cutting."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import interlock as il
from interlock.contracts.ids import ThreadId
from tests.acceptance.six_step_results import require_same
from tests.acceptance.six_steps import build_plan, build_workers, write_result

MOST_LIVES = 200
"""A run that does not get on fails the test, it does not hang it."""
AT_ONCE = 8


async def drive(storage: il.Storage, thread_id: str, folder: Path) -> int:
    """Drive a run until it ends, resuming it whenever the database fails; return its lives."""
    folder.mkdir()
    desk = il.Orchestrator(
        workers=build_workers(folder), planner=build_plan(is_asked=False), storage=storage
    )
    async with desk:
        for lives in range(1, MOST_LIVES):
            try:
                if await storage.load_run(ThreadId(thread_id)) is None:
                    result = await desk.ainvoke("report", thread_id=thread_id)
                else:
                    result = await desk.aresume(thread_id)
                await write_result(desk, result, folder / "result")
            except il.StorageError:
                await asyncio.sleep(0.02)  # whoever restarts a server needs a while
            else:
                return lives
    raise AssertionError(f"{thread_id} does not get on between failures")


async def drive_all(storages: Sequence[il.Storage], folder: Path, *, runs: int) -> list[int]:
    """Drive many runs, some at once, spread over storages as over processes; return their lives."""
    room = asyncio.Semaphore(AT_ONCE)

    async def drive_one(number: int) -> int:
        async with room:
            storage = storages[number % len(storages)]
            return await drive(storage, f"t{number}", folder / f"t{number}")

    return list(await asyncio.gather(*map(drive_one, range(runs))))


async def run_under_fire(
    url: str, folder: Path, *, runs: int, disturb: Callable[[random.Random], Awaitable[None]]
) -> Sequence[int]:
    """Do the same while something disturbs it over and over; check every run.

    Args:
        url: Of the storage.
        folder: Of a folder a run.
        runs: How many.
        disturb: Is called again and again until all runs have ended.

    Returns:
        How many lives each run has had.
    """
    whole = folder / "whole"
    async with il.open_storage("memory://") as quiet:
        await drive(quiet, "t", whole)
    draw = random.Random(runs)
    async with il.open_storage(url) as first, il.open_storage(url) as second:
        running = asyncio.create_task(drive_all([first, second], folder, runs=runs))
        while not running.done():
            await disturb(draw)
        lives = await running
    for number, count in enumerate(lives):
        require_same(folder / f"t{number}", whole, kills=count - 1)
    return lives
