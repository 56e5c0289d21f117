"""Effects of a step whose output may not enter the shared context (I2, I5)."""

from datetime import timedelta
from typing import Any

import interlock as il
from tests.integration.teams import build_desk, build_step


async def test_effects_are_taken_back_only_once_an_attempt_stands() -> None:
    """An attempt that the context refuses is not accepted: what it left out may be wanted yet."""
    undone: list[str] = []
    made: list[str] = []

    async def take_back(name: str) -> None:
        undone.append(name)

    @il.idempotent(effect="write", undo=lambda **given: take_back(given["arguments"]["name"]))
    async def book(name: str) -> str:
        made.append(name)
        return name

    async def work(brief: il.Brief) -> dict[str, Any]:
        if brief.attempt != 2:
            await book("room")
        return {"size": {1: -1, 2: 50, 3: 5}[brief.attempt]}

    step = build_step(
        "plan",
        criteria=[il.expr("output.size > 0")],
        publishes={"size": "output.size"},
        retry=il.Retry(max_attempts=3, backoff=timedelta(0)),
    )
    context = il.SharedContext(invariants=[il.expr("context.size < 10")])
    async with build_desk({"plan": work}, step, context=context) as desk:
        result = await desk.ainvoke("x", thread_id="t")
        effects = await desk.aeffects("t")
    assert result.status == "completed"
    assert (made, undone) == (["room"], [])
    assert [effect.state for effect in effects] == ["done"]
