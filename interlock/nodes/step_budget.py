"""Upper bounds of a step, of its run and of the runs that it is nested in (I11)."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from interlock.contracts.outcome import Usage
from interlock.contracts.policy import Budget
from interlock.nodes.step_run import StepRun
from interlock.nodes.step_state import StepState


def find_exhausted(state: StepState, run: StepRun, *, now: datetime) -> str | None:
    """Return which bound allows no further attempt, in words, or None.

    An attempt that has to wait for a backoff is held against the instant at which it may start.
    """
    until = state.get("wait_until")
    start = max(now, datetime.fromisoformat(until)) if until else now
    mark = (run.path, state["attempt"] + 1)
    if run.step.budget is not None:
        spent = Usage.model_validate(state["usage"])
        if (words := _find_excess(run.step.budget, spent)) is not None:
            return f"the step's {words}"
    for level in run.live.list_levels():
        usage = level.usage or Usage()
        if mark in level.open_attempts:  # counted when an earlier process started it
            usage = usage + Usage(attempts=-1)
        if (words := _find_excess(level.budget, usage)) is not None:
            return f"the {'run' if level is run.live else 'outer run'}'s {words}"
    for name, wall_time, end in _list_ends(state, run):
        if start >= end:
            return f"the {name}'s wall time of {wall_time} is used up"
    return None


def derive_limit(state: StepState, run: StepRun, *, now: datetime) -> timedelta | None:
    """Return how long an attempt that starts now may take: its timeout, or what time is left."""
    timeout = run.step.timeout or run.policy.timeout
    limits = [max(end - now, timedelta(0)) for _, _, end in _list_ends(state, run)]
    if timeout is not None:
        limits.append(timeout)
    return min(limits, default=None)


def _list_ends(state: StepState, run: StepRun) -> Iterator[tuple[str, timedelta, datetime]]:
    """Go through the bounds on time: whose, how long, and when it is over."""
    if run.step.budget is not None and run.step.budget.wall_time is not None:
        wall_time = run.step.budget.wall_time
        yield "step", wall_time, datetime.fromisoformat(state["begun_at"]) + wall_time
    for level in run.live.list_levels():
        if level.budget.wall_time is not None and level.started_at is not None:
            name = "run" if level is run.live else "outer run"
            yield name, level.budget.wall_time, level.started_at + level.budget.wall_time


def _find_excess(budget: Budget, usage: Usage) -> str | None:
    if budget.attempts is not None and usage.attempts >= budget.attempts:
        return f"budget of {budget.attempts} attempts is used up"
    if budget.tokens is not None and usage.tokens >= budget.tokens:
        return f"budget of {budget.tokens} tokens is used up ({usage.tokens})"
    return None
