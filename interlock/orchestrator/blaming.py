"""Where faults came from and went, and what a run's end was decided by, through the facade."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from interlock.contracts.blame import FoundFault, ThreadLineage
from interlock.contracts.errors import UnknownThreadError
from interlock.contracts.ids import ThreadId
from interlock.contracts.measures import MeasureWindow
from interlock.contracts.storage import Storage
from interlock.orchestrator.measuring import build_window
from interlock.telemetry.metrics.critical_path import CriticalPath, derive_critical_path
from interlock.telemetry.metrics.fault_trails import FaultTrail
from interlock.telemetry.metrics.propagation import derive_trails

_MOST_ROUNDS: Final = 100
"""How many threads in a row a fault is followed over, from one to the next by named spaces."""


class BlameViews(ABC):
    """The part of a team's facade that tells which step is to blame."""

    @property
    @abstractmethod
    def _open_storage(self) -> Storage:
        """The opened storage."""

    async def ablame(
        self,
        thread_id: str | None = None,
        *,
        team: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        step_prefix: str = "",
    ) -> Sequence[FaultTrail]:
        """Return where each known fault came from and what it has reached, the first found first.

        Args:
            thread_id: Of faulty values that this thread's steps made; of all threads if left out.
            team: Of the runs of teams with this name, `Orchestrator(name=...)`.
            since: Found from then on.
            until: Found before.
            step_prefix: Made by steps whose paths begin so.

        Raises:
            UnknownThreadError: No run was ever started on the thread.
            ConfigurationError: The window is none.
        """
        storage = self._open_storage
        window = await build_window(
            storage,
            thread_id=thread_id,
            team=team,
            since=since,
            until=until,
            step_prefix=step_prefix,
        )
        return await load_trails(storage, window)

    async def acritical_path(
        self, thread_id: str, *, step: str | None = None, max_parallel: int | None = None
    ) -> CriticalPath:
        """Return what decided when a run ended, and what would have ended it sooner.

        Args:
            thread_id: The thread.
            step: Of the team that is this step's worker, by path; left out, of the run itself.
            max_parallel: How many steps could run at once; left out, as many as did if any waited for
                its turn, else as many as can.

        Raises:
            UnknownThreadError: No run was ever started there.
        """
        return await load_critical_path(
            self._open_storage, thread_id, step=step, max_parallel=max_parallel
        )


async def load_trails(storage: Storage, window: MeasureWindow) -> Sequence[FaultTrail]:
    """Return the trails of the faults that were found in a window, followed over all threads.

    Costs a read for each thread that a faulty value has reached.
    """
    found = await storage.blame.list_faults(window)
    return await follow_faults(storage, found)


async def follow_faults(storage: Storage, found: Sequence[FoundFault]) -> Sequence[FaultTrail]:
    """Return the trails of faults, over as many threads as they lead to."""
    lineages: dict[ThreadId, ThreadLineage] = {}
    trails, missing = derive_trails(found, ())
    for _ in range(_MOST_ROUNDS):
        if not missing:
            break
        for thread_id in sorted(missing):
            lineages[thread_id] = await storage.blame.load_lineage(thread_id)
        trails, missing = derive_trails(found, lineages.values())
    return trails


async def load_critical_path(
    storage: Storage, thread_id: str, *, step: str | None = None, max_parallel: int | None = None
) -> CriticalPath:
    """Return what decided when a run, or the team of one of its steps, had ended.

    Raises:
        UnknownThreadError: No run was ever started there.
    """
    key = ThreadId(thread_id)
    if await storage.load_run(key) is None:
        raise UnknownThreadError(thread_id=thread_id)
    lineage = await storage.blame.load_lineage(key)
    scope = f"{step.strip('/')}/" if step else ""
    return derive_critical_path(lineage, scope=scope, max_parallel=max_parallel)
