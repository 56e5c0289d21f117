"""Pruning on every storage: what is old and not needed goes, and nothing else does."""

import operator
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import pytest
from langgraph.graph import END, START, StateGraph
from langgraph.types import interrupt
from typing_extensions import TypedDict

import interlock as il
from interlock.checkpoints import SqlStorage, pruning
from interlock.contracts.effect_ledger import ForgetEffects, ListEffects
from interlock.contracts.ids import StepId, ThreadId
from interlock.contracts.spending import Caller, CallRecord
from interlock.contracts.storage import Batch
from interlock.orchestrator.context_reading import load_thread_steps
from tests.contract.conftest import NOON, CountingHook, ManualClock
from tests.contract.effect_calls import end, reserve
from tests.integration.teams import build_desk, build_step
from tests.raw_database import open_raw

FAR = datetime(2100, 1, 1, tzinfo=UTC)
"""Long after all checkpoints, whose ids tell the machine's time."""

ALL = il.Retention(older_than=timedelta(0))
GRAPH_TABLES = ("checkpoints", "channel_values", "task_writes", "blobs")
BIG = "x" * 40_000
CONFIG: Any = {"configurable": {"thread_id": "t", "checkpoint_ns": ""}}


def build_team(storage: il.Storage, clock: ManualClock, *, is_asked: bool = False) -> Any:
    """Return a team of three steps: one is tried twice, one has a big output, one may be asked."""

    async def first(brief: il.Brief) -> dict[str, Any]:
        brief.scratchpad.append(f"try {brief.attempt}")
        return {"ok": brief.attempt == 2, "text": BIG}

    async def second(brief: il.Brief) -> dict[str, Any]:
        return {"length": len(brief.inputs["first"]["text"]), "said": list(brief.feedback)}

    steps = [
        build_step(
            "first",
            criteria=[il.expr("output.ok")],
            retry=il.Retry(max_attempts=2),
            publishes={"text": "output.text"},
        ),
        build_step("second", needs=["first"], approval="true" if is_asked else None),
        build_step("third", "second", needs=["first", "second"]),
    ]
    agents = {"first": first, "second": second}
    return build_desk(agents, *steps, storage=storage, clock=clock)


async def count_rows(storage: SqlStorage, thread_id: str = "t") -> dict[str, int]:
    """Return how many rows a thread has in each of LangGraph's tables."""
    names = {
        "checkpoints": "list_checkpoint_sizes",
        "channel_values": "list_value_sizes",
        "task_writes": "list_write_sizes",
        "blobs": "list_blob_sizes",
        "payloads": "list_payload_sizes",
    }
    return await storage._database.read(
        lambda c: {
            table: len(c.run(name, (thread_id,)).fetchall()) for table, name in names.items()
        }
    )


@pytest.fixture
async def ended(storage: SqlStorage, clock: ManualClock) -> AsyncIterator[il.RunResult]:
    """Return the result of a run that has ended long ago."""
    async with build_team(storage, clock) as desk:
        result = await desk.ainvoke("Test", thread_id="t", context={"tenant": BIG})
        assert result.status == "completed"
        clock.instant = FAR
        yield result


async def test_an_ended_thread_loses_its_checkpoints_and_keeps_its_record(
    storage: SqlStorage, clock: ManualClock, ended: il.RunResult
) -> None:
    """Of a run that ended long ago no checkpoint stays; result, journal and payloads do, in full."""
    before = await storage.load_handoffs(ThreadId("t"), payloads=True)
    steps, outcomes = await load_thread_steps(storage, ThreadId("t"))
    report = await storage.prune(il.Retention())
    assert len(steps) == len(outcomes) == 3
    assert await load_thread_steps(storage, ThreadId("t")) == (steps, outcomes)
    assert (report.trimmed, report.emptied, report.busy) == ((), ("t",), ())
    rows = await count_rows(storage)
    assert {name: rows[name] for name in GRAPH_TABLES} == dict.fromkeys(GRAPH_TABLES, 0)
    assert await storage.load_handoffs(ThreadId("t"), payloads=True) == before
    assert list(await storage.load_notes(ThreadId("t"))) == []
    async with build_team(storage, clock) as desk:
        assert await desk.aresume("t") == ended
        for _ in range(2):
            status = await desk.astatus("t")
            assert (status.status, status.total, dict(status.settled)) == (
                "completed",
                3,
                {"accepted": 3},
            )
            await desk.aprune(il.Retention(journal=True))
    assert ended.outputs["first"]["text"] == BIG
    assert (await storage.prune(il.Retention(journal=True))).tables == {}


async def test_what_is_young_stays(storage: SqlStorage, clock: ManualClock) -> None:
    """Nothing goes that is younger than the age: not of an ended run, not of one that waits."""
    clock.instant = datetime.now(UTC)
    async with build_team(storage, clock, is_asked=True) as desk:
        waiting = await desk.ainvoke("Test", thread_id="t")
        for _ in range(2):
            before = await count_rows(storage)
            report = await desk.aprune(il.Retention(older_than=timedelta(hours=1)))
            assert report.tables == {}
            assert await count_rows(storage) == before
            if waiting.questions:
                waiting = await desk.aanswer("t", {waiting.questions[0].id: il.approve()})
    assert waiting.status == "completed"


async def test_a_young_fork_of_an_old_run_stays(storage: SqlStorage, clock: ManualClock) -> None:
    """A branch that was made after the run had ended is not of that age, whatever the run's record is."""
    async with build_team(storage, clock) as desk:
        await desk.ainvoke(
            "Test", thread_id="t"
        )  # at the clock's noon, long before its checkpoints
        clock.instant = datetime.now(UTC)
        before = (await count_rows(storage), list(await storage.load_notes(ThreadId("t"))))
        report = await desk.aprune(il.Retention(older_than=timedelta(hours=1), journal=True))
        assert (report.tables, report.emptied) == ({}, ())
        after = (await count_rows(storage), list(await storage.load_notes(ThreadId("t"))))
        clock.instant = FAR
        assert (await desk.aprune(il.Retention())).emptied == ("t",)
    assert before == after
    assert before[1] != []


async def test_a_waiting_thread_keeps_what_its_answer_needs(
    storage: SqlStorage, clock: ManualClock
) -> None:
    """Pruned while it waits, a thread goes on as one that was not: same result, same journal."""
    journals = []
    for thread_id, is_pruned in (("t", True), ("u", False)):
        async with build_team(storage, clock, is_asked=True) as desk:
            waiting = await desk.ainvoke("Test", thread_id=thread_id)
            assert waiting.status == "waiting"
            if is_pruned:
                clock.instant = FAR
                full = await count_rows(storage)
                report = await desk.aprune(ALL)
                assert report.trimmed == ("t",)
                left = await count_rows(storage)
                assert (
                    left["checkpoints"] == 1
                )  # of the root graph; every step has settled or waits
                assert left["payloads"] == full["payloads"]
                assert {note.text for note in await desk.ascratchpad("t", "first")} == {
                    "try 1",
                    "try 2",
                }
            (question,) = waiting.questions
            result = await desk.aanswer(thread_id, {question.id: il.respond("be brief")})
            assert result.outputs["second"]["said"] == ["A person answered: be brief"]
            journals.append(
                [
                    (h.kind, h.step_id, h.attempt, h.payload_hash)
                    for h in await desk.ahandoffs(thread_id)
                    if h.kind in {"brief", "output"}
                ]
            )
    assert journals[0] == journals[1]


class HalfState(TypedDict, total=False):
    instruction: str
    drafted: str
    output: str


async def test_workers_that_wait_go_on_where_they_stood(
    storage: SqlStorage, clock: ManualClock
) -> None:
    """Pruned while they wait, half-done workers take their answers and do nothing again."""
    done: list[str] = []

    def draft(state: HalfState) -> HalfState:
        done.append("draft")
        return {"drafted": "a draft " * 1000}

    def ask(state: HalfState) -> HalfState:
        return {"output": f"{interrupt('Good?')}, {len(state['drafted'])}"}

    graph = StateGraph(HalfState)
    graph.add_node("draft", draft)
    graph.add_node("ask", ask)
    graph.add_edge(START, "draft")
    graph.add_edge("draft", "ask")
    graph.add_edge("ask", END)

    async def inner_before(brief: il.Brief) -> str:
        done.append("before")
        return "b"

    async def inner_ask(brief: il.Brief) -> str:
        return str(interrupt("And this?"))

    steps = [build_step("before"), build_step("asks", needs=["before"])]
    team = build_desk(
        {"before": inner_before, "asks": inner_ask}, *steps, storage=storage, clock=clock
    )
    async with build_desk(
        {"half": graph.compile(), "team": team}, storage=storage, clock=clock
    ) as desk:
        result = await desk.ainvoke("Test", thread_id="t")
        clock.instant = FAR
        for said in ("yes", "no"):
            assert (await desk.aprune(ALL)).trimmed in (("t",), ())
            clock.advance(1)
            question = min(result.questions, key=lambda one: str(one.step_id))
            result = await desk.aanswer("t", {question.id: il.respond(said)})
    assert result.status == "completed", result
    assert result.outputs == {"half": "yes, 8000", "team": {"asks": "no"}}
    assert sorted(done) == ["before", "draft"]


async def test_a_dry_run_counts_what_a_real_one_deletes(
    storage: SqlStorage, clock: ManualClock, ended: il.RunResult
) -> None:
    """The same report, but for the word; nothing is gone after the first, all of it after both."""
    retention = il.Retention(journal=True)
    before = await count_rows(storage)
    counted = await storage.prune(retention, dry_run=True)
    assert await count_rows(storage) == before
    deleted = await storage.prune(retention)
    assert counted.dry_run
    assert counted.tables == deleted.tables
    after = await count_rows(storage)
    for table, count in before.items():
        assert count - after[table] == deleted.tables[table].rows, count
    assert deleted.tables["payloads"].bytes > len(BIG)
    assert deleted.total.rows == sum(one.rows for one in deleted.tables.values())
    assert ended.status == "completed"


async def test_a_thread_that_is_run_is_left_alone(
    storage: SqlStorage, clock: ManualClock, ended: il.RunResult
) -> None:
    """Whose lease is held, here or elsewhere, is told and not touched; others are pruned."""
    async with build_team(storage, clock, is_asked=True) as desk:
        await desk.ainvoke("Test", thread_id="held")
    lease = await storage.acquire_lease(ThreadId("held"), ttl=timedelta(seconds=15))
    clock.advance(1)
    before = await count_rows(storage, "held")
    report = await storage.prune(ALL)
    assert (report.busy, report.emptied) == (("held",), ("t",))
    assert await count_rows(storage, "held") == before
    await storage.release_lease(lease)
    assert (await storage.prune(ALL)).trimmed == ("held",)


async def test_one_thread_can_be_named(
    storage: SqlStorage, clock: ManualClock, ended: il.RunResult
) -> None:
    """With a thread id nothing else is touched."""
    async with build_team(storage, clock) as desk:
        await desk.ainvoke("Test", thread_id="u")
    clock.advance(10)
    before = await count_rows(storage)
    report = await storage.prune(il.Retention(older_than=timedelta(0), thread_id="u"))
    assert report.emptied == ("u",)
    assert await count_rows(storage) == before


async def test_the_record_goes_if_it_is_asked_for(
    storage: SqlStorage, clock: ManualClock, ended: il.RunResult
) -> None:
    """With `journal` handoffs, outcomes and their payloads go; the run and its result never do."""
    async with build_team(storage, clock) as desk:
        context = await desk.acontext("t")
        report = await desk.aprune(il.Retention(journal=True))
        assert {"handoffs", "outcomes", "payloads"} <= report.tables.keys()
        assert list(await storage.load_handoffs(ThreadId("t"))) == []
        assert await desk.aresume("t") == ended
        assert await desk.acontext("t") == context
    assert BIG in repr(context)
    run = await storage.load_run(ThreadId("t"))
    assert run is not None
    assert run.context == {"tenant": BIG}
    assert (await storage.prune(il.Retention(journal=True))).tables == {}


async def test_the_record_of_an_unknown_effect_stays(
    storage: SqlStorage, clock: ManualClock, ended: il.RunResult
) -> None:
    """As long as an effect may have happened, the journal that tells of it is kept with it."""
    await storage.ledger.apply(reserve("refund"))
    clock.advance(60 * 86_400)
    await storage.prune(il.Retention(journal=True))
    assert len(await storage.load_handoffs(ThreadId("t"))) > 0
    (effect,) = await storage.ledger.apply(ListEffects(thread_id=ThreadId("t")))
    assert effect.tool == "refund"


async def test_ended_effects_are_forgotten_with_their_thread(
    storage: SqlStorage, clock: ManualClock, ended: il.RunResult
) -> None:
    """Pruning forgets effects as the ledger does, and counts them."""
    made = await storage.ledger.apply(reserve("refund"))
    await storage.ledger.apply(end(made.record, answer={"text": BIG + "answer"}))
    clock.advance(60 * 86_400)
    assert (
        await storage.ledger.apply(
            ForgetEffects(before=clock.now() - timedelta(days=30), dry_run=True)
        )
        == 1
    )
    report = await storage.prune(il.Retention())
    assert report.tables["effects"].rows == 1
    assert await storage.ledger.apply(ListEffects(thread_id=ThreadId("t"))) == []


async def test_model_calls_go_with_the_journal_and_not_before(
    storage: SqlStorage, ended: il.RunResult
) -> None:
    """What was spent is part of the record: it stays with it, and goes where that is to go."""
    lease = await storage.acquire_lease(ThreadId("t"), ttl=timedelta(minutes=1))
    caller = Caller(path=StepId("first"), superstep="s", attempt=1, role="worker", worker="w")
    call = CallRecord(
        id="c", thread_id=ThreadId("t"), caller=caller, model="m", tokens=9, started_at=NOON
    )
    await storage.commit(ThreadId("t"), Batch(calls=(call,)))
    await storage.release_lease(lease)
    kept = await storage.prune(il.Retention())
    assert "model_calls" not in kept.tables or kept.tables["model_calls"].rows == 0
    assert [one.record.id for one in await storage.load_model_calls(ThreadId("t"))] == ["c"]
    gone = await storage.prune(il.Retention(journal=True))
    assert gone.tables["model_calls"].rows == 1
    assert await storage.load_model_calls(ThreadId("t")) == []


async def test_more_checkpoints_can_be_kept_for_time_travel(
    storage: SqlStorage, clock: ManualClock
) -> None:
    """With `keep_checkpoints` that many of the newest stay, and can be forked from."""
    async with build_team(storage, clock, is_asked=True) as desk:
        waiting = await desk.ainvoke("Test", thread_id="t")
        clock.instant = FAR
        await desk.aprune(il.Retention(older_than=timedelta(0), keep_checkpoints=2))
        history = [state async for state in desk.graph.aget_state_history(CONFIG)]
        assert [state.next for state in history] == [("escalate",), ("supervisor",)]
        fork = await desk.graph.aupdate_state(history[1].config, {"context": {"new": 1}})
        state = await desk.graph.aget_state(fork)
        assert state.values["context"] == {"new": 1}
        assert state.values["outcomes"].keys() == history[0].values["outcomes"].keys()
    assert waiting.status == "waiting"


class GrowingState(TypedDict):
    lines: Annotated[list[str], operator.add]


def build_growing_graph(storage: il.Storage) -> Any:
    """Return a graph of a user's own whose list grows at every call."""
    graph = StateGraph(GrowingState)
    graph.add_node("add", lambda state: {"lines": [f"line {len(state['lines'])} " + "y" * 100]})
    graph.add_edge(START, "add")
    graph.add_edge("add", END)
    return graph.compile(checkpointer=storage.checkpointer)


async def test_a_list_that_grew_is_whole_after_pruning(
    storage: SqlStorage, clock: ManualClock
) -> None:
    """The newest value of a list is what it was, and grows on, though most checkpoints are gone."""
    graph = build_growing_graph(storage)
    for _ in range(40):
        await graph.ainvoke({"lines": []}, CONFIG, durability="sync")
    wanted = (await graph.aget_state(CONFIG)).values["lines"]
    clock.instant = FAR
    report = await storage.prune(ALL)
    assert report.trimmed == ("t",)
    assert (await count_rows(storage))["checkpoints"] == 1
    assert (await graph.aget_state(CONFIG)).values["lines"] == wanted
    await graph.ainvoke({"lines": []}, CONFIG, durability="sync")
    lines = (await graph.aget_state(CONFIG)).values["lines"]
    assert lines[:-1] == wanted
    assert lines[-1].startswith("line 40 ")


async def test_a_thread_without_a_run_is_never_emptied(
    storage: SqlStorage, clock: ManualClock
) -> None:
    """Nobody has said that a graph of a user's own has ended: its newest checkpoint stays."""
    graph = build_growing_graph(storage)
    await graph.ainvoke({"lines": []}, CONFIG, durability="sync")
    await storage.commit("t", Batch(payloads=[b'"nobody names this"']))
    clock.instant = FAR
    await storage.prune(il.Retention(journal=True))
    assert (await count_rows(storage))["checkpoints"] == 1
    assert (await count_rows(storage))["payloads"] == 1
    assert len((await graph.aget_state(CONFIG)).values["lines"]) == 1


async def test_writers_are_let_in_between(
    storage: SqlStorage,
    clock: ManualClock,
    hook: CountingHook,
    ended: il.RunResult,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Deleting goes in many small transactions; cut off between two, the next call ends it."""
    monkeypatch.setattr(pruning, "_BATCH", 3)
    report = await storage.prune(ALL, dry_run=True)
    commits = hook.commits
    stop_at = commits + 4

    class CutOffError(Exception):
        """The process is told to stop."""

    def stop(index: int) -> None:
        if hook.commits >= stop_at:
            raise CutOffError

    monkeypatch.setattr(hook, "before_commit", stop)
    with pytest.raises(Exception):  # noqa: B017, PT011 - each storage has its own word for it
        await storage.prune(ALL)
    monkeypatch.undo()
    rest = await storage.prune(ALL)
    assert 0 < rest.total.rows < report.total.rows
    rows = await count_rows(storage)
    assert {name: rows[name] for name in GRAPH_TABLES} == dict.fromkeys(GRAPH_TABLES, 0)
    assert ended.status == "completed"


async def test_a_file_can_be_given_back_to_the_disk(file_url: str, clock: ManualClock) -> None:
    """An SQLite file shrinks with `compact`, and only then; what is in it stays."""
    storage = SqlStorage(file_url, clock=clock)
    await storage.connect()
    try:
        async with build_team(storage, clock) as desk:
            for n in range(8):
                await desk.ainvoke("Test", thread_id=f"t{n}")
            clock.instant = FAR
            plain = await desk.aprune(il.Retention(journal=True))
            assert plain.file_bytes_after is not None
            compacted = await desk.aprune(il.Retention(compact=True))
            assert compacted.file_bytes_before is not None
            assert compacted.file_bytes_after is not None
            assert compacted.file_bytes_after < compacted.file_bytes_before / 2
            assert (await desk.aresume("t3")).outputs["first"]["text"] == BIG
    finally:
        await storage.aclose()


async def test_a_record_is_deleted_on_request_only(
    lasting_url: str, clock: ManualClock, make_run: Any, make_handoff: Any
) -> None:
    """No SQL by hand deletes the journal; that of a run under way, nothing does."""
    async with il.open_storage(lasting_url, clock=clock) as storage:
        await storage.accept_run(make_run())
        await storage.commit("t", Batch(handoffs=[make_handoff()]))
        with open_raw(lasting_url) as raw:
            with pytest.raises(Exception, match="only the record of an ended run"):
                raw.execute("INSERT INTO prunings (thread_id) VALUES ('t')")
            with pytest.raises(Exception, match="append-only"):
                raw.execute("DELETE FROM handoffs")
        clock.advance(400 * 86_400)
        report = await storage.prune(il.Retention(journal=True))
        assert report.tables == {}
        assert len(await storage.load_handoffs(ThreadId("t"))) == 1
    assert clock.now() > NOON


async def test_a_sealed_storage_is_pruned_by_what_its_values_name(
    lasting_url: str, clock: ManualClock
) -> None:
    """Where the database cannot look into a value, what it names is found all the same."""
    storage = SqlStorage(
        lasting_url, clock=clock, encryption=il.Encryption(keys={"a": b"k" * 32}, active="a")
    )
    await storage.connect()
    try:
        async with build_team(storage, clock) as desk:
            result = await desk.ainvoke("Test", thread_id="t")
            notes = await desk.ascratchpad("t", "first")
            assert [note.text for note in notes] == ["try 1", "try 2"]
            clock.instant = FAR
            report = await desk.aprune(il.Retention(journal=True))
            assert report.tables["payloads"].rows > 0
            assert await desk.aresume("t") == result
            assert result.outputs["first"]["text"] == BIG
    finally:
        await storage.aclose()
