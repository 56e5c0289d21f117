"""A worker behind a breaker, and the life of a process that is killed while it probes.

Called by a zygote. The time is each life's own argument, so that nobody waits for a breaker.
"""

import os
import signal
from datetime import timedelta
from pathlib import Path

import interlock as il
from interlock.testing import ManualClock
from tests.integration.teams import build_desk, build_step

CALL = "tests.acceptance.probing_lives:live"
COOL_DOWN = 30
PROBES = 2
BREAKER = il.Breaker(failures=1, cool_down=timedelta(seconds=COOL_DOWN), probes=PROBES)


async def live(*, directory: str, url: str, thread: str, at: int, act: str) -> None:
    """Start a run or go on with it, in which the worker fails, dies or answers; write its output."""
    clock = ManualClock(auto=True)
    clock.advance(at)

    async def work(brief: il.Brief) -> str:
        if act == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if act == "fail":
            raise ConnectionError("refused")
        return "answered"

    step = build_step("work", retry=il.Retry(max_attempts=1), fallback=[il.use_value("left alone")])
    worker = il.Worker(name="work", agent=work, breaker=BREAKER)
    async with build_desk({"work": worker}, step, storage=url, clock=clock) as desk:
        try:
            result = await desk.ainvoke("Test", thread_id=thread)
        except (il.UnfinishedRunError, il.FinishedRunError):
            result = await desk.aresume(thread)
    (Path(directory) / f"{thread}.{at}").write_text(str(result.outputs["work"]), encoding="utf-8")
