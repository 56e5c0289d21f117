"""Upper bounds of a step, of its run and of the runs that it is nested in (I11)."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from interlock.contracts.prices import dump_money
from interlock.contracts.spending import DIMENSIONS, Amount, Dimension
from interlock.nodes.run.account import Account, Lack, word_amount
from interlock.nodes.steps.step_run import StepRun
from interlock.nodes.steps.step_state import StepState

_ONE_ATTEMPT: Final = Amount(attempts=1)
_SHOWN: Final = frozenset({"tokens", "money"})
"""Dimensions in which a budget may be passed, so that it is said how far."""


def find_exhausted(state: StepState, run: StepRun, *, now: datetime) -> str | None:
    """Return which bound allows no further attempt, in words, or None.

    An attempt that has to wait for a backoff is held against the instant at which it may start.
    """
    until = state.get("wait_until")
    start = max(now, datetime.fromisoformat(until)) if until else now
    is_counted = (run.path, state["attempt"] + 1) in run.account.book.running
    for level in run.account.list_levels():
        for dimension in DIMENSIONS:
            spent = level.get_spent(dimension)
            if dimension == "attempts" and is_counted:  # when an earlier process started it
                spent -= 1
            bound = level.get_bound(dimension)
            if bound is not None and spent >= bound:
                return _word_excess(run.account, level, dimension, bound=bound, spent=spent)
    if not is_counted and (lack := run.account.find_lack(_ONE_ATTEMPT)) is not None:
        return word_lack(run.account, lack)
    for name, wall_time, end in _list_ends(state, run):
        if start >= end:
            return f"the {name}'s {wall_time} is used up"
    return None


def find_low(state: StepState, run: StepRun, *, now: datetime) -> str | None:
    """Return which balance is too low to start a first worker that has fallbacks, or None.

    Fallback workers, steps that have none, and what a person asked for may use the rest.
    """
    is_free = state["chain"] > 0 or state["assignment"].get("answer") is not None
    if is_free or run.name_last_resort(state["chain"]) == "fail":
        return None
    for level in run.account.list_levels():
        if level.budget.low and (words := _find_low_bound(state, run, level, now=now)) is not None:
            return words
    return None


def word_lack(account: Account, lack: Lack) -> str:
    """Return why something cannot be reserved."""
    words = _word_budget(account, lack.account, lack.dimension, bound=lack.bound)
    held = f", {_show(lack.dimension, lack.held)} reserved" if lack.held else ""
    return (
        f"{words} cannot bear {_show(lack.dimension, lack.needed)} more "
        f"({_show(lack.dimension, lack.spent)} spent{held})"
    )


def derive_limit(state: StepState, run: StepRun, *, now: datetime) -> timedelta | None:
    """Return how long an attempt that starts now may take: its timeout, or what time is left."""
    timeout = run.step.timeout or run.policy.timeout
    limits = [max(end - now, timedelta(0)) for _, _, end in _list_ends(state, run)]
    if timeout is not None:
        limits.append(timeout)
    return min(limits, default=None)


def find_end(state: StepState, run: StepRun) -> datetime | None:
    """Return when the first bound on time is over; None if there is none."""
    return min((end for _, _, end in _list_ends(state, run)), default=None)


def _find_low_bound(state: StepState, run: StepRun, level: Account, *, now: datetime) -> str | None:
    low = level.budget.low
    name = run.account.name(level).lower()
    for dimension in DIMENSIONS:
        bound = level.get_bound(dimension)
        left = 0 if bound is None else bound - level.get_spent(dimension)
        if bound is not None and left < low * bound:
            return (
                f"{name}'s balance is low: {_show(dimension, left)} left of "
                f"{word_amount(dimension, bound)}, less than {low:.0%}"
            )
    for owner, wall_time, end in _list_ends(state, run):
        whole = level.budget.wall_time
        if whole is not None and owner == name.removeprefix("the ") and end - now < low * whole:
            return f"{name}'s time is low: {end - now} left of its {wall_time}"
    return None


def _list_ends(state: StepState, run: StepRun) -> Iterator[tuple[str, str, datetime]]:
    """Go through the bounds on time: whose, which, and when it is over.

    A deadline only shortens on its way down: a nested step has none later than the attempt above.
    """
    if run.step.budget is not None and run.step.budget.wall_time is not None:
        wall_time = run.step.budget.wall_time
        begun = datetime.fromisoformat(state["begun_at"])
        yield "step", f"wall time of {wall_time}", begun + wall_time
    for level in run.live.list_levels():
        if level.budget.wall_time is not None and level.started_at is not None:
            name = "run" if level is run.live else "outer run"
            wall_time = level.budget.wall_time
            yield name, f"wall time of {wall_time}", level.started_at + wall_time
    for account in run.live.account.list_levels():
        if account.deadline is not None:
            yield "outer step", f"time until {account.deadline:%H:%M:%S}", account.deadline


def _word_excess(
    account: Account, level: Account, dimension: Dimension, *, bound: int, spent: int
) -> str:
    words = f"{_word_budget(account, level, dimension, bound=bound)} is used up"
    return f"{words} ({_show(dimension, spent)})" if dimension in _SHOWN else words


def _word_budget(account: Account, level: Account, dimension: Dimension, *, bound: int) -> str:
    owner = account.name(level)
    return f"{owner[0].lower()}{owner[1:]}'s budget of {word_amount(dimension, bound)}"


def _show(dimension: Dimension, amount: int) -> str:
    return f"{dump_money(amount):f}" if dimension == "money" else str(amount)
