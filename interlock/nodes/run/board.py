"""The settlement board of one dispatch superstep: who waits for whom.

A step's task waits here until all that it needs has settled (I3). Each wait is one future
per needed step, so that the cost of a step is its own edges and nothing else.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from langgraph.errors import GraphBubbleUp

from interlock.contracts.ids import StepId
from interlock.contracts.outcome import StepOutcome
from interlock.contracts.plan import Step
from interlock.nodes.run.spent import Spent


class SuspendedError(GraphBubbleUp):
    """The step cannot go on in this superstep: something it needs waits, or the run is closing.

    A bubble-up, so that LangGraph records nothing: the step runs again on resume.

    Attributes:
        spent: What the step has cost so far; None if it has not begun.
    """

    def __init__(self, spent: Spent | None = None) -> None:
        """Say what has been spent."""
        super().__init__()
        self.spent = spent


@dataclass(slots=True)
class Board:
    """Outcomes as they settle.

    Attributes:
        outcomes: All terminal outcomes known, those of earlier supersteps included.
        waiting: Outcomes of steps that parked in this superstep.
    """

    outcomes: dict[StepId, StepOutcome]
    waiting: dict[StepId, StepOutcome] = field(default_factory=dict)
    _futures: dict[StepId, "asyncio.Future[None]"] = field(default_factory=dict)
    _suspended: set[StepId] = field(default_factory=set)
    is_closed: bool = False

    def settle(self, outcome: StepOutcome) -> None:
        """Make an outcome known and wake the steps that wait for it."""
        if outcome.is_terminal:
            self.outcomes[outcome.step_id] = outcome
        else:
            self.waiting[outcome.step_id] = outcome
            self._suspended.add(outcome.step_id)
        self._wake(outcome.step_id)

    def suspend(self, step_id: StepId) -> None:
        """Say that a step will not settle in this superstep."""
        self._suspended.add(step_id)
        self._wake(step_id)

    def close(self) -> None:
        """Wake all who wait; from now on nobody goes on."""
        self.is_closed = True
        for step_id in list(self._futures):
            self._wake(step_id)

    def _wake(self, step_id: StepId) -> None:
        future = self._futures.pop(step_id, None)
        if future is not None and not future.done():
            future.set_result(None)

    async def let_dependents_go_on(self) -> None:
        """Return once those that waited for a step settled just now have been woken.

        Three turns of the event loop: the future, the shield around it, the task that waits.
        """
        for _ in range(3):
            await asyncio.sleep(0)

    async def wait_for_needs(self, step: Step) -> Mapping[StepId, StepOutcome]:
        """Return the outcomes of all that a step needs, once all have settled.

        Raises:
            SuspendedError: One of them will not settle in this superstep.
        """
        found: dict[StepId, StepOutcome] = {}
        for need in step.needs:
            found[need.step] = await self._wait(need.step)
        if self.is_closed:
            raise SuspendedError
        return found

    async def _wait(self, step_id: StepId) -> StepOutcome:
        while True:
            if (outcome := self.outcomes.get(step_id)) is not None:
                return outcome
            if self.is_closed or step_id in self._suspended:
                raise SuspendedError
            future = self._futures.get(step_id)
            if future is None:
                future = self._futures[step_id] = asyncio.get_running_loop().create_future()
            await asyncio.shield(future)
