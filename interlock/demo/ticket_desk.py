"""The desk at work: many tickets at once, a thread and a shop of its own for each.

Called by the retail desk example and by the demonstration. A ticket is started, resumed or read
again, whichever its thread in the storage asks for. Knows nothing of how that is shown.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from interlock.contracts.errors import DrainedError, PermanentError
from interlock.contracts.ids import ThreadId
from interlock.contracts.outcome import TERMINAL_RUN_STATUSES, RunResult
from interlock.contracts.policy import RunPolicy
from interlock.contracts.question import Answer, Question
from interlock.contracts.run_record import RunRecord
from interlock.contracts.storage import Storage
from interlock.contracts.worker import PlannerLike, Worker
from interlock.demo.desk import build_workers
from interlock.demo.shop import Shop
from interlock.demo.ticket_planner import TICKET_KEY
from interlock.demo.ticket_shops import TicketShops
from interlock.demo.tickets import Ticket
from interlock.orchestrator import Orchestrator
from interlock.telemetry.events import Event, RunStopped

SOURCE_KEY: Final = "source"
"""The key of the run's context that tells this ticket, on this shop, from any other."""

BuildWorkers: TypeAlias = Callable[[Ticket, Shop], Sequence[Worker]]
Listen: TypeAlias = Callable[[Event], None]
Decide: TypeAlias = Callable[[Sequence[Question]], Mapping[str, Answer]]


class OtherTicketError(PermanentError):
    """The storage holds a run of another ticket, or of another shop, under this id."""

    ticket_id: str
    storage: str

    def __init__(self, *, ticket_id: str, storage: str) -> None:
        """Name the ticket and the storage."""
        super().__init__(ticket_id=ticket_id, storage=storage)

    def __str__(self) -> str:
        """Say what differs and what to do."""
        return (
            f"{self.storage} holds a run of ticket {self.ticket_id!r} that was started from another "
            "ticket file or other data. Use the files it was started with, or another database."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketReport:
    """How a ticket stands.

    Attributes:
        ticket: The ticket.
        result: Of its run.
        handoffs: Rows in the journal of its thread.
        final_hash: Of its shop, as 64 hex digits.
        was: What was found in the storage: nothing, an unfinished run, or a finished one.
    """

    ticket: Ticket
    result: RunResult
    handoffs: int
    final_hash: str
    was: Literal["new", "unfinished", "finished"]

    @property
    def is_database_right(self) -> bool:
        """Whether the shop is in the recorded state; true if none is recorded."""
        return self.ticket.final_db_sha256 in {None, self.final_hash}

    @property
    def is_right(self) -> bool:
        """Whether the run completed and left the shop as recorded."""
        return self.result.status == "completed" and self.is_database_right

    def dump(self) -> dict[str, object]:
        """Return the report as the example prints it, one JSON object a ticket."""
        return {
            "id": self.ticket.id,
            "status": self.result.status,
            "steps": len(self.result.outcomes),
            "attempts": self.result.usage.attempts,
            "handoffs": self.handoffs,
            "final_hash": self.final_hash,
            "expected_hash": self.ticket.final_db_sha256,
            "ok": self.is_right,
        }


def build_ticket_workers(_: Ticket, shop: Shop) -> Sequence[Worker]:
    """Return the desk's workers over a ticket's shop, as they are."""
    return build_workers(shop)


class TicketDesk:
    """Answers tickets on one storage, a bounded number at once."""

    def __init__(
        self,
        storage: Storage,
        shops: TicketShops,
        *,
        planner: PlannerLike,
        policy: RunPolicy | None = None,
        max_tickets: int = 8,
        build: BuildWorkers = build_ticket_workers,
    ) -> None:
        """Start with nothing to do.

        Args:
            storage: Opened; the caller closes it.
            shops: Where each ticket's shop lies.
            planner: Finds the ticket in the run's context.
            policy: What holds for each run.
            max_tickets: Tickets at once.
            build: Returns the workers of one ticket.
        """
        self._storage = storage
        self._shops = shops
        self._planner = planner
        self._policy = policy
        self._room = asyncio.Semaphore(max_tickets)
        self._build = build
        self._open: set[Orchestrator] = set()
        self._is_draining = False

    def drain(self, reason: str) -> None:
        """Start no further ticket and stop those under way cleanly; a second call cuts them off.

        Call it in the event loop, from a signal handler for one.
        """
        self._is_draining = True
        for team in list(self._open):
            team.drain(reason)

    async def answer(
        self, ticket: Ticket, *, listen: Listen | None = None, decide: Decide | None = None
    ) -> TicketReport | None:
        """Start, resume or read again a ticket's run; None if a drain came first.

        Args:
            ticket: The ticket; its id is the thread's.
            listen: Is told every event of the run.
            decide: Answers the run's questions; left out, the run is left waiting.

        Raises:
            OtherTicketError: The storage holds another ticket's run under this id.
            InterlockError: What the orchestrator raises.
        """
        async with self._room:
            if self._is_draining:
                return None
            record = await self._storage.load_run(ThreadId(ticket.id))
            source = self._shops.derive_source(ticket)
            if record is not None and record.context.get(SOURCE_KEY) != source:
                raise OtherTicketError(ticket_id=ticket.id, storage=self._storage.url)
            try:
                return await self._report(ticket, record, listen=listen, decide=decide)
            except DrainedError:
                return None

    async def _report(
        self,
        ticket: Ticket,
        record: RunRecord | None,
        *,
        listen: Listen | None,
        decide: Decide | None,
    ) -> TicketReport:
        is_over = record is not None and record.status in TERMINAL_RUN_STATUSES
        final_hash = self._shops.load_final_hash(ticket) if is_over else None
        if record is not None and final_hash is not None:
            result = RunResult.model_validate(record.result)
        else:
            async with self._shops.open_shop(ticket, is_new=record is None) as shop:
                result = await self._run(ticket, shop, record, listen=listen, decide=decide)
                if result.status == "waiting":
                    final_hash = await asyncio.to_thread(shop.derive_hash)
                else:
                    final_hash = await self._shops.finish(ticket, shop)
        counts = await self._storage.count_thread(ThreadId(ticket.id))
        return TicketReport(
            ticket=ticket,
            result=result,
            handoffs=counts.handoffs,
            final_hash=final_hash,
            was="new" if record is None else "finished" if is_over else "unfinished",
        )

    async def _run(
        self,
        ticket: Ticket,
        shop: Shop,
        record: RunRecord | None,
        *,
        listen: Listen | None,
        decide: Decide | None,
    ) -> RunResult:
        goal = f"Answer ticket {ticket.id}: {ticket.instruction}" if record is None else None
        context = {TICKET_KEY: ticket.id, SOURCE_KEY: self._shops.derive_source(ticket)}
        async with self._open_team(ticket, shop) as team:
            drive = _Drive(team, ticket.id, listen=listen)
            result = await drive.go(goal, context=context if record is None else None)
            while result.status == "waiting" and decide is not None:
                result = await drive.go(None, answers=decide(result.questions))
            return result

    @asynccontextmanager
    async def _open_team(self, ticket: Ticket, shop: Shop) -> AsyncGenerator[Orchestrator]:
        team = Orchestrator(
            workers=self._build(ticket, shop),
            planner=self._planner,
            storage=self._storage,
            policy=self._policy,
        )
        async with team:
            self._open.add(team)
            try:
                yield team
            finally:
                self._open.discard(team)


class _Drive:
    """Drives one thread, telling a listener what happens if there is one."""

    def __init__(self, team: Orchestrator, thread_id: str, *, listen: Listen | None) -> None:
        self._team = team
        self._thread_id = thread_id
        self._listen = listen

    async def go(
        self,
        goal: str | None,
        *,
        context: Mapping[str, object] | None = None,
        answers: Mapping[str, Answer] | None = None,
    ) -> RunResult:
        """Start with a goal, answer with answers, resume with neither."""
        if self._listen is None:
            return await self._call(goal, context=context, answers=answers)
        events = self._team.astream(
            goal, thread_id=self._thread_id, context=context, answers=answers
        )
        result: RunResult | None = None
        async for event in events:
            self._listen(event)
            if isinstance(event, RunStopped):
                result = event.result
        assert result is not None  # noqa: S101 - a stream that ends ends with it
        return result

    def _call(
        self,
        goal: str | None,
        *,
        context: Mapping[str, object] | None,
        answers: Mapping[str, Answer] | None,
    ) -> Awaitable[RunResult]:
        if goal is not None:
            return self._team.ainvoke(goal, thread_id=self._thread_id, context=context)
        if answers is not None:
            return self._team.aanswer(self._thread_id, answers)
        return self._team.aresume(self._thread_id)
