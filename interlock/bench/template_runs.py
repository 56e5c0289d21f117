"""Real runs of three small teams, whose records a benchmark multiplies (`journal_filling`).

They are drawn from a seed and played on a manual clock: retries, refusals, fallbacks, questions and
answers, model calls, tools, effects, faults. All is recorded by the product itself.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from langchain_core.tools import BaseTool, tool

from interlock.bench.template_plans import PAYER, READER, WRITER, build_template_plan
from interlock.contracts.brief import Brief
from interlock.contracts.ids import IdempotencyKey, WorkerName
from interlock.contracts.outcome import RunResult
from interlock.contracts.policy import RunPolicy
from interlock.contracts.prices import Price
from interlock.contracts.question import Answer, approve, edit
from interlock.contracts.storage import Storage
from interlock.contracts.worker import Worker
from interlock.orchestrator import Orchestrator
from interlock.testing import FaultInjector, FaultKind, ManualClock, ModelReply, ScriptedModel
from interlock.tools.idempotent import idempotent

TEAMS: Final = ("orders", "claims", "reports")
_RATES: Final[dict[FaultKind, float]] = {"raise": 0.11, "garbage": 0.08, "wrong": 0.05}
_PRICES: Final = {"*": Price(input=Decimal("0.40"), output=Decimal("1.60"))}
_MOST_ANSWERS: Final = 4
_UNANSWERED: Final = 8
"""Of so many runs one waits for a person."""


async def play_templates(
    storage: Storage, clock: ManualClock, *, runs: int, seed: int
) -> list[str]:
    """Play runs on a storage, one after another, and return their threads.

    Args:
        storage: Open, on the same clock.
        clock: Moves by itself.
        runs: How many.
        seed: Another seed, other runs.
    """
    threads = [f"template-{number}" for number in range(runs)]
    for number, thread in enumerate(threads):
        await _play(_Stage(storage=storage, clock=clock, seed=seed * 1000 + number), thread)
    return threads


@dataclass(slots=True, kw_only=True)
class _Stage:
    """What one run stands on.

    Attributes:
        storage: Its storage.
        clock: Its clock.
        seed: Of its faults and times.
        draw: Of how long things take.
    """

    storage: Storage
    clock: ManualClock
    seed: int
    draw: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.draw = random.Random(self.seed)  # noqa: S311 - durations, no secret

    def take(self, mean_seconds: float) -> None:
        """Let time pass: mostly less than the mean, now and then much more."""
        self.clock.advance(round(self.draw.expovariate(1 / mean_seconds), 6))


async def _play(stage: _Stage, thread: str) -> None:
    team = TEAMS[stage.seed % len(TEAMS)]
    injector = FaultInjector(seed=stage.seed, rates=_RATES, clock=stage.clock)
    async with Orchestrator(
        name=team,
        workers=injector.wrap_all(_build_workers(stage, team)),
        planner=build_template_plan(team),
        storage=stage.storage,
        clock=stage.clock,
        policy=RunPolicy(prices=_PRICES),
    ) as desk:
        result = await desk.ainvoke(f"Do the {team}", thread_id=thread)
        if stage.seed % _UNANSWERED:
            result = await _answer(stage, desk, result)
        await _find_faults(stage, desk, result)
    stage.take(30)


async def _answer(stage: _Stage, desk: Orchestrator, result: RunResult) -> RunResult:
    for _ in range(_MOST_ANSWERS):
        if not result.questions:
            break
        stage.take(600)
        answers: dict[str, Answer] = {
            question.id: edit({"value": 1}) if "edit" in question.allowed else approve()
            for question in result.questions
        }
        result = await desk.aanswer(result.thread_id, answers)
    return result


async def _find_faults(stage: _Stage, desk: Orchestrator, result: RunResult) -> None:
    accepted = sorted(step for step, one in result.outcomes.items() if one.status == "accepted")
    if not accepted or stage.draw.random() < 1 / 2:
        return
    stage.take(3600)
    await desk.areport_fault(
        result.thread_id, stage.draw.choice(accepted), why="a customer complained", found_by="desk"
    )


def _build_workers(stage: _Stage, team: str) -> list[Worker]:
    model = ScriptedModel(model_name=f"{team}-model")
    reply = ModelReply(text="a draft", usage=(1200, 180))
    model.script(reply, when=lambda call: _wait(stage, call), times=None)
    look_up, refund = _build_tool(stage), _build_effect(stage)

    async def read(brief: Brief) -> Mapping[str, int]:
        stage.take(0.05)
        return {"value": len(brief.step_id)}

    async def write(brief: Brief) -> Mapping[str, Any]:
        for _ in range(stage.draw.choice((1, 2, 3))):
            await model.ainvoke(brief.instruction)
            await look_up.ainvoke({"order": brief.step_id})
        return {"value": 2}

    async def pay(brief: Brief) -> Mapping[str, Any]:
        receipts = [await refund(brief.step_id, 50) for _ in range(stage.draw.choice((1, 1, 2)))]
        return {"value": 3, "receipts": receipts}

    agents = {READER: read, WRITER: write, PAYER: pay}
    return [Worker(name=WorkerName(name), agent=agent) for name, agent in agents.items()]


def _wait(stage: _Stage, call: object) -> bool:
    del call
    stage.take(2.5)
    return True


def _build_tool(stage: _Stage) -> BaseTool:
    @tool
    def look_up(order: str) -> str:
        """Look an order up."""
        stage.take(0.3)
        return f"{order} is on its way"

    return look_up


def _build_effect(stage: _Stage) -> Any:  # noqa: ANN401 - what the guard makes of a function
    @idempotent()
    async def refund(order: str, cents: int, *, key: IdempotencyKey) -> str:
        stage.take(0.4)
        return f"{order}: {cents} paid under {key[:8]}"

    return refund
