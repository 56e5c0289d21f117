"""Runs a ticket in a process of its own and kills it half way, with SIGKILL.

Called by the demonstration. The other side is `doomed_process`.
"""

import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

from interlock.contracts.clock import Clock
from interlock.contracts.errors import InterlockError
from interlock.contracts.ids import ThreadId
from interlock.contracts.storage import Storage
from interlock.demo.cases import Case
from interlock.demo.demo_folder import DemoFolder
from interlock.demo.incidents import ProcessKill
from interlock.orchestrator import load_status

_MODULE: Final = "interlock.demo.doomed_process"
_LOOK_SECONDS: Final = 0.05
_LONGEST_SECONDS: Final = 60.0


class DoomedProcessError(InterlockError):
    """The process that was to be killed ended, or stood still, before it was half way."""


async def kill_half_way(
    folder: DemoFolder, case: Case, *, storage: Storage, clock: Clock
) -> ProcessKill:
    """Start a process that runs a case's ticket, and kill it at work on the case's step.

    Cancelled, it kills the process at once.

    Args:
        folder: The demonstration's.
        case: The ticket and the step.
        storage: The one that the process writes to; read here to see how far it is.
        clock: Time.

    Raises:
        DoomedProcessError: It never came to that step.
    """
    assert case.step_id is not None  # noqa: S101 - such a case names its step
    async with _run_process(folder, case.ticket_id) as process:
        watch = _Watch(folder, case, storage=storage, clock=clock)
        await watch.wait_for_step(process)
        process.kill()
        exit_code = await process.wait()
    status = await load_status(storage, case.ticket_id)
    handoffs = await storage.load_handoffs(ThreadId(case.ticket_id), step_id=None, payloads=False)
    # An accepted output and the step's outcome are one transaction.
    settled = {
        handoff.step_id
        for handoff in handoffs
        if handoff.step_id is not None
        and handoff.verdict is not None
        and handoff.verdict.action == "accept"
    }
    return ProcessKill(
        pid=process.pid,
        exit_code=exit_code,
        step_id=case.step_id,
        settled=frozenset(settled),
        total=status.total or 0,
    )


@asynccontextmanager
async def _run_process(
    folder: DemoFolder, ticket_id: str
) -> AsyncGenerator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",  # a folder called interlock where the user stands is not this package
        "-m",
        _MODULE,
        str(folder.path),
        ticket_id,
        stdin=asyncio.subprocess.PIPE,  # closed by the system when this process ends, in any way
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,  # a Ctrl-C is for this process, which then ends the other one
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


class _Watch:
    """Sees from outside how far the process is."""

    def __init__(self, folder: DemoFolder, case: Case, *, storage: Storage, clock: Clock) -> None:
        self._folder = folder
        self._case = case
        self._storage = storage
        self._clock = clock

    async def wait_for_step(self, process: asyncio.subprocess.Process) -> None:
        """Return once the step's brief is in the journal and its worker is at work."""
        give_up_at = self._clock.now().timestamp() + _LONGEST_SECONDS
        while not await self._is_at_work(process.pid):
            if process.returncode is not None:
                raise await self._describe_end(process)
            if self._clock.now().timestamp() > give_up_at:
                raise DoomedProcessError(
                    f"The process that was to be killed on ticket {self._case.ticket_id!r} did not "
                    f"reach step {self._case.step_id!r} within {_LONGEST_SECONDS:g} s. "
                    "Try again on a less busy machine."
                )
            await self._clock.sleep(_LOOK_SECONDS)

    async def _is_at_work(self, pid: int) -> bool:
        counts = await self._storage.count_thread(ThreadId(self._case.ticket_id))
        if all(attempt.step_id != self._case.step_id for attempt in counts.running):
            return False
        starts = self._folder.load_starts(self._case.ticket_id)
        return any(start.pid == pid and start.step_id == self._case.step_id for start in starts)

    async def _describe_end(self, process: asyncio.subprocess.Process) -> DoomedProcessError:
        assert process.stderr is not None  # noqa: S101 - it was asked for
        words = (await process.stderr.read()).decode(errors="replace").strip()
        return DoomedProcessError(
            f"The process that was to be killed on ticket {self._case.ticket_id!r} ended by itself "
            f"with {process.returncode}: {words[-2000:] or 'it said nothing'}"
        )
