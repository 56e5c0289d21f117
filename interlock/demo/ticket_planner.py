"""The planner of the retail desk: a ticket's recorded calls become a task graph.

It is asked through the interface that a model planner is asked through. Reads run in
parallel. Writes keep their recorded order, and every read stays between the writes it
was recorded between, so that each call gets the answer that was recorded. Order is all
that such needs carry: those steps take no outputs of other steps as inputs.
"""

import re
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final

from interlock.contracts.errors import PermanentError
from interlock.contracts.ids import StepId, WorkerName
from interlock.contracts.plan import Need, Step, TaskGraph
from interlock.contracts.worker import PlanRequest
from interlock.demo.shop import TOOLS
from interlock.demo.ticket_criteria import REPORT_CRITERIA, build_call_criteria
from interlock.demo.tickets import Ticket, TicketAction

RECORDS: Final = WorkerName("records")
ORDERS: Final = WorkerName("orders")
CLERK: Final = WorkerName("clerk")

REPORT_STEP: Final = StepId("report")
TICKET_KEY: Final = "ticket_id"
"""The key of the run's context under which a ticket is named."""


class UnknownTicketError(PermanentError):
    """A request that names no ticket, or none that the planner has."""

    seen: str
    nearest: tuple[str, ...]

    def __init__(self, *, seen: str, nearest: tuple[str, ...]) -> None:
        """Keep what was looked at, and ids that are close to it."""
        super().__init__(seen=seen, nearest=nearest)

    def __str__(self) -> str:
        """Say what was seen and how to name a ticket."""
        return (
            f"No ticket is named by {self.seen!r}. Known are {', '.join(self.nearest)} and maybe "
            f'others. Start the run with context={{"{TICKET_KEY}": ...}}, or put one id into '
            "the goal."
        )


class TicketPlanner:
    """Plans any of the tickets it was given; equal requests get equal plans."""

    def __init__(self, tickets: Iterable[Ticket]) -> None:
        """Keep the tickets by id."""
        self._tickets = {ticket.id: ticket for ticket in tickets}

    async def plan(self, request: PlanRequest) -> TaskGraph:
        """Return the task graph of the ticket that the request's context or goal names.

        Raises:
            UnknownTicketError: It names none, or more than one.
        """
        return plan_ticket(self._find_ticket(request))

    def _find_ticket(self, request: PlanRequest) -> Ticket:
        if TICKET_KEY in request.context:
            seen = str(request.context[TICKET_KEY])
            named = {seen} & self._tickets.keys()
        else:
            seen = request.goal
            named = set(re.findall(r"[\w.-]*\w", request.goal)) & self._tickets.keys()
        if len(named) != 1:
            nearest = get_close_matches(seen, self._tickets, cutoff=0)
            raise UnknownTicketError(seen=seen, nearest=tuple(nearest))
        return self._tickets[named.pop()]


def plan_ticket(ticket: Ticket) -> TaskGraph:
    """Return the task graph of a ticket: a step for each recorded call, then a report."""
    calls: list[Step] = []
    order = _CallOrder()
    for index, action in enumerate(ticket.actions, start=1):
        step_id = StepId(f"a{index:02d}_{action.name}")
        calls.append(_build_call(step_id, action, needs=order.place(step_id, action)))
    return TaskGraph(
        goal=f"Answer ticket {ticket.id}: {ticket.instruction}",
        steps=(*calls, _build_report(ticket, calls)),
    )


class _CallOrder:
    """Which earlier calls each call must wait for."""

    def __init__(self) -> None:
        self._last_write: list[StepId] = []
        self._reads_since: list[StepId] = []
        self._all: list[StepId] = []

    def place(self, step_id: StepId, action: TicketAction) -> list[StepId]:
        """Take the next call and return what it needs."""
        needs = self._place(step_id, action)
        self._all.append(step_id)
        return needs

    def _place(self, step_id: StepId, action: TicketAction) -> list[StepId]:
        match TOOLS[action.name].effect:
            case "write":
                # The reads in between wait for the last write themselves.
                needs = self._reads_since or self._last_write
                self._last_write, self._reads_since = [step_id], []
                return needs
            case "read":
                self._reads_since.append(step_id)
                return self._last_write
            case "none":
                # Handing over to a person ends the conversation; thoughts and sums are free.
                return list(self._all) if action.name == "transfer_to_human_agents" else []


def _build_call(step_id: StepId, action: TicketAction, *, needs: list[StepId]) -> Step:
    writes = TOOLS[action.name].effect == "write"
    return Step(
        id=step_id,
        worker=ORDERS if writes else RECORDS,
        instruction=f"Call the shop's tool {action.name} once and hand in its exact answer.",
        needs=tuple(Need(step=need) for need in needs),
        inputs={},
        arguments={"tool": action.name, "arguments": action.kwargs},
        criteria=build_call_criteria(action.name),
    )


def _build_report(ticket: Ticket, calls: list[Step]) -> Step:
    return Step(
        id=REPORT_STEP,
        worker=CLERK,
        instruction="Say what was done for the ticket, call by call, and what was refused.",
        needs=tuple(Need(step=call.id, accept_degraded=True) for call in calls),
        arguments={
            "ticket": {"id": ticket.id, "user_id": ticket.user_id},
            "calls": [{"step": call.id, **call.arguments} for call in calls],
        },
        criteria=REPORT_CRITERIA,
    )
