"""Runs to be recounted that call tools and models, meet limits, and turn out to have been wrong."""

import asyncio
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

from langchain.agents import create_agent
from langchain_core.messages import HumanMessage
from langchain_core.tools import tool

import interlock as il
from interlock.testing import ModelReply, ScriptedModel
from tests.integration.effects.till import Till
from tests.integration.teams import build_desk, build_step
from tests.metrics.recount_runs import AT_ONCE, TWICE, Play, work
from tests.metrics.recount_stage import Stage

PRICES: Final = {"*": il.Price(input=Decimal("0.40"), output=Decimal("1.60"))}


def build_refund(stage: Stage, till: Till, **declaration: Any) -> Any:
    """Return a guarded tool that takes its time, and whose first answer is lost if it cannot be undone."""

    @il.idempotent(**declaration)
    async def refund(order: str, cents: int, *, key: il.IdempotencyKey) -> Any:
        stage.take(25)
        receipt = till.pay(order, cents, key)
        if "undo" not in declaration and len(till.paid) == 1:
            raise ConnectionError("the line went dead")
        return receipt

    return refund


async def play_effects(stage: Stage) -> None:
    """Duplicates, an orphan that is undone, an abandoned step, an effect of which nobody knows."""
    till, lossy_till = Till(), Till()
    refund = build_refund(stage, till, undo=till.take_back)
    lossy = build_refund(stage, lossy_till)

    async def again(brief: il.Brief) -> Any:
        stage.take(10)
        receipts = [await refund("o1", 50), await refund("o1", 50)]
        return {"receipts": receipts, "ok": brief.attempt == 2}

    async def change(brief: il.Brief) -> Any:
        await refund("o2", 10 * brief.attempt)
        return {"ok": brief.attempt == 2}

    async def give_up(brief: il.Brief) -> Any:
        await refund("o3", 7)
        raise il.PermanentError("no good")

    async def lose(brief: il.Brief) -> Any:
        return {"ok": True, "receipt": await lossy("o4", 5)}

    is_ok = [il.expr("output.ok")]
    steps = [build_step(name, criteria=is_ok, retry=TWICE) for name in ("again", "change", "lose")]
    agents = {"again": again, "change": change, "give_up": give_up, "lose": lose}
    async with stage.open(agents, *steps, build_step("give_up"), team="effects") as desk:
        result = await desk.ainvoke("Pay", thread_id="effects")
        stage.take(90_000)
        await desk.aanswer("effects", {q.id: il.reject("not there") for q in result.questions})


async def play_open_effect(stage: Stage) -> None:
    """An effect of which nobody knows whether it took place stays unknown: nobody answers."""
    lossy = build_refund(stage, Till())

    async def lose(brief: il.Brief) -> Any:
        return await lossy("o5", 5)

    async with stage.open({"lose": lose}, team="effects") as desk:
        await desk.ainvoke("Pay", thread_id="effects-open")


def build_models(stage: Stage) -> tuple[ScriptedModel, ScriptedModel]:
    """Return a writer's model, whose calls take time, and a judge's."""

    def slow(call: Any) -> bool:
        stage.take(200)
        return True

    writer = ScriptedModel(model_name="writer")
    writer.script(ConnectionError("gone"), when=slow)
    writer.script(ModelReply(text="a draft", usage=(120, 30)), when=slow)
    writer.script(ModelReply(text="a better draft", usage=(180, 35)), when=slow, times=None)
    said = {"evidence": [], "reason": "is thin", "verdict": "fail"}
    judge = ScriptedModel(model_name="judge")
    judge.script(ModelReply(value=said, usage=(90, 9)), when=slow)
    fine = ModelReply(value={**said, "reason": "is fine", "verdict": "pass"}, usage=(95, 8))
    judge.script(fine, when=slow, times=None)
    return writer, judge


async def play_models(stage: Stage) -> None:
    """A worker and a judge with models, retries of both, priced; and an agent that calls tools."""
    writer, judge = build_models(stage)

    async def write(brief: il.Brief) -> str:
        stage.take(5)
        said = await writer.ainvoke([HumanMessage(brief.instruction)])
        stage.take(5)
        return str(said.text)

    @tool
    def look_up(order: str) -> str:
        """Look an order up."""
        stage.take(35)
        return f"{order} is on its way"

    turns = [ModelReply.calling(look_up={"order": "o1"}), ModelReply(text="On its way.")]
    agent = create_agent(ScriptedModel(*turns, model_name="agent"), tools=[look_up])
    steps = (
        build_step(
            "write",
            criteria=[il.rubric("Is good")],
            retry=il.Retry(max_attempts=4, backoff=AT_ONCE),
        ),
        build_step("look", "agent", needs=["write"]),
    )
    options: dict[str, Any] = {
        "judges": [il.ModelJudge(model=judge)],
        "policy": il.RunPolicy(prices=PRICES),
    }
    async with stage.open(
        {"write": write, "agent": agent}, *steps, team="models", **options
    ) as desk:
        await desk.ainvoke("Write", thread_id="models")


async def play_open_calls(stage: Stage) -> None:
    """Calls of models and tools that overlap, and a call that is still open when its worker returns."""
    ended = asyncio.Event()
    model = ScriptedModel(model_name="many")
    model.script(ModelReply(text="said", usage=(30, 3)), times=None)
    behind: list[asyncio.Task[Any]] = []

    @il.idempotent(effect="read")
    async def look(shelf: str) -> int:
        stage.take(5)
        await asyncio.sleep(0.01)
        return 1

    async def gather(brief: il.Brief) -> int:
        await asyncio.gather(*(model.ainvoke(word) for word in "abc"), look("a"), look("b"))
        return 3

    @il.idempotent(effect="read")
    async def hold(shelf: str) -> int:
        await ended.wait()
        return 1

    async def leave(brief: il.Brief) -> int:
        behind.append(asyncio.create_task(hold("c")))
        await asyncio.sleep(0.01)
        return 4

    async def end(brief: il.Brief) -> int:
        ended.set()
        await asyncio.wait(behind)
        return 5

    agents = {"gather": gather, "leave": leave, "end": end}
    steps = (build_step("gather"), build_step("leave"), build_step("end", needs=["leave"]))
    async with stage.open(agents, *steps, team="models") as desk:
        await desk.ainvoke("Call", thread_id="open-calls")


async def play_nested_models(stage: Stage) -> None:
    """A team whose step has a model, beside a step of the run's own with the same one."""
    model = ScriptedModel(model_name="deep")
    model.script(ModelReply(text="said", usage=(100, 10)), times=None)

    async def say(brief: il.Brief) -> str:
        return str((await model.ainvoke(brief.instruction)).text)

    inner = build_desk(
        {"say": say},
        build_step("within", "say", criteria=[il.expr("size(output) > 9")], retry=TWICE),
        build_step("beside", "say"),
        clock=stage.clock,
    )
    steps = (build_step("outer", "team"), build_step("flat", "say"))
    policy = il.RunPolicy(prices=PRICES)
    async with stage.open(
        {"team": inner, "say": say}, *steps, team="models", policy=policy
    ) as desk:
        await desk.ainvoke("Say", thread_id="deep")


def doubt(request: il.JudgeRequest) -> il.Judgement:
    """Judge nothing."""
    return il.Judgement(verdict="undecided", reason="who knows")


async def play_parked_faults(stage: Stage) -> None:
    """Outputs that a judge leaves to a person: one passes as it is, one is edited; both were wrong."""
    criteria = [il.expr("output.price > 0"), il.rubric("Is right", undecided="ask")]
    agents = {"price": work(stage, {"price": 12})}
    steps = tuple(
        build_step(name, "price", criteria=criteria) for name in ("passed_on", "edited_on")
    )
    answers = {"passed_on": il.approve(), "edited_on": il.edit({"price": 13})}
    async with stage.open(agents, *steps, team="faults", judges=[doubt]) as desk:
        result = await desk.ainvoke("Price", thread_id="parked")
        for _ in range(3):
            stage.take(4_000)
            said = {q.id: answers[str(q.step_id)] for q in result.questions}
            result = await desk.aanswer("parked", said) if said else result
            answers["edited_on"] = il.approve()
        for name in ("passed_on", "edited_on"):
            await desk.areport_fault("parked", name, why="is wrong", found_by="customer")


async def play_planner(stage: Stage) -> None:
    """A plan by a model that is refused once: its calls are nobody's attempt."""
    wrong = [{"id": "a", "worker": "nobody", "instruction": "x"}]
    plan = [
        {"id": "a", "worker": "good", "instruction": "x"},
        {"id": "b", "worker": "good", "instruction": "y", "needs": ["a"]},
    ]
    said = [ModelReply(value={"steps": steps}, usage=(500, 70)) for steps in (wrong, plan)]
    model = ScriptedModel(*said, model_name="planner")
    planner = il.ModelPlanner(model=model)
    policy = il.RunPolicy(prices=PRICES, max_plan_attempts=3)
    async with stage.open(
        {"good": work(stage, "fine")}, planner=planner, policy=policy, team="models"
    ) as desk:
        await desk.ainvoke("Plan", thread_id="planned")


async def play_limits(stage: Stage) -> None:
    """A breaker that has opened turns attempts away, from a step with another worker and one without."""
    breaker = il.Breaker(failures=2, cool_down=timedelta(minutes=30))
    bad = il.Worker(name="bad", agent=work(stage, ConnectionError("refused")), breaker=breaker)
    agents = {"bad": bad, "good": work(stage, "fine")}
    steps = (
        build_step("mail", "bad", fallback=[il.use_worker("good")]),
        build_step("post", "bad", needs=["mail"], fallback=[il.skip(gap="no post")]),
    )
    async with stage.open(agents, *steps, team="limits") as desk:
        for thread in ("limits-1", "limits-2"):
            await desk.ainvoke("Mail", thread_id=thread)


def blame(output: Any, brief: il.Brief) -> il.Finding:
    """Find that an input was wrong."""
    return il.Finding(
        criterion="rests on a right price", passed=False, message="it is too low", blames=("price",)
    )


async def play_faults(stage: Stage) -> None:
    """Values that were accepted and were wrong: found by a check below, a person, an evaluation."""
    agents = {
        "price": work(stage, {"price": 12, "stock": 3}),
        "good": work(stage, {"ok": True}),
        "bill": work(stage, {"sum": 1}),
    }
    steps = (
        build_step(
            "price",
            criteria=[il.expr("output.price > 0"), il.schema({"type": "object"})],
            publishes={"price": "output.price", "stock": "output.stock"},
        ),
        build_step(
            "quote",
            "good",
            needs=["price"],
            inputs={},
            context=["price"],
            publishes={"quote": "output.ok"},
        ),
        build_step("mail", "good", needs=["quote"]),
        build_step("count", "good", needs=["price"], inputs={}, context=["stock"]),
        build_step(
            "bill",
            needs=["price", "count"],
            criteria=[il.check("blames")],
            fallback=[il.use_value(0)],
        ),
        build_step("apart", "good"),
        build_step("last", "good", needs=[il.Need(step="bill", accept_degraded=True), "mail"]),
    )
    checks = {"blames": blame}
    async with stage.open(agents, *steps, team="faults", checks=checks) as desk:
        for thread in ("faults-1", "faults-2"):
            await desk.ainvoke("Bill", thread_id=thread)
        stage.take(120_000)
        await desk.acorrect("faults-1", "stock", value=4, why="counted anew")
        await desk.aretract("faults-1", "price", why="the list was old")
        await desk.areport_fault("faults-1", "mail", why="complaint", found_by="customer")
        await desk.areport_fault(
            "faults-2", "last", why="not the known answer", found_by="exam", is_final_check=True
        )


CALL_PLAYS: Final[tuple[Play, ...]] = (
    play_effects,
    play_open_effect,
    play_models,
    play_nested_models,
    play_open_calls,
    play_parked_faults,
    play_planner,
    play_limits,
    play_faults,
)
