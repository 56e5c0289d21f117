"""Teams on a product that breaks one promise each: the crash kit must say which.

Every life of the kit is a process of its own, so what is broken here is broken in that life alone.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import interlock as il
from interlock.checkpoints import SqlStorage
from interlock.contracts.handoff import Handoff
from interlock.contracts.ids import ThreadId
from interlock.contracts.spending import ThreadSpending
from interlock.contracts.storage import Batch
from tests.acceptance.crash_teams import refund

AT_ONCE = il.Retry(max_attempts=9, backoff=timedelta(0))


def _count_lives() -> int:
    """Return the number of this life in its working folder, from 1."""
    made = Path("lives")
    made.write_text(made.read_text() + "x" if made.exists() else "x")
    return len(made.read_text())


def _build_team(*steps: il.Step, agent: object, **policy: Any) -> il.Orchestrator:
    return il.Orchestrator(
        workers=[il.Worker(name="clerk", agent=agent)],
        planner=il.TaskGraph(goal="Refund", steps=steps),
        policy=il.RunPolicy(retry=AT_ONCE, **policy),
        storage="memory://",
    )


def _step(step_id: str, **fields: Any) -> il.Step:
    return il.Step(id=step_id, worker="clerk", instruction="Do it", **fields)


async def _work_long(_: il.Brief) -> str:
    """Write often in the middle of an attempt, so that many kills fall there."""
    for order_id in ("17", "18", "19", "20", "21"):
        await refund(order_id)
    return "done"


async def _work(_: il.Brief) -> str:
    return "done"


def _break_batches(change: Callable[[Batch], Batch]) -> None:
    """Have every write of this process hold something else than what it was given."""
    derive = SqlStorage._derive_commit

    def derive_changed(self: SqlStorage, thread_id: Any, batch: Batch) -> Any:
        return derive(self, thread_id, change(batch))

    SqlStorage._derive_commit = derive_changed  # type: ignore[method-assign]


def build_wavering() -> il.Orchestrator:
    """I5: the effect's arguments differ in every life, so that a second one is made."""
    order_id = str(_count_lives())

    async def work(_: il.Brief) -> str:
        await refund(order_id)
        return "done"

    return _build_team(_step("refund"), agent=work)


def build_hasty() -> il.Orchestrator:
    """I6: a later life needs one attempt more."""
    failures = [ValueError("not yet")] if _count_lives() > 1 else []

    async def work(_: il.Brief) -> str:
        if failures:
            raise failures.pop()
        return "done"

    return _build_team(_step("refund"), agent=work)


def build_sulking() -> il.Orchestrator:
    """I6: a later life does without the step, and says so."""
    lives = _count_lives()

    async def work(_: il.Brief) -> str:
        if lives > 1:
            raise ValueError("not today")
        return "done"

    gap = il.skip(gap="no refund")
    return _build_team(_step("refund", fallback=[gap]), agent=work)


def build_forgetful() -> il.Orchestrator:
    """I6: nobody remembers what has settled: neither the outcomes, nor LangGraph's steps."""
    _break_batches(lambda batch: replace(batch, outcomes=()))
    saver: Any = type(SqlStorage("memory://").checkpointer)

    put = saver.aput

    async def put_nothing(*_: object, **__: object) -> None:
        return None

    async def put_outside(self: Any, config: Any, checkpoint: Any, *more: Any) -> Any:
        namespace = config["configurable"].get("checkpoint_ns")
        if not namespace:
            return await put(self, config, checkpoint, *more)
        return {"configurable": {**config["configurable"], "checkpoint_id": checkpoint["id"]}}

    saver.aput_writes, saver.aput = put_nothing, put_outside

    async def work(brief: il.Brief) -> str:
        return await (_work if brief.step_id == "first" else _work_long)(brief)

    return _build_team(_step("first"), _step("second", needs=["first"]), agent=work)


def build_late() -> il.Orchestrator:
    """I8: a brief comes to the journal with the output of its attempt, no sooner."""
    held: list[Handoff] = []

    def hold(batch: Batch) -> Batch:
        held.extend(one for one in batch.handoffs if one.kind == "brief")
        kept = [one for one in batch.handoffs if one.kind != "brief"]
        if any(one.kind == "output" for one in kept):
            kept = [*held, *kept]
            held.clear()
        return replace(batch, handoffs=kept)

    _break_batches(hold)
    return _build_team(_step("refund"), agent=_work_long)


def build_silent() -> il.Orchestrator:
    """I8: briefs are never written down."""
    _break_batches(
        lambda batch: replace(
            batch, handoffs=[one for one in batch.handoffs if one.kind != "brief"]
        )
    )
    return _build_team(_step("refund"), agent=_work)


def build_repeating() -> il.Orchestrator:
    """I8: every process makes up ids of its own, so that a resumed attempt is recorded twice."""

    def rename(handoff: Handoff) -> Handoff:
        return handoff.model_copy(update={"id": f"{handoff.id}-{os.getpid()}"})

    _break_batches(lambda batch: replace(batch, handoffs=[*map(rename, batch.handoffs)]))
    return _build_team(_step("refund"), agent=_work_long)


def build_rewriting() -> il.Orchestrator:
    """I9: an end does not stay: whoever looks once more finds another."""
    load = SqlStorage.load_run
    is_first = [True]

    async def load_changed(self: SqlStorage, thread_id: Any) -> Any:
        record = await load(self, thread_id)
        if record is None or record.status != "completed" or (is_first and is_first.pop()):
            return record
        result: Mapping[str, Any] = {**record.result, "status": "failed"}
        return record.model_copy(update={"result": result})

    SqlStorage.load_run = load_changed  # type: ignore[method-assign]
    return _build_team(_step("refund"), agent=_work)


def build_restless() -> il.Orchestrator:
    """I9: resuming a run that has ended does its work once more."""
    resume = il.Orchestrator.aresume

    async def resume_anew(self: il.Orchestrator, thread_id: str) -> il.RunResult:
        await resume(self, thread_id)
        again = await self.ainvoke("Refund", thread_id=f"{thread_id}-{uuid4()}")
        return again.model_copy(update={"thread_id": thread_id})

    il.Orchestrator.aresume = resume_anew  # type: ignore[method-assign]
    return _build_team(_step("refund"), agent=_work)


def build_talkative() -> il.Orchestrator:
    """I9: resuming a run that has ended adds to its journal."""
    resume = il.Orchestrator.aresume

    async def resume_and_tell(self: il.Orchestrator, thread_id: str) -> il.RunResult:
        result = await resume(self, thread_id)
        storage, key = self._open_storage, ThreadId(thread_id)
        (first, *_) = await storage.load_handoffs(key)
        lease = await storage.acquire_lease(key, ttl=timedelta(seconds=9))
        again = first.model_copy(update={"id": f"{first.id}-again"})
        await storage.commit(key, Batch(handoffs=[again]))
        await storage.release_lease(lease)
        return result

    il.Orchestrator.aresume = resume_and_tell  # type: ignore[method-assign]
    return _build_team(_step("refund"), agent=_work)


def build_spendthrift() -> il.Orchestrator:
    """I11: a life does not know what earlier ones have used of the budget."""
    load = SqlStorage.load_spending
    is_first = [True]

    async def load_none(self: SqlStorage, thread_id: Any) -> ThreadSpending:
        return ThreadSpending() if is_first and is_first.pop() else await load(self, thread_id)

    SqlStorage.load_spending = load_none  # type: ignore[method-assign]

    async def work(_: il.Brief) -> str:
        raise ValueError("not today")

    return _build_team(_step("refund"), agent=work, budget=il.Budget(attempts=8))
