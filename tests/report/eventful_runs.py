"""Runs worth a page: everything that can happen to a step, said in the most hostile words.

The teams stand on a database file; what they leave there is read by `interlock report`.
"""

from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

import interlock as il
from interlock.testing import ModelReply, ScriptedModel
from tests.integration.effects.till import Till
from tests.integration.teams import Recorder, build_step
from tests.metrics.known_graphs import load_graph, name_step
from tests.metrics.recount_runs import TWICE, work
from tests.metrics.recount_stage import Stage

LONG_STEP: Final = "a_step_whose_name_is_as_long_as_a_name_may_be_" + "x" * 82
"""A step id of 128 characters, without a place to break it."""
ENDLESS: Final = "W" * 100_000
"""One word of 100 kB."""
HOSTILE: Final = (
    "</script><script>window.hacked=1</script>",
    '<img src=x onerror="window.hacked=2">',
    "\"'><svg onload=alert(3)>",
    "</pre></details></section></main><h1>out</h1>",
    "</style><style>*{display:none!important}</style>",
    "</title><meta http-equiv=refresh content='0;url=http://127.0.0.1:9/'>",
    "<base href=http://127.0.0.1:9/><link rel=stylesheet href=//127.0.0.1:9/x.css>",
    "<iframe srcdoc='<script>parent.hacked=4</script>'></iframe>",
    "<form action=http://127.0.0.1:9/><input autofocus onfocus=alert(5)></form>",
    "<!-- <![CDATA[ ]]> -->",
    "javascript:window.hacked=6//",
    "{{ 7*7 }} {% raw %} ${7*7}",
    "&lt;script&gt; &amp;amp; &#60;",
    "line\u2028paragraph\u2029end",
    "\u202eevil \u2066isolated\u2069 \u200b\ufeff",
    "\x1b[31mred\x1b[0m \x07 \x7f",
)
"""What an output may hold if somebody means harm."""
ALL_HOSTILE: Final = " | ".join(HOSTILE)
PRICES: Final = {"*": il.Price(input=Decimal("0.40"), output=Decimal("1.60"))}
SHOUT: Final = "<script>window.hacked=9</script>"
"""One hostile word that is short enough for every field."""


def find_fault(output: Any, brief: il.Brief) -> il.Finding:
    """Find that an input was wrong."""
    return il.Finding(
        criterion=f"rests on a right price {SHOUT}",
        passed=False,
        message=f"it is too low {ALL_HOSTILE}",
        blames=("read",),
    )


def build_refund(stage: Stage) -> Any:
    """Return a guarded tool that can be undone."""
    till = Till()

    @il.idempotent(undo=till.take_back)
    async def refund(order: str, cents: int, *, key: il.IdempotencyKey) -> Any:
        stage.take(25)
        return till.pay(order, cents, key)

    return refund


def build_agents(stage: Stage) -> dict[str, Any]:
    """Return who works: well, badly, with a model, with a guarded tool."""
    refund = build_refund(stage)
    model = ScriptedModel(model_name=f"writer {SHOUT}")
    model.script(ModelReply(text=ALL_HOSTILE, usage=(120, 30)), times=None)

    async def write(brief: il.Brief) -> str:
        stage.take(300)
        return str((await model.ainvoke(brief.instruction)).text)

    async def pay(brief: il.Brief) -> Any:
        await refund(SHOUT, 10 * brief.attempt)
        return {"receipts": await refund(SHOUT, 10 * brief.attempt), "ok": brief.attempt == 2}

    hostile = {text: [text, {"again": text}] for text in HOSTILE}
    return {
        "reads": work(stage, {"region": SHOUT, "rows": hostile}, milliseconds=120),
        "mends": work(
            stage, {"ok": False, "why": ALL_HOSTILE}, {"ok": True, "why": SHOUT}, milliseconds=90
        ),
        "flakes": work(stage, ConnectionError(ALL_HOSTILE), HOSTILE[0], milliseconds=70),
        "writes": write,
        "pays": pay,
        "fails": work(stage, il.PermanentError(ALL_HOSTILE), milliseconds=200),
        "talks": work(stage, {"words": ENDLESS, "ok": True}),
        "fine": work(stage, {"ok": True}),
    }


def build_steps() -> tuple[il.Step, ...]:
    """Return a plan in which a step comes to each kind of end."""
    is_ok = [il.expr("output.ok", message=f"is not ok {ALL_HOSTILE}")]
    ask = [il.ask_person()]
    degraded = il.Need(step="settled", accept_degraded=True)
    return (
        build_step("read", "reads", publishes={"region": "output.region"}),
        build_step("mend", "mends", needs=["read"], criteria=is_ok, retry=TWICE),
        build_step("flake", "flakes", needs=["read"], retry=TWICE),
        build_step("write", "writes", needs=["mend"], instruction=ALL_HOSTILE, context=["region"]),
        build_step("pay", "pays", needs=["write"], criteria=is_ok, retry=TWICE),
        build_step("other", "fails", needs=["flake"], fallback=[il.use_worker("fine")]),
        build_step("settled", "fails", fallback=[il.use_value({"said": ALL_HOSTILE})]),
        build_step("left_out", "fails", needs=["read"], fallback=[il.skip(gap=ALL_HOSTILE)]),
        build_step("asked", "fails", needs=["read"], fallback=ask),
        build_step("gated", "fine", needs=["asked"], approval="true"),
        build_step("dead", "fails", needs=["gated"]),
        build_step("below", "fine", needs=["dead"]),
        build_step("wrong", "fine", needs=["read"], criteria=[il.check("finds_fault")]),
        build_step(LONG_STEP, "talks", needs=["mend", degraded]),
    )


async def play_everything(stage: Stage, thread_id: str) -> None:
    """Retries, fallbacks, people, tools, a model, faults: one run that ends, for better or worse."""
    policy = il.RunPolicy(prices=PRICES, max_parallel=3)
    async with stage.open(
        build_agents(stage),
        *build_steps(),
        team=f"team {SHOUT}",
        policy=policy,
        checks={"finds_fault": find_fault},
    ) as desk:
        result = await desk.ainvoke(f"Refund order 17 {ALL_HOSTILE}", thread_id=thread_id)
        answers: dict[str, Any] = {"asked": il.edit({"by": ALL_HOSTILE}), "gated": il.approve()}
        while result.questions:
            stage.take(90_000)
            said = {q.id: answers[str(q.step_id)] for q in result.questions}
            result = await desk.aanswer(thread_id, said)
        await desk.areport_fault(thread_id, "mend", why=ALL_HOSTILE, found_by=SHOUT)


async def play_waiting(stage: Stage, thread_id: str) -> None:
    """A run that waits for a person."""
    steps = (
        build_step("done", "fine"),
        build_step("open", "fine", needs=["done"], approval="true"),
        build_step("later", "fine", needs=["open"]),
    )
    async with stage.open({"fine": work(stage, {"ok": True})}, *steps, team="waiting") as desk:
        await desk.ainvoke("Wait for a person", thread_id=thread_id)


async def play_thousand(stage: Stage, thread_id: str) -> int:
    """A public workflow of a thousand steps, some mended, some settled for less; return how many."""
    graph = load_graph("wf-seismology-1000p-1001")

    def add(brief: il.Brief) -> dict[str, Any]:
        own = int(brief.step_id[1:])
        stage.take(5 + own % 40)
        if own % 97 == 0 or (own % 10 == 0 and brief.attempt == 1):
            raise ConnectionError(f"station {own} does not answer")
        return {"own": own, "given": len(brief.inputs)}

    steps = tuple(
        build_step(
            name_step(task),
            "adds",
            needs=[il.Need(step=name_step(dep), accept_degraded=True) for dep in deps],
            retry=il.Retry(max_attempts=2, backoff=timedelta(0)),
            fallback=[il.use_value({"own": -1})],
        )
        for task, deps in graph.deps.items()
    )
    policy = il.RunPolicy(max_parallel=None)
    async with stage.open(
        {"adds": Recorder(add)}, *steps, team="seismology", policy=policy
    ) as desk:
        await desk.ainvoke("Find what the stations share", thread_id=thread_id)
    return len(steps)
