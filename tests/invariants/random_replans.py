"""A planner that plans at random, mends at random, and lies at random; and the workers of its steps."""

import asyncio
from dataclasses import dataclass, field
from random import Random

import interlock as il

FATES = ("ok", "ok", "pay", "fail", "pay_and_fail", "skip", "less")
MENDS = ("ok", "ok", "ok", "pay", "fail", "less")
LIES = ("drop", "drop", "change", "ghost", "ring", "repeat", "unknown")


@dataclass
class Diary:
    """What was seen of the workers, outside of the product.

    Attributes:
        started: Steps, in the order in which their workers were called.
        ended: For each start, which steps had ended by then.
        paid: Effects that took place, by step and amount.
    """

    started: list[str] = field(default_factory=list)
    before: dict[str, frozenset[str]] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)
    paid: list[str] = field(default_factory=list)

    def build_workers(self) -> list[il.Worker]:
        """Return a worker for each fate."""

        @il.idempotent()
        async def pay(order: str) -> str:
            self.paid.append(order)
            return f"paid {order}"

        async def work(brief: il.Brief) -> str:
            self.started.append(brief.step_id)
            self.before[brief.step_id] = frozenset(self.ended)
            await asyncio.sleep(0)
            try:
                said = await pay(brief.step_id) if "pay" in brief.instruction else "done"
                if any(fate in brief.instruction for fate in ("fail", "skip", "less")):
                    raise il.PermanentError(f"{brief.step_id} cannot be done")
            finally:
                self.ended.add(brief.step_id)
            return f"{brief.step_id}: {said}"

        return [il.Worker(name="worker", agent=work)]


def build_step(step_id: str, fate: str, *needs: str) -> il.Step:
    """Return a step of that fate; a declared value or a gap is its second way where it says so."""
    ways = {"skip": [il.skip(gap=f"no {step_id}")], "less": [il.use_value("less")]}
    return il.Step(
        id=step_id,
        worker="worker",
        instruction=f"{fate} {step_id}",
        needs=[il.Need(step=need, accept_degraded=step_id[-1] in "02468") for need in needs],
        fallback=ways.get(fate, []),
    )


class RandomPlanner:
    """Plans a random graph, and mends what has run, sometimes honestly.

    Attributes:
        requests: What it was asked.
    """

    def __init__(self, random: Random, *, dies_at: int | None = None) -> None:
        """Plan by these random numbers; think for ever when it is asked the so-manieth time."""
        self.random = random
        self.dies_at = dies_at
        self.requests: list[il.PlanRequest] = []
        self.dead = asyncio.Event()
        self._count = 0

    async def plan(self, request: il.PlanRequest) -> il.TaskGraph:
        """Return the next plan, good or bad."""
        self.requests.append(request)
        if len(self.requests) == self.dies_at:
            self.dead.set()
            await asyncio.Event().wait()
        if request.previous is None:
            steps = self._draw_first()
        elif request.trigger == "continue":
            new = build_step(self._name(request), self.random.choice(MENDS))
            steps = [*request.previous.steps, *self.random.sample([new], self.random.randint(0, 1))]
        else:
            steps = self._mend(request.previous, request)
        if request.previous is not None and self.random.random() < 0.4:
            steps = self._lie(steps, request)
        is_open = self.random.random() < 0.25
        return il.TaskGraph(goal=request.goal, steps=steps, is_open=is_open)

    def _name(self, request: il.PlanRequest | None = None) -> str:
        self._count += 1
        version = 0 if request is None or request.previous is None else request.previous.version
        return f"s{version}_{len(self.requests)}_{self._count}"

    def _draw_first(self) -> list[il.Step]:
        steps: list[il.Step] = []
        for _ in range(self.random.randint(2, 6)):
            count = min(len(steps), self.random.randint(0, 2))
            needs = [step.id for step in self.random.sample(steps, count)]
            steps.append(build_step(self._name(), self.random.choice(FATES), *needs))
        return steps

    def _mend(self, previous: il.TaskGraph, request: il.PlanRequest) -> list[il.Step]:
        """Keep, leave out or replace each step that is not accepted; rewire what was blocked."""
        places: dict[str, str | None] = {}
        steps: list[il.Step] = []
        for step in previous.steps:
            outcome = request.outcomes.get(step.id)
            action = "keep"
            if outcome is not None and outcome.status != "accepted":
                action = self.random.choice(("replace", "replace", "replace", "keep", "drop"))
            if outcome is not None and outcome.status == "blocked":
                action = self.random.choice(("keep", "keep", "replace", "drop"))
            needs = [n for n in (places.get(need.step, need.step) for need in step.needs) if n]
            if action == "drop":
                places[step.id] = None
            elif action == "replace":
                new = build_step(self._name(request), self.random.choice(MENDS), *needs)
                places[step.id] = new.id
                steps.append(new)
            else:
                was = [need.step for need in step.needs]
                steps.append(step if needs == was else build_rewired(step, needs))
        return steps

    def _lie(self, steps: list[il.Step], request: il.PlanRequest) -> list[il.Step]:
        """Spoil a version in one of the ways that code must catch."""
        finished = [s for s in steps if is_finished(request, s.id)]
        needed = {need.step for step in steps for need in step.needs}
        results = [step for step in finished if step.id not in needed]
        one = self.random.choice(results or finished or steps)
        rest = [step for step in steps if step.id != one.id]
        match self.random.choice(LIES):
            case "drop":
                return [*rest, build_step(self._name(), "ok")]
            case "change":
                return [*rest, one.model_copy(update={"instruction": "ok otherwise"})]
            case "ghost":
                return [*steps, one.model_copy(update={"id": self._name(), "worker": "ghost"})]
            case "ring":
                ring = build_step("ring1", "ok", "ring2"), build_step("ring2", "ok", "ring1")
                return [*steps, *ring]
            case "repeat":
                return [*steps, one.model_copy(update={"id": self._name()})]
            case _:
                return [*steps, build_step(self._name(), "ok", "nowhere")]


def build_rewired(step: il.Step, needs: list[str]) -> il.Step:
    """Return a step that needs others."""
    wired = [il.Need(step=need, accept_degraded=step.id[-1] in "02468") for need in needs]
    return step.model_copy(update={"needs": tuple(wired)})


def is_finished(request: il.PlanRequest, step: str) -> bool:
    """Return whether a step was accepted, on accepted facts."""
    outcome = request.outcomes.get(step)
    return outcome is not None and outcome.status == "accepted" and not outcome.rests_on
