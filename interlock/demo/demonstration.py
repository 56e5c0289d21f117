"""The demonstration itself: answers every packaged ticket while things go wrong on purpose.

Called by `interlock demo`. Knows nothing of how it is shown: a view is told.
"""

import asyncio
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from interlock.contracts.clock import Clock
from interlock.contracts.ids import ThreadId
from interlock.contracts.question import Answer, Question, approve
from interlock.contracts.storage import Storage
from interlock.contracts.worker import Worker
from interlock.demo.cases import Case
from interlock.demo.demo_folder import DemoFolder
from interlock.demo.faults import inject_fault
from interlock.demo.incidents import Incident, ProcessKill, describe_kill, list_incidents
from interlock.demo.process_kill import kill_half_way
from interlock.demo.shop import Shop
from interlock.demo.ticket_desk import TicketDesk, TicketReport
from interlock.demo.tickets import Ticket
from interlock.telemetry.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseReport:
    """How a case ended.

    Attributes:
        case: The case.
        report: Of its ticket.
        incidents: What went wrong and what was done, from the journal.
    """

    case: Case
    report: TicketReport
    incidents: Sequence[Incident]

    @property
    def is_right(self) -> bool:
        """Whether the database is as expected, and all that was to go wrong did and was handled."""
        seen = {incident.trouble for incident in self.incidents}
        return (
            self.report.is_right
            and all(incident.is_handled for incident in self.incidents)
            and (self.case.trouble is None or self.case.trouble in seen)
        )

    def dump(self) -> dict[str, object]:
        """Return the report as one JSON object."""
        return {
            **self.report.dump(),
            "wish": self.case.wish,
            "incidents": [
                {
                    "trouble": incident.trouble,
                    "step": incident.step_id,
                    "went_wrong": incident.went_wrong,
                    "interlock_did": incident.done,
                    "is_handled": incident.is_handled,
                }
                for incident in self.incidents
            ],
            "ok": self.is_right,
        }


class DemoView(Protocol):
    """Is told what happens, as it happens."""

    def show_event(self, case: Case, event: Event) -> None:
        """Take an event of a case's run."""
        ...

    def show_kill(self, case: Case, kill: ProcessKill) -> None:
        """Take it that the process that ran a case is dead."""
        ...

    def show_answer(self, case: Case, question: Question, answer: Answer) -> None:
        """Take what the demonstration, in a person's place, answered."""
        ...

    def show_report(self, report: CaseReport) -> None:
        """Take a case that has ended."""
        ...


class Demonstration:
    """Runs the cases, all at once, on one storage."""

    def __init__(
        self, folder: DemoFolder, cases: Sequence[Case], *, view: DemoView, clock: Clock
    ) -> None:
        """Prepare; nothing runs yet.

        Args:
            folder: Filled.
            cases: What is run.
            view: Is told what happens.
            clock: Time.
        """
        self._folder = folder
        self._cases = {case.ticket_id: case for case in cases}
        self._view = view
        self._clock = clock

    async def run(self) -> Sequence[CaseReport]:
        """Answer every ticket and return the reports in the order of the cases.

        Cancelled, it leaves no process behind.

        Raises:
            ExceptionGroup: Of what kept a ticket from being run.
        """
        async with self._folder.open_storage() as storage:
            with self._folder.open_desk(storage, build=self._build_workers) as desk:
                async with asyncio.TaskGroup() as group:
                    tasks = [
                        group.create_task(self._answer(case, desk, storage))
                        for case in self._cases.values()
                    ]
            return [task.result() for task in tasks]

    def _build_workers(self, ticket: Ticket, shop: Shop) -> Sequence[Worker]:
        workers = self._folder.build_team(shop)
        return self._folder.watch(inject_fault(workers, self._cases[ticket.id]), ticket)

    async def _answer(self, case: Case, desk: TicketDesk, storage: Storage) -> CaseReport:
        kill: ProcessKill | None = None
        if case.trouble == "killed":
            kill = await kill_half_way(self._folder, case, storage=storage, clock=self._clock)
            self._view.show_kill(case, kill)
        report = await desk.answer(
            self._folder.tickets[case.ticket_id],
            listen=partial(self._view.show_event, case),
            decide=partial(self._play_person, case),
        )
        assert report is not None  # noqa: S101 - this desk is never drained
        handoffs = await storage.load_handoffs(
            ThreadId(case.ticket_id), step_id=None, payloads=True
        )
        incidents = list_incidents(handoffs)
        if kill is not None:
            starts = self._folder.load_starts(case.ticket_id)
            incidents.append(describe_kill(kill, starts, resumed_by=os.getpid()))
        shown = CaseReport(case=case, report=report, incidents=incidents)
        self._view.show_report(shown)
        return shown

    def _play_person(self, case: Case, questions: Sequence[Question]) -> Mapping[str, Answer]:
        """Approve whatever is asked, and show it."""
        answers: dict[str, Answer] = {}
        for question in questions:
            answers[question.id] = approve()
            self._view.show_answer(case, question, answers[question.id])
        return answers
