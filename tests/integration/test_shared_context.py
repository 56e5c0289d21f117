"""Shared context over threads: snapshots, conflicts, rules, invariants; real interleavings (I2)."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

import interlock as il
from interlock.nodes.run.run_facts import ContextSlice, RunFacts
from tests.integration.shared_contexts import (
    CUSTOMER,
    Held,
    customer_fact,
    list_facts,
    list_verdicts,
    share,
)
from tests.integration.teams import (
    Recorder,
    build_desk,
    build_step,
    build_workers,
    give,
    locate,
)

TWICE = il.Retry(max_attempts=2, backoff=timedelta(0))


def add(brief: il.Brief) -> dict[str, Any]:
    """Return the balance plus one."""
    return {"balance": brief.context.get("balance", 0) + 1}


def build_adding(**fields: Any) -> il.Step:
    """Return a step that reads the balance and publishes another."""
    options = {"context": ["balance"], "publishes": {"balance": "output.balance"}, **fields}
    return build_step("add", **options)


async def race(desk: il.Orchestrator, worker: Held, **options: Any) -> list[il.RunResult]:
    """Run two threads whose workers have both been briefed before either returns."""
    first = asyncio.create_task(desk.ainvoke("One", thread_id="t1", spaces=CUSTOMER, **options))
    second = asyncio.create_task(desk.ainvoke("Two", thread_id="t2", spaces=CUSTOMER, **options))
    while len(worker.briefs) < 2:
        await asyncio.sleep(0)
    worker.let_go.set()
    return list(await asyncio.gather(first, second))


async def test_no_update_of_two_threads_is_lost() -> None:
    """Both read the same balance; who comes second does the step again on what the first left."""
    worker = Held(add)
    context = share(customer_fact("balance"))
    async with build_desk({"add": worker}, build_adding(), context=context) as desk:
        results = await race(desk, worker)
        balance = (await list_facts(desk))["balance"]
        late = "t2" if balance.made.thread_id == "t2" else "t1"
        verdicts = await list_verdicts(desk, late, "add")
        handoffs = await desk.ahandoffs(late, "add")
    assert [result.status for result in results] == ["completed", "completed"]
    assert (balance.value, balance.version) == (2, 2)
    assert verdicts == [(1, "retry"), (2, "accept")]
    assert [brief.context.get("balance") for brief in worker.briefs] == [None, None, 1]
    told = worker.briefs[2].feedback[0]
    assert "'balance' has changed since the step was briefed: it is now 1 in customer/c-42" in told
    assert "put there by step 'add' of thread" in told
    refused = next(h for h in handoffs if h.verdict is not None and h.verdict.action == "retry")
    assert refused.verdict is not None
    assert "has changed since" in str(refused.verdict.reason)


async def test_a_conflict_does_not_use_up_the_attempts_but_not_for_ever() -> None:
    """Somebody else's change is not the worker's fault; a step that never wins falls back at last."""
    context = share(customer_fact("balance"))
    rival = 0

    async def meddle(brief: il.Brief) -> dict[str, Any]:
        nonlocal rival
        rival += 1
        plan = il.TaskGraph(goal="x", steps=[build_step("w", publishes={"balance": "output"})])
        other = desk_of(desk, plan, give(100 * rival))
        await other.ainvoke("x", thread_id=f"rival{rival}", spaces=CUSTOMER)
        return add(brief)

    step = build_adding(fallback=[il.skip(gap="no balance")])
    async with build_desk({"add": meddle}, step, context=context) as desk:
        result = await desk.ainvoke("One", thread_id="t1", spaces=CUSTOMER)
        verdicts = await list_verdicts(desk, "t1", "add")
        balance = (await list_facts(desk))["balance"]
    assert verdicts == [(1, "retry"), (2, "retry"), (3, "retry"), (4, "fallback")]
    assert result.status == "degraded"
    assert "'balance' has changed since" in str(result.outcomes["add"].reason)
    assert balance.value == 400


def desk_of(desk: il.Orchestrator, plan: il.TaskGraph, agent: Any) -> il.Orchestrator:
    """Return another team on an open team's storage and context."""
    other = build_desk(
        {"w": agent},
        planner=plan,
        storage=desk._open_storage,
        context=desk.team_spec.context,
    )
    other._storage = desk._open_storage
    other._graph = other._builder.compile(
        checkpointer=desk._open_storage.checkpointer, name="interlock"
    )
    return other


async def test_an_output_that_stands_the_review_on_new_facts_is_kept() -> None:
    """Where the criteria look at what has changed, a review decides; the worker is not run again."""
    offers = iter((4, 5))
    worker = Held(lambda brief: {"balance": next(offers)})
    step = build_adding(criteria=[il.expr("!has(context.balance) || context.balance <= 5")])
    context = share(customer_fact("balance", on_conflict="last"))
    async with build_desk({"add": worker}, step, context=context) as desk:
        results = await race(desk, worker)
        verdicts = [await list_verdicts(desk, name, "add") for name in ("t1", "t2")]
        shown = [result.outcomes["add"].shown_facts for result in results]
        balance = (await list_facts(desk))["balance"]
    assert [result.status for result in results] == ["completed", "completed"]
    assert verdicts == [[(1, "accept")], [(1, "accept")]]
    assert len(worker.briefs) == 2
    assert balance.version == 2
    assert balance.made.base == {"balance": 1}
    assert {"balance": ("space/customer/c-42", 1)} in shown


async def test_an_output_that_fails_the_review_on_new_facts_is_refused() -> None:
    """What the new facts rule out does not enter, though the old ones allowed it."""
    worker = Held(add)
    step = build_adding(
        criteria=[il.expr("!has(context.balance) || context.balance < 1", message="one at most")],
        fallback=[il.abandon()],
    )
    context = share(customer_fact("balance", on_conflict="last"))
    async with build_desk({"add": worker}, step, context=context) as desk:
        results = await race(desk, worker)
        balance = (await list_facts(desk))["balance"]
    assert sorted(result.status for result in results) == ["completed", "failed"]
    assert (balance.value, balance.version) == (1, 1)
    failed = next(result for result in results if result.status == "failed")
    assert "one at most" in str(failed.outcomes["add"].reason)


async def test_two_who_write_without_reading_do_not_overwrite_each_other() -> None:
    """Under `refuse` a value enters only on what its step was briefed on; the other is told."""
    offers = iter(("one", "two", "two again"))
    worker = Held(lambda brief: next(offers))
    step = build_step("w", publishes={"name": "output"})
    async with build_desk({"w": worker}, step, context=share(customer_fact("name"))) as desk:
        results = await race(desk, worker)
        history = await desk._open_storage.context.load_history("space/customer/c-42", "name")
    assert [result.status for result in results] == ["completed", "completed"]
    assert [entry.fact.value for entry in history] == ["one", "two again"]
    assert "its rule is to refuse then: it is now 'one'" in worker.briefs[2].feedback[0]


async def test_every_attempt_is_briefed_on_what_holds_then() -> None:
    """A worker that tries again for reasons of its own is not shown what has changed meanwhile."""

    async def work(brief: il.Brief) -> int:
        seen.append(brief.context["n"])
        if brief.attempt == 1:
            await desk.acorrect("t", "n", value=5, why="it was five")
            return -1
        return int(brief.context["n"]) + 1

    seen: list[int] = []
    step = build_step(
        "add",
        context=["n"],
        criteria=[il.expr("output > 0")],
        publishes={"n": "output"},
        retry=TWICE,
    )
    async with build_desk({"add": work}, step) as desk:
        result = await desk.ainvoke("x", thread_id="t", context={"n": 1})
        uses = await desk._open_storage.context.load_thread_uses("t")  # type: ignore[arg-type]
    assert (seen, result.outcomes["add"].published) == ([1, 5], {"n": 6})
    assert [(use.attempt, use.version) for use in uses] == [(1, 1), (2, 2)]


async def test_write_skew_is_refused() -> None:
    """Two who each read both and each write one: the second decision is made anew on the first."""

    def go_off(brief: il.Brief) -> dict[str, Any]:
        me, other = brief.inputs["me"], brief.inputs["other"]
        return {"me": me, "on": not brief.context[other]}

    held = Held(go_off)
    facts = [customer_fact("a"), customer_fact("b")]
    plans = {
        name: il.TaskGraph(
            goal="x",
            steps=[
                build_step(
                    "w",
                    arguments={"me": name, "other": other},
                    context=["a", "b"],
                    publishes={name: "output.on"},
                )
            ],
        )
        for name, other in (("a", "b"), ("b", "a"))
    }
    seeds = {"a": True, "b": True}
    async with build_desk({"w": held}, planner=plans["a"], context=share(*facts)) as desk:
        other = desk_of(desk, plans["b"], held)
        one = asyncio.create_task(desk.ainvoke("x", thread_id="t1", spaces=CUSTOMER, context=seeds))
        await held.called.wait()
        two = asyncio.create_task(other.ainvoke("x", thread_id="t2", spaces=CUSTOMER))
        while len(held.briefs) < 2:
            await asyncio.sleep(0)
        held.let_go.set()
        await asyncio.gather(one, two)
        values = {key: fact.value for key, fact in (await list_facts(desk)).items()}
    assert sorted(values.values()) == [False, True]  # never both off


async def test_what_is_not_promoted_is_seen_by_nobody() -> None:
    """No dirty read: a value that a step has returned and the rules refuse is never shown."""
    context = share(
        customer_fact("balance"),
        invariants=[il.expr("context.balance <= 100", message="at most 100")],
    )
    reader = Recorder("seen")
    writer = Held(lambda brief: {"balance": 900})
    steps = (
        build_adding(fallback=[il.skip(gap="no balance")]),
        build_step("read", needs=[il.Need(step="add", accept_degraded=True)], context=["balance"]),
    )
    agents = {"add": writer, "read": reader}
    async with build_desk(agents, *steps, context=context) as desk:
        task = asyncio.create_task(
            desk.ainvoke("x", thread_id="t1", spaces=CUSTOMER, context={"balance": 7})
        )
        await writer.called.wait()
        assert (await list_facts(desk))["balance"].value == 7
        writer.let_go.set()
        result = await task
        facts = await list_facts(desk)
    assert result.outcomes["add"].status == "skipped"
    assert "at most 100 (balance = 900)" in str(result.outcomes["add"].reason)
    assert [brief.dump()["context"] for brief in reader.briefs] == [{"balance": 7}]
    assert (facts["balance"].value, facts["balance"].version) == (7, 1)


async def test_an_invariant_over_several_facts_is_told_to_the_worker() -> None:
    """A violation is a refused attempt with words; the next one can do better."""
    context = share(
        il.Fact(name="fixed"),
        il.Fact(name="spent"),
        invariants=[il.expr("context.fixed + context.spent <= 10", message="over budget")],
    )
    worker = Recorder(8, 2)
    step = build_step("spend", publishes={"spent": "output"}, retry=TWICE)
    async with build_desk({"spend": worker}, step, context=context) as desk:
        result = await desk.ainvoke("x", thread_id="t", context={"fixed": 5})
    assert result.status == "completed"
    assert result.outcomes["spend"].published == {"spent": 2}
    assert "over budget (fixed = 5, spent = 8)" in worker.briefs[1].feedback[0]


class Tier(BaseModel):
    """How a customer is treated."""

    name: str
    level: int


@pytest.mark.parametrize("shape", [Tier, Tier.model_json_schema()], ids=["class", "schema"])
async def test_a_value_of_another_type_does_not_enter(shape: Any) -> None:
    """A fact has the type that it is declared with, whoever offers it."""
    context = share(il.Fact(name="tier", type=shape))
    worker = Recorder({"name": "gold", "level": "three"}, {"name": "gold", "level": 3})
    step = build_step("rate", publishes={"tier": "output"}, retry=TWICE)
    async with build_desk({"rate": worker}, step, context=context) as desk:
        result = await desk.ainvoke("x", thread_id="t")
        with pytest.raises(il.PromotionRefusedError, match="tier"):
            await desk.ainvoke("x", thread_id="u", context={"tier": {"name": 1, "level": 2}})
        with pytest.raises(il.UnknownThreadError):
            await desk.astatus("u")
        with pytest.raises(il.PromotionRefusedError, match="declared to be"):
            await desk.acorrect("t", "tier", value={"name": "x"}, why="a guess")
    assert result.outcomes["rate"].published == {"tier": {"name": "gold", "level": 3}}
    assert "'tier' is not what the fact is declared to be: tier.level" in str(
        worker.briefs[1].feedback
    )


@pytest.mark.parametrize(
    ("rule", "expected"), [("first", ["seed"]), ("last", ["late"]), ("merge", ["late", "early"])]
)
async def test_each_rule_settles_two_steps_of_one_plan(rule: Any, expected: list[str]) -> None:
    """Whoever ends first, plan order and rule decide; every version stays readable."""
    late_may_go = asyncio.Event()

    async def late(brief: il.Brief) -> list[str]:
        late_may_go.set()
        return ["late"]

    async def early(brief: il.Brief) -> list[str]:
        await late_may_go.wait()
        await asyncio.sleep(0.05)  # so that the step which is later in the plan ends first
        return ["early"]

    fact = il.Fact(name="tags", on_conflict=rule, merge="join" if rule == "merge" else None)
    seeds = {"tags": ["seed"]} if rule == "first" else {}
    steps = (
        build_step("early", publishes={"tags": "output"}),
        build_step("late", publishes={"tags": "output"}),
        build_step("read", needs=["early", "late"], inputs={}, context=["tags"]),
    )
    reader = Recorder()
    agents = {"early": early, "late": late, "read": reader}
    context = share(fact, merges={"join": lambda held, offered: held + offered})
    async with build_desk(agents, *steps, context=context) as desk:
        result = await desk.ainvoke("x", thread_id="t", context=seeds)
        view = await desk.acontext("t")
    assert result.status == "completed"
    assert reader.briefs[0].dump()["context"] == {"tags": expected}
    assert view.values == {"tags": expected}


async def test_a_merge_that_fails_is_a_refused_attempt() -> None:
    """The user's function may raise; the step says so, and nothing enters."""
    context = share(
        il.Fact(name="n", on_conflict="merge", merge="divide"),
        merges={"divide": lambda held, offered: held // offered},
    )
    step = build_step("w", publishes={"n": "output"})
    async with build_desk({"w": give(0)}, step, context=context) as desk:
        result = await desk.ainvoke("x", thread_id="t", context={"n": 8})
        view = await desk.acontext("t")
    assert result.status == "failed"
    assert "the function 'divide' could not merge 'n': ZeroDivisionError" in str(
        result.outcomes["w"].reason
    )
    assert view.values == {"n": 8}


async def test_an_edited_output_that_breaks_an_invariant_goes_back_to_the_person() -> None:
    """What a person writes is held to the same rules, and they are told why."""
    context = share(il.Fact(name="n"), invariants=[il.expr("context.n < 10", message="too big")])
    step = build_step(
        "w", criteria=[il.expr("output > 5")], publishes={"n": "output"}, fallback=[il.ask_person()]
    )
    async with build_desk({"w": give(1)}, step, context=context) as desk:
        result = await desk.ainvoke("x", thread_id="t")
        result = await desk.aanswer("t", {result.questions[0].id: il.edit(50)})
        assert result.status == "waiting"
        assert "too big (n = 50)" in result.questions[0].description
        result = await desk.aanswer("t", {result.questions[0].id: il.edit(7)})
    assert result.status == "completed"
    assert result.outcomes["w"].published == {"n": 7}


async def test_a_crash_after_the_commit_promotes_once(tmp_path: Path) -> None:
    """I6: the promotion is durable with the outcome; a resume neither repeats nor loses it."""
    worker = Recorder({"balance": 5})
    context = share(customer_fact("balance"))
    url = locate(tmp_path)
    async with build_desk({"add": worker}, build_adding(), context=context, storage=url) as desk:
        storage: Any = desk._open_storage
        commit = storage.commit

        async def die_after(thread_id: Any, batch: Any) -> Any:
            await commit(thread_id, batch)
            if batch.promotion is not None:
                raise il.StorageError("gone")

        storage.commit = die_after
        with pytest.raises(il.StorageError, match="gone"):
            await desk.ainvoke("x", thread_id="t", spaces=CUSTOMER)
    async with build_desk({"add": worker}, build_adding(), context=context, storage=url) as desk:
        result = await desk.aresume("t")
        versions = await desk._open_storage.context.load_versions("space/customer/c-42")
    assert result.status == "completed"
    assert result.outcomes["add"].published == {"balance": 5}
    assert (worker.calls, len(versions)) == (1, 1)


async def test_a_step_that_an_older_release_has_begun_promotes_to_its_own_space(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its assignment says nothing of facts; what it publishes enters all the same."""

    async def forget(*given: Any) -> ContextSlice:
        found = await select(*given)
        return ContextSlice(values=found.values, refs=found.refs)

    select = RunFacts.select
    monkeypatch.setattr(RunFacts, "select", forget)
    step = build_step("add", context=["n"], publishes={"m": "output"})
    async with build_desk({"add": give(2)}, step) as desk:
        result = await desk.ainvoke("x", thread_id="t", context={"n": 1})
        view = await desk.acontext("t")
    assert result.status == "completed"
    assert view.values == {"m": 2, "n": 1}


async def test_a_fork_does_not_read_what_an_abandoned_branch_promoted(tmp_path: Path) -> None:
    """Each branch sees its own facts, at its own versions; the storage keeps both."""
    source, reader = Recorder("first", "second"), Recorder()
    steps = (
        build_step("source", publishes={"fact": "output"}),
        build_step("read", needs=["source"], inputs={}, context=["fact"]),
    )
    agents = {"source": source, "read": reader}
    config: Any = {"configurable": {"thread_id": "t"}}
    async with build_desk(agents, *steps, storage=locate(tmp_path)) as desk:
        await desk.ainvoke("x", thread_id="t", context={"fact": "seed"})
        history = [one async for one in desk.graph.aget_state_history(config)]
        before = next(one for one in history if one.next == ("dispatch",))
        fork = await desk.graph.aupdate_state(before.config, {"outcomes": {}}, as_node="planner")
        await desk.graph.ainvoke(None, fork, durability="sync")
        facts = await list_facts(desk, "thread/t")
        versions = await desk._open_storage.context.load_versions("thread/t")
    assert [brief.dump()["context"] for brief in reader.briefs] == [
        {"fact": "first"},
        {"fact": "second"},
    ]
    assert facts["fact"].value == "second"
    assert [(version.kind, version.version) for version in versions] == [
        ("seed", 1),
        ("promotion", 2),
        ("promotion", 3),
    ]


async def test_a_context_edited_by_hand_is_shown_and_is_no_conflict(tmp_path: Path) -> None:
    """Who forks a thread with another context works on that, and promotes over it."""
    worker = Recorder(lambda brief: brief.context["n"] + 1)
    step = build_step("add", context=["n"], publishes={"n": "output"})
    config: Any = {"configurable": {"thread_id": "t"}}
    async with build_desk({"add": worker}, step, storage=locate(tmp_path)) as desk:
        await desk.ainvoke("x", thread_id="t", context={"n": 1})
        history = [one async for one in desk.graph.aget_state_history(config)]
        before = next(one for one in history if one.next == ("dispatch",))
        edit = {"outcomes": {}, "context": {"n": 100}}
        fork = await desk.graph.aupdate_state(before.config, edit, as_node="planner")
        result = await desk.graph.ainvoke(None, fork, durability="sync")
    assert [brief.context["n"] for brief in worker.briefs] == [1, 100]
    assert result["outcomes"]["add"]["published"] == {"n": 101}


async def test_a_step_without_context_asks_the_storage_for_nothing() -> None:
    """What a team does not use costs it no read and no row."""
    async with build_desk({"a": give(1), "b": give(2)}, build_step("a")) as desk:
        ledger: Any = desk._open_storage.context
        asked: list[Any] = []
        load = ledger.load_snapshot

        async def count(entries: Any) -> Any:
            asked.append(entries)
            return await load(entries)

        ledger.load_snapshot = count
        result = await desk.ainvoke("x", thread_id="t")
        view = await desk.acontext("t")
    assert result.status == "completed"
    assert asked == []
    assert (view.version, view.facts) == (0, {})


async def test_nested_teams_work_in_the_named_spaces_of_the_run() -> None:
    """A team that is a worker promotes to the same customer, and keeps its own facts apart."""
    context = share(customer_fact("balance"), il.Fact(name="note"))
    inner = build_desk(
        {"add": add, "write": give("inner")},
        build_adding(),
        build_step("write", publishes={"note": "output"}),
        context=context,
    )
    steps = (
        build_step("team"),
        build_step("own", publishes={"note": "output"}),
        build_step("read", needs=["team", "own"], inputs={}, context=["balance", "note"]),
    )
    reader = Recorder()
    agents = {"team": inner, "own": give("outer"), "read": reader}
    async with build_desk(agents, *steps, context=context) as desk:
        result = await desk.ainvoke("x", thread_id="t", spaces=CUSTOMER)
        facts = await list_facts(desk)
        nested = await list_facts(desk, "team/1/team/t")
    assert result.status == "completed"
    assert reader.briefs[0].dump()["context"] == {"balance": 1, "note": "outer"}
    assert facts["balance"].made.step_id == "team/add"
    assert nested["note"].value == "inner"


async def test_a_planner_is_told_what_the_named_spaces_hold() -> None:
    """It plans on the run's own facts and on the customer's, as they stand."""
    asked: list[il.PlanRequest] = []

    def plan(request: il.PlanRequest) -> il.TaskGraph:
        asked.append(request)
        return il.TaskGraph(goal=request.goal, steps=[build_adding()])

    context = share(customer_fact("balance"), il.Fact(name="note"))
    async with build_desk({"add": add}, planner=plan, context=context) as desk:
        seeds = {"balance": 7, "note": "hi"}
        await desk.ainvoke("x", thread_id="t1", spaces=CUSTOMER, context=seeds)
        await desk.ainvoke("x", thread_id="t2", spaces=CUSTOMER)
    assert [dict(request.context) for request in asked] == [seeds, {"balance": 8}]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "does not say which space that is"),
        ({"spaces": {"customer": ""}}, "Give the run a mapping"),
        ({"spaces": {"customer": "a", "shop": "b"}}, "names a space 'shop'"),
        ({"spaces": CUSTOMER, "context": {"balanc": 1}}, "Did you mean 'balance'"),
        ({"spaces": CUSTOMER, "thread_id": "space/customer/c-42"}, "give the thread another one"),
    ],
)
async def test_a_run_that_does_not_fit_the_declaration_is_not_started(
    options: Any, words: str
) -> None:
    """It is refused before anything is written down."""
    context = share(customer_fact("balance"))
    async with build_desk({"add": add}, build_adding(), context=context) as desk:
        with pytest.raises(il.ConfigurationError, match=words):
            await desk.ainvoke("x", **{"thread_id": "t", **options})
        with pytest.raises(il.UnknownThreadError):
            await desk.astatus("t")


async def test_a_run_graph_compiled_by_hand_works_in_the_spaces_it_is_given() -> None:
    """What the Orchestrator does in accepting a run, its caller has to do or leave."""
    context = share(customer_fact("balance"), il.Fact(name="note"))
    async with il.open_storage("memory://") as storage:
        graph = il.build_run_graph(
            workers=build_workers({"add": add}),
            planner=il.TaskGraph(goal="x", steps=[build_adding()]),
            context=context,
            storage=storage,
        ).compile(checkpointer=storage.checkpointer)
        assert set(graph.get_input_jsonschema()["properties"]) == {"goal", "context", "spaces"}

        async def run(thread_id: str, **given: Any) -> Any:
            config: Any = {"configurable": {"thread_id": thread_id}}
            return await graph.ainvoke({"goal": "x", **given}, config, durability="sync")

        await run("t1", spaces=CUSTOMER)
        result = await run("t2", spaces=CUSTOMER, context={"note": "hi"})
        for given, words in (
            ({}, "does not say which"),
            ({"spaces": CUSTOMER, "context": {"balance": 1}}, "Start the run with il.Orchestrator"),
            ({"spaces": CUSTOMER, "context": {"other": 1}}, "does not declare"),
        ):
            with pytest.raises(il.ConfigurationError, match=words):
                await run(f"t{words}", **given)
    assert result["status"] == "completed"
    assert result["outcomes"]["add"]["published"] == {"balance": 2}
