"""I11: what a run has cost is what its book holds, also for steps that a later version leaves out."""

import asyncio
from decimal import Decimal

import pytest

import interlock as il
from interlock.checkpoints import open_storage
from interlock.contracts.ids import ThreadId
from tests.integration.mending import Mending, step
from tests.integration.test_spending import PRICES, build_model


async def test_a_runs_usage_is_the_sum_of_its_book() -> None:
    """Planner, kept, failed, blocked and degraded steps, a nested team: every call counts once."""
    model = build_model(tokens=1000)

    class Asking(Mending):
        async def plan(self, request: il.PlanRequest) -> il.TaskGraph:
            """Ask a model, and plan as ever."""
            await model.ainvoke("plan")
            return await super().plan(request)

    async def echo(brief: il.Brief) -> str:
        await model.ainvoke("echo")
        return "done"

    async def fail(brief: il.Brief) -> str:
        await model.ainvoke("fail")
        raise ConnectionError("no line")

    first = (
        step("a"),
        step("b", worker="fail", retry=il.Retry(max_attempts=2)),
        step("c", needs=["a", "b"]),
        step("d", worker="loose", fallback=[il.use_value(1)]),
        step("n", worker="inner"),
    )
    mended = (step("a"), step("c2", needs=["a"]), step("d2", worker="quiet"), step("n2"))
    planner = Asking(lambda request: mended, first=first)
    inner = il.Orchestrator(
        workers=[il.Worker(name="fail", agent=fail)],
        planner=il.TaskGraph(
            goal="g", steps=[step("x", worker="fail", retry=il.Retry(max_attempts=2))]
        ),
    )

    async def quiet(brief: il.Brief) -> str:
        return "done"

    async with open_storage("memory://") as storage:
        desk = il.Orchestrator(
            workers=[
                il.Worker(name="echo", agent=echo),
                il.Worker(name="fail", agent=fail),
                il.Worker(name="loose", agent=fail),
                il.Worker(name="inner", agent=inner),
                il.Worker(name="quiet", agent=quiet),
            ],
            planner=planner,
            storage=storage,
            policy=il.RunPolicy(replan=il.Replan(), prices=PRICES, max_plan_attempts=1),
        )
        async with desk:
            result = await desk.ainvoke("g", thread_id="t")
        book = [call.end for call in await storage.load_model_calls(ThreadId("t"))]
    assert sorted(result.outcomes) == ["a", "c2", "d2", "n2"], result
    assert result.status == "completed"
    calls = len(model.heard)
    assert calls == len(book)
    assert result.usage.model_calls == calls
    assert result.usage.input_tokens == sum(end.input_tokens or 0 for end in book if end)
    assert result.usage.output_tokens == sum(end.output_tokens or 0 for end in book if end)
    assert (result.usage.input_tokens, result.usage.output_tokens) == (calls * 900, calls * 100)
    assert result.usage.money == calls * (900 + Decimal("0.5") * 100) / 1_000_000


@pytest.mark.parametrize("is_kept", [True, False])
async def test_what_an_edit_cut_off_stays_in_the_usage(*, is_kept: bool) -> None:
    """A step that was under way when a person edited the plan has cost what it has cost."""
    model = build_model(tokens=1000)
    begun = asyncio.Event()

    async def work(brief: il.Brief) -> str:
        await model.ainvoke("work")
        if brief.step_id == "b" and not begun.is_set():
            begun.set()
            await asyncio.Event().wait()
        return "done"

    first = (step("a", worker="work"), step("b", worker="work", needs=["a"]))
    edited = (*first, step("z", worker="work")) if is_kept else (first[0], step("z", worker="work"))
    desk = il.Orchestrator(
        workers=[il.Worker(name="work", agent=work)],
        planner=il.TaskGraph(goal="g", steps=first),
        storage="memory://",
        policy=il.RunPolicy(prices=PRICES),
    )
    async with desk:
        running = asyncio.create_task(desk.ainvoke("g", thread_id="t"))
        await begun.wait()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await desk.aedit_plan("t", il.TaskGraph(goal="g", steps=edited))
        result = await desk.aresume("t")
    assert result.status == "completed"
    assert result.usage.model_calls == len(model.heard) == (4 if is_kept else 3)
    assert result.usage.tokens == len(model.heard) * 1000
