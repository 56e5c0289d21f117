"""What runs that are recounted stand on: one storage, many teams, a clock that never stands still."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import interlock as il
from interlock.checkpoints import SqlStorage
from interlock.testing import ManualClock
from tests.integration.teams import build_desk

TICK: Final = timedelta(microseconds=1_009)
"""A prime number of microseconds: what is added up wrong is not right by chance."""


class TickingClock(ManualClock):
    """A manual clock that moves on whenever somebody asks, so that no two instants are the same."""

    def __init__(self) -> None:
        """Wake sleepers by itself."""
        super().__init__(auto=True)
        self._ticking = threading.Lock()

    def now(self) -> datetime:
        """Return the present instant, which nobody was given before."""
        with self._ticking:
            self._instant += TICK
            return super().now()


@dataclass(kw_only=True)
class Stage:
    """A storage and a clock that teams share.

    Attributes:
        storage: Open; also on it are the rows of everybody else on this stage.
        clock: Of the storage and of the teams.
    """

    storage: SqlStorage
    clock: TickingClock = field(default_factory=TickingClock)

    def open(
        self, agents: Mapping[str, Any], *steps: il.Step, team: str, **options: Any
    ) -> il.Orchestrator:
        """Return a named team on the stage, to be used in an `async with`."""
        return build_desk(
            agents, *steps, storage=self.storage, clock=self.clock, name=team, **options
        )

    def take(self, milliseconds: int) -> None:
        """Let time pass, as somebody's work."""
        self.clock.advance(milliseconds / 1000)


def build_stage(url: str, **options: Any) -> Stage:
    """Return a stage on a storage that is still to be connected."""
    clock = TickingClock()
    return Stage(storage=SqlStorage(url, clock=clock, **options), clock=clock)
