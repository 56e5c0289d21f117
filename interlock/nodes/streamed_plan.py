"""What a plan that came in parts leaves in a run's state, once dispatch has taken them up."""

import asyncio

from interlock.contracts.outcome import Usage
from interlock.contracts.plan import TaskGraph
from interlock.nodes.live_run import LiveRun
from interlock.nodes.plan_stream import name_planner
from interlock.nodes.planner_errors import is_from_outside, word_problems
from interlock.nodes.run_state import RunState, as_plain


def word_part(part: TaskGraph) -> str:
    """Return for the journal what a part of a plan is."""
    count = f"{len(part.steps)} step{'s' * (len(part.steps) != 1)}"
    return f"the plan so far, {count}" if part.is_open else f"the whole plan, {count}"


def end_stream(state: RunState, plan: TaskGraph, live: LiveRun) -> RunState:
    """Return what changes once the parts of a plan have run; nothing where it came whole.

    Where the rest did not come, or was no good, the plan is left open: the planner is asked to go
    on, and told what was wrong.

    Args:
        state: The run's.
        plan: All that was taken up.
        live: Of the run.

    Raises:
        BaseException: What the stream ended with, if it comes from outside: the run's storage.
    """
    superstep = state.get("plan_streamed_in")
    if not superstep:
        return RunState()
    stream, live.plan_stream = live.plan_stream, None
    attempt = state["plan_attempts"]
    caller = name_planner(state["scope"], superstep=superstep, attempt=attempt)
    usage = Usage.model_validate(state.get("plan_usage") or {})
    usage += live.account.book.get_report(caller)
    before = {step["id"] for step in (state["plan"] or {"steps": ()})["steps"]}
    fresh = [step.id for step in plan.steps if step.id not in before]
    return RunState(
        plan=as_plain(plan),
        plan_top=max(plan.version, state.get("plan_top", 0)),
        plan_added=[*state.get("plan_added", ()), *fresh],
        plan_streamed_in=None,
        plan_usage=as_plain(usage),
        plan_problems=_list_problems(None if stream is None else stream.error, live),
    )


def _list_problems(error: BaseException | None, live: LiveRun) -> list[str]:
    """Return why the rest of a plan did not come, for the planner."""
    if error is None or live.is_stopping:
        return []
    if isinstance(error, asyncio.CancelledError):
        return ["The plan broke off."]
    if is_from_outside(error):
        raise error
    return word_problems(error, whose="planner")
