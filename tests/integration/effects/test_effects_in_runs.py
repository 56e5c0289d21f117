"""Guarded tools in a run: retries, fallbacks, forks and people, with a till that counts effects."""

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import interlock as il
from tests.integration.effects.till import Till, list_effects
from tests.integration.teams import Recorder, build_desk, build_step

TWICE = il.Retry(max_attempts=2, backoff=timedelta(0))
THRICE = il.Retry(max_attempts=3, backoff=timedelta(0))


def build_refund(till: Till, **declaration: Any) -> Callable[..., Any]:
    """Return a guarded tool that pays from a till."""

    @il.idempotent(**declaration)
    async def refund(order: str, cents: int, *, key: il.IdempotencyKey) -> dict[str, Any]:
        return till.pay(order, cents, key)

    return refund


async def test_a_retry_gets_the_recorded_answer() -> None:
    """A refused attempt that paid does not pay again when it is retried with the same call."""
    till = Till()
    refund = build_refund(till)

    async def work(brief: il.Brief) -> Any:
        return {**await refund("o1", 50), "attempt": brief.attempt}

    step = build_step("pay", retry=TWICE, criteria=[il.expr("output.attempt == 2")])
    async with build_desk({"pay": work}, step) as desk:
        result = await desk.ainvoke("Pay", thread_id="t")
        (effect,) = await list_effects(desk, "t")
    assert result.status == "completed"
    assert result.outputs["pay"] == {"order": "o1", "cents": 50, "receipt": 1, "attempt": 2}
    assert till.paid == [("o1", 50)]
    assert till.keys == [effect.key]
    assert (effect.state, effect.tries, len(effect.uses)) == ("done", 1, 2)


async def test_two_deliberate_equal_calls_are_two_effects_and_the_retry_matches_them() -> None:
    """Each of two equal calls in one attempt pays; the retry gets both receipts, in order."""
    till = Till()
    refund = build_refund(till)

    async def work(brief: il.Brief) -> Any:
        first, second = await refund("o1", 50), await refund("o1", 50)
        return {"receipts": [first["receipt"], second["receipt"]], "attempt": brief.attempt}

    step = build_step("pay", retry=TWICE, criteria=[il.expr("output.attempt == 2")])
    async with build_desk({"pay": work}, step) as desk:
        result = await desk.ainvoke("Pay", thread_id="t")
    assert result.outputs["pay"]["receipts"] == [1, 2]
    assert till.counts == Counter({("o1", 50): 2})


async def test_a_fallback_worker_shares_the_steps_effects() -> None:
    """What the first worker paid is answered to the worker that takes over."""
    till = Till()
    refund = build_refund(till)

    async def first(brief: il.Brief) -> Any:
        await refund("o1", 50)
        raise il.PermanentError("no good")

    async def second(brief: il.Brief) -> Any:
        return await refund("o1", 50)

    agents = {"first": first, "second": second}
    step = build_step("pay", "first", fallback=[il.use_worker("second")])
    async with build_desk(agents, step) as desk:
        result = await desk.ainvoke("Pay", thread_id="t")
    assert (result.status, till.paid) == ("completed", [("o1", 50)])


async def test_a_step_can_say_that_each_worker_has_effects_of_its_own() -> None:
    """With effect_keys="worker" the second worker pays too, and the first one's is undone."""
    till = Till()

    async def take_back(order: str, cents: int, answer: dict[str, Any]) -> str:
        assert answer["receipt"] == 1
        return till.take_back(order, cents)

    refund = build_refund(till, undo=take_back)

    async def first(brief: il.Brief) -> Any:
        await refund("o1", 50)
        raise il.PermanentError("no good")

    async def second(brief: il.Brief) -> Any:
        return await refund("o1", 50)

    step = build_step("pay", "first", fallback=[il.use_worker("second")], effect_keys="worker")
    async with build_desk({"first": first, "second": second}, step) as desk:
        result = await desk.ainvoke("Pay", thread_id="t")
        effects = await list_effects(desk, "t")
    assert (result.status, till.paid) == ("completed", [("o1", 50)])
    assert result.outputs["pay"]["receipt"] == 2
    assert [(e.tool, e.worker) for e in effects] == [
        ("refund", "first"),
        ("refund", "second"),
        ("undo of refund", "supervisor"),
    ]
    assert [e.stands for e in effects] == [False, True, False]
    assert effects[0].undone_by == effects[2].key


async def test_keys_never_cross_threads() -> None:
    """The same step of the same plan on two threads pays twice."""
    till = Till()
    refund = build_refund(till)

    async def work(brief: il.Brief) -> Any:
        return await refund("o1", 50)

    async with build_desk({"pay": work}) as desk:
        await asyncio.gather(*(desk.ainvoke("Pay", thread_id=one) for one in ("a", "b")))
    assert till.counts == Counter({("o1", 50): 2})
    assert len(set(till.keys)) == 2


async def test_sync_tools_work_in_sync_and_in_async_workers() -> None:
    """A sync tool is guarded wherever it is called from."""
    till = Till()

    @il.idempotent()
    def refund(order: str, cents: int, *, key: il.IdempotencyKey) -> dict[str, Any]:
        return till.pay(order, cents, key)

    def in_thread(brief: il.Brief) -> Any:
        return {**refund("o1", 1), "attempt": brief.attempt}

    async def in_loop(brief: il.Brief) -> Any:
        return {**refund("o1", 2), "attempt": brief.attempt}

    steps = [
        build_step(name, retry=TWICE, criteria=[il.expr("output.attempt == 2")])
        for name in ("in_thread", "in_loop")
    ]
    async with build_desk({"in_thread": in_thread, "in_loop": in_loop}, *steps) as desk:
        result = await desk.ainvoke("Pay", thread_id="t")
    assert result.status == "completed"
    assert till.counts == Counter({("o1", 1): 1, ("o1", 2): 1})


async def test_a_recorded_refusal_is_repeated_to_the_retry() -> None:
    """An error by which the tool refuses is recorded: the retry gets it without a second call."""
    calls: list[str] = []

    @il.idempotent()
    async def refund(order: str) -> None:
        calls.append(order)
        raise ValueError("no such order")

    seen: list[str] = []

    async def work(brief: il.Brief) -> Any:
        try:
            await refund("o1")
        except ValueError as exc:
            seen.append(str(exc))
        return brief.attempt

    step = build_step("pay", retry=TWICE, criteria=[il.expr("output == 2")])
    async with build_desk({"pay": work}, step) as desk:
        result = await desk.ainvoke("Pay", thread_id="t")
        (effect,) = await list_effects(desk, "t")
    assert (result.status, calls, seen) == ("completed", ["o1"], ["no such order"] * 2)
    assert effect.state == "failed"


async def test_a_tool_that_says_that_nothing_happened_is_run_again() -> None:
    """NotAppliedError is the tool's word: the next attempt runs it under the same key."""
    till = Till()
    keys: list[str] = []

    @il.idempotent()
    async def refund(order: str, *, key: il.IdempotencyKey) -> Any:
        keys.append(key)
        if len(keys) == 1:
            raise il.NotAppliedError("the till was locked")
        return till.pay(order, 5)

    async def work(brief: il.Brief) -> Any:
        return await refund("o1")

    async with build_desk({"pay": work}, build_step("pay", retry=TWICE)) as desk:
        result = await desk.ainvoke("Pay", thread_id="t")
        (effect,) = await list_effects(desk, "t")
    assert (result.status, till.paid) == ("completed", [("o1", 5)])
    assert keys == [effect.key] * 2
    assert (effect.state, effect.tries) == ("done", 2)


def build_lossy(till: Till, **declaration: Any) -> Callable[..., Any]:
    """Return a tool that pays, and whose answer is lost the first time."""

    @il.idempotent(**declaration)
    async def refund(order: str, cents: int, *, key: il.IdempotencyKey) -> Any:
        receipt = till.pay(order, cents, key)
        if len(till.paid) == 1:
            raise ConnectionError("the line went dead")
        return receipt

    return refund


async def test_a_lost_answer_is_found_by_the_probe() -> None:
    """The probe finds the payment: nothing is paid twice and nobody is asked."""
    till = Till()

    def find(key: str, order: str) -> Any:
        return {"receipt": till.keys.index(key) + 1, "order": order} if key in till.keys else None

    refund = build_lossy(till, probe=find)

    async def work(brief: il.Brief) -> Any:
        return await refund("o1", 50)

    async with build_desk({"pay": work}) as desk:
        result = await desk.ainvoke("Pay", thread_id="t")
        (effect,) = await list_effects(desk, "t")
    assert (result.status, result.outputs["pay"]) == ("completed", {"receipt": 1, "order": "o1"})
    assert till.paid == [("o1", 50)]
    assert (effect.state, effect.settled_by) == ("done", "probe")


async def test_a_natural_tool_is_run_again_after_a_lost_answer() -> None:
    """A tool that does no harm when it is run twice is run twice, on the retry."""
    till = Till()
    refund = build_lossy(till, natural=True)

    async def work(brief: il.Brief) -> Any:
        return await refund("o1", 50)

    async with build_desk({"pay": work}, build_step("pay", retry=TWICE)) as desk:
        result = await desk.ainvoke("Pay", thread_id="t")
    assert (result.status, len(till.paid)) == ("completed", 2)
    assert till.keys[0] == till.keys[1]


async def test_an_unknown_effect_asks_a_person_who_knows_the_answer() -> None:
    """The step parks, others go on; the person's answer is what the next attempt gets."""
    till = Till()
    refund = build_lossy(till)

    async def work(brief: il.Brief) -> Any:
        return await refund("o1", 50)

    other = Recorder("other")
    steps = [build_step("pay", retry=TWICE), build_step("other")]
    async with build_desk({"pay": work, "other": other}, *steps) as desk:
        waiting = await desk.ainvoke("Pay", thread_id="t")
        (question,) = waiting.questions
        assert (waiting.status, question.kind, question.step_id) == ("waiting", "effect", "pay")
        assert question.allowed == ("approve", "edit", "reject")
        assert question.args["call"] == "refund(order='o1', cents=50)"
        assert waiting.outputs == {"other": "other"}
        result = await desk.aanswer("t", {question.id: il.edit({"receipt": 7})})
        (effect,) = await list_effects(desk, "t")
    assert (result.status, result.outputs["pay"]) == ("completed", {"receipt": 7})
    assert till.paid == [("o1", 50)]
    assert (effect.state, effect.settled_by) == ("done", "person")


async def test_an_unknown_effect_that_did_not_happen_is_run_again() -> None:
    """When a person says that it did not happen, the same key is run once more."""
    till = Till()
    refund = build_lossy(till)

    async def work(brief: il.Brief) -> Any:
        return await refund("o1", 50)

    async with build_desk({"pay": work}) as desk:
        waiting = await desk.ainvoke("Pay", thread_id="t")
        answers = {waiting.questions[0].id: il.reject("I looked: nothing there")}
        result = await desk.aanswer("t", answers)
        (effect,) = await list_effects(desk, "t")
    assert (result.status, len(till.paid)) == ("completed", 2)
    assert till.keys == [effect.key] * 2
    assert effect.tries == 2


async def test_an_unknown_effect_asks_though_the_worker_hides_it() -> None:
    """A worker that swallows the error is not believed; once settled, its output is reviewed."""
    till = Till()
    refund = build_lossy(till)

    async def work(brief: il.Brief) -> Any:
        try:
            return await refund("o1", 50)
        except ConnectionError:
            return "all fine"

    async with build_desk({"pay": work}) as desk:
        waiting = await desk.ainvoke("Pay", thread_id="t")
        assert [question.kind for question in waiting.questions] == ["effect"]
        result = await desk.aanswer("t", {waiting.questions[0].id: il.approve()})
    assert (result.status, result.outputs["pay"], len(till.paid)) == ("completed", "all fine", 1)


async def test_later_attempts_are_told_what_stands() -> None:
    """The second attempt reads in its brief what the first one paid; the first reads nothing."""
    till = Till()
    refund = build_refund(till)
    briefs: list[il.Brief] = []

    async def work(brief: il.Brief) -> Any:
        briefs.append(brief)
        await refund("o1", 50)
        return brief.attempt

    step = build_step("pay", retry=TWICE, criteria=[il.expr("output == 2")])
    async with build_desk({"pay": work}, step) as desk:
        await desk.ainvoke("Pay", thread_id="t")
        handoffs = await desk.ahandoffs("t")
    assert briefs[0].effects == ()
    (words,) = briefs[1].effects
    assert "refund(order='o1', cents=50)" in words
    shown = [h.payload for h in handoffs if h.kind == "brief"]
    assert [payload.get("effects") for payload in shown] == [None, [words]]


def build_changing(refund: Callable[..., Any]) -> Callable[..., Any]:
    """Return a worker that pays 50 in its first attempt and 40 in the next."""

    async def work(brief: il.Brief) -> Any:
        await refund("o1", 50 if brief.attempt == 1 else 40)
        return brief.attempt

    return work


SECOND = {"retry": TWICE, "criteria": [il.expr("output == 2")]}


async def test_an_orphan_is_undone() -> None:
    """What the accepted attempt did not repeat is taken back, and the journal says so."""
    till = Till()
    refund = build_refund(till, undo=till.take_back)
    step = build_step("pay", **SECOND)
    async with build_desk({"pay": build_changing(refund)}, step) as desk:
        result = await desk.ainvoke("Pay", thread_id="t")
        (record,) = [h for h in await desk.ahandoffs("t") if h.kind == "effects"]
    assert (result.status, till.paid) == ("completed", [("o1", 40)])
    assert [entry["call"] for entry in record.payload["undone"]] == ["refund(order='o1', cents=50)"]
    assert record.payload["left"] == []


async def test_an_orphan_that_cannot_be_undone_is_put_to_a_person() -> None:
    """Approved, it stands and the step is accepted; refused, it is a gap of the result."""
    for answer, status in (
        (il.approve(), "completed"),
        (il.reject("I will call them"), "degraded"),
    ):
        till = Till()
        step = build_step("pay", **SECOND)
        async with build_desk({"pay": build_changing(build_refund(till))}, step) as desk:
            waiting = await desk.ainvoke("Pay", thread_id="t")
            (question,) = waiting.questions
            assert (question.kind, question.allowed) == ("orphans", ("approve", "reject"))
            assert "refund(order='o1', cents=50)" in question.description
            result = await desk.aanswer("t", {question.id: answer})
        assert (result.status, result.outputs["pay"]) == (status, 2)
        assert till.counts == Counter({("o1", 50): 1, ("o1", 40): 1})
        assert any("I will call them" in gap for gap in result.gaps) == (status == "degraded")


async def test_an_orphan_is_a_gap_where_the_policy_says_so() -> None:
    """With orphans="gap" nobody is asked, and the result names what stands."""
    till = Till()
    policy = il.RunPolicy(effects=il.EffectPolicy(orphans="gap"))
    agents = {"pay": build_changing(build_refund(till))}
    async with build_desk(agents, build_step("pay", **SECOND), policy=policy) as desk:
        result = await desk.ainvoke("Pay", thread_id="t")
    assert result.status == "degraded"
    assert any("refund(order='o1', cents=50) stands" in gap for gap in result.gaps)


async def test_an_abandoned_step_is_undone_last_first() -> None:
    """When no attempt is left, all that the step did is taken back, in reverse order."""
    till = Till()
    taken: list[int] = []

    async def take_back(order: str, cents: int) -> None:
        taken.append(cents)
        till.take_back(order, cents)

    refund = build_refund(till, undo=take_back)

    async def work(brief: il.Brief) -> Any:
        for cents in (1, 2, 3):
            await refund("o1", cents)
        raise il.PermanentError("no good")

    async with build_desk({"pay": work}) as desk:
        result = await desk.ainvoke("Pay", thread_id="t")
    assert (result.status, taken, till.paid) == ("failed", [3, 2, 1], [])


async def test_nothing_is_undone_while_a_retry_may_still_succeed() -> None:
    """Undo waits until the step settles: a retry that repeats the call finds it standing."""
    till = Till()
    events: list[str] = []

    def take_back(order: str, cents: int) -> None:
        events.append("undo")

    refund = build_refund(till, undo=take_back)

    async def work(brief: il.Brief) -> Any:
        await refund("o1", 50)
        if brief.attempt < 3:
            raise RuntimeError("not yet")
        return "ok"

    async with build_desk({"pay": work}, build_step("pay", retry=THRICE)) as desk:
        result = await desk.ainvoke("Pay", thread_id="t")
    assert (result.status, events, till.paid) == ("completed", [], [("o1", 50)])


async def test_an_undo_that_fails_is_said() -> None:
    """An effect that could not be taken back is named in the result's gaps."""
    till = Till()

    def take_back(order: str) -> None:
        raise ValueError("the bank is closed")

    refund = build_refund(till, undo=take_back)
    step = build_step("pay", **SECOND)
    async with build_desk({"pay": build_changing(refund)}, step) as desk:
        result = await desk.ainvoke("Pay", thread_id="t")
    assert result.status == "degraded"
    assert any("the bank is closed" in gap for gap in result.gaps)
    assert till.counts == Counter({("o1", 50): 1, ("o1", 40): 1})


async def test_a_cancelled_steps_effects_are_undone() -> None:
    """A step that is cut off is abandoned for good; what it did is taken back."""
    till = Till()
    refund = build_refund(till, undo=till.take_back)
    paid = asyncio.Event()

    async def work(brief: il.Brief) -> Any:
        await refund("o1", 50)
        paid.set()
        await asyncio.Event().wait()

    async with build_desk({"pay": work}) as desk:
        running = asyncio.ensure_future(desk.ainvoke("Pay", thread_id="t"))
        await paid.wait()
        await desk.acancel("t", why="changed my mind")
        result = await running
    assert (result.status, till.paid) == ("cancelled", [])


async def test_a_person_is_asked_before_what_can_never_be_undone() -> None:
    """With the policy set, no worker that may call an irreversible tool starts unasked."""
    till = Till()
    wire = build_refund(till, irreversible=True)

    async def plain(brief: il.Brief) -> Any:
        raise il.PermanentError("no good")

    async def wiring(brief: il.Brief) -> Any:
        return await wire("o1", 50)

    policy = il.RunPolicy(effects=il.EffectPolicy(ask_before_irreversible=True))
    agents = {"plain": plain, "wiring": il.Worker(name="wiring", agent=wiring, tools=(wire,))}
    steps = [
        build_step("direct", "wiring"),
        build_step("later", "plain", fallback=[il.use_worker("wiring")]),
    ]
    async with build_desk(agents, *steps, policy=policy) as desk:
        waiting = await desk.ainvoke("Pay", thread_id="t")
        assert till.paid == []
        assert [q.kind for q in waiting.questions] == ["before_step"] * 2
        assert all("refund" in q.description for q in waiting.questions)
        result = await desk.aanswer("t", {q.id: il.approve() for q in waiting.questions})
    assert (result.status, len(till.paid)) == ("completed", 2)


async def test_leave_to_start_one_worker_is_none_for_an_irreversible_one() -> None:
    """A step whose first worker a person let start asks again before its fallback may wire money."""
    till = Till()
    wire = build_refund(till, irreversible=True)

    async def plain(brief: il.Brief) -> Any:
        raise il.PermanentError("no good")

    async def wiring(brief: il.Brief) -> Any:
        return await wire("o1", 50)

    policy = il.RunPolicy(effects=il.EffectPolicy(ask_before_irreversible=True))
    agents = {"plain": plain, "wiring": il.Worker(name="wiring", agent=wiring, tools=(wire,))}
    step = build_step("pay", "plain", approval="true", fallback=[il.use_worker("wiring")])
    async with build_desk(agents, step, policy=policy) as desk:
        result = await desk.ainvoke("Pay", thread_id="t")
        for words in ("always asks", "refund"):
            assert words in result.questions[0].description
            assert till.paid == []
            result = await desk.aanswer("t", {result.questions[0].id: il.approve()})
    assert (result.status, till.paid) == ("completed", [("o1", 50)])


async def test_a_fork_answers_from_the_ledger_and_says_so() -> None:
    """A fork repeats no effect and its journal says so; another epoch makes them anew."""
    till = Till()
    refund = build_refund(till)

    async def work(brief: il.Brief) -> Any:
        return await refund("o1", 50)

    async with build_desk({"pay": work}) as desk:
        await desk.ainvoke("Pay", thread_id="t")
        config = {"configurable": {"thread_id": "t"}}
        states = [one async for one in desk.graph.aget_state_history(config)]
        before = next(state for state in states if state.next == ("dispatch",))
        fork = await desk.graph.aupdate_state(before.config, {"context": {}})
        state = await desk.graph.ainvoke(None, fork, durability="sync")
        assert till.paid == [("o1", 50)]
        assert state["outcomes"]["pay"]["value"]["receipt"] == 1
        (said,) = [h for h in await desk.ahandoffs("t") if h.kind == "effects"]
        (reused,) = said.payload["answered_from_other_branch"]
        assert reused["call"] == "refund(order='o1', cents=50)"
        anew = await desk.graph.aupdate_state(before.config, {"effect_epoch": 1})
        state = await desk.graph.ainvoke(None, anew, durability="sync")
    assert till.paid == [("o1", 50)] * 2
    assert state["outcomes"]["pay"]["value"]["receipt"] == 2


async def test_a_nested_team_repeats_no_effect_when_its_step_is_tried_again() -> None:
    """A team that works for a step finds the effects of the step's earlier attempt."""
    till = Till()
    refund = build_refund(till)
    attempts: list[int] = []

    async def work(brief: il.Brief) -> Any:
        attempts.append(1)
        return {**await refund("o1", 50), "tried": len(attempts)}

    team = build_desk({"inner": work})
    step = build_step("outer", retry=TWICE, criteria=[il.expr("output.inner.tried == 2")])
    async with build_desk({"outer": team}, step) as desk:
        result = await desk.ainvoke("Pay", thread_id="t")
        (effect,) = await list_effects(desk, "t")
    assert (result.status, till.paid, effect.step_id) == ("completed", [("o1", 50)], "outer/inner")


async def test_a_nested_teams_orphans_are_undone_when_the_outer_step_settles() -> None:
    """What the team did for a refused attempt of the outer step, and not again, is taken back."""
    till = Till()
    refund = build_refund(till, undo=till.take_back)
    attempts: list[int] = []

    async def work(brief: il.Brief) -> Any:
        attempts.append(1)
        await refund("o1", 50 if len(attempts) == 1 else 40)
        return len(attempts)

    team = build_desk({"inner": work})
    step = build_step("outer", retry=TWICE, criteria=[il.expr("output.inner == 2")])
    async with build_desk({"outer": team}, step) as desk:
        result = await desk.ainvoke("Pay", thread_id="t")
    assert (result.status, till.paid) == ("completed", [("o1", 40)])


async def test_a_timed_out_tool_that_ends_later_is_recorded_and_not_repeated() -> None:
    """The step's limit cuts the attempt off, not the tool: the retry waits for its answer."""
    till = Till()
    is_late = asyncio.Event()

    @il.idempotent()
    async def refund(order: str) -> Any:
        await is_late.wait()
        return till.pay(order, 5)

    async def work(brief: il.Brief) -> Any:
        if brief.attempt == 2:
            is_late.set()
        return await refund("o1")

    step = build_step("pay", retry=TWICE, timeout=timedelta(seconds=0.2))
    async with build_desk({"pay": work}, step) as desk:
        result = await desk.ainvoke("Pay", thread_id="t")
        (effect,) = await list_effects(desk, "t")
    assert (result.status, till.paid) == ("completed", [("o1", 5)])
    assert (effect.state, len(effect.uses)) == ("done", 2)


async def test_events_tell_of_effects() -> None:
    """Whoever listens is told of each change, and of duplicates."""
    till = Till()
    refund = build_refund(till)

    async def work(brief: il.Brief) -> Any:
        await refund("o1", 50)
        return brief.attempt

    step = build_step("pay", **SECOND)
    async with build_desk({"pay": work}, step) as desk:
        told = [
            (event.attempt, event.state, event.is_duplicate)
            async for event in desk.astream("Pay", thread_id="t")
            if isinstance(event, il.events.EffectRecorded)
        ]
    assert told == [(1, "started", False), (1, "done", False), (2, "done", True)]


async def test_a_waiting_steps_effects_are_undone_when_the_run_is_cancelled() -> None:
    """A step that waits for a person when its run is cancelled is given up; what it did goes back."""
    till = Till()
    refund = build_refund(till, undo=till.take_back)

    async def work(brief: il.Brief) -> Any:
        await refund("o1", 50)
        return "no good"

    step = build_step("pay", criteria=[il.expr("false")], fallback=[il.ask_person()])
    async with build_desk({"pay": work}, step) as desk:
        waiting = await desk.ainvoke("Pay", thread_id="t")
        assert (waiting.status, till.paid) == ("waiting", [("o1", 50)])
        status = await desk.acancel("t", why="enough")
        handoffs = [h for h in await desk.ahandoffs("t") if h.kind == "effects"]
    assert (status.status, till.paid) == ("cancelled", [])
    assert [entry["call"] for entry in handoffs[0].payload["undone"]] == [
        "refund(order='o1', cents=50)"
    ]


async def test_what_cannot_be_taken_back_from_a_cancelled_step_is_said() -> None:
    """Without an undo the outcome names what stands."""
    till = Till()
    refund = build_refund(till)

    async def work(brief: il.Brief) -> Any:
        await refund("o1", 50)
        return "no good"

    step = build_step("pay", criteria=[il.expr("false")], fallback=[il.ask_person()])
    async with build_desk({"pay": work}, step) as desk:
        await desk.ainvoke("Pay", thread_id="t")
        await desk.acancel("t", why="enough")
        result = await desk.aresume("t")
    assert "refund(order='o1', cents=50) stands" in str(result.outcomes["pay"].reason)


async def test_a_worker_that_hid_an_effect_that_did_not_happen_tries_again() -> None:
    """The person says that nothing happened: what the worker returned meanwhile is not believed."""
    till = Till()
    refund = build_lossy(till)

    async def work(brief: il.Brief) -> Any:
        try:
            return await refund("o1", 50)
        except ConnectionError:
            return "all fine"

    async with build_desk({"pay": work}) as desk:
        waiting = await desk.ainvoke("Pay", thread_id="t")
        answers = {waiting.questions[0].id: il.reject("nothing there")}
        result = await desk.aanswer("t", answers)
    assert (result.status, result.outputs["pay"]["receipt"]) == ("completed", 2)


async def test_an_undo_that_fails_is_said_though_a_person_let_others_stand() -> None:
    """What the person approved is what cannot be undone; a failed undo is another matter."""
    till = Till()

    def take_back(order: str) -> None:
        raise ValueError("the bank is closed")

    refund = build_refund(till, undo=take_back)
    sent: list[str] = []

    @il.idempotent()
    async def mail(to: str) -> None:
        sent.append(to)

    async def work(brief: il.Brief) -> Any:
        if brief.attempt == 1:
            await refund("o1", 50)
            await mail("ann")
        return brief.attempt

    async with build_desk({"pay": work}, build_step("pay", **SECOND)) as desk:
        waiting = await desk.ainvoke("Pay", thread_id="t")
        assert [e["call"] for e in waiting.questions[0].args["effects"]] == ["mail(to='ann')"]
        result = await desk.aanswer("t", {waiting.questions[0].id: il.approve()})
    assert result.status == "degraded"
    assert any("the bank is closed" in gap for gap in result.gaps)
    assert not any("mail" in gap for gap in result.gaps)


async def test_what_a_person_lets_pass_keeps_its_effects() -> None:
    """An attempt that was refused and then approved by a person is the accepted one, undone by nobody."""
    till = Till()
    refund = build_refund(till, undo=till.take_back)

    async def work(brief: il.Brief) -> Any:
        await refund("o1", 50 if brief.attempt == 1 else 40)
        return brief.attempt

    step = build_step("pay", retry=TWICE, criteria=[il.expr("false")], fallback=[il.ask_person()])
    async with build_desk({"pay": work}, step) as desk:
        waiting = await desk.ainvoke("Pay", thread_id="t")
        assert till.counts == Counter({("o1", 50): 1, ("o1", 40): 1})
        result = await desk.aanswer("t", {waiting.questions[0].id: il.approve()})
    assert (result.status, result.outputs["pay"], till.paid) == ("completed", 2, [("o1", 40)])


async def test_an_attempt_after_a_persons_words_repeats_nothing() -> None:
    """Told to try again in another superstep, the worker finds what it did before."""
    till = Till()
    refund = build_refund(till, undo=till.take_back)
    briefs: list[il.Brief] = []

    async def work(brief: il.Brief) -> Any:
        briefs.append(brief)
        await refund("o1", 50)
        return brief.attempt

    step = build_step("pay", criteria=[il.expr("output == 2")], fallback=[il.ask_person()])
    async with build_desk({"pay": work}, step) as desk:
        waiting = await desk.ainvoke("Pay", thread_id="t")
        result = await desk.aanswer("t", {waiting.questions[0].id: il.respond("again")})
    assert (result.status, till.paid) == ("completed", [("o1", 50)])
    assert len(briefs[1].effects) == 1


async def test_each_worker_has_its_own_undo_for_tools_of_one_name() -> None:
    """Two shops' refunds are called alike: each is taken back where it was paid."""
    tills = {name: Till() for name in ("here", "there")}
    refunds = {name: build_refund(till, undo=till.take_back) for name, till in tills.items()}
    has_paid = asyncio.Event()

    async def here(brief: il.Brief) -> Any:
        await refunds["here"]("o1", 50)
        await has_paid.wait()
        raise il.PermanentError("no good")

    async def there(brief: il.Brief) -> Any:
        await refunds["there"]("o2", 40)
        has_paid.set()

    async with build_desk({"here": here, "there": there}) as desk:
        await desk.ainvoke("Pay", thread_id="t")
    assert {name: till.paid for name, till in tills.items()} == {"here": [], "there": [("o2", 40)]}


async def test_a_fork_that_fails_takes_back_nothing_of_another_branch() -> None:
    """What the accepted branch began stays, though the fork was answered for it and gave up."""
    till = Till()
    refund = build_refund(till, undo=till.take_back)
    is_broken: list[bool] = []

    async def work(brief: il.Brief) -> Any:
        receipt = await refund("o1", 50)
        if is_broken:
            raise il.PermanentError("no good")
        return receipt

    async with build_desk({"pay": work}) as desk:
        await desk.ainvoke("Pay", thread_id="t")
        is_broken.append(True)
        config = {"configurable": {"thread_id": "t"}}
        states = [one async for one in desk.graph.aget_state_history(config)]
        before = next(state for state in states if state.next == ("dispatch",))
        fork = await desk.graph.aupdate_state(before.config, {"context": {}})
        state = await desk.graph.ainvoke(None, fork, durability="sync")
    assert state["outcomes"]["pay"]["status"] == "failed"
    assert till.paid == [("o1", 50)]
