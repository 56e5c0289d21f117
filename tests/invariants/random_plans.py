"""Random task graphs with random fates, and the real team that lives them."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from hypothesis import strategies as st

import interlock as il
from interlock.testing import ManualClock
from tests.invariants.outcome_model import STRICT_WORKER, PlannedStep, make_output

WORKERS = ("first", "second", STRICT_WORKER)
LOOP_WORKERS = ("first", STRICT_WORKER)
"""Those that are async; the other is called in a thread."""

QUICK_FAULTS = ("ok", "transient", "permanent", "garbage", "unstorable")
FAULTS = (*QUICK_FAULTS, "hang")
TIMEOUT = timedelta(milliseconds=5)
"""Of steps that hang. Workers on the event loop that do not hang answer within one turn of it."""


@st.composite
def fates(
    draw: st.DrawFn, max_steps: int = 12, faults: Sequence[str] = FAULTS
) -> tuple[PlannedStep, ...]:
    """Draw steps, needed ones first, each with its faults."""
    count = draw(st.integers(1, max_steps))
    steps: list[PlannedStep] = []
    above: dict[str, set[str]] = {}
    for index in range(count):
        known = [step.id for step in steps]
        chosen = draw(st.lists(st.sampled_from(known), unique=True, max_size=3)) if known else []
        step_id = f"s{index}"
        above[step_id] = set(chosen).union(*(above[need] for need in chosen))
        readable = sorted(s.id for s in steps if s.publishes and s.id in above[step_id])
        reads = draw(st.lists(st.sampled_from(readable), unique=True)) if readable else []
        met = draw(
            st.one_of(st.just([]), st.lists(st.sampled_from(faults), min_size=1, max_size=6))
        )
        steps.append(_draw_step(draw, step_id, chosen, reads=reads, faults=met))
    return tuple(steps)


def _draw_step(
    draw: st.DrawFn,
    step_id: str,
    needs: Sequence[str],
    *,
    reads: Sequence[str],
    faults: Sequence[str],
) -> PlannedStep:
    names = LOOP_WORKERS if "hang" in faults else WORKERS
    worker = draw(st.sampled_from(names))
    return PlannedStep(
        id=step_id,
        worker=worker,
        needs={need: draw(st.booleans()) for need in needs},
        max_attempts=draw(st.integers(1, 3)),
        fallback=tuple(_draw_chain(draw, [name for name in names if name != worker])),
        faults=faults,
        gated=draw(st.sampled_from([False, False, False, True])),
        publishes=draw(st.booleans()),
        reads=reads,
    )


def _draw_chain(draw: st.DrawFn, others: list[str]) -> Sequence[tuple[str, Any]]:
    chain: list[tuple[str, Any]] = []
    for kind in draw(
        st.lists(
            st.sampled_from(["use_worker", "ask_person", "use_value", "skip", "abandon"]),
            max_size=4,
        )
    ):
        match kind:
            case "use_worker":
                if others:
                    chain.append((kind, others.pop(draw(st.integers(0, len(others) - 1)))))
            case "use_value":
                values = [{"ok": True, "by": "declared"}, {"ok": True}]
                chain.append((kind, draw(st.sampled_from(values))))
            case "skip":
                chain.append((kind, "nothing to show"))
            case _:
                chain.append((kind, None))
    return chain


def build_plan(steps: Sequence[PlannedStep]) -> il.TaskGraph:
    """Return the task graph of these steps, in their order."""
    return il.TaskGraph(goal="model", steps=[_build_step(step) for step in steps])


def _build_step(step: PlannedStep) -> il.Step:
    ways = {
        "use_worker": il.use_worker,
        "use_value": il.use_value,
        "skip": lambda gap: il.skip(gap=gap),
        "ask_person": lambda _: il.ask_person(),
        "abandon": lambda _: il.abandon(),
    }
    return il.Step(
        id=step.id,
        worker=step.worker,
        instruction=f"do {step.id}",
        needs=[il.Need(step=need, accept_degraded=less) for need, less in step.needs.items()],
        context=[f"of_{source}" for source in step.reads],
        criteria=[il.expr("output.ok")],
        retry=il.Retry(max_attempts=step.max_attempts, backoff=timedelta(minutes=1)),
        fallback=[ways[kind](argument) for kind, argument in step.fallback],
        approval="true" if step.gated else None,
        publishes={f"of_{step.id}": "output.by"} if step.publishes else {},
        timeout=TIMEOUT if "hang" in step.faults else None,
    )


@dataclass
class Cast:
    """Workers that do what the fates say, and remember what they were shown.

    Attributes:
        shown: Step, attempt, worker, inputs and context of every start, in order.
    """

    fates: dict[str, PlannedStep]
    shown: list[tuple[str, int, str, Any, Any]] = field(default_factory=list)

    def build_workers(self, *, second_limit: int | None = None) -> list[il.Worker]:
        """Return the workers: an async function, a sync one, and one with an output schema."""

        async def first(brief: il.Brief) -> object:
            return await self._act_or_hang(brief, "first")

        def second(brief: il.Brief) -> object:
            return self._act(brief, "second")

        async def strict(brief: il.Brief) -> object:
            return await self._act_or_hang(brief, STRICT_WORKER)

        shape = {"type": "object", "required": ["ok", "by"]}
        return [
            il.Worker(name="first", agent=first),
            il.Worker(name="second", agent=second, max_parallel=second_limit),
            il.Worker(name=STRICT_WORKER, agent=strict, output=shape),
        ]

    async def _act_or_hang(self, brief: il.Brief, worker: str) -> object:
        given = self._act(brief, worker)
        if self.fates[brief.step_id].get_fault(brief.attempt) == "hang":
            await asyncio.Event().wait()
        return given

    def _act(self, brief: il.Brief, worker: str) -> object:
        dumped = brief.dump()
        entry = (brief.step_id, brief.attempt, worker, dumped["inputs"], dumped["context"])
        self.shown.append(entry)
        fault = self.fates[brief.step_id].get_fault(brief.attempt)
        match fault:
            case "transient":
                raise ConnectionError("try again")
            case "permanent":
                raise il.PermanentError("never")
            case "unstorable":
                return lambda: None
        return make_output(brief.step_id, brief.attempt, worker, ok=fault == "ok")


def build_clock() -> ManualClock:
    """Return a clock that backoffs cost nothing on."""
    return ManualClock(auto=True)
