"""What a person takes back or corrects: later steps see it, what rests on it says so (I2, I7)."""

import asyncio
from typing import Any

import pytest

import interlock as il
from interlock.contracts.context_records import FactRef
from tests.integration.shared_contexts import (
    CUSTOMER,
    SPACE,
    Held,
    customer_fact,
    list_facts,
    share,
)
from tests.integration.storages import open_staged
from tests.integration.teams import Recorder, build_desk, build_step, give

STEPS = (
    build_step("price", publishes={"price": "output.price"}),
    build_step("quote", needs=["price"], inputs={}, context=["price"]),
    build_step("mail", needs=["quote"]),
    build_step("stock", needs=["price"], inputs={"stock": "price.stock"}),
    build_step("bill", needs=["price"], inputs={"amount": "price.price"}),
    build_step("apart"),
)
AGENTS: dict[str, Any] = {
    "price": give({"price": 12, "stock": 3}),
    "quote": give("quoted"),
    "mail": give("mailed"),
    "stock": give("counted"),
    "bill": give("billed"),
    "apart": give("done"),
}


async def test_a_result_that_rests_on_a_retracted_fact_is_degraded_and_says_so() -> None:
    """I7: whoever was shown it, whoever consumed that, and whoever read the part that holds it."""
    apart = Held(lambda brief: "done")
    async with build_desk({**AGENTS, "apart": apart}, *STEPS) as desk:
        running = asyncio.create_task(desk.ainvoke("x", thread_id="t"))
        await apart.called.wait()
        while (await desk.astatus("t")).settled.get("accepted") != 5:
            await asyncio.sleep(0)
        await desk.aretract("t", "price", why="the list was old")
        apart.let_go.set()
        result = await running
        view = await desk.acontext("t")
    assert result.status == "degraded"
    said = (
        "rests on the fact 'price' (version 1 of thread t), which was retracted: the list was old"
    )
    assert set(result.gaps) == {
        f"step '{name}' {said}" for name in ("price", "quote", "mail", "bill")
    }
    assert set(view.resting) == {"price", "quote", "mail", "bill"}
    assert view.values == {}
    assert view.facts["price"].made.why == "the list was old"
    assert {step: o.status for step, o in result.outcomes.items()} == dict.fromkeys(
        AGENTS, "accepted"
    )


async def test_a_run_that_has_ended_keeps_its_status_and_its_view_shows_the_mark() -> None:
    """I9: ended statuses absorb; who looks sees what rests on it."""
    async with build_desk(AGENTS, *STEPS) as desk:
        result = await desk.ainvoke("x", thread_id="t")
        before = await desk.acontext("t")
        await desk.acorrect("t", "price", value=15, why="typo")
        view, then = await desk.acontext("t"), await desk.acontext("t", version=1)
        again = await desk.aresume("t")
    assert (result.status, again.status) == ("completed", "completed")
    assert (before.resting, before.marks) == ({}, {})
    assert (before.values, view.values, then.values) == (
        {"price": 12},
        {"price": 15},
        {"price": 12},
    )
    assert (view.version, view.newest, then.version, then.newest) == (2, 2, 1, 2)
    assert set(view.resting) == {"price", "quote", "mail", "bill"}
    assert view.marks == {}
    assert [mark.why for mark in then.marks["price"]] == ["typo"]


async def test_steps_that_start_later_are_shown_what_a_person_says() -> None:
    """A correction is seen, a retracted fact is not; each at its version."""
    gate, reader, second = Held(lambda brief: "go"), Recorder(), Recorder()
    steps = (
        build_step("price", publishes={"price": "output"}),
        build_step("gate", needs=["price"], inputs={}),
        build_step("read", needs=["gate"], inputs={}, context=["price", "tier"]),
        build_step("again", needs=["read"], inputs={}, context=["price", "tier"]),
    )

    async def correct(brief: il.Brief) -> str:
        reader.briefs.append(brief)
        await desk.acorrect("t", "price", value=99, why="doubled")
        return "read"

    agents = {"price": give(12), "gate": gate, "read": correct, "again": second}
    async with build_desk(agents, *steps) as desk:
        running = asyncio.create_task(desk.ainvoke("x", thread_id="t", context={"tier": "gold"}))
        await gate.called.wait()
        await desk.acorrect("t", "price", value=13, why="typo")
        await desk.aretract("t", "tier", why="left")
        gate.let_go.set()
        result = await running
    assert [brief.dump()["context"] for brief in (*reader.briefs, *second.briefs)] == [
        {"price": 13},
        {"price": 99},
    ]
    assert result.outcomes["read"].shown_facts == {"price": ("thread/t", 3)}
    assert result.outcomes["again"].shown_facts == {"price": ("thread/t", 5)}
    assert result.status == "degraded"


async def test_a_correction_while_a_step_works_is_not_overwritten() -> None:
    """What a person has put right meanwhile is a conflict like any other."""
    worker = Held(lambda brief: brief.context["n"] + 1)
    step = build_step("add", context=["n"], publishes={"n": "output"})
    async with build_desk({"add": worker}, step) as desk:
        running = asyncio.create_task(desk.ainvoke("x", thread_id="t", context={"n": 1}))
        await worker.called.wait()
        await desk.acorrect("t", "n", value=10, why="it was ten")
        worker.let_go.set()
        result = await running
        view = await desk.acontext("t")
    assert [brief.context["n"] for brief in worker.briefs] == [1, 10]
    assert "a person (correction: it was ten)" in worker.briefs[1].feedback[0]
    assert (result.status, view.values) == ("completed", {"n": 11})


async def test_an_output_that_was_made_on_a_corrected_fact_says_so_though_it_stands() -> None:
    """Criteria that hold on the right value do not make the output one that was made from it."""
    worker = Held(lambda brief: {"total": 9, "seen": brief.context["n"]})
    criteria = [il.expr("output.total > context.n")]
    publishes = {"total": "output.total"}
    steps = (
        build_step("sum", context=["n"], criteria=criteria, publishes=publishes),
        build_step("tell", needs=["sum"], inputs={"seen": "sum.seen"}),
    )
    async with build_desk({"sum": worker, "tell": give("told")}, *steps) as desk:
        running = asyncio.create_task(desk.ainvoke("x", thread_id="t", context={"n": 1}))
        await worker.called.wait()
        await desk.acorrect("t", "n", value=2, why="typo")
        worker.let_go.set()
        result = await running
        (version,) = await desk._open_storage.context.load_history("thread/t", "total")
    assert (len(worker.briefs), result.outputs["sum"]) == (1, {"total": 9, "seen": 1})
    assert result.status == "degraded"
    assert [gap.split()[1] for gap in result.gaps] == ["'sum'", "'tell'"]
    assert [source.version for source in version.sources] == [1, 2]


async def test_who_let_an_output_pass_is_asked_again_when_its_facts_have_changed() -> None:
    """An approved output that meets a conflict goes back to the person, not to the worker."""
    worker = Recorder(2)
    step = build_step(
        "add",
        context=["n"],
        criteria=[il.expr("output > 5")],
        publishes={"n": "output"},
        fallback=[il.ask_person()],
    )
    async with (
        open_staged() as storage,
        build_desk({"add": worker}, step, storage=storage) as desk,
    ):
        result = await desk.ainvoke("x", thread_id="t", context={"n": 1})

        async def correct() -> None:
            await desk.acorrect("t", "n", value=10, why="it was ten")

        storage.around_commit = (lambda batch: batch.promotion is not None, correct)
        result = await desk.aanswer("t", {result.questions[0].id: il.approve()})
        assert result.status == "waiting"
        assert "it is now 10" in result.questions[0].description
        result = await desk.aanswer("t", {result.questions[0].id: il.approve()})
        view = await desk.acontext("t")
    assert (worker.calls, result.status, view.values) == (1, "completed", {"n": 2})


async def test_an_output_that_waits_for_a_person_is_held_against_the_facts_it_was_made_on() -> None:
    """What changes while it waits is a conflict, which whoever lets it pass is told of."""
    worker = Recorder(2, 3)
    step = build_step(
        "add",
        context=["n"],
        criteria=[il.expr("output > 5")],
        publishes={"n": "output"},
        fallback=[il.ask_person()],
    )
    async with build_desk({"add": worker}, step) as desk:
        result = await desk.ainvoke("x", thread_id="t", context={"n": 1})
        await desk.acorrect("t", "n", value=10, why="it was ten")
        result = await desk.aanswer("t", {result.questions[0].id: il.approve()})
        assert result.status == "waiting"
        assert "'n' has changed since the step was briefed: it is now 10" in (
            result.questions[0].description
        )
        result = await desk.aanswer("t", {result.questions[0].id: il.respond("look again")})
        assert [brief.context["n"] for brief in worker.briefs] == [1, 10]
        result = await desk.aanswer("t", {result.questions[0].id: il.approve()})
        view = await desk.acontext("t")
    assert (worker.calls, result.status, view.values) == (2, "completed", {"n": 3})


async def test_marks_reach_other_threads_of_a_named_space() -> None:
    """A fact of one thread that rests on a retracted one is marked where another thread reads it."""
    context = share(customer_fact("total"), il.Fact(name="price"))
    steps = (
        build_step("price", publishes={"price": "output"}),
        build_step(
            "sum", needs=["price"], inputs={}, context=["price"], publishes={"total": "output"}
        ),
    )
    reader = il.TaskGraph(
        goal="x",
        steps=[
            build_step("show", "sum", context=["total"]),
            build_step("tell", "sum", needs=["show"]),
        ],
    )
    agents = {"price": give(5), "sum": give(50)}
    async with build_desk(agents, *steps, context=context) as desk:
        await desk.ainvoke("x", thread_id="t1", spaces=CUSTOMER)
        other = desk.copy_with(planner=reader, storage=None)
        other._given_storage = desk._open_storage
        other._source._given = desk._open_storage
        async with other:
            await other.ainvoke("x", thread_id="t2", spaces=CUSTOMER)
        await desk.aretract("t1", "price", why="misread")
        view = await desk.acontext("t2")
        facts = await list_facts(desk)
    assert facts["total"].value == 50
    assert view.values == {"total": 50}
    assert [mark.cause.key for mark in view.marks["total"]] == ["price"]
    assert set(view.resting) == {"show", "tell"}


async def test_an_output_in_whose_place_another_fact_stayed_is_no_part_of_that_fact() -> None:
    """What is made from it rests on what the output was made from, and not on the other fact."""
    context = share(*map(customer_fact, ("x", "made")), customer_fact("k", on_conflict="first"))
    steps = (
        build_step("read", context=["x"]),
        build_step("late", needs=["read"], publishes={"k": "output"}),
        build_step("make", needs=["late"], publishes={"made": "output"}),
    )
    agents = {"read": give(1), "late": give(2), "make": give(3)}
    async with build_desk(agents, *steps, context=context) as desk:
        await desk.ainvoke("g", thread_id="t", context={"x": 1, "k": 0}, spaces=CUSTOMER)
        await desk.aretract("t", "k", why="wrong")
        other = await desk.acontext("t")
        await desk.aretract("t", "x", why="wrong")
        view = await desk.acontext("t")
    assert (other.marks, other.resting) == ({}, {})
    assert (sorted(view.marks), list(view.resting)) == (["made"], ["read", "late", "make"])


async def test_what_a_fact_was_merged_with_is_behind_that_fact_alone() -> None:
    """Another fact that the same step publishes rests on what the step was shown, and on no more."""
    merged = customer_fact("log", on_conflict="merge", merge="both")
    context = share(
        customer_fact("stock"), merged, merges={"both": lambda held, offered: [*held, *offered]}
    )
    step = build_step("sell", publishes={"stock": "output.stock", "log": "output.log"})
    agents = {"sell": give({"stock": 1, "log": ["sold"]})}
    async with build_desk(agents, step, context=context) as desk:
        await desk.ainvoke("x", thread_id="t", context={"log": ["seed"]}, spaces=CUSTOMER)
        ledger = desk._open_storage.context
        sources = {
            key: (await ledger.load_history(SPACE, key))[-1].sources for key in ("log", "stock")
        }
        seed = FactRef(SPACE, "log", 1)
        resting = await ledger.load_resting(seed)
    assert sources == {"log": [seed], "stock": []}
    assert resting == [FactRef(SPACE, "log", 2)]


async def test_a_new_snapshot_does_not_forget_what_is_behind_an_input() -> None:
    """A step that is shown a corrected fact may have read an output made from the old one."""
    worker = Held(lambda brief: brief.context["price"])
    steps = (
        build_step("read", context=["price"]),
        build_step("sum", needs=["read"], context=["price"], publishes={"total": "output"}),
    )
    async with build_desk({"read": give(5), "sum": worker}, *steps) as desk:
        running = asyncio.create_task(desk.ainvoke("x", thread_id="t", context={"price": 5}))
        await worker.called.wait()
        await desk.acorrect("t", "price", value=6, why="typo")
        worker.let_go.set()
        result = await running
        view = await desk.acontext("t")
    assert [brief.context["price"] for brief in worker.briefs] == [5, 6]
    assert (result.status, sorted(view.marks)) == ("degraded", ["total"])


@pytest.mark.parametrize("why", ["", "  "])
async def test_a_person_says_why(why: str) -> None:
    """Nothing is taken back without a reason, and nothing that is not there."""
    async with build_desk({"a": give(1)}) as desk:
        await desk.ainvoke("x", thread_id="t", context={"n": 1})
        with pytest.raises(il.ConfigurationError, match="Say why"):
            await desk.aretract("t", "n", why=why)
        with pytest.raises(il.UnknownFactError, match=r"holds no fact 'm'\. Known: n"):
            await desk.aretract("t", "m", why="x")
        with pytest.raises(il.UnknownThreadError):
            await desk.aretract("u", "n", why="x")
        with pytest.raises(il.ConfigurationError, match=r"has no version 7\. It has 1 to 1"):
            await desk.acontext("t", version=7)
        with pytest.raises(il.PlainValueError):
            await desk.acorrect("t", "n", value=float("nan"), why="x")
