"""One storage on one database: what the rooms above are handed (`contracts.storage.Storage`)."""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TypeVar

from interlock.checkpoints.attempt_measures import measure_outputs, measure_quiet, needs_measuring
from interlock.checkpoints.blame import SqlBlameLedger
from interlock.checkpoints.connection import Connection, Operation
from interlock.checkpoints.context_ledger import SqlContextLedger
from interlock.checkpoints.context_promotion import promote, settle_promoted
from interlock.checkpoints.context_rows import derive_use_rows
from interlock.checkpoints.database_kinds import build_database
from interlock.checkpoints.effect_ledger import SqlEffectLedger
from interlock.checkpoints.fault_rows import insert_blames, load_faults, report_blame
from interlock.checkpoints.journal import Journal, derive_handoff_rows, insert_handoffs
from interlock.checkpoints.leases import Leases
from interlock.checkpoints.limit_ledger import SqlLimitLedger
from interlock.checkpoints.measured_rows import derive_measured_rows, insert_measured
from interlock.checkpoints.measures import SqlMeasureLedger
from interlock.checkpoints.outcomes import derive_outcome_rows, insert_outcomes, load_superstep
from interlock.checkpoints.payload_rows import derive_payload_rows, insert_payloads
from interlock.checkpoints.pruning import Pruning
from interlock.checkpoints.question_ledger import (
    QuestionLedger,
    apply_answers,
    close_questions,
    derive_question_rows,
    insert_questions,
)
from interlock.checkpoints.replan_requests import load_replan_requests, request_replan
from interlock.checkpoints.revivable import build_serializer
from interlock.checkpoints.run_ledger import RunLedger, apply_update
from interlock.checkpoints.saver import Saver
from interlock.checkpoints.scratchpads import derive_note_rows, insert_notes, load_notes
from interlock.checkpoints.sealing.sealing_state import require_plain
from interlock.checkpoints.spending import (
    derive_call_rows,
    derive_end_rows,
    load_model_calls,
    load_spending,
)
from interlock.checkpoints.sqlite.compaction import compact_file, measure_file
from interlock.checkpoints.storage_url import parse_storage_url
from interlock.checkpoints.strict_msgpack import require_strict_msgpack
from interlock.checkpoints.trace_marks import TraceMarks, note_trace
from interlock.checkpoints.write_hook import WriteHook
from interlock.contracts.clock import Clock, SystemClock
from interlock.contracts.effect_ledger import Transaction
from interlock.contracts.encryption import Encryption
from interlock.contracts.fault import Blame, Fault
from interlock.contracts.handoff import Handoff
from interlock.contracts.ids import PayloadHash, QuestionId, StepId, ThreadId
from interlock.contracts.outcome import RunStatus, StepOutcome
from interlock.contracts.plain import Plain
from interlock.contracts.promotion import Promotion
from interlock.contracts.question import Answer, Question
from interlock.contracts.retention import PruneReport, Retention
from interlock.contracts.run_record import RunRecord
from interlock.contracts.scratchpad import Note
from interlock.contracts.spending import StoredCall, ThreadSpending
from interlock.contracts.storage import (
    Batch,
    Lease,
    RecordedAnswer,
    Storage,
    ThreadCounts,
)
from interlock.contracts.thread_call import call_in_thread

T = TypeVar("T")


class SqlStorage:
    """Saver, journal, run ledger, outcomes, questions, leases and payloads on one database.

    Build it anywhere, await `connect` before the first use, `aclose` after the last. It may
    be used from several event loops and threads. Every method raises StorageError, or one
    of its kinds, where the database fails or is not open.
    """

    def __init__(
        self,
        url: str,
        *,
        clock: Clock | None = None,
        write_hook: WriteHook | None = None,
        encryption: Encryption | None = None,
    ) -> None:
        """Prepare a storage; nothing is opened yet.

        Args:
            url: `sqlite:///relative.db`, `sqlite:////absolute/path.db`, `memory://` or
                `postgresql://user@host/database`.
            clock: Decides when leases expire; the machine's if left out.
            write_hook: Called around every commit, for tests.
            encryption: The keys with which its values are sealed; None for a plain one.

        Raises:
            ConfigurationError: The URL is unknown, or LangGraph's strict mode is off.
        """
        require_strict_msgpack()
        self._url = parse_storage_url(url)
        clock = clock or SystemClock()
        self._clock = clock
        self._database = build_database(self._url, write_hook=write_hook, encryption=encryption)
        self._is_plain = encryption is None
        self._leases = Leases(self._database, clock)
        self._runs = RunLedger(self._database, clock)
        self._journal = Journal(self._database)
        self._trace_marks = TraceMarks()
        self._questions = QuestionLedger(self._database, clock)
        self._ledger = SqlEffectLedger(self._database, self._leases, clock)
        self._context = SqlContextLedger(self._database)
        self._measures = SqlMeasureLedger(self._database)
        self._blame = SqlBlameLedger(self._database)
        self._limits = SqlLimitLedger(self._database, clock, self._ledger.flights)
        self._saver = Saver(self._database, self._leases, serde=build_serializer())
        self._pruning = Pruning(
            self._database,
            self._leases,
            ledger=self._ledger,
            clock=clock,
            serde=self._saver.serde,
        )

    @property
    def url(self) -> str:
        """The URL it was opened with."""
        return self._url.text

    @property
    def checkpointer(self) -> Saver:
        """The LangGraph saver on this database; may be taken before `connect`."""
        return self._saver

    @property
    def ledger(self) -> SqlEffectLedger:
        """The ledger of effects; may be taken before `connect`."""
        return self._ledger

    @property
    def context(self) -> SqlContextLedger:
        """The shared context; may be taken before `connect`."""
        return self._context

    @property
    def limits(self) -> SqlLimitLedger:
        """What is known of breakers and rates; may be taken before `connect`."""
        return self._limits

    @property
    def measures(self) -> SqlMeasureLedger:
        """What is counted for metrics; may be taken before `connect`."""
        return self._measures

    @property
    def blame(self) -> SqlBlameLedger:
        """Where outputs went; may be taken before `connect`."""
        return self._blame

    async def transact(self, function: Callable[[Transaction], T]) -> T:
        """Run a function in one durable transaction, for tables of your own beside interlock's.

        Args:
            function: Sync; given the open transaction. It may be run more than once, of which one
                is kept. If it raises, nothing is written.

        Raises:
            StorageError: A statement is refused, or the database cannot be used.
        """
        return await self._ledger.transact(function)

    async def connect(self) -> None:
        """Open the database and bring its schema up to date; safe to repeat.

        Raises:
            StorageError: It cannot be opened; StorageSchemaError, StorageCorruptError and
                StorageReadOnlyError leave it untouched. SealedStorageError: it is sealed with
                other keys than were given, or is not sealed.
        """
        await self._database.connect()
        if self._is_plain:
            try:
                await require_plain(self._database)
            except BaseException:
                await self._database.aclose()
                raise

    async def aclose(self) -> None:
        """Write what is queued, give held threads free, close; safe to repeat."""
        if self._database.is_open:
            await self._ledger.flights.land()
            try:
                await self._leases.release_all()
            finally:
                await self._database.aclose()

    async def accept_run(self, run: RunRecord, *, seeds: Promotion | None = None) -> None:
        """Write a run down, durably, before its first node, with the facts that it starts with.

        Raises:
            UnfinishedRunError: The thread has a run under way.
            FinishedRunError: The thread's run has ended.
            PromotionRefusedError: The facts may not enter; the run was not accepted.
        """
        seed = None if seeds is None else lambda connection: promote(connection, seeds)
        await self._runs.accept(run, seed=seed)

    async def load_run(self, thread_id: ThreadId) -> RunRecord | None:
        """Return the thread's run, or None."""
        return await self._runs.load(thread_id)

    async def list_runs(self, *, status: RunStatus | None = None) -> Sequence[RunRecord]:
        """Return all runs, newest first, without results."""
        return await self._runs.list(status=status)

    async def request_cancel(self, thread_id: ThreadId, *, why: str) -> None:
        """Ask whoever runs the thread to stop it; needs no lease. Ignored on ended runs.

        Raises:
            UnknownThreadError: There is no such run.
        """
        await self._runs.request_cancel(thread_id, why=why)

    async def acquire_lease(self, thread_id: ThreadId, *, ttl: timedelta) -> Lease:
        """Take the thread, with a token greater than any before.

        Raises:
            ThreadBusyError: A live process, or another run of this process, holds it.
        """
        return await self._leases.acquire(thread_id, ttl=ttl)

    async def renew_lease(self, lease: Lease, *, ttl: timedelta) -> Lease:
        """Extend a lease, and learn whether anybody asked to cancel.

        Raises:
            LeaseLostError: Another process took the thread over.
        """
        return await self._leases.renew(lease, ttl=ttl)

    async def find_lease(self, thread_id: ThreadId) -> Lease | None:
        """Return the lease that keeps others away from a thread now, or None."""
        return await self._leases.find(thread_id)

    async def release_lease(self, lease: Lease) -> None:
        """Give the thread free; harmless if it was lost."""
        await self._leases.release(lease.thread_id, lease.token)

    async def commit(self, thread_id: ThreadId, batch: Batch) -> StepOutcome | None:
        """Write a batch in one durable transaction, if the thread's lease is this process's.

        Returns:
            The outcome as it is stored, with what came of its promotion; None without one.

        Raises:
            PromotionRefusedError: What is published may not enter; nothing was written.
            LeaseLostError: Another process took the thread over; nothing was written.
            ThreadBusyError: This storage never held the thread, and another process does.
        """
        return await self._database.write(
            self._derive_commit(thread_id, batch),
            lane=thread_id,
            key=self._leases.derive_key(thread_id),
        )

    def post(self, thread_id: ThreadId, batch: Batch) -> None:
        """Queue a batch without waiting; durable before or with whatever is queued after it.

        If it fails, the next write for the thread that somebody awaits fails with its error.
        """
        commit = self._derive_commit(thread_id, batch)

        def operation(connection: Connection) -> None:
            commit(connection)

        self._database.post(operation, key=self._leases.derive_key(thread_id))

    async def flush(self, thread_id: ThreadId) -> None:
        """Return once all that was queued for the thread is durable.

        Raises:
            LeaseLostError: Another process took the thread over.
            StorageError: Something posted before could not be written.
        """
        await self._database.write(
            self._leases.derive_guard(thread_id),
            lane=thread_id,
            key=self._leases.derive_key(thread_id),
        )

    def _derive_commit(self, thread_id: ThreadId, batch: Batch) -> Operation[StepOutcome | None]:
        guard = self._leases.derive_guard(thread_id)
        marked = self._trace_marks.mark(thread_id, batch)
        payload_rows = derive_payload_rows(
            thread_id, handoffs=batch.handoffs, payloads=batch.payloads
        )
        handoff_rows = None
        if not needs_measuring(marked):
            handoff_rows = derive_handoff_rows(measure_quiet(marked, batch.tool_calls))
        given_rows = derive_outcome_rows(
            thread_id, superstep=batch.superstep, outcomes=batch.outcomes
        )
        measured = derive_measured_rows(batch)
        question_rows = derive_question_rows(batch.questions)
        note_rows = derive_note_rows(batch.notes)
        use_rows = derive_use_rows(batch.uses)
        call_rows = derive_call_rows(batch.calls)
        end_rows = derive_end_rows(thread_id, batch.ended_calls)
        update = None if batch.run is None else self._runs.derive_update(thread_id, batch.run)

        def operation(connection: Connection) -> StepOutcome | None:
            guard(connection)
            promoted, outcome_rows = None, given_rows
            if batch.promotion is not None:
                (outcome,) = batch.outcomes
                promoted = settle_promoted(
                    connection, thread_id, outcome, promotion=batch.promotion
                )
                outcome_rows = derive_outcome_rows(
                    thread_id, superstep=batch.superstep, outcomes=(promoted,)
                )
            insert_payloads(connection, payload_rows)
            rows = handoff_rows
            if rows is None:
                measured_now = measure_outputs(connection, marked, batch.tool_calls)
                rows = derive_handoff_rows(measured_now)
            insert_handoffs(connection, rows)
            insert_measured(connection, measured)
            insert_blames(connection, batch.blames)
            insert_outcomes(connection, outcome_rows.stamp(self._clock.now()))
            connection.run_many("insert_fact_use", use_rows)
            insert_questions(connection, question_rows)
            insert_notes(connection, note_rows)
            connection.run_many("insert_model_call", call_rows)
            connection.run_many("end_model_call", end_rows)
            close_questions(connection, thread_id, batch.closed)
            apply_answers(connection, thread_id, batch.applied)
            if update is not None:
                apply_update(connection, update)
                note_trace(connection, thread_id, batch.run)
            return promoted

        return operation

    async def load_outcomes(
        self, thread_id: ThreadId, *, superstep: str
    ) -> Mapping[StepId, StepOutcome]:
        """Return what has settled in one dispatch superstep, waiting steps included."""
        return await load_superstep(self._database, thread_id, superstep=superstep)

    async def load_handoffs(
        self, thread_id: ThreadId, *, step_id: StepId | None = None, payloads: bool = False
    ) -> Sequence[Handoff]:
        """Return the journal of a thread, oldest first."""
        return await self._journal.load_handoffs(thread_id, step_id=step_id, payloads=payloads)

    async def request_replan(self, request: Handoff) -> None:
        """Write down what a person asks of a run's planner; needs no lease.

        Raises:
            UnknownThreadError: There is no such run.
            FinishedRunError: It has ended.
        """
        await request_replan(self._database, request)

    async def load_replan_requests(self, thread_id: ThreadId) -> Sequence[Handoff]:
        """Return what people have asked of a run's planner, with payloads, oldest first."""
        return await load_replan_requests(self._database, thread_id)

    async def count_thread(self, thread_id: ThreadId, *, scope: str = "") -> ThreadCounts:
        """Return where a thread stands, or the part of it below a scope such as `outer/`."""
        return await self._journal.count_thread(thread_id, scope=scope)

    async def load_spending(self, thread_id: ThreadId) -> ThreadSpending:
        """Return all that a thread has used, on all its branches."""
        return await load_spending(self._database, thread_id)

    async def load_model_calls(self, thread_id: ThreadId) -> Sequence[StoredCall]:
        """Return a thread's model calls, oldest first."""
        return await load_model_calls(self._database, thread_id)

    async def load_notes(
        self, thread_id: ThreadId, *, step_id: StepId | None = None
    ) -> Sequence[Note]:
        """Return the notes of a step's workers, or of all, on all branches, oldest first."""
        return await load_notes(self._database, thread_id, step_id=step_id)

    async def load_payload(self, thread_id: ThreadId, payload_hash: PayloadHash) -> Plain:
        """Return a value stored by hash.

        Raises:
            StorageError: There is no such payload on this thread.
        """
        return await self._journal.load_payload(thread_id, payload_hash)

    async def record_answers(
        self, thread_id: ThreadId, answers: Mapping[QuestionId, Answer]
    ) -> None:
        """Record answers durably, all or none, once each (I10); needs no lease.

        Raises:
            UnknownQuestionError: No such question on this thread.
            StaleAnswerError: It has another answer, was closed, or another content was seen.
            InvalidAnswerError: The decision is not allowed for the question.
        """
        await self._questions.record(thread_id, answers)

    async def load_answers(self, thread_id: ThreadId) -> Mapping[QuestionId, RecordedAnswer]:
        """Return the recorded answers of a thread, applied or not."""
        return await self._questions.load_answers(thread_id)

    async def list_questions(self, thread_id: ThreadId | None = None) -> Sequence[Question]:
        """Return open, unanswered questions, oldest first; of all threads if none is named."""
        return await self._questions.list_open(thread_id)

    async def report_fault(self, blame: Blame) -> Fault:
        """Write down that a step's value is wrong; needs no lease, the run may have ended.

        Raises:
            UnknownThreadError: There is no such run.
            NoValueError: The step has no value.
        """
        return await report_blame(self._database, blame)

    async def load_faults(self, thread_id: ThreadId) -> Sequence[Fault]:
        """Return the faults of a thread's steps, in the order in which they were found."""
        return await load_faults(self._database, thread_id)

    async def prune(self, retention: Retention, *, dry_run: bool = False) -> PruneReport:
        """Delete what is old and no resume needs, or count it; safe to stop and to repeat.

        Raises:
            StorageBusyError: The file was to be compacted, and others kept it for too long.
        """
        path = self._url.path
        size = None if path is None else measure_file(path)
        report = await self._pruning.prune(retention, dry_run=dry_run)
        if path is not None and retention.compact and not dry_run:
            await call_in_thread(compact_file, self.url, path)
        left = None if path is None else measure_file(path)
        return report.model_copy(update={"file_bytes_before": size, "file_bytes_after": left})


@asynccontextmanager
async def open_storage(
    url: str,
    *,
    clock: Clock | None = None,
    write_hook: WriteHook | None = None,
    encryption: Encryption | None = None,
) -> AsyncGenerator[Storage]:
    """Open a storage, and close it at the end of the block.

    Args:
        url: `sqlite:///relative.db`, `sqlite:////absolute/path.db`, `memory://` or
                `postgresql://user@host/database`.
        clock: Decides when leases expire; the machine's if left out.
        write_hook: Called around every commit, for tests.
        encryption: The keys with which its values are sealed; None for a plain one.

    Raises:
        ConfigurationError: The URL is unknown, or LangGraph's strict mode is off.
        StorageError: The database cannot be opened.
    """
    storage = SqlStorage(url, clock=clock, write_hook=write_hook, encryption=encryption)
    try:
        await storage.connect()
        yield storage
    finally:
        await storage.aclose()
