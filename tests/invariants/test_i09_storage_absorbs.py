"""I9: terminal statuses absorb in storage, whatever is written in whatever order."""

import asyncio
import sqlite3
import tempfile
from collections.abc import Awaitable
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

import interlock as il
from interlock.checkpoints import SqlStorage
from interlock.contracts.ids import StepId, ThreadId
from interlock.contracts.storage import Batch, RunUpdate
from interlock.testing import ManualClock
from interlock.testing.manual_clock import NOON
from tests.invariants.example_settings import draw_examples

ENDED = ("completed", "degraded", "failed", "cancelled")
SETTLED = ("accepted", "degraded", "skipped", "failed", "blocked", "cancelled")

threads = st.sampled_from(["a", "b"])
values = st.integers(0, 9)


class AbsorbingStorage(RuleBasedStateMachine):
    """Writes in any order, against a model in which the first end stays.

    Attributes:
        runs: Thread to status, result and cancel reason.
        outcomes: Thread, superstep and step to the status and value that were written first.
    """

    url = "memory://"

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = tempfile.TemporaryDirectory()
        self.runs: dict[str, list[Any]] = {}
        self.outcomes: dict[tuple[str, str, str], tuple[str, int]] = {}
        self.storage = self.open()

    def open(self) -> SqlStorage:
        storage = SqlStorage(self.url.format(self.folder.name), clock=ManualClock())
        self.wait(storage.connect())
        return storage

    def wait(self, call: Awaitable[Any]) -> Any:
        async def run() -> Any:
            return await call

        return self.runner.run(run())

    def teardown(self) -> None:
        self.wait(self.storage.aclose())
        self.runner.close()
        self.folder.cleanup()

    def is_over(self, thread: str) -> bool:
        return thread in self.runs and self.runs[thread][0] in ENDED

    @rule(thread=threads)
    def accept(self, thread: str) -> None:
        run = il.RunRecord(thread_id=ThreadId(thread), goal="g", accepted_at=NOON, updated_at=NOON)
        call = self.storage.accept_run(run)
        if thread not in self.runs:
            self.wait(call)
            self.runs[thread] = ["running", None, None]
        else:
            error = il.FinishedRunError if self.is_over(thread) else il.UnfinishedRunError
            with pytest.raises(error):
                self.wait(call)

    @rule(thread=threads, status=st.sampled_from(["running", "waiting", *ENDED]), result=values)
    def update_run(self, thread: str, status: Any, result: int) -> None:
        update = RunUpdate(status=status, result=result)
        self.wait(self.storage.commit(ThreadId(thread), Batch(run=update)))
        if thread in self.runs and not self.is_over(thread):
            self.runs[thread][:2] = [status, result]

    @rule(thread=threads, why=st.sampled_from(["first", "second"]))
    def cancel(self, thread: str, why: str) -> None:
        call = self.storage.request_cancel(ThreadId(thread), why=why)
        if thread not in self.runs:
            with pytest.raises(il.UnknownThreadError):
                self.wait(call)
            return
        self.wait(call)
        if not self.is_over(thread):
            self.runs[thread][2] = self.runs[thread][2] or why

    @rule(
        thread=threads,
        superstep=st.sampled_from(["c1", "c2"]),
        step=st.sampled_from(["read", "write"]),
        status=st.sampled_from(["waiting", *SETTLED]),
        value=values,
        awaited=st.booleans(),
    )
    def settle(
        self, thread: str, superstep: str, step: str, status: Any, value: int, awaited: bool
    ) -> None:
        outcome = il.StepOutcome(step_id=StepId(step), status=status, value=value)
        batch = Batch(superstep=superstep, outcomes=[outcome])
        self.wait(self._write(ThreadId(thread), batch, awaited=awaited))
        self.outcomes.setdefault((thread, superstep, step), (status, value))

    async def _write(self, thread: ThreadId, batch: Batch, *, awaited: bool) -> None:
        if awaited:
            await self.storage.commit(thread, batch)
        else:
            self.storage.post(thread, batch)
            await self.storage.flush(thread)

    @precondition(lambda self: any(self.is_over(thread) for thread in self.runs))
    @rule(column=st.sampled_from(["status", "result", "goal", "cancel_reason", "updated_at"]))
    def forget_the_condition_on_a_run(self, column: str) -> None:
        ended = next(thread for thread in self.runs if self.is_over(thread))
        statement = f"UPDATE runs SET {column} = 'running' WHERE thread_id = '{ended}'"
        self.require_refused(statement)

    @precondition(lambda self: any(v[0] != "waiting" for v in self.outcomes.values()))
    @rule(column=st.sampled_from(["status", "outcome", "step_id"]))
    def forget_the_condition_on_an_outcome(self, column: str) -> None:
        place = next(key for key, (status, _) in self.outcomes.items() if status != "waiting")
        where = "thread_id = '{}' AND superstep = '{}' AND step_id = '{}'".format(*place)
        self.require_refused(f"UPDATE outcomes SET {column} = 'failed' WHERE {where}")

    def require_refused(self, statement: str) -> None:
        with pytest.raises((sqlite3.Error, il.StorageError), match="I9"):
            self.wait(self.storage._database.write(lambda c: c.execute(statement)))

    @precondition(lambda self: self.url != "memory://")
    @rule()
    def open_again(self) -> None:
        self.wait(self.storage.aclose())
        self.storage = self.open()

    @invariant()
    def what_was_first_stays(self) -> None:
        for thread in ("a", "b"):
            record = self.wait(self.storage.load_run(ThreadId(thread)))
            found = record and [record.status, record.result, record.cancel_reason]
            assert found == self.runs.get(thread)
            for superstep in ("c1", "c2"):
                stored = self.wait(
                    self.storage.load_outcomes(ThreadId(thread), superstep=superstep)
                )
                assert {step: (o.status, o.value) for step, o in stored.items()} == {
                    key[2]: kept
                    for key, kept in self.outcomes.items()
                    if key[:2] == (thread, superstep)
                }


class AbsorbingFile(AbsorbingStorage):
    """The same in a file, opened again on the way."""

    url = "sqlite:///{}/storage.db"


@pytest.mark.parametrize("machine", [AbsorbingStorage, AbsorbingFile])
def test_i09_the_first_end_stays_whatever_is_written_after_it(machine: Any) -> None:
    """I9: no order of writes changes an ended run or a settled outcome, nor does plain SQL."""
    run_state_machine_as_test(machine, settings=draw_examples(20, stateful_step_count=25))
