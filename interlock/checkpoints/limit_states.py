"""What a breaker and a rate decide, as functions of what is known: no clock, no database.

The breaker is Nygard's ("Release It!", 2007, "Circuit Breaker"), with failures counted in a sliding
window and probes that hold their places for a bounded time, so that one that never comes back
blocks nobody.

The rate is the generic cell rate algorithm in its virtual scheduling form (ITU-T Recommendation
I.371, annex A): one number a name, the theoretical arrival time of the next call. Who comes too
early is given the first instant that conforms and holds it, so that nobody asks twice and those
who wait are served in the order in which they came.

All times are whole microseconds since 1970, so that no rounding lets a call through too early.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from interlock.contracts.limits import Breaker, BreakerState, Rate

_MICROSECOND: Final = timedelta(microseconds=1)
_SLACK: Final = 1_000_000
"""How late a turn may be taken, at least: an event loop that lags must not lose it for ever."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def dump_instant(instant: datetime) -> int:
    """Return an instant in microseconds since 1970."""
    return (instant - _EPOCH) // _MICROSECOND


def parse_instant(microseconds: int) -> datetime:
    """Return the instant that was dumped."""
    return _EPOCH + microseconds * _MICROSECOND


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitState:
    """What is known of one name.

    Attributes:
        state: Of the breaker.
        since: When that state began.
        failures: When calls failed.
        probes: The probes that are out, and when they lose their places.
        passed: How many probes have succeeded since it is half-open.
        open_until: When it lets a probe through, if it is open.
        last_failure: What failed last.
        next_at: The theoretical arrival time of the next call.
        held_until: What the other side asked to wait.
    """

    state: BreakerState = "closed"
    since: int = 0
    failures: tuple[int, ...] = ()
    probes: Mapping[str, int] = field(default_factory=dict)
    passed: int = 0
    open_until: int | None = None
    last_failure: str | None = None
    next_at: int | None = None
    held_until: int | None = None


class Admission(NamedTuple):
    """Whether a breaker lets a call through.

    Attributes:
        after: What is known from then on.
        probe: What the call is called as a probe, and of which half-open time; None if it is none.
        refused_until: When to come back, if it is not let through.
    """

    after: LimitState
    probe: str | None = None
    refused_until: int | None = None


def admit(known: LimitState, breaker: Breaker, *, probe: str, now: int) -> Admission:
    """Return whether a call goes out, as a probe if the breaker is not closed.

    Args:
        known: What is known.
        breaker: As declared.
        probe: What the probe is called, should it be one.
        now: The present instant.
    """
    if known.state == "closed":
        return Admission(known)
    if known.state == "open":
        if known.open_until is not None and now < known.open_until:
            return Admission(known, refused_until=known.open_until)
        known = replace(
            known, state="half_open", since=now, probes={}, passed=0, open_until=None, failures=()
        )
    out = {name: ends for name, ends in known.probes.items() if ends > now}
    if len(out) + known.passed >= breaker.probes and out:
        return Admission(known, refused_until=min(out.values()))
    ends = now + breaker.cool_down // _MICROSECOND
    name = f"{known.since}:{probe}"
    return Admission(replace(known, probes={**out, name: ends}), probe=name)


def _is_of_this_time(known: LimitState, probe: str | None) -> bool:
    """Return whether a call is a probe of the half-open time that is now, also without its place."""
    if known.state != "half_open" or probe is None:
        return False
    return probe in known.probes or probe.startswith(f"{known.since}:")


def count_success(known: LimitState, breaker: Breaker, *, probe: str, now: int) -> LimitState:
    """Return what is known after a probe has succeeded.

    One that took so long that it lost its place counts all the same, as long as the breaker is
    half-open since it went out: a healthy side may be slow.
    """
    if not _is_of_this_time(known, probe):
        return known
    left = {name: ends for name, ends in known.probes.items() if name != probe}
    passed = known.passed + 1
    if passed < breaker.probes:
        return replace(known, probes=left, passed=passed)
    return replace(known, state="closed", since=now, probes={}, passed=0, failures=())


def count_failure(
    known: LimitState, breaker: Breaker, *, probe: str | None, now: int, what: str
) -> LimitState:
    """Return what is known after a call has failed.

    Where the breaker is not closed, only a probe of the present half-open time says something new:
    the others went out before it opened.
    """
    if known.state == "closed":
        begun = now - breaker.window // _MICROSECOND
        recent = (*(at for at in known.failures if at > begun), now)[-breaker.failures :]
        failed = replace(known, failures=recent, last_failure=what)
        if known.since == 0:
            failed = replace(failed, since=now)
        return _open(failed, breaker, now=now) if len(recent) >= breaker.failures else failed
    if _is_of_this_time(known, probe):
        failed = replace(known, failures=(now,), last_failure=what)
        return _open(failed, breaker, now=now)
    return known


def _open(known: LimitState, breaker: Breaker, *, now: int) -> LimitState:
    until = now + breaker.cool_down // _MICROSECOND
    return replace(known, state="open", since=now, probes={}, passed=0, open_until=until)


def free_probe(known: LimitState, *, probe: str) -> LimitState:
    """Return what is known once a probe has given its place back without a word on the matter."""
    left = {name: ends for name, ends in known.probes.items() if name != probe}
    return replace(known, probes=left)


def find_start(known: LimitState, rate: Rate | None, *, now: int) -> int:
    """Return the first instant at which a call conforms."""
    start = max(now, known.held_until or 0)
    if rate is None or known.next_at is None:
        return start
    tolerance = _derive_interval(rate) * ((rate.burst or 1) - 1)
    return max(start, known.next_at - tolerance)


def take_start(known: LimitState, rate: Rate, *, start: int) -> LimitState:
    """Return what is known once a call has taken an instant."""
    arrival = max(start, known.next_at or 0) + _derive_interval(rate)
    return replace(known, next_at=arrival)


def has_slipped(start: int, rate: Rate, *, now: int) -> bool:
    """Return whether a turn has been let slip: taken late, it would come on top of later ones."""
    return now - start > max(_derive_interval(rate), _SLACK)


def _derive_interval(rate: Rate) -> int:
    """Return the time from one call to the next, rounded up."""
    return -(-(rate.per // _MICROSECOND) // rate.calls)


def hold(known: LimitState, *, until: int) -> LimitState:
    """Return what is known once the other side has asked to be left alone for a time."""
    return replace(known, held_until=max(until, known.held_until or 0))
