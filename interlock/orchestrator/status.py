"""Where a thread stands, read from storage: also from another process, while it runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from interlock.contracts.ids import ThreadId
from interlock.contracts.outcome import RunStatus, Usage
from interlock.contracts.question import Question
from interlock.contracts.storage import OpenAttempt


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadStatus:
    """Where a thread stands.

    Attributes:
        thread_id: The thread.
        status: Of its run.
        goal: What the run is for.
        total: Steps of its plan; None before there is one.
        settled: Step status to number of steps.
        running: Attempts that have started and not been reviewed.
        attempts: Briefs handed over.
        retries: Of these, second and later ones.
        handoffs: Rows in the journal.
        usage: What all model calls used, also of attempts under way and on other branches.
        questions: Open questions.
        accepted_at: When the run was written down.
        updated_at: When its status last changed.
        cancel_reason: Why it was asked to stop, if it was.
        owner: Which process runs it now; None if none does.
    """

    thread_id: ThreadId
    status: RunStatus
    goal: str
    total: int | None
    settled: Mapping[str, int] = field(default_factory=dict)
    running: Sequence[OpenAttempt] = ()
    attempts: int = 0
    retries: int = 0
    handoffs: int = 0
    usage: Usage = field(default_factory=Usage)
    questions: Sequence[Question] = ()
    accepted_at: datetime
    updated_at: datetime
    cancel_reason: str | None = None
    owner: str | None = None

    @property
    def done(self) -> int:
        """Steps that have settled for good."""
        return sum(count for status, count in self.settled.items() if status != "waiting")
