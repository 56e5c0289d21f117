"""A person's answer on an effect of which the ledger has heard otherwise before."""

from typing import Any

import pytest

import interlock as il
from interlock.contracts.effect_ledger import SettleEffect
from interlock.contracts.ids import ThreadId
from tests.integration.effects.till import Till, list_effects
from tests.integration.teams import build_desk


@pytest.mark.parametrize("is_hidden", [False, True])
@pytest.mark.parametrize("happened", [False, True])
async def test_what_the_ledger_heard_first_counts(*, happened: bool, is_hidden: bool) -> None:
    """Settled from the command line, then answered otherwise: the worker is told what is recorded."""
    till, heard = Till(), []

    @il.idempotent()
    async def refund(order: str, cents: int) -> Any:
        if till.keys:
            return till.pay(order, cents)["receipt"]
        till.keys.append("lost")
        raise ConnectionError("the line went dead")

    async def work(brief: il.Brief) -> Any:
        heard.append(brief.feedback)
        try:
            return await refund("o1", 50)
        except ConnectionError:
            if is_hidden:
                return "hidden"
            raise

    async with (
        il.open_storage("memory://") as storage,
        build_desk({"pay": work}, storage=storage) as desk,
    ):
        waiting = await desk.ainvoke("Pay", thread_id="t")
        (effect,) = await list_effects(desk, "t")
        answer = 7 if happened else None
        word = SettleEffect(
            thread_id=ThreadId("t"), key=effect.key, happened=happened, answer=answer
        )
        await storage.ledger.apply(word)
        other = il.reject("not in the list") if happened else il.approve()
        result = await desk.aanswer("t", {waiting.questions[0].id: other})
    said = "happened" if happened else "did not happen"
    told = (f"It is recorded: refund(order='o1', cents=50) {said}.",)
    if happened and is_hidden:
        assert (result.outputs, till.paid, heard[1:]) == ({"pay": "hidden"}, [], [])
    else:
        assert result.outputs == {"pay": 7 if happened else 1}
        assert (till.paid, heard[1:]) == ([] if happened else [("o1", 50)], [told])
