"""What a plan that comes in parts leaves behind: its journal, and a run's state once it is over.

Called by dispatch, which takes the parts up.
"""

import asyncio

from interlock.contracts.errors import STORAGE_FAILURES
from interlock.contracts.outcome import Usage
from interlock.contracts.plan import TaskGraph
from interlock.contracts.storage import Batch, Storage
from interlock.nodes.planning.plan_asking import describe_planner
from interlock.nodes.planning.plan_proposal import build_verdict, name_owner, record_plan, tell_plan
from interlock.nodes.planning.planner_errors import word_problems
from interlock.nodes.run.asked_questions import put_questions
from interlock.nodes.run.live_run import LiveRun
from interlock.nodes.run.place import Place
from interlock.nodes.run.plan_stream import name_planner, word_part
from interlock.nodes.run.run_state import RunState, as_plain
from interlock.nodes.run.team import Team
from interlock.telemetry.events import PlanRefused


async def journal_part(
    team: Team, storage: Storage, part: TaskGraph, *, place: Place, scope: str
) -> None:
    """Make a part of a plan durable, before a step of it starts (I8), and tell who listens."""
    verdict = build_verdict(word_part(part), describe_planner(team.spec.planner))
    now = team.clock.now()
    handoff = record_plan(part, place, now=now, sender="planner", verdict=verdict)
    await put_questions(team, storage, (), place=place, beside=Batch(handoffs=(handoff,)))
    tell_plan(team, place.thread_id, part, scope=scope)


def end_stream(team: Team, state: RunState, plan: TaskGraph, live: LiveRun) -> RunState:
    """Return what changes once the parts of a plan have run; nothing where it came whole.

    Where the rest did not come, or was no good, the plan is left open: the planner is asked to go
    on, and told what was wrong.

    Args:
        team: At work.
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
    problems = _list_problems(None if stream is None else stream.error, live)
    if problems:
        team.emit(
            PlanRefused(
                thread_id=live.thread_id,
                at=team.clock.now(),
                attempt=attempt,
                problems=tuple(problems),
                step_id=name_owner(state) or None,
            )
        )
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
        plan_problems=problems,
    )


def _list_problems(error: BaseException | None, live: LiveRun) -> list[str]:
    """Return why the rest of a plan did not come, for the planner."""
    if error is None or live.is_stopping:
        return []
    if isinstance(error, asyncio.CancelledError):
        return ["The plan broke off."]
    if isinstance(error, (KeyboardInterrupt, *STORAGE_FAILURES)):
        raise error
    return word_problems(error, whose="planner")
