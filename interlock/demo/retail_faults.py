"""The fault campaign on the retail desk: real tickets, a real database, answers known beforehand.

Every call's right answer is recorded with its ticket as a hash, and so is the shop's last state. The
faults are those of `interlock.testing.FaultInjector`. Beside the desk, langgraph-supervisor and a plain LangGraph chain make
the same calls, with a retry policy and the same faults.
"""

import asyncio
import hashlib
import random
import tempfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any, Final

from interlock.bench.fault_campaign import CampaignPlan, FaultRow, Progress, build_row
from interlock.bench.fault_desk import PERSON, is_accepted, recount_ends
from interlock.bench.fault_kinds import FaultPlan
from interlock.bench.fault_run import TRIES, FaultRun
from interlock.checkpoints import open_storage
from interlock.contracts.errors import ContractError
from interlock.contracts.fallback import Fallback, ask_person, skip
from interlock.contracts.handoff import Handoff
from interlock.contracts.outcome import RunResult
from interlock.contracts.plain import thaw
from interlock.contracts.plan import TaskGraph
from interlock.contracts.policy import EffectPolicy, Retry, RunPolicy
from interlock.contracts.question import Answer, Question, approve, reject
from interlock.contracts.storage import Storage
from interlock.demo.bare_calls import BareCalls, BareEnd, Calls
from interlock.demo.desk import build_workers, parse_answer
from interlock.demo.packaged_data import DATA_FOLDER, TICKETS_FILE
from interlock.demo.retail_chain import run_retail_chain
from interlock.demo.retail_original import run_retail_original
from interlock.demo.shop import TOOLS, Shop
from interlock.demo.ticket_planner import plan_ticket
from interlock.demo.tickets import Ticket, TicketAction, load_tickets
from interlock.orchestrator import Orchestrator
from interlock.testing import FaultInjector, FaultKind

OURS: Final = "interlock shop"
ORIGINAL: Final = "langgraph-supervisor, shop"
CHAIN: Final = "chain, shop"
_BARE: Final[Mapping[str, Callable[..., Awaitable[BareEnd]]]] = {
    ORIGINAL: run_retail_original,
    CHAIN: run_retail_chain,
}
_KINDS: Final[Mapping[str, FaultKind]] = {
    "error": "raise",
    "rate limit": "rate_limit",
    "garbage": "garbage",
    "cut off": "truncated",
    "other step": "wrong",
    "unseen value": "wrong",
    "hung": "slow",
    "lost answer": "lost",
}
"""Kinds of the campaign, as the injector calls them."""
_OTHER_ORDER: Final = '{"order_id": "#W0000000", "status": "delivered", "items": []}'
_MOST_ANSWERS: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class RetailCase:
    """A ticket under faults.

    Attributes:
        ticket: The ticket.
        plan: What goes wrong.
        shop: Its own copy, in the initial state.
    """

    ticket: Ticket
    plan: FaultPlan
    shop: Shop

    @property
    def thread_id(self) -> str:
        """The run's thread, with which faults are drawn, whoever runs."""
        return f"{self.plan.kind}-{self.plan.rate}-{self.ticket.id}"

    @property
    def seconds(self) -> float:
        """The timeout of an attempt: short only where something can hang."""
        return 2.0 if self.plan.kind == "hung" else 60.0

    def build_injector(self) -> FaultInjector:
        """Return the faults: the same ones for whoever makes the same attempts."""
        kind = _KINDS[self.plan.kind] if self.plan.kind else None
        return FaultInjector(
            seed=self.plan.seed,
            rates={kind: self.plan.rate} if kind else {},
            wrong=_make_other if self.plan.kind == "other step" else _make_unseen,
            slow_seconds=3600.0,
            retry_after_seconds=0.0,
            strikes=lambda place: place.step_id in self.list_struck(),
        )

    def list_struck(self) -> Mapping[str, TicketAction]:
        """Return the steps at which the kind can strike, with their calls."""
        return {
            step: action
            for step, action in list_actions(self.ticket).items()
            if _can_strike(self.plan.kind, action)
        }


def list_actions(ticket: Ticket) -> dict[str, TicketAction]:
    """Return a ticket's recorded calls by their steps' ids."""
    steps = [step for step in plan_ticket(ticket).steps if "tool" in step.arguments]
    return {str(s.id): action for s, action in zip(steps, ticket.actions, strict=True)}


def _can_strike(kind: str | None, action: TicketAction) -> bool:
    tool = TOOLS[action.name]
    if kind == "lost answer":
        return tool.effect == "write"
    if kind == "other step":  # only an answer that repeats an id can be told from another's
        return tool.effect == "read" and "order_id" in tool.parameters
    return True


def _make_other(value: Any, draw: random.Random) -> object:  # noqa: ANN401 - a true answer
    del draw
    return parse_answer(value["tool"], _OTHER_ORDER).model_dump()


def _make_unseen(value: Any, draw: random.Random) -> object:  # noqa: ANN401 - a true answer
    """Return the answer with something at its end that no rule of the desk speaks of."""
    return {**value, "answer": f"{value['answer']} ({draw.randrange(1000)} more)"}


def run_retail_campaign(plan: CampaignPlan, *, most: int, tell: Progress) -> list[FaultRow]:
    """Answer the packaged tickets under the plan's faults, those of its kinds that can strike here.

    Args:
        plan: Kinds, rates and seed; a ticket is one run.
        most: Tickets.
        tell: Told before each row.

    Raises:
        ContractError: A journal says something else than its result.
    """
    with tempfile.TemporaryDirectory(prefix="interlock-bench-") as folder:
        tickets = load_tickets(TICKETS_FILE).tasks[:most]
        return asyncio.run(_Campaign(Path(folder), tickets).run(plan, tell=tell))


class _Campaign:
    def __init__(self, folder: Path, tickets: Sequence[Ticket]) -> None:
        self._folder = folder
        self._tickets = tickets
        self._template = Shop.create(folder / "template.db", data=DATA_FOLDER)
        self._numbers = count()

    async def run(self, campaign: CampaignPlan, *, tell: Progress) -> list[FaultRow]:
        quiet = FaultPlan(seed=campaign.seed, kind=None, rate=0.0)
        plans = [
            FaultPlan(seed=campaign.seed, kind=kind, rate=rate)
            for kind in campaign.kinds
            if kind in _KINDS
            for rate in campaign.rates
        ]
        rows: list[FaultRow] = []
        async with open_storage(f"sqlite:///{self._folder / 'desk.db'}") as storage:
            for name in (OURS, *_BARE):
                bare: Sequence[FaultRun] = ()
                for plan in (quiet, *plans):
                    tell(plan.kind, plan.rate, name)
                    runs = [await self._run_one(name, t, plan, storage) for t in self._tickets]
                    bare = bare or runs
                    rows.append(build_row(name, plan, runs, bare))
        return rows

    async def _run_one(
        self, name: str, ticket: Ticket, plan: FaultPlan, storage: Storage
    ) -> FaultRun:
        path = self._folder / f"shop{next(self._numbers)}.db"
        shop = self._template.copy_to(path)
        case = RetailCase(ticket=ticket, plan=plan, shop=shop)
        try:
            if name == OURS:
                return await _run_desk(case, storage)
            return await _judge_bare(case, _BARE[name])
        finally:
            shop.close()
            for part in self._folder.glob(f"{path.name}*"):
                part.unlink()


async def _run_desk(case: RetailCase, storage: Storage) -> FaultRun:
    team = Orchestrator(
        workers=case.build_injector().wrap_all(build_workers(case.shop)),
        planner=_add_second_ways(plan_ticket(case.ticket)),
        storage=storage,
        policy=RunPolicy(
            retry=Retry(max_attempts=TRIES, backoff=timedelta(0)),
            timeout=timedelta(seconds=case.seconds),
            effects=EffectPolicy(orphans="gap"),
        ),
    )
    async with team:
        result = await team.ainvoke(case.ticket.instruction, thread_id=case.thread_id)
        for _ in range(_MOST_ANSWERS):
            if result.status != "waiting":
                break
            answers = {str(question.id): _answer(question) for question in result.questions}
            result = await team.aanswer(case.thread_id, answers)
        journal = await team.ahandoffs(case.thread_id)
    return _count(case, result, journal)


def _add_second_ways(plan: TaskGraph) -> TaskGraph:
    """Return the plan with a gap in the place of a call that fails; for a write a person is asked."""

    def choose(arguments: Mapping[str, Any]) -> tuple[Fallback, ...]:
        if "tool" not in arguments:
            return ()
        gap = skip(gap=f"no answer to {arguments['tool']}")
        return (ask_person(), gap) if TOOLS[arguments["tool"]].effect == "write" else (gap,)

    steps = [s.model_copy(update={"fallback": choose(s.arguments)}) for s in plan.steps]
    return plan.model_copy(update={"steps": tuple(steps)})


def _answer(question: Question) -> Answer:
    return reject("leave it") if "reject" in question.allowed else approve()


def _count(case: RetailCase, result: RunResult, journal: Sequence[Handoff]) -> FaultRun:
    outputs = [h for h in journal if h.kind == "output" and h.sender != PERSON]
    ends = recount_ends(journal)
    told = {step: outcome.status for step, outcome in result.outcomes.items()}
    if (result.usage.attempts, told) != (len(outputs), ends):
        raise ContractError(
            f"The result and the journal of {case.ticket.id} differ: {told!r} against {ends!r}. "
            "Report this."
        )
    accepted = {str(h.step_id): thaw(h.payload) for h in outputs if is_accepted(h)}
    is_wrong = bool(_list_wrong(case.ticket, accepted))
    is_complete = result.status == "completed"
    is_database_right = case.shop.derive_hash() == case.ticket.final_db_sha256
    started = {str(h.step_id) for h in journal if h.kind == "brief"} & set(case.list_struck())
    refusal = 0.0 if case.plan.kind in {None, "unseen value"} else case.plan.rate
    return FaultRun(
        end="failed" if result.status == "cancelled" else result.status,
        has_answer="report" in accepted,
        is_right=is_complete and not is_wrong and is_database_right,
        is_silently_wrong=is_wrong or (is_complete and not is_database_right),
        attempts=len(outputs),
        calls=0,
        tokens=0,
        doubles=_count_doubles(case.shop),
        phantoms=0,
        struck_steps=len(started),
        done_steps=len(started & set(accepted)),
        expected_steps=len(started) * (1 - refusal**TRIES),
        escalations=sum(h.kind == "question" for h in journal),
    )


def _list_wrong(ticket: Ticket, answers: Mapping[str, Any]) -> list[str]:
    """Return the steps whose answer is not the recorded one, by its hash or as a refusal."""
    return [
        step
        for step, action in list_actions(ticket).items()
        if step in answers and not _is_recorded(action, answers[step])
    ]


def _is_recorded(action: TicketAction, value: Any) -> bool:  # noqa: ANN401 - a worker's value
    if not isinstance(value, Mapping) or not {"answer", "refused"} <= set(value):
        return False  # prose, or cut off
    if action.obs_sha256 is None:
        return bool(value["refused"] == (action.error is not None))
    return hashlib.sha256(value["answer"].encode()).hexdigest() == action.obs_sha256


async def _judge_bare(case: RetailCase, run: Callable[..., Awaitable[BareEnd]]) -> FaultRun:
    calls: Calls = {step: (a.name, a.kwargs) for step, a in list_actions(case.ticket).items()}
    bare = BareCalls(
        shop=case.shop,
        injector=case.build_injector(),
        thread_id=case.thread_id,
        seconds=case.seconds,
    )
    done = await run(bare, calls, tries=TRIES)
    is_right = done.answers is not None and (
        not _list_wrong(case.ticket, done.answers)
        and case.shop.derive_hash() == case.ticket.final_db_sha256
    )
    return FaultRun(
        end="failed" if done.answers is None else "completed",
        has_answer=done.answers is not None,
        is_right=is_right,
        is_silently_wrong=done.answers is not None and not is_right,
        attempts=done.attempts,
        calls=0,
        tokens=0,
        doubles=_count_doubles(case.shop),
        phantoms=0,
    )


def _count_doubles(shop: Shop) -> int:
    return sum(made - 1 for made in shop.count_receipts().values())
