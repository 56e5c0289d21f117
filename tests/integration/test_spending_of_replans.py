"""I11: what a run has cost is what its book holds, also for steps that a later version leaves out."""

from decimal import Decimal

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
