"""Replays: a recorded brief worked on once more, in a world where nothing can change (I4, I5)."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from langgraph.types import interrupt

import interlock as il
from interlock.contracts.replay import NoBriefError
from tests.integration.effects.till import Till
from tests.integration.teams import Recorder, build_desk, build_step, give, locate
from tests.raw_database import dump_rows

TWICE = il.Retry(max_attempts=2, backoff=timedelta(0))
IS_OK = [il.expr("output.ok", message="is not ok")]


def build_refund(till: Till, **declaration: Any) -> Any:
    """Return a guarded tool that pays from a till."""

    @il.idempotent(**declaration)
    async def refund(order: str, cents: int, *, key: il.IdempotencyKey) -> Any:
        return till.pay(order, cents, key)

    return refund


class Paying:
    """A worker that pays twice the same and once another sum, notes it, and is accepted at last."""

    def __init__(self, till: Till) -> None:
        self.refund = build_refund(till)
        self.shown: list[dict[str, Any]] = []
        self.cents = 7

    async def __call__(self, brief: il.Brief) -> dict[str, Any]:
        self.shown.append(brief.dump())
        receipts = [await self.refund("o1", 50), await self.refund("o1", 50)]
        other = await self.refund("o2", self.cents * brief.attempt)
        brief.scratchpad.append(f"attempt {brief.attempt}")
        return {"receipts": receipts, "other": other, "ok": brief.attempt == 2}


def build_shop(storage: str, till: Till, **options: Any) -> tuple[il.Orchestrator, Paying]:
    """Return a team that looks an order up, publishes a fact of it, and pays on the second attempt."""
    paying = Paying(till)
    steps = (
        build_step("order", publishes={"region": "output.region"}),
        build_step(
            "pay",
            needs=["order"],
            inputs={"rows": "order.rows"},
            context=["region"],
            criteria=IS_OK,
            retry=TWICE,
            publishes={"paid": "output.ok"},
        ),
    )
    agents = {"order": give({"region": "north", "rows": [1, 2]}), "pay": paying}
    return build_desk(agents, *steps, storage=storage, **options), paying


@pytest.mark.parametrize("kind", ["plain", "sealed", "postgresql"])
async def test_i05_a_replay_pays_nothing_and_changes_no_row(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Guarded calls get their recorded answers; every row of the storage is as it was."""
    url = request.getfixturevalue("postgres_url") if kind == "postgresql" else locate(tmp_path)
    keys = il.Encryption(keys={"k": bytes(range(32))}, active="k") if kind == "sealed" else None
    till = Till()
    desk, paying = build_shop(url, till, encryption=keys)
    async with desk:
        await desk.ainvoke("Pay", thread_id="t")
        paid, shown = list(till.paid), list(paying.shown)
        before = dump_rows(url)
        first = await desk.areplay("t", "pay", attempt=1)
        last = await desk.areplay("t", "pay")
        after = dump_rows(url)
    assert (len(paid), till.paid) == (4, paid)
    assert after == before
    assert [one.replayed.value == one.recorded.value for one in (first, last)] == [True, True]
    assert [one.is_same_value for one in (first, last)] == [True, True]
    assert [one.replayed.accepted for one in (first, last)] == [False, True]
    assert [(one.attempt, one.change, one.effects_answered) for one in (first, last)] == [
        (1, "same", 3),
        (2, "same", 3),
    ]
    assert [{**one, "deadline": None} for one in paying.shown[2:]] == [
        {**one, "deadline": None} for one in shown
    ]
    assert "is not ok" in shown[1]["feedback"][0]


async def test_i05_a_call_that_was_never_made_is_refused_and_the_replay_says_so() -> None:
    """Another worker, or a changed one, gets no answer to what has none; it is not run either."""
    till = Till()
    desk, paying = build_shop("memory://", till)
    async with desk:
        await desk.ainvoke("Pay", thread_id="t")
        paid = list(till.paid)
        paying.cents = 8
        changed = await desk.areplay("t", "pay")
        paying.cents = 7

        async def hide(brief: il.Brief) -> dict[str, Any]:
            try:
                await paying.refund("o3", 1)
            except il.PermanentError:
                return {"ok": True}
            return {"ok": False}

        hidden = await desk.areplay("t", "pay", worker=il.Worker(name="hide", agent=hide))
    assert till.paid == paid
    assert changed.change == "not_comparable"
    assert changed.replayed.error is not None
    assert changed.replayed.error.startswith("NotRecordedError: refund(order='o2', cents=16)")
    assert (changed.effects_answered, len(changed.effects_refused)) == (2, 1)
    assert (hidden.change, len(hidden.effects_refused)) == ("not_comparable", 1)
    assert "refund(order='o3', cents=1)" in hidden.effects_refused[0]


async def test_i05_an_effect_of_which_nobody_knows_has_no_answer() -> None:
    """A call whose outcome is unknown is refused in a replay, as nothing is known of it."""
    till = Till()

    @il.idempotent()
    async def refund(order: str) -> Any:
        till.pay(order, 1)
        raise ConnectionError("the line went dead")

    async def work(brief: il.Brief) -> Any:
        return await refund("o1")

    async with build_desk({"work": work}) as desk:
        waiting = await desk.ainvoke("Pay", thread_id="t")
        done = await desk.areplay("t", "work")
        assert waiting.status == (await desk.astatus("t")).status == "waiting"
    assert till.paid == [("o1", 1)]
    assert "unknown: it has no known answer" in done.effects_refused[0]


async def test_tools_that_only_read_run_again() -> None:
    """`effect="read"` declares that nothing changes, so the replay sees what there is now."""
    stock = [3]

    @il.idempotent(effect="read")
    async def count(shelf: str) -> int:
        return stock[0]

    async def work(brief: il.Brief) -> dict[str, int]:
        return {"stock": await count("a")}

    async with build_desk({"work": work}) as desk:
        await desk.ainvoke("Count", thread_id="t")
        stock[0] = 4
        done = await desk.areplay("t", "work")
    assert (done.recorded.value, done.replayed.value) == ({"stock": 3}, {"stock": 4})
    assert (done.is_same_value, done.change) == (False, "same")


async def test_other_criteria_and_other_workers_change_verdicts() -> None:
    """Each side has its findings; the recorded output can be judged anew without any worker."""
    weak = Recorder({"ok": False, "size": 3})
    agents = {"weak": weak, "good": give({"ok": True, "size": 9})}
    step = build_step("work", "weak", criteria=IS_OK, fallback=[il.use_worker("good")])
    async with build_desk(agents, step) as desk:
        await desk.ainvoke("Work", thread_id="t")
        other = await desk.areplay("t", "work", attempt=1, worker="good")
        again = await desk.areplay("t", "work", attempt=1)
        judged = await desk.areplay(
            "t", "work", attempt=1, worker="recorded", criteria=[il.expr("output.size < 5")]
        )
        stricter = await desk.areplay("t", "work", attempt=2, criteria=[il.expr("output.size < 5")])
        for criteria in ([il.expr("output.size <")], [il.check("no_such_check")]):
            with pytest.raises(il.ConfigurationError):
                await desk.areplay("t", "work", criteria=criteria)
        with pytest.raises(il.ConfigurationError, match="good"):
            await desk.areplay("t", "work", worker="goood")
    assert (other.change, other.replayed.worker, other.recorded.worker) == (
        "now_accepted",
        "good",
        "weak",
    )
    assert (again.change, again.is_same_value) == ("same", True)
    assert (judged.change, judged.replayed.value) == ("now_accepted", {"ok": False, "size": 3})
    assert (stricter.change, stricter.replayed.findings[0].passed) == ("now_refused", False)
    assert weak.calls == 2


async def test_steps_of_nested_teams_are_replayed_by_path() -> None:
    """The inner step has a brief of its own; the outer one can only be judged anew."""
    draft = Recorder({"ok": False}, {"ok": True})
    inmost = build_desk({"draft": draft}, build_step("draft", criteria=IS_OK, retry=TWICE))
    middle = build_desk({"ask": inmost}, build_step("ask"))
    async with build_desk({"reply": middle}, build_step("reply", "reply")) as desk:
        await desk.ainvoke("Reply", thread_id="t")
        calls = draft.calls
        first = await desk.areplay("t", "reply/ask/draft", attempt=1, worker="recorded")
        last = await desk.areplay("t", "reply/ask/draft")
        with pytest.raises(il.ConfigurationError, match="is a whole team"):
            await desk.areplay("t", "reply")
        outer = await desk.areplay(
            "t", "reply", worker="recorded", criteria=[il.expr("output.ask.draft.ok")]
        )
    assert (first.replayed.accepted, first.change) == (False, "same")
    assert (last.replayed.value, last.change) == ({"ok": True}, "same")
    assert draft.calls == calls + 1
    assert outer.replayed.accepted


async def test_a_worker_that_asks_or_takes_too_long_ends_there() -> None:
    """Nobody is asked; what was asked is told; the step's timeout holds; nothing hangs."""

    async def ask(brief: il.Brief) -> Any:
        return {"ok": interrupt("which order?")}

    async def hang(brief: il.Brief) -> Any:
        await asyncio.Event().wait()

    step = build_step("work", criteria=IS_OK, timeout=timedelta(milliseconds=200))
    async with build_desk({"work": give({"ok": True})}, step) as desk, asyncio.timeout(20):
        await desk.ainvoke("Work", thread_id="t")
        asked = await desk.areplay("t", "work", worker=il.Worker(name="ask", agent=ask))
        late = await desk.areplay("t", "work", worker=il.Worker(name="hang", agent=hang))
        assert not await desk.aquestions()
    assert (asked.change, asked.replayed.accepted) == ("not_comparable", None)
    assert "which order?" in str(asked.replayed.asked)
    assert late.change == "now_refused"
    assert "StepTimeoutError" in str(late.replayed.error)


async def test_what_cannot_be_replayed_is_said_with_what_there_is() -> None:
    """A step that had no attempt, an attempt that there was not, a thread that never was."""
    step = build_step("work", approval="true")
    async with build_desk({"work": give(1), "free": give(2)}, step, build_step("free")) as desk:
        await desk.ainvoke("Work", thread_id="t")
        with pytest.raises(NoBriefError, match="free"):
            await desk.areplay("t", "fre")
        with pytest.raises(NoBriefError, match="'work'"):
            await desk.areplay("t", "work")
        with pytest.raises(NoBriefError, match="no attempt 2"):
            await desk.areplay("t", "free", attempt=2)
        with pytest.raises(il.UnknownThreadError):
            await desk.areplay("u", "free")


async def test_both_branches_of_a_fork_are_replayed() -> None:
    """The newest attempt is the fork's; of many, each branch's attempt is one."""
    second = Recorder("original", "of the fork", "replayed")
    steps = (build_step("first"), build_step("second", needs=["first"]))
    config: Any = {"configurable": {"thread_id": "t"}}
    async with build_desk({"first": give(1), "second": second}, *steps) as desk:
        await desk.ainvoke("Fork", thread_id="t", stepwise=True)
        history = [state async for state in desk.graph.aget_state_history(config)]
        early = next(
            state
            for state in history
            if state.next == ("supervisor",) and set(state.values["outcomes"]) == {"first"}
        )
        outcomes = {"first": {**early.values["outcomes"]["first"], "value": "edited"}}
        fork = await desk.graph.aupdate_state(
            early.config, {"outcomes": outcomes}, as_node="dispatch"
        )
        await desk.graph.ainvoke(None, fork, durability="sync")
        newest = await desk.areplay("t", "second")
        both = await desk.areplay_many(step="second", worker="recorded")
    assert newest.recorded.value == "of the fork"
    assert second.briefs[-1].inputs["first"] == "edited"
    assert sorted(str(one.recorded.value) for one in both.replays) == ["of the fork", "original"]


class Grading:
    """A worker whose value is a number that its instruction names, or another one later."""

    def __init__(self) -> None:
        self.bias = 0
        self.under_way = 0
        self.most = 0

    async def __call__(self, brief: il.Brief) -> dict[str, int]:
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        await asyncio.sleep(0)
        self.under_way -= 1
        if brief.instruction == "9" and self.bias:
            raise ConnectionError("no more")
        return {"points": int(brief.instruction) + self.bias}


async def test_a_regression_test_over_many_counts_changed_verdicts() -> None:
    """Each change is told with its reason, as many at once as may; the newest, if only so many."""
    grade = Grading()
    steps = [
        build_step(f"s{n}", "grade", instruction=str(n), criteria=[il.expr("output.points < 8")])
        for n in range(10)
    ]
    told: list[Any] = []
    async with build_desk({"grade": grade}, *steps) as desk:
        for thread in ("t1", "t2"):
            await desk.ainvoke("Grade", thread_id=thread)
        same = await desk.areplay_many()
        grade.bias, grade.most = 2, 0
        changed = await desk.areplay_many(at_once=3, tell=told.append)
        most = grade.most
        one = await desk.areplay_many(step="s7", thread_id="t2")
        few = await desk.areplay_many(most=4)
        strict = await desk.areplay_many(worker="recorded", criteria=[il.expr("output.points > 8")])
        with pytest.raises(il.ConfigurationError):
            await desk.areplay_many(at_once=0)
    assert (same.compared, len(same.changed), same.failures) == (20, 0, ())
    assert (changed.compared, changed.count("now_refused"), changed.count("same")) == (20, 4, 16)
    assert {(o.thread_id, o.step) for o in changed.changed} == {
        (thread, step) for thread in ("t1", "t2") for step in ("s6", "s7")
    }
    assert (len(told), most) == (20, 3)
    assert [(o.thread_id, o.step, o.change) for o in one.replays] == [("t2", "s7", "now_refused")]
    assert (len(few.replays), {o.thread_id for o in few.replays}) == (4, {"t2"})
    assert strict.count("now_accepted") == 2
    assert strict.count("now_refused") == 16


async def test_one_that_cannot_be_replayed_stops_no_other() -> None:
    """It is told apart, with its reason, and counts nowhere."""
    agents = {"kept": give(1), "gone": give(2)}
    async with build_desk(agents) as desk:
        await desk.ainvoke("Work", thread_id="t")
        storage = desk._open_storage
        async with build_desk({"kept": give(1)}, storage=storage) as smaller:
            report = await smaller.areplay_many()
    assert [(one.step, one.change) for one in report.replays] == [("kept", "same")]
    assert [one.step for one in report.failures] == ["gone"]
    assert "no worker 'gone'" in report.failures[0].why


async def test_verdicts_of_old_outputs_are_the_same_when_they_are_judged_anew() -> None:
    """Retries, fallbacks, people's decisions, errors: each recorded attempt, and only attempts."""
    weak, bad = Recorder({"ok": False}), Recorder(il.PermanentError("never"))
    steps: Sequence[il.Step] = (
        build_step("weak", criteria=IS_OK, retry=TWICE, fallback=[il.ask_person()]),
        build_step("bad", criteria=IS_OK, fallback=[il.use_value({"ok": True})]),
        build_step("told", "weak", criteria=IS_OK, fallback=[il.ask_person()]),
    )
    async with build_desk({"weak": weak, "bad": bad}, *steps) as desk:
        result = await desk.ainvoke("Work", thread_id="t")
        said = {"weak": il.edit({"ok": True}), "told": il.approve()}
        answers = {q.id: said[str(q.step_id)] for q in result.questions}
        await desk.aanswer("t", answers)
        report = await desk.areplay_many(worker="recorded")
    assert sorted((one.step, one.attempt, one.change) for one in report.replays) == [
        ("bad", 1, "same"),
        ("told", 1, "same"),
        ("weak", 1, "same"),
        ("weak", 2, "same"),
    ]
    assert not any(one.replayed.accepted for one in report.replays)
