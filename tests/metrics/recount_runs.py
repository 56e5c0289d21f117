"""Runs to be recounted: plans, retries, fallbacks, people, nested teams, replans, forks, stops.

Each play takes a stage, runs a team on threads of its own and leaves what it did in the storage.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, Final

import interlock as il
from interlock.contracts.ids import ThreadId
from tests.integration.mending import Mending, step
from tests.integration.teams import Recorder, build_desk, build_step, give
from tests.metrics.recount_stage import Stage

AT_ONCE: Final = timedelta(0)
TWICE: Final = il.Retry(max_attempts=2, backoff=AT_ONCE)
THRICE: Final = il.Retry(max_attempts=3, backoff=timedelta(seconds=1))


def work(stage: Stage, *gives: Any, milliseconds: int = 40) -> Recorder:
    """Return a worker that takes its time, and gives one value an attempt."""

    def take(value: Any) -> Any:
        def act(brief: il.Brief) -> Any:
            stage.take(milliseconds)
            if isinstance(value, BaseException):
                raise value
            return value(brief) if callable(value) else value

        return act

    return Recorder(*(take(value) for value in gives or ("done",)))


async def play_plain(stage: Stage) -> None:
    """Two runs of a diamond with a fact; one of its steps mends its output, one its failure."""
    agents = {
        "read": work(stage, {"region": "north", "rows": [1, 2]}),
        "left": work(stage, "left", milliseconds=300),
        "mend": work(stage, {"ok": False}, {"ok": False}, {"ok": True}),
        "flaky": work(stage, ConnectionError("gone"), "up", milliseconds=90),
    }
    steps = (
        build_step("read", publishes={"region": "output.region"}),
        build_step("left", needs=["read"], context=["region"], inputs={"rows": "read.rows"}),
        build_step("mend", needs=["read"], criteria=[il.expr("output.ok")], retry=THRICE),
        build_step("flaky", needs=[], retry=THRICE, criteria=[il.expr("size(output) > 1")]),
        build_step("join", "left", needs=["left", "mend", "flaky"], inputs={"it": "mend.ok"}),
    )
    async with stage.open(agents, *steps, team="plain") as desk:
        await desk.ainvoke("Plain", thread_id="plain-1")
        await desk.ainvoke("Plain", thread_id="plain-2")


async def play_fallbacks(stage: Stage) -> None:
    """Each way to settle for less, what it leaves blocked, and an input that is refused."""

    def refuse(brief: il.Brief) -> Any:
        stage.take(15)
        raise il.InputRefusedError("other", why="no such customer")

    agents = {
        "bad": work(stage, il.PermanentError("never")),
        "good": work(stage, {"ok": True}),
        "refuse": Recorder(refuse),
        "wrong": work(stage, {"ok": False}),
    }
    fails = [il.expr("output.ok", message="is not ok"), il.schema({"type": "object"})]
    steps = (
        build_step("other", "bad", fallback=[il.use_worker("good")], publishes={"o": "output.ok"}),
        build_step("value", "wrong", criteria=fails, retry=TWICE, fallback=[il.use_value(3)]),
        build_step("value2", "bad", fallback=[il.use_value({"ok": 1})]),
        build_step("skip", "bad", fallback=[il.skip(gap="no skip")]),
        build_step("leave", "wrong", criteria=fails, fallback=[il.abandon()]),
        build_step("dead", "bad", retry=TWICE),
        build_step("below", "good", needs=["leave"]),
        build_step("deeper", "good", needs=["below", "other"]),
        build_step("less", "good", needs=[il.Need(step="value2", accept_degraded=True)]),
        build_step("refused", "refuse", needs=["other"], fallback=[il.use_worker("good")]),
    )
    async with stage.open(agents, *steps, team="fallbacks") as desk:
        await desk.ainvoke("Settle", thread_id="fallbacks")


async def play_people(stage: Stage) -> None:
    """Each decision of a person, on several supersteps; one question stays open."""
    ask = [il.ask_person()]
    agents = {"bad": work(stage, il.PermanentError("no")), "good": work(stage, {"ok": True})}
    weak = Recorder({"ok": False})
    steps = (
        build_step("gated", "good", approval="true"),
        build_step("refused", "good", approval="true"),
        build_step("edited", "bad", fallback=ask, criteria=[il.expr("output.ok")]),
        build_step("passed", "weak", fallback=ask, criteria=[il.expr("output.ok")]),
        build_step("told", "weak", fallback=ask, criteria=[il.expr("output.ok")]),
        build_step("given_up", "bad", fallback=ask),
        build_step("open", "good", needs=["edited"], approval="true"),
    )
    answers = {
        "gated": il.approve(),
        "refused": il.reject("not today"),
        "edited": il.edit({"ok": True}),
        "passed": il.approve(),
        "told": il.respond("try harder"),
        "given_up": il.reject("leave it"),
    }
    async with stage.open({**agents, "weak": weak}, *steps, team="people") as desk:
        result = await desk.ainvoke("Ask", thread_id="people")
        for names in (("gated", "told"), ("edited", "refused"), ("passed", "given_up"), ("told",)):
            stage.take(60_000)
            asked = {question.step_id: question.id for question in result.questions}
            said = {asked[name]: answers[name] for name in names if name in asked}
            result = await desk.aanswer("people", said)


async def play_nested(stage: Stage) -> None:
    """A team in a team in a team: the innermost step fails once, the middle one is done twice."""
    inmost = build_desk(
        {"say": work(stage, ValueError("hm"), "deep"), "also": work(stage, "also")},
        build_step("say", retry=TWICE),
        build_step("also", needs=["say"], criteria=[il.expr("size(output) > 0")]),
        clock=stage.clock,
    )
    middle = build_desk(
        {"ask": inmost, "count": work(stage, 1, 2)},
        build_step("ask"),
        build_step("count", needs=["ask"], inputs={}),
        clock=stage.clock,
    )
    steps = (
        build_step("top", criteria=[il.expr("output.count == 2")], retry=TWICE),
        build_step("end", needs=["top"]),
    )
    async with stage.open({"top": middle, "end": give("end")}, *steps, team="nested") as desk:
        await desk.ainvoke("Nest", thread_id="nested")


async def play_nested_people(stage: Stage) -> None:
    """A team in a team asks a person, fails for good, and the step above takes its fallback."""
    inner = build_desk(
        {"bad": work(stage, il.PermanentError("no")), "good": work(stage, "fine")},
        build_step("ask", "bad", fallback=[il.ask_person()]),
        build_step("next", "good", needs=["ask"]),
        clock=stage.clock,
    )
    agents = {"team": inner, "good": work(stage, "instead")}
    steps = (build_step("team", fallback=[il.use_worker("good")]), build_step("apart", "good"))
    async with stage.open(agents, *steps, team="nested") as desk:
        for thread, answer in (("asks-1", il.edit("by hand")), ("asks-2", il.reject("no"))):
            result = await desk.ainvoke("Nest", thread_id=thread)
            while result.questions:
                stage.take(5_000)
                result = await desk.aanswer(thread, {q.id: answer for q in result.questions})


async def play_nested_asks_again(stage: Stage) -> None:
    """A team whose value a person wrote is refused as a whole, done again, and asks once more."""
    inner = build_desk(
        {"bad": work(stage, il.PermanentError("no"))},
        build_step("ask", "bad", fallback=[il.ask_person()]),
        clock=stage.clock,
    )
    step = build_step("twice", criteria=[il.expr("output.ask == 'good'")], retry=TWICE)
    async with stage.open({"twice": inner}, step, team="nested") as desk:
        result = await desk.ainvoke("Nest", thread_id="asks-again")
        for value in ("poor", "good"):
            stage.take(7_000)
            answers = {q.id: il.edit(value) for q in result.questions}
            result = await desk.aanswer("asks-again", answers)


async def play_replans(stage: Stage) -> None:
    """A failed step is replaced by another one; what is accepted stays."""

    def mend(request: il.PlanRequest) -> Sequence[il.Step]:
        stage.take(700)
        return (step("a"), step("b2"), step("c", needs=["a", "b2"]))

    planner = Mending(mend)
    agents = {"echo": work(stage, "said"), "fail": work(stage, il.PermanentError("no such thing"))}
    policy = il.RunPolicy(replan=il.Replan(), max_plan_attempts=2)
    async with stage.open(agents, planner=planner, policy=policy, team="replans") as desk:
        await desk.ainvoke("Mend", thread_id="replans")


async def play_rewired(stage: Stage) -> None:
    """A step whose need failed last is planned again on one that had been accepted long before."""

    def mend(request: il.PlanRequest) -> Sequence[il.Step]:
        return (step("a"), step("d", needs=["a"]), step("c", needs=["a", "d"]))

    slow = work(stage, il.PermanentError("no such thing"), milliseconds=900)
    agents = {"echo": work(stage, "said"), "fail": slow}
    first = (
        step("a"),
        step("d", needs=["a"]),
        step("b", worker="fail", needs=["a"]),
        step("c", needs=["a", "b"]),
    )
    policy = il.RunPolicy(replan=il.Replan(), max_plan_attempts=2)
    planner = Mending(mend, first=first)
    async with stage.open(agents, planner=planner, policy=policy, team="replans") as desk:
        await desk.ainvoke("Mend", thread_id="rewired")


async def play_approved_plan(stage: Stage) -> None:
    """A plan is refused in words, and then approved."""

    def plan(request: il.PlanRequest) -> il.TaskGraph:
        stage.take(80)
        return il.TaskGraph(goal="g", steps=[build_step(f"try{request.attempt}", "good")])

    policy = il.RunPolicy(approve_plan=True, max_plan_attempts=3)
    agents = {"good": work(stage, 1)}
    async with stage.open(agents, planner=plan, policy=policy, team="replans") as desk:
        result = await desk.ainvoke("Approve", thread_id="approved")
        for answer in (il.respond("shorter"), il.approve()):
            stage.take(30_000)
            result = await desk.aanswer("approved", {result.questions[0].id: answer})


async def play_fork(stage: Stage) -> None:
    """A finished run is forked before its second step, which then comes to another end."""
    second = work(stage, "original", il.PermanentError("on the fork"), milliseconds=70)
    agents = {"first": work(stage, "one"), "second": second}
    steps = (
        build_step("first", publishes={"one": "output"}),
        build_step("second", needs=["first"], criteria=[il.expr("size(output) > 2")]),
    )
    config: Any = {"configurable": {"thread_id": "fork"}}
    async with stage.open(agents, *steps, team="forks") as desk:
        await desk.ainvoke("Fork", thread_id="fork", stepwise=True)
        history = [state async for state in desk.graph.aget_state_history(config)]
        early = next(
            state
            for state in history
            if state.next == ("supervisor",) and set(state.values["outcomes"]) == {"first"}
        )
        values = {"outcomes": early.values["outcomes"]}
        fork = await desk.graph.aupdate_state(early.config, values, as_node="dispatch")
        await desk.graph.ainvoke(None, fork, durability="sync")


async def play_cancelled(stage: Stage) -> None:
    """A run is stopped while one step works, one waits for it and one waits for a person."""
    called = asyncio.Event()

    async def hang(brief: il.Brief) -> Any:
        stage.take(20)
        called.set()
        await asyncio.Event().wait()

    agents = {"hang": hang, "good": work(stage, "fine")}
    steps = (
        build_step("quick", "good"),
        build_step("gated", "good", needs=["quick"], approval="true"),
        build_step("hang", needs=["quick"]),
        build_step("late", "good", needs=["hang"]),
    )
    async with stage.open(agents, *steps, team="stopped") as desk:
        running = asyncio.ensure_future(desk.ainvoke("Stop", thread_id="stopped"))
        await called.wait()
        stage.take(10)
        await desk.acancel("stopped", why="wrong customer")
        await running


async def play_pruned(stage: Stage) -> None:
    """One thread's record is deleted, one's kept."""
    agents = {"first": work(stage, {"a": 1}), "second": work(stage, ValueError("no"), "two")}
    steps = (
        build_step("first", publishes={"a": "output.a"}),
        build_step("second", needs=["first"], retry=TWICE, criteria=[il.expr("output != ''")]),
    )
    async with stage.open(agents, *steps, team="pruned") as desk:
        for thread in ("pruned-old", "pruned-not"):
            await desk.ainvoke("Prune", thread_id=thread)
        await desk.areport_fault("pruned-old", "first", why="it is old", found_by="evaluation")


async def forget(stage: Stage) -> None:
    """Delete the record of a thread that has ended; the thread beside it is kept.

    LangGraph dates its checkpoints by the machine's clock: a year later all are old.
    """
    async with stage.open({"good": give(1)}, team="pruned") as desk:
        stage.clock.advance(timedelta(days=365).total_seconds())
        old = il.Retention(older_than=AT_ONCE, thread_id=ThreadId("pruned-old"), journal=True)
        await desk.aprune(old)


Play = Callable[[Stage], Any]

PLAYS: Final[Sequence[Play]] = (
    play_plain,
    play_fallbacks,
    play_people,
    play_nested,
    play_nested_people,
    play_nested_asks_again,
    play_replans,
    play_rewired,
    play_approved_plan,
    play_fork,
    play_cancelled,
)
