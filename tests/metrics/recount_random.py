"""Random plans with random faults, as runs to be recounted: who works, who fails, who is asked."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

import interlock as il
from interlock.contracts.ids import ThreadId
from interlock.testing import FaultInjector, FaultKind
from tests.integration.teams import build_desk, build_step
from tests.integration.teams import build_plan as nest
from tests.invariants.outcome_model import PERSON_VALUE, PlannedStep
from tests.invariants.random_plans import QUICK_FAULTS, Cast, build_plan, fates
from tests.metrics.recount_stage import Stage

RATES: dict[FaultKind, float] = {"raise": 0.12, "garbage": 0.1, "wrong": 0.08, "lost": 0.08}


@dataclass(frozen=True, kw_only=True)
class Life:
    """One random run, and what is found out about it afterwards.

    Attributes:
        steps: Of its plan, with what each meets.
        seed: Of the faults that are injected on top.
        answers: How many times what is open is answered; then the run waits.
        waits: How many seconds people take.
        blamed: Which accepted steps are reported as faulty, counted round.
        retracted: Which facts are taken back, counted round.
        is_nested: Whether the plan is that of a team within the run's only step.
    """

    steps: Sequence[PlannedStep]
    seed: int
    answers: int
    waits: int
    blamed: Sequence[int]
    retracted: Sequence[int]
    is_nested: bool


lives = st.builds(
    Life,
    steps=fates(max_steps=9, faults=QUICK_FAULTS),
    seed=st.integers(0, 10_000),
    answers=st.integers(0, 4),
    waits=st.integers(1, 5_000),
    blamed=st.lists(st.integers(0, 8), max_size=3),
    retracted=st.lists(st.integers(0, 8), max_size=2),
    is_nested=st.sampled_from((False, False, True)),
)


async def live(stage: Stage, life: Life, *, thread_id: str) -> il.RunResult:
    """Run a random plan to its end, or until nobody answers, and say what was wrong with it.

    On a thread that a process has left unfinished it goes on.
    """
    cast = Cast(fates={step.id: step for step in life.steps})
    injector = FaultInjector(seed=life.seed, rates=RATES, clock=stage.clock)
    agents: dict[str, Any] = {
        worker.name: worker for worker in injector.wrap_all(cast.build_workers())
    }
    plan = build_plan(life.steps)
    if life.is_nested:
        agents = {"outer": build_desk(agents, planner=plan, clock=stage.clock)}
        way = [il.use_value({"ok": True})] if life.seed % 2 else [il.ask_person()]
        plan = nest(build_step("outer", retry=il.Retry(max_attempts=2), fallback=way))
    async with stage.open(agents, planner=plan, team=f"team {life.seed % 3}") as desk:
        if await stage.storage.load_run(ThreadId(thread_id)) is None:
            result = await desk.ainvoke("model", thread_id=thread_id)
        else:
            result = await desk.aresume(thread_id)
        for _ in range(life.answers):
            if not result.questions:
                break
            stage.take(life.waits * 1_000)
            result = await desk.aanswer(thread_id, choose_answers(result))
        await _find_faults(desk, result, life)
    return result


def choose_answers(result: il.RunResult) -> dict[str, il.Answer]:
    """Return an answer to each question, by the number of the step that it is about."""
    said: tuple[il.Answer, ...] = (
        il.edit(PERSON_VALUE),
        il.approve(),
        il.reject("give it up"),
        il.respond("try harder"),
    )
    answers: dict[str, il.Answer] = {}
    for question in result.questions:
        number = sum(map(ord, str(question.step_id)))
        if question.kind == "before_step":
            answers[question.id] = il.reject("not now") if number % 3 == 0 else il.approve()
        else:
            fitting = [one for one in said if one.type in question.allowed]
            answers[question.id] = fitting[number % len(fitting)]
    return answers


async def _find_faults(desk: il.Orchestrator, result: il.RunResult, life: Life) -> None:
    valued = sorted(
        name for name, one in result.outcomes.items() if one.status in {"accepted", "degraded"}
    )
    for number in life.blamed if valued else ():
        await desk.areport_fault(
            result.thread_id,
            valued[number % len(valued)],
            why="it is wrong",
            found_by=f"finder {number % 2}",
            is_final_check=number % 3 == 0,
        )
    for number in life.retracted:
        facts = sorted((await desk.acontext(result.thread_id)).values)
        if facts:
            key = facts[number % len(facts)]
            await desk.aretract(result.thread_id, key, why="it is old")
