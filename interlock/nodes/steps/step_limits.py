"""A worker's breaker and rate: asked before an attempt starts, told how it came back.

An open breaker costs no attempt: the step goes on with its fallback chain, and the journal says why.
Who waits for a turn holds no slot.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime

from langchain_core.runnables import RunnableConfig
from langgraph.errors import GraphBubbleUp

from interlock.contracts.brief import Brief
from interlock.contracts.errors import StepTimeoutError
from interlock.contracts.handoff import Handoff, Verdict
from interlock.contracts.ids import WorkerName, derive_handoff_id
from interlock.contracts.limit_errors import BreakerOpenError, RateLimitedError
from interlock.contracts.limits import Limit, LimitLedger, Notice, Turn, build_limit
from interlock.contracts.plain import Plain, derive_hash
from interlock.contracts.storage import Batch
from interlock.contracts.worker import Worker
from interlock.nodes.calls.breaker_notice import build_notice
from interlock.nodes.run.live_run import LiveRun
from interlock.nodes.run.run_state import as_plain
from interlock.nodes.run.team import Team
from interlock.nodes.steps.agent_call import AgentResult, CallAgent
from interlock.nodes.steps.step_budget import find_end
from interlock.nodes.steps.step_run import StepRun
from interlock.nodes.steps.step_state import FALLBACK, StepState
from interlock.telemetry.events import HandoffRecorded


def derive_worker_limit(worker: Worker) -> Limit | None:
    """Return the breaker and the rate of a worker; None if it has neither."""
    return build_limit(
        f"worker/{worker.name}",
        breaker=worker.breaker,
        rate=worker.rate,
        ignores=worker.permanent_errors,
    )


async def find_open_breaker(team: Team, state: StepState, run: StepRun) -> StepState | None:
    """Return the way to the fallbacks, if waiting for the backoff would be in vain."""
    limit = derive_worker_limit(team.spec.workers[WorkerName(state["worker"])])
    until = state.get("wait_until")
    if limit is None or limit.breaker is None or not until:
        return None
    known = await run.storage.limits.find(limit.name)
    if known is None or known.state != "open" or known.until is None:
        return None
    if known.until <= max(datetime.fromisoformat(until), team.clock.now()):
        return None
    error = BreakerOpenError(name=limit.name, until=known.until, last_failure=known.last_failure)
    return refuse(team, state, run, error=error)


async def take_turn(team: Team, state: StepState, run: StepRun) -> StepState | None:
    """Wait for a turn of the worker, and hold a slot then; or return the way to the fallbacks.

    The run is stopping if no slot is held afterwards.
    """
    worker = WorkerName(state["worker"])
    limit = derive_worker_limit(team.spec.workers[worker])
    run.turn = None
    if limit is None:
        await run.slot.take(worker)
        return None
    ledger, notice = run.storage.limits, build_notice(team, run.thread_id)
    while True:
        latest = find_end(state, run)
        try:
            run.turn = await ledger.ask(limit, turn=run.turn, latest=latest, notice=notice)
        except (BreakerOpenError, RateLimitedError) as exc:
            run.slot.give_back()
            return refuse(team, state, run, error=exc)
        seconds = (run.turn.starts_at - team.clock.now()).total_seconds()
        if seconds <= 0 and run.slot.is_held and run.slot.worker == worker:
            return None
        if seconds > 0:
            run.slot.give_back()
            await run.live.wait_unless_stopping(team.clock.sleep(seconds))
        if run.live.is_stopping or not await run.slot.take(worker):
            run.slot.give_back()
            ledger.tell_soon(run.turn, asyncio.CancelledError())
            return None


def refuse(
    team: Team, state: StepState, run: StepRun, *, error: BreakerOpenError | RateLimitedError
) -> StepState:
    """Put it into the journal that a worker gets no attempt now; returns the way to the fallbacks."""
    action = run.name_last_resort(state["chain"])
    verdict = Verdict(action=action, reason=str(error), error=type(error).__name__)
    now = team.clock.now()
    payload: Plain = {"reason": str(error), "error": type(error).__name__}
    attempt: int = state["attempt"]
    handoff = Handoff(
        id=derive_handoff_id(
            run.thread_id,
            superstep=run.superstep,
            step_id=run.path,
            attempt=attempt,
            kind=f"refusal/{state['worker']}/{state['chain']}",
        ),
        thread_id=run.thread_id,
        kind="refusal",
        sender="supervisor",
        receiver="supervisor",
        worker=WorkerName(state["worker"]),
        payload=payload,
        payload_hash=derive_hash(payload),
        verdict=verdict,
        queued_at=run.queued_at,
        ended_at=now,
        superstep=run.superstep,
        step_id=run.path,
        attempt=attempt,
    )
    run.storage.post(run.thread_id, Batch(handoffs=(handoff,)))
    if team.is_heard(run.thread_id):
        team.emit(HandoffRecorded(thread_id=run.thread_id, at=now, handoff=handoff))
    return StepState(route=FALLBACK, verdict=as_plain(verdict))


@dataclass(slots=True, kw_only=True)
class WatchedAttempt:
    """One attempt, seen by its worker's breaker.

    Attributes:
        team: At work.
        live: Of the run.
        ledger: Where breakers are kept.
        limit: The worker's; None where it has none.
        turn: The attempt's; None where the worker has no limits, or the attempt is made again.
        notice: Told if the breaker changes.
        error: What the agent raised, or reported as its failure.
    """

    team: Team
    live: LiveRun
    ledger: LimitLedger
    limit: Limit | None
    turn: Turn | None
    notice: Notice
    error: BaseException | None = None

    @classmethod
    def begin(cls, team: Team, run: StepRun) -> "WatchedAttempt":
        """Return the watch over the attempt that begins now."""
        turn, run.turn = run.turn, None
        return cls(
            team=team,
            live=run.live,
            ledger=run.storage.limits,
            limit=derive_worker_limit(team.spec.workers[run.slot.worker]),
            turn=turn,
            notice=build_notice(team, run.thread_id),
        )

    async def make(
        self, attempt: Callable[[CallAgent], Awaitable[dict[str, Plain]]], call_agent: CallAgent
    ) -> dict[str, Plain]:
        """Make the attempt and tell the breaker what came of it; returns its envelope."""
        if self.turn is None and self.limit is not None:
            self.turn = await self._take_again(self.limit)
        try:
            envelope = await attempt(self._watch(call_agent))
            await self._tell(envelope)
        finally:
            self._give_up()
        return envelope

    async def _take_again(self, limit: Limit) -> Turn:
        """Return the turn of an attempt that was begun before: after a crash, or a person's answer.

        An open breaker does not stop it: what was answered would be lost.
        """
        turn = Turn(limit=limit, starts_at=self.team.clock.now())
        if limit.rate is None:
            return turn
        turn = await self.ledger.ask(replace(limit, breaker=None))
        while (seconds := (turn.starts_at - self.team.clock.now()).total_seconds()) > 0:
            await self.live.wait_unless_stopping(self.team.clock.sleep(seconds))
            if self.live.is_stopping:
                break
            turn = await self.ledger.ask(turn.limit, turn=turn)
        return replace(turn, limit=limit)

    def _watch(self, call_agent: CallAgent) -> CallAgent:
        """Return a call of the agent that notes what it raises."""

        async def call(brief: Brief, config: RunnableConfig) -> AgentResult:
            try:
                result = await call_agent(brief, config)
            except BaseException as exc:
                self.error = exc
                raise
            self.error = result.failure
            return result

        return call if self.turn is not None else call_agent

    async def _tell(self, envelope: dict[str, Plain]) -> None:
        """Tell the breaker what came of the attempt."""
        if self.turn is not None:
            turn, self.turn = self.turn, None
            await self.ledger.tell(turn, self._find_error(envelope), notice=self.notice)

    def _give_up(self) -> None:
        """Give a probe's place back, if nothing was told: the attempt has paused or was cut off."""
        if self.turn is not None:
            self.ledger.tell_soon(self.turn, asyncio.CancelledError())

    def _find_error(self, envelope: dict[str, Plain]) -> BaseException | None:
        error = envelope.get("error")
        if not isinstance(error, dict):
            return None
        if error.get("type") == StepTimeoutError.__name__:
            return TimeoutError()
        if isinstance(self.error, Exception) and not isinstance(self.error, GraphBubbleUp):
            return self.error
        # Nothing raised: it came back, with what cannot be stored. Else it was cut off, or left its
        # graph, which says nothing of what stands behind the worker.
        return None if self.error is None else asyncio.CancelledError()
