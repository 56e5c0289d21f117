"""I3: a step starts only when all that it needs has settled as it demands, and then at once.

Every attempt stops at a gate inside its worker. Whenever nothing more can happen by itself, the
attempts at the gates must be the very ones that the plan allows; then one of them, drawn at
random, goes on. Time between steps is thus whatever the draw makes of it.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import interlock as il
from tests.invariants.example_settings import draw_examples
from tests.invariants.journal_order import TAKES_LESS, require_order, require_unstarted
from tests.invariants.outcome_model import Expected, PlannedStep, predict
from tests.invariants.random_plans import QUICK_FAULTS, Cast, build_clock, build_plan, fates

HANG_SECONDS = 20


@dataclass
class Gates:
    """Where attempts stop, and what the plan allows to stand there.

    Attributes:
        steps: Needed ones first.
        expected: How each must end, and with how many attempts.
        limit: Attempts at once.
        passed: Step to attempts that have gone on.
        standing: Step to the gate that its attempt stands at.
        early: Starts that the plan did not allow.
    """

    steps: Sequence[PlannedStep]
    expected: dict[str, Expected]
    limit: int | None
    passed: dict[str, int] = field(default_factory=dict)
    standing: dict[str, asyncio.Event] = field(default_factory=dict)
    early: list[tuple[str, set[str]]] = field(default_factory=list)
    change: asyncio.Event = field(default_factory=asyncio.Event)

    async def stop(self, step_id: str) -> None:
        """Stand at the gate of a step until it is opened."""
        allowed = self.find_ready()
        if step_id not in allowed or step_id in self.standing:
            self.early.append((step_id, allowed))
        self.standing[step_id] = asyncio.Event()
        self.change.set()
        await self.standing[step_id].wait()

    def find_ready(self) -> set[str]:
        """Return the steps whose next attempt may run, by the plan alone."""
        settled: dict[str, str] = {}
        ready: set[str] = set()
        for step in self.steps:
            each = self.expected[step.id]
            if not step.needs.keys() <= settled.keys():
                continue
            is_met = all(
                settled[need] in (TAKES_LESS if takes_less else {"accepted"})
                for need, takes_less in step.needs.items()
            )
            if is_met and self.passed.get(step.id, 0) < len(each.attempts):
                ready.add(step.id)
            elif each.status != "waiting":
                settled[step.id] = str(each.status)
        return ready

    async def pass_all(self, choose: Callable[[list[str]], str]) -> None:
        """Open one gate after another, each time that the plan allows nothing else to start."""
        while ready := self.find_ready():
            count = min(len(ready), self.limit or len(ready))
            async with asyncio.timeout(HANG_SECONDS):
                while len(self.standing) < count:
                    self.change.clear()
                    await self.change.wait()
            assert len(self.standing) == count
            assert self.standing.keys() <= ready
            chosen = choose(sorted(self.standing))
            self.passed[chosen] = self.passed.get(chosen, 0) + 1
            self.standing.pop(chosen).set()


class GatedCast(Cast):
    """Workers that stop at the gates before they do what the fates say."""

    gates: Gates

    def build_workers(self, **_: Any) -> list[il.Worker]:
        """Return async workers of the usual names."""

        def build(worker: il.Worker) -> il.Worker:
            async def work(brief: il.Brief) -> object:
                await self.gates.stop(brief.step_id)
                return self._act(brief, worker.name)

            return worker.model_copy(update={"agent": work})

        return [build(worker) for worker in super().build_workers()]


async def live(
    steps: tuple[PlannedStep, ...], data: st.DataObject, *, limit: int | None, stepwise: bool
) -> None:
    """Run a plan to its first stop, one gate at a time."""
    cast = GatedCast({step.id: step for step in steps})
    expected = predict(steps, {})
    cast.gates = Gates(steps, expected, 1 if stepwise else limit)
    async with il.Orchestrator(
        workers=cast.build_workers(),
        planner=build_plan(data.draw(st.permutations(steps))),
        storage="memory://",
        policy=il.RunPolicy(max_parallel=limit),
        clock=build_clock(),
    ) as desk:
        run = asyncio.ensure_future(desk.ainvoke("model", thread_id="t", stepwise=stepwise))
        try:
            await cast.gates.pass_all(lambda names: data.draw(st.sampled_from(names)))
            async with asyncio.timeout(HANG_SECONDS):
                result = await run
        finally:
            run.cancel()
            await asyncio.gather(run, return_exceptions=True)
        handoffs = await desk.ahandoffs("t")
    assert cast.gates.early == []
    assert cast.gates.standing == {}
    assert {step: outcome.status for step, outcome in result.outcomes.items()} == {
        step: each.status for step, each in expected.items() if each.status
    }
    require_order(steps, handoffs)
    require_unstarted(expected, handoffs)


@pytest.mark.parametrize("limit", [1, 2, None])
@given(steps=fates(10, QUICK_FAULTS), data=st.data())
@draw_examples(25)
def test_i03_what_runs_is_what_the_plan_allows(
    limit: int | None, steps: tuple[PlannedStep, ...], data: st.DataObject
) -> None:
    """I3: at every instant the steps whose needs are met run, as many as may, and no other."""
    asyncio.run(live(steps, data, limit=limit, stepwise=False))


@given(steps=fates(8, QUICK_FAULTS), data=st.data())
@draw_examples(12)
def test_i03_holds_step_by_step_too(steps: tuple[PlannedStep, ...], data: st.DataObject) -> None:
    """I3: a run that returns to the supervisor after every step keeps the same order."""
    asyncio.run(live(steps, data, limit=None, stepwise=True))
