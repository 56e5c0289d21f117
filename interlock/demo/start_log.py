"""Which process started which attempt: one JSON line a start, apart from what interlock records.

Written by the demonstration's workers in every process, read at the end: so that "it did not run
again" is seen, not believed.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from interlock.contracts.brief import Brief
from interlock.contracts.worker import Worker
from interlock.demo.faults import Agent, wrap_agents


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """One attempt that a worker began."""

    ticket_id: str
    step_id: str
    attempt: int
    pid: int


class StartLog:
    """A file that several processes append to."""

    def __init__(self, path: Path) -> None:
        """Use a file, which is made with the first start."""
        self._path = path

    def watch(self, workers: Sequence[Worker], ticket_id: str) -> list[Worker]:
        """Return workers that note each start before they work."""

        def wrap(agent: Agent) -> Agent:
            async def work(brief: Brief) -> object:
                start = Start(
                    ticket_id=ticket_id,
                    step_id=brief.step_id,
                    attempt=brief.attempt,
                    pid=os.getpid(),
                )
                self._append(start)
                return await agent(brief)

            return work

        return wrap_agents(workers, wrap)

    def load(self, ticket_id: str) -> list[Start]:
        """Return a ticket's starts, oldest first."""
        if not self._path.exists():
            return []
        lines = self._path.read_text(encoding="utf-8").splitlines()
        starts = [Start(**json.loads(line)) for line in lines]
        return [start for start in starts if start.ticket_id == ticket_id]

    def _append(self, start: Start) -> None:
        line = json.dumps(asdict(start)) + "\n"
        with self._path.open("ab", buffering=0) as file:
            file.write(line.encode())
