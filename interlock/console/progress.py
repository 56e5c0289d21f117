"""Where a run stands, added up from its events: what the live display draws."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from interlock.contracts.ids import QuestionId, StepId
from interlock.contracts.question import Question
from interlock.orchestrator.status import ThreadStatus
from interlock.telemetry.events import (
    AttemptRefused,
    AttemptStarted,
    Event,
    PlanAccepted,
    QuestionAsked,
    RunStarted,
    StepSettled,
)

_SCOPE_MARK: Final = "/"
"""Stands in the paths of steps of nested teams, which the plan does not count."""


@dataclass(slots=True)
class Progress:
    """A run as its events tell it.

    Attributes:
        goal: What it is for.
        total: Steps of its plan; None before there is one.
        earlier: Status to number of steps that ended before this part of the run.
        settled: Step to status, of steps that have ended since; not those of nested teams.
        running: Step to the attempt under way.
        pausing: Step to its refused attempt, while it waits for its next one.
        questions: Open questions.
        retries: Attempts that began after a refused one.
        started_at: When the run, or this part of it, began.
    """

    goal: str = ""
    total: int | None = None
    earlier: Counter[str] = field(default_factory=Counter)
    settled: dict[StepId, str] = field(default_factory=dict)
    running: dict[StepId, AttemptStarted] = field(default_factory=dict)
    pausing: dict[StepId, AttemptRefused] = field(default_factory=dict)
    questions: dict[QuestionId, Question] = field(default_factory=dict)
    retries: int = 0
    started_at: datetime | None = None

    def start_from(self, status: ThreadStatus) -> None:
        """Count what earlier parts of a resumed run did."""
        self.total = status.total
        self.earlier = Counter({k: n for k, n in status.settled.items() if k != "waiting"})
        self.retries = status.retries
        self.questions = {question.id: question for question in status.questions}

    def take(self, event: Event) -> None:
        """Add an event."""
        match event:
            case RunStarted():
                self.goal = event.goal
                self.started_at = self.started_at or event.at
            case PlanAccepted():
                self.total = event.total
            case AttemptStarted():
                self.running[event.step_id] = event
                self.pausing.pop(event.step_id, None)
                self.retries += event.attempt > 1
            case AttemptRefused():
                self.running.pop(event.step_id, None)
                if event.action == "retry":
                    self.pausing[event.step_id] = event
            case QuestionAsked():
                self.questions[event.question.id] = event.question
            case StepSettled():
                self._settle(event)
            case _:
                pass

    def _settle(self, event: StepSettled) -> None:
        self.running.pop(event.step_id, None)
        self.pausing.pop(event.step_id, None)
        if event.status == "waiting":
            return
        if _SCOPE_MARK not in event.step_id:
            self.settled[event.step_id] = event.status
        for question in [q for q in self.questions.values() if q.step_id == event.step_id]:
            del self.questions[question.id]

    @property
    def counts(self) -> Counter[str]:
        """Status to number of steps."""
        return self.earlier + Counter(list(self.settled.values()))

    @property
    def done(self) -> int:
        """Steps that have ended."""
        return self.counts.total()
