"""What the rooms above need of a storage, without saying how it stores.

One `Storage` opens everything on one database. Everything it writes for a thread goes
through `commit`: one transaction that also checks the thread's fencing token.
`checkpoints` implements it; nodes, tools and the orchestrator are handed it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar

from interlock.contracts.attempt_parts import StepNeed, ToolCall
from interlock.contracts.blame import BlameLedger
from interlock.contracts.context_ledger import ContextLedger
from interlock.contracts.context_records import FactUse
from interlock.contracts.effect_ledger import EffectLedger, Transaction
from interlock.contracts.fault import Blame, Fault
from interlock.contracts.handoff import Handoff
from interlock.contracts.ids import PayloadHash, QuestionId, StepId, ThreadId
from interlock.contracts.limits import LimitLedger
from interlock.contracts.measures import MeasureLedger
from interlock.contracts.outcome import RunStatus, StepOutcome
from interlock.contracts.plain import Plain
from interlock.contracts.promotion import Promotion
from interlock.contracts.question import Answer, Question
from interlock.contracts.retention import PruneReport, Retention
from interlock.contracts.run_record import RunRecord
from interlock.contracts.scratchpad import Note
from interlock.contracts.spending import CallEnd, CallRecord, StoredCall, ThreadSpending

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The right to write to a thread until it expires or is taken over.

    Attributes:
        thread_id: The thread.
        token: Fencing token: every takeover has a greater one.
        owner: Who holds it, readable by a person.
        expires_at: Unless renewed.
        cancel_reason: Why somebody asked the run to stop, if anybody did; fresh on renewal.
    """

    thread_id: ThreadId
    token: int
    owner: str
    expires_at: datetime
    cancel_reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunUpdate:
    """A change of a run's status; ignored if the run's status is terminal (I9).

    Attributes:
        status: The new one.
        result: A dumped `RunResult`, once terminal.
        trace_parent: The span of the drive that begins, as W3C's traceparent; its trace is noted on
            all handoffs that follow.
    """

    status: RunStatus
    result: Plain = None
    trace_parent: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What is written together or not at all.

    Attributes:
        superstep: Checkpoint id that the outcomes belong to.
        handoffs: Ignored where a handoff of the same id is stored.
        outcomes: Ignored where an outcome of the same superstep and step is stored (I9).
        questions: Ignored where a question of the same id is stored.
        closed: Questions that are no longer open (superseded or cancelled).
        applied: Questions whose recorded answer has reached the graph.
        run: The run's new status.
        payloads: Values to be stored by hash and nothing else.
        notes: Ignored where a note of the same id is stored.
        calls: Model calls that go out; ignored where a call of the same id is stored.
        ended_calls: Model calls that came back; ignored where the call has ended.
        needs: What steps wait for; ignored where it is stored.
        tool_calls: Calls of tools within attempts; ignored where they are stored.
        blames: Faults that somebody found; ignored where one of the same id is stored, and where the
            step has no accepted value.
    """

    superstep: str = ""
    handoffs: Sequence[Handoff] = ()
    outcomes: Sequence[StepOutcome] = ()
    questions: Sequence[Question] = ()
    closed: Sequence[QuestionId] = ()
    applied: Sequence[QuestionId] = ()
    run: RunUpdate | None = None
    payloads: Sequence[bytes] = ()
    promotion: Promotion | None = None
    uses: Sequence[FactUse] = ()
    notes: Sequence[Note] = ()
    calls: Sequence[CallRecord] = ()
    ended_calls: Sequence[CallEnd] = ()
    needs: Sequence[StepNeed] = ()
    tool_calls: Sequence[ToolCall] = ()
    blames: Sequence[Blame] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedAnswer:
    """An answer as it was recorded, with the question it was given to.

    Attributes:
        question: The question.
        answer: What was decided.
        is_applied: Whether the graph has taken it.
    """

    question: Question
    answer: Answer
    is_applied: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAttempt:
    """An attempt whose brief is in the journal and whose output is not."""

    step_id: StepId
    attempt: int
    worker: str
    started_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadCounts:
    """Where a thread stands, read from the journal and the outcomes.

    Attributes:
        settled: Step status to number of steps, over the newest outcome of each step of the
            run's own plan; steps of nested teams are not among them.
        running: Attempts that have a brief and no output.
        attempts: Briefs handed over.
        retries: Briefs of attempt 2 and later.
        handoffs: Rows in the journal.
        input_tokens: Of all attempts in the journal, refused ones too, as reported by models.
        output_tokens: The same.
    """

    settled: Mapping[str, int] = field(default_factory=dict)
    running: Sequence[OpenAttempt] = ()
    attempts: int = 0
    retries: int = 0
    handoffs: int = 0
    input_tokens: int = 0
    output_tokens: int = 0


class Storage(Protocol):
    """One database: saver, journal, run ledger, outcomes, questions, leases, payloads."""

    @property
    def url(self) -> str:
        """The URL it was opened with."""
        ...

    @property
    def checkpointer(self) -> Any:  # noqa: ANN401 - a langgraph saver; contracts know no framework
        """The LangGraph saver on this database."""
        ...

    @property
    def ledger(self) -> EffectLedger:
        """The ledger of effects."""
        ...

    @property
    def limits(self) -> LimitLedger:
        """What is known of breakers and rates."""
        ...

    @property
    def measures(self) -> MeasureLedger:
        """What is counted for metrics."""
        ...

    @property
    def blame(self) -> BlameLedger:
        """Where outputs went."""
        ...

    async def transact(self, function: Callable[[Transaction], T]) -> T:
        """Run a function in one durable transaction, for tables of the user's own.

        Raises:
            StorageError: A statement is refused, or the database cannot be used.
        """
        ...

    @property
    def context(self) -> ContextLedger:
        """The shared context."""
        ...

    async def accept_run(self, run: RunRecord, *, seeds: Promotion | None = None) -> None:
        """Write a run down, durably, before its first node, with the facts that it starts with.

        Raises:
            UnfinishedRunError: The thread has a run under way.
            FinishedRunError: The thread's run has ended.
            PromotionRefusedError: The facts may not enter; the run was not accepted.
        """
        ...

    async def load_run(self, thread_id: ThreadId) -> RunRecord | None:
        """Return the thread's run, or None."""
        ...

    async def list_runs(self, *, status: RunStatus | None = None) -> Sequence[RunRecord]:
        """Return all runs, newest first, without results."""
        ...

    async def request_cancel(self, thread_id: ThreadId, *, why: str) -> None:
        """Ask whoever runs the thread to stop it; needs no lease. Ignored on ended runs.

        Raises:
            UnknownThreadError: There is no such run.
        """
        ...

    async def acquire_lease(self, thread_id: ThreadId, *, ttl: timedelta) -> Lease:
        """Take the thread, with a token greater than any before.

        A lease of a process on this machine that no longer lives is taken over at once.

        Raises:
            ThreadBusyError: A live process, or another run of this process, holds it.
        """
        ...

    async def renew_lease(self, lease: Lease, *, ttl: timedelta) -> Lease:
        """Extend a lease, and learn whether anybody asked to cancel.

        Raises:
            LeaseLostError: Another process took the thread over.
        """
        ...

    async def find_lease(self, thread_id: ThreadId) -> Lease | None:
        """Return the lease that keeps others away from a thread now, or None."""
        ...

    async def release_lease(self, lease: Lease) -> None:
        """Give the thread free; harmless if it was lost."""
        ...

    async def commit(self, thread_id: ThreadId, batch: Batch) -> StepOutcome | None:
        """Write a batch in one durable transaction, if the thread's lease is this process's.

        Returns once it is durable. Writes of one caller become durable in call order.

        Returns:
            The outcome as it is stored, with what came of its promotion; None without one.

        Raises:
            PromotionRefusedError: What is published may not enter; nothing was written.
            LeaseLostError: Another process took the thread over; nothing was written.
            ThreadBusyError: This storage never held the thread, and another process does.
        """
        ...

    def post(self, thread_id: ThreadId, batch: Batch) -> None:
        """Queue a batch without waiting; durable before or with whatever is queued after it.

        If it fails, the next write for the thread that somebody awaits fails with its error.
        """
        ...

    async def flush(self, thread_id: ThreadId) -> None:
        """Return once all that was queued for the thread is durable.

        Raises:
            LeaseLostError: Another process took the thread over.
            StorageError: Something posted before could not be written.
        """
        ...

    async def load_outcomes(
        self, thread_id: ThreadId, *, superstep: str
    ) -> Mapping[StepId, StepOutcome]:
        """Return what has settled in one dispatch superstep, waiting steps included."""
        ...

    async def load_handoffs(
        self, thread_id: ThreadId, *, step_id: StepId | None = None, payloads: bool = False
    ) -> Sequence[Handoff]:
        """Return the journal of a thread, oldest first."""
        ...

    async def request_replan(self, request: Handoff) -> None:
        """Write down what a person asks of a run's planner; needs no lease.

        Raises:
            UnknownThreadError: There is no such run.
            FinishedRunError: It has ended.
        """
        ...

    async def load_replan_requests(self, thread_id: ThreadId) -> Sequence[Handoff]:
        """Return what people have asked of a run's planner, with payloads, oldest first."""
        ...

    async def count_thread(self, thread_id: ThreadId, *, scope: str = "") -> ThreadCounts:
        """Return where a thread stands, or the part of it below a scope.

        Args:
            thread_id: The thread.
            scope: The path of a nested team, such as `outer/`; empty for the whole thread.
        """
        ...

    async def load_spending(self, thread_id: ThreadId) -> ThreadSpending:
        """Return all that a thread has used, on all its branches."""
        ...

    async def load_model_calls(self, thread_id: ThreadId) -> Sequence[StoredCall]:
        """Return a thread's model calls, oldest first."""
        ...

    async def load_notes(
        self, thread_id: ThreadId, *, step_id: StepId | None = None
    ) -> Sequence[Note]:
        """Return the notes of a step's workers, or of all, on all branches, oldest first.

        Args:
            thread_id: The thread.
            step_id: The step, by path in nested teams.
        """
        ...

    async def load_payload(self, thread_id: ThreadId, payload_hash: PayloadHash) -> Plain:
        """Return a value stored by hash.

        Raises:
            StorageError: There is no such payload on this thread.
        """
        ...

    async def record_answers(
        self, thread_id: ThreadId, answers: Mapping[QuestionId, Answer]
    ) -> None:
        """Record answers durably, all or none, once each (I10); needs no lease.

        The same answer given again is harmless.

        Raises:
            UnknownQuestionError: No such question on this thread.
            StaleAnswerError: It has another answer, was closed, or another content was seen.
            InvalidAnswerError: The decision is not allowed for the question.
        """
        ...

    async def load_answers(self, thread_id: ThreadId) -> Mapping[QuestionId, RecordedAnswer]:
        """Return the recorded answers of a thread, applied or not."""
        ...

    async def list_questions(self, thread_id: ThreadId | None = None) -> Sequence[Question]:
        """Return open, unanswered questions, oldest first; of all threads if none is named."""
        ...

    async def report_fault(self, blame: Blame) -> Fault:
        """Write down that a step's value is wrong; needs no lease, the run may have ended.

        Raises:
            UnknownThreadError: There is no such run.
            NoValueError: The step has no value.
        """
        ...

    async def load_faults(self, thread_id: ThreadId) -> Sequence[Fault]:
        """Return the faults of a thread's steps, in the order in which they were found."""
        ...

    async def prune(self, retention: Retention, *, dry_run: bool = False) -> PruneReport:
        """Delete what is old and no resume needs, or count it; safe to stop and to repeat.

        Threads that somebody is running are left alone.

        Raises:
            StorageBusyError: A file was to be compacted, and others kept it for too long.
        """
        ...

    async def aclose(self) -> None:
        """Write what is queued, then close; safe to repeat."""
        ...
