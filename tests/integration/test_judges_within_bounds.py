"""Judges within a step's bounds: what their models cost is in its usage, and time binds them too."""

import asyncio
from datetime import timedelta

from langchain_core.messages import AIMessage

import interlock as il
from interlock.testing import ManualClock
from tests.integration.scripted_chat import ScriptedChat
from tests.integration.shared_contexts import CUSTOMER, Held, customer_fact, share
from tests.integration.teams import build_desk, build_step

USAGE = {"input_tokens": 9, "output_tokens": 1, "total_tokens": 10}


async def judge_with_model(request: il.JudgeRequest) -> bool:
    """Ask a model, whatever it says."""
    await ScriptedChat(turns=[AIMessage("yes", usage_metadata=USAGE)]).ainvoke("Well?")
    return True


async def test_i11_a_review_on_new_facts_costs_what_its_judges_used() -> None:
    """Looked at again since somebody else was quicker, a step's usage is what the table says."""
    offers = iter((4, 5))
    worker = Held(lambda brief: {"balance": next(offers)})
    step = build_step(
        "add",
        context=["balance"],
        publishes={"balance": "output.balance"},
        criteria=[
            il.expr("!has(context.balance) || context.balance <= 5"),
            il.rubric("Is a balance"),
        ],
    )
    context = share(customer_fact("balance", on_conflict="last"))
    desk = build_desk({"add": worker}, step, context=context, judges=[judge_with_model])
    async with desk:
        runs = [
            asyncio.create_task(desk.ainvoke("Go", thread_id=name, spaces=CUSTOMER))
            for name in ("t1", "t2")
        ]
        while len(worker.briefs) < 2:
            await asyncio.sleep(0)
        worker.let_go.set()
        results = await asyncio.gather(*runs)
        spent = [await desk._open_storage.load_spending(result.thread_id) for result in results]
    made = [sum(call.model_calls for call in one.calls) for one in spent]
    assert sorted(made) == [1, 2]
    assert [result.usage.model_calls for result in results] == made
    for result, one in zip(results, spent, strict=True):
        assert result.usage.tokens == sum(call.tokens for call in one.calls)


async def test_i11_a_judge_has_no_longer_than_its_run() -> None:
    """Wall time that is over cuts a judge off; what was declared for undecided rubrics holds."""
    clock = ManualClock()
    asked: list[str] = []

    async def work(brief: il.Brief) -> str:
        clock.advance(10)
        return "done"

    async def hang(request: il.JudgeRequest) -> bool:
        asked.append(request.rubric)
        await asyncio.Event().wait()
        return True

    step = build_step("a", criteria=[il.rubric("Is done", undecided="pass")])
    policy = il.RunPolicy(budget=il.Budget(wall_time=timedelta(seconds=10)))
    desk = build_desk({"a": work}, step, judges=[hang], policy=policy, clock=clock)
    async with desk, asyncio.timeout(20):
        result = await desk.ainvoke("Go", thread_id="t")
    (finding,) = result.outcomes["a"].findings
    assert asked == ["Is done"]
    assert "hang: did not answer within 0 s" in finding.message
    assert result.status == "completed"
