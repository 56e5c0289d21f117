"""The guard of breakers and rates by model: an open breaker lets no call out, a rate makes it wait.

One caller's attempt has one. It stands beside the guard of budgets in the gate.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from interlock.contracts.clock import Clock
from interlock.contracts.errors import InterlockError, TransientError
from interlock.contracts.ids import ThreadId
from interlock.contracts.limit_errors import BreakerOpenError
from interlock.contracts.limits import (
    Limit,
    LimitLedger,
    ModelLimits,
    Notice,
    Turn,
    find_model_limit,
)
from interlock.contracts.model_call import CallGuard, CallResult, ModelCall
from interlock.contracts.storage import Storage
from interlock.nodes.calls.breaker_notice import build_notice
from interlock.nodes.run.team import Team


@dataclass(slots=True, kw_only=True)
class LimitGuard:
    """Guards the calls of one caller's attempt.

    Attributes:
        limits: By model name or pattern.
        ledger: Where breakers and rates are kept.
        clock: Time.
        notice: Told if a breaker changes.
        latest: When the attempt has to be over; a turn after it is of no use.
        refusal: What an open breaker refused a call with, the last one; None if none did.
    """

    limits: Mapping[str, ModelLimits]
    ledger: LimitLedger
    clock: Clock
    notice: Notice
    latest: datetime | None = None
    refusal: BreakerOpenError | None = None
    _turns: dict[str, Turn] = field(default_factory=dict)

    def open(self, call: ModelCall) -> None:
        """Take the turn of a call that cannot wait: now, or not at all.

        Raises:
            BreakerOpenError: The model has kept failing, and is left alone.
            RateLimitedError: Its turn is yet to come.
        """
        limit = self._find(call)
        if limit is None or call.can_wait:
            return
        now = self.clock.now()
        with self._noting_refusal():
            self._turns[call.id] = self.ledger.ask_blocking(limit, latest=now, notice=self.notice)

    async def wait(self, call: ModelCall) -> None:
        """Return once it is the call's turn.

        Raises:
            BreakerOpenError: The model has kept failing, and is left alone.
            RateLimitedError: Its turn comes after the attempt has to be over.
        """
        limit = self._find(call)
        while limit is not None:
            before = self._turns.get(call.id)
            with self._noting_refusal():
                turn = await self.ledger.ask(
                    limit, turn=before, latest=self.latest, notice=self.notice
                )
            self._turns[call.id] = turn
            seconds = (turn.starts_at - self.clock.now()).total_seconds()
            if seconds <= 0:
                return
            await self.clock.sleep(seconds)

    def close(self, call: ModelCall, result: CallResult) -> None:
        """Tell the breaker how the call came back; a call that another guard refused says nothing."""
        turn = self._turns.pop(call.id, None)
        if turn is None:
            return
        error = result.error
        if isinstance(error, InterlockError) and not isinstance(error, TransientError):
            error = asyncio.CancelledError()
        self.ledger.tell_soon(turn, error, notice=self.notice)

    @contextmanager
    def _noting_refusal(self) -> Iterator[None]:
        try:
            yield
        except BreakerOpenError as exc:
            self.refusal = exc
            raise

    def _find(self, call: ModelCall) -> Limit | None:
        return find_model_limit(self.limits, call.model)


def list_limit_guards(
    team: Team, storage: Storage, thread_id: ThreadId, *, latest: datetime | None = None
) -> tuple[LimitGuard, ...]:
    """Return the guard of a team's models; none if it declares no breaker and no rate for any.

    Args:
        team: At work.
        storage: Where breakers and rates are kept.
        thread_id: Whose listeners are told.
        latest: When the attempt has to be over.
    """
    if not team.models:
        return ()
    notice = build_notice(team, thread_id)
    return (
        LimitGuard(
            limits=team.models,
            ledger=storage.limits,
            clock=team.clock,
            notice=notice,
            latest=latest,
        ),
    )


def find_reopening(guards: Sequence[CallGuard]) -> datetime | None:
    """Return when a breaker that has refused a call lets one through again; None if none has."""
    refusals = [one.refusal for one in guards if isinstance(one, LimitGuard)]
    return max((one.until for one in refusals if one is not None), default=None)
