"""Circuit breakers and rate limits: what a worker, a tool or a model is protected by.

Declared on a `Worker`, on a guarded tool, or by model name on a team. What is known of them lies in
the storage, so that all runs on it share it. `checkpoints` keeps it, `nodes` and `tools` ask.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, Protocol, TypeAlias

from interlock.contracts.frozen_model import FrozenModel
from interlock.contracts.model_names import find_by_model
from interlock.contracts.policy import PositiveCount, PositiveDuration

BreakerState: TypeAlias = Literal["closed", "open", "half_open"]


class Breaker(FrozenModel):
    """When to leave what keeps failing alone, and when to try it again.

    Closed, it lets all calls through. It opens when `failures` of them have failed within `window`:
    no call is made until `cool_down` is over. Then it is half-open: `probes` calls are let through;
    if all succeed it closes, if one fails it opens again.

    What counts as a failure: timeouts, broken connections, HTTP 408, 429 and 5xx, and every other
    exception that does not say that the caller is at fault. What does not: other HTTP 4xx,
    `PermanentError`, a worker's or a tool's `permanent_errors`, errors of the code itself, a
    cancellation, an answer that criteria refuse.

    Attributes:
        failures: How many.
        window: Within how long.
        cool_down: How long it stays open; also how long a probe holds its place, so that one that
            never comes back blocks nobody.
        probes: How many calls must succeed to close it, which is also how many may be out.
        counts: Exceptions that count although they would not.
        ignores: Exceptions that do not count although they would.
    """

    failures: PositiveCount = 5
    window: PositiveDuration = timedelta(seconds=60)
    cool_down: PositiveDuration = timedelta(seconds=30)
    probes: PositiveCount = 1
    counts: tuple[type[Exception], ...] = ()
    ignores: tuple[type[Exception], ...] = ()


class Rate(FrozenModel):
    """How often something may be called; who comes too early waits for its turn.

    Attributes:
        calls: How many.
        per: In how long.
        burst: How many at once after a rest; None spaces them evenly, so that no stretch of time as
            long as `per` ever holds more than `calls`. With a burst it may hold `burst - 1` more.
    """

    calls: PositiveCount = 60
    per: PositiveDuration = timedelta(minutes=1)
    burst: PositiveCount | None = None


class ModelLimits(FrozenModel):
    """What holds for each model that a pattern fits.

    Attributes:
        breaker: Its breaker; None is none.
        rate: Its rate; None is none.
    """

    breaker: Breaker | None = None
    rate: Rate | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """The breaker and the rate of one name.

    Attributes:
        name: Such as `worker/writer`, `tool/refund` or `model/gpt-4.1`; equal names in one storage
            share what is known of them.
        breaker: None is none.
        rate: None is none.
    """

    name: str
    breaker: Breaker | None = None
    rate: Rate | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """The right to make one call.

    Attributes:
        limit: Of which.
        starts_at: Not before; in the future if the caller has to wait.
        probe: Names the probe of a half-open breaker that the call is; None if it is none.
    """

    limit: Limit
    starts_at: datetime
    probe: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerChange:
    """A breaker that has changed its state.

    Attributes:
        name: Whose.
        state: Its new state.
        until: When it lets a probe through, if it is open.
        reason: What changed it, in a few words that say nothing of what was called.
    """

    name: str
    state: BreakerState
    until: datetime | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitRecord:
    """What is known of one name.

    Attributes:
        name: As calls name it.
        state: Of its breaker; an open one whose time is over lets the next call through as a probe.
        since: When that state began.
        failures: When calls failed, within the breaker's window at the last failure.
        probing: When the probes that are out lose their places.
        until: When an open breaker lets a probe through.
        last_failure: The class of the last exception, with its HTTP status if it had one.
        next_at: When the rate allows the next call; None if it was never asked.
        held_until: What the other side asked to wait, in a Retry-After.
    """

    name: str
    state: BreakerState
    since: datetime
    failures: Sequence[datetime] = ()
    probing: Sequence[datetime] = ()
    until: datetime | None = None
    last_failure: str | None = None
    next_at: datetime | None = None
    held_until: datetime | None = None


Notice: TypeAlias = Callable[[BreakerChange], None]
"""Told that a breaker has changed its state, once that is durable; called in any thread."""


class LimitLedger(Protocol):
    """Where breakers and rates are kept, shared by all who use the storage."""

    async def ask(
        self,
        limit: Limit,
        *,
        turn: Turn | None = None,
        latest: datetime | None = None,
        notice: Notice | None = None,
    ) -> Turn:
        """Return the caller's turn, which is taken; it may begin later.

        Args:
            limit: Of what is to be called.
            turn: That was waited for: it is returned if it still stands, else another.
            latest: A turn after it is of no use, and is not taken.
            notice: Told if the breaker is half-open from now on.

        Raises:
            BreakerOpenError: Nothing may be called.
            RateLimitedError: There is no turn up to `latest`.
        """
        ...

    def ask_blocking(
        self,
        limit: Limit,
        *,
        turn: Turn | None = None,
        latest: datetime | None = None,
        notice: Notice | None = None,
    ) -> Turn:
        """Do as `ask` does, blocking the calling thread."""
        ...

    async def tell(
        self, turn: Turn, error: BaseException | None, *, notice: Notice | None = None
    ) -> None:
        """Take note of how a call came back; nothing is written where nothing changes.

        A Retry-After that an error carries holds the name for everybody.
        """
        ...

    def tell_blocking(
        self, turn: Turn, error: BaseException | None, *, notice: Notice | None = None
    ) -> None:
        """Do as `tell` does, blocking the calling thread."""
        ...

    def tell_soon(
        self, turn: Turn, error: BaseException | None, *, notice: Notice | None = None
    ) -> None:
        """Do as `tell` does, without waiting; calls of this event loop that ask later wait for it."""
        ...

    async def find(self, name: str) -> LimitRecord | None:
        """Return what is known of a name, or None."""
        ...

    async def load(self) -> Sequence[LimitRecord]:
        """Return all that is known, by name."""
        ...

    async def reset(self, name: str) -> bool:
        """Forget what is known of a name: its breaker is closed, its rate at rest; False if nothing."""
        ...


def build_limit(
    name: str,
    *,
    breaker: Breaker | None,
    rate: Rate | None,
    ignores: Sequence[type[Exception]] = (),
) -> Limit | None:
    """Return the limit of a name; None if it has neither a breaker nor a rate.

    Args:
        name: As `Limit` says.
        breaker: As declared.
        rate: As declared.
        ignores: Further exceptions that do not count, such as a worker's permanent errors.
    """
    if breaker is None and rate is None:
        return None
    if breaker is not None and ignores:
        breaker = breaker.model_copy(update={"ignores": (*breaker.ignores, *ignores)})
    return Limit(name=name, breaker=breaker, rate=rate)


def find_model_limit(limits: Mapping[str, ModelLimits], model: str) -> Limit | None:
    """Return the limit of a model, by its name or by a pattern; each model has one of its own."""
    found = find_by_model(limits, model)
    if found is None:
        return None
    return build_limit(f"model/{model}", breaker=found.breaker, rate=found.rate)
