"""The planner node: asks for a task graph and lets none pass that could not run."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from langgraph.runtime import Runtime

from interlock.contracts.errors import PermanentError
from interlock.contracts.ids import ThreadId
from interlock.contracts.limit_errors import BreakerOpenError
from interlock.contracts.outcome import Usage
from interlock.contracts.plan import TaskGraph
from interlock.contracts.worker import PlanRequest, StreamingPlanner
from interlock.nodes.calls.budget_guard import BudgetGuard
from interlock.nodes.calls.gated_calls import build_budget_guard, gate_calls
from interlock.nodes.planning.plan_asking import ask_planner, describe_planner
from interlock.nodes.planning.plan_checks import validate_next_plan
from interlock.nodes.planning.plan_fallback import PlanTry, end_planning, fall_back, is_given_up
from interlock.nodes.planning.plan_proposal import name_owner, propose_plan
from interlock.nodes.planning.plan_requests import build_request, name_version
from interlock.nodes.planning.planner_errors import is_from_outside, word_problems
from interlock.nodes.planning.replanning import begin_replan, is_replan_due
from interlock.nodes.planning.rolling_plan import go_on, is_going_on
from interlock.nodes.run.live_run import LiveRun, forget_cancel
from interlock.nodes.run.place import get_superstep, get_thread_id
from interlock.nodes.run.plan_stream import (
    Check,
    PlanStream,
    find_streaming,
    name_planner,
    read_stream,
)
from interlock.nodes.run.run_state import RunContext, RunState, as_plain, require_schema_version
from interlock.nodes.run.team import Team
from interlock.telemetry.events import PlanRefused
from interlock.telemetry.spans import OpenSpan, within

_HOPELESS: Final = (PermanentError, BreakerOpenError)
"""After these a planner is asked no more: its second ways are next."""

PlannerNode = Callable[[RunState, Runtime[RunContext]], Awaitable[RunState]]


def build_planner_node(team: Team) -> PlannerNode:
    """Return the planner node of a team's run graph."""

    async def planner(state: RunState, runtime: Runtime[RunContext]) -> RunState:
        """Ask the planner once, and validate the whole graph that comes back.

        Reads: goal, context, plan and all about it, outcomes. Writes: plan and all about it, or why
        an open plan ends. Effects: the plan is in the journal, and the question whether it may run,
        if one is asked. Interrupts: none.
        """
        require_schema_version(state)
        begun = RunState()
        if is_replan_due(state, team.spec.policy):  # before an open plan goes on: told once
            begun = begin_replan(state, team.spec.policy)
        elif is_going_on(state):
            begun = go_on(state, team.spec.policy)
            if begun.get("plan_gap") is not None:
                return begun
        state = {**state, **begun}
        if is_given_up(team, state):
            tried = PlanTry(problems=list(state["plan_problems"]))
            asked = state["plan_attempts"]
            return await _give_up(team, state, runtime, tried=tried, attempts=asked)
        tried = PlanTry()
        try:
            with within(_open_span(team, state, runtime)) as span:
                await _ask(team, state, runtime, tried=tried)
                span.tell(steps=len(tried.plan.steps) if tried.plan else None)
        except BaseException as exc:
            live = team.find_live(get_thread_id(runtime), state["scope"])
            if isinstance(exc, asyncio.CancelledError) and live.cancel_reason is not None:
                forget_cancel()
                return RunState(
                    plan_status=state["plan_status"], plan_usage=_count_usage(state, tried)
                )
            if is_from_outside(exc):
                raise
            tried.problems = word_problems(exc, whose="planner")
            refused = await _refuse(
                team, state, runtime, tried=tried, is_hopeless=isinstance(exc, _HOPELESS)
            )
            spent = RunState(plan_usage=_count_usage(state, tried))
            return {**begun, **spent, **refused}
        assert tried.plan is not None  # noqa: S101 - it was validated
        begun["plan_usage"] = _count_usage(state, tried)
        if team.find_live(get_thread_id(runtime), state["scope"]).plan_stream is not None:
            begun["plan_streamed_in"] = get_superstep(runtime)
        proposed = await propose_plan(
            team, {**state, **begun}, runtime, plan=tried.plan, planned_by=tried.planned_by
        )
        return {**begun, **proposed}

    return planner


def _open_span(team: Team, state: RunState, runtime: Runtime[RunContext]) -> OpenSpan:
    return team.telemetry.open(
        "plan",
        facts={
            "thread": get_thread_id(runtime),
            "step": name_owner(state) or None,
            "attempt": state["plan_attempts"] + 1,
            "planner": type(team.spec.planner).__name__,
        },
    )


async def _ask(
    team: Team, state: RunState, runtime: Runtime[RunContext], *, tried: PlanTry
) -> None:
    """Ask the planner once; `tried` holds how far it came, also when it raises."""
    thread_id = get_thread_id(runtime)
    live = team.find_live(thread_id, state["scope"])
    caller = name_planner(
        state["scope"], superstep=get_superstep(runtime), attempt=state["plan_attempts"] + 1
    )
    guard = await build_budget_guard(team, live, caller)
    streaming = _find_streaming(team, state)
    try:
        with live.interrupt_on_cancel():
            request = await build_request(team, state, thread_id)
        tried.planned_by = describe_planner(team.spec.planner)
        if streaming is not None:
            stream = PlanStream(request.goal, check=_build_check(team, state, thread_id))
            plan = await _take_first_part(stream, streaming, request, live=live, guard=guard)
        else:
            with live.interrupt_on_cancel(), gate_calls(guard):
                plan = await ask_planner(team.spec.planner, request)
    finally:
        tried.usage = guard.usage if live.plan_stream is None else Usage()  # counted at its end
    tried.plan = plan.model_copy(update={"version": name_version(state)})
    await validate_next_plan(team, tried.plan, state, thread_id=thread_id)


def _find_streaming(team: Team, state: RunState) -> StreamingPlanner | None:
    """Return the planner if its steps may run before its plan is whole.

    Not where a person approves plans, nor where steps run one at a time to be looked at, nor for
    later versions: what they may change is decided on the whole.
    """
    is_first = not state.get("plan_base", 0) and not state.get("stepwise")
    is_free = is_first and not team.spec.policy.approve_plan
    return find_streaming(team.spec.planner) if is_free else None


def _build_check(team: Team, state: RunState, thread_id: ThreadId) -> Check:
    async def check(plan: TaskGraph) -> None:
        await validate_next_plan(team, plan, state, thread_id=thread_id)

    return check


async def _take_first_part(
    stream: PlanStream,
    planner: StreamingPlanner,
    request: PlanRequest,
    *,
    live: LiveRun,
    guard: BudgetGuard,
) -> TaskGraph:
    """Return the first steps that may start, or the whole plan; the rest is read on meanwhile.

    Raises:
        PlanError: The plan is no good, and nothing has started.
    """

    async def read() -> None:
        with live.interrupt_on_cancel(), gate_calls(guard):
            await read_stream(planner, request, stream)

    stream.begin(read)
    try:
        await stream.wait()
    except BaseException:
        await stream.close()
        raise
    if stream.error is not None:
        raise stream.error
    live.plan_stream = None if stream.is_over else stream
    part = stream.take_part()
    assert part is not None  # noqa: S101 - it is over without an error, or there is one
    return part


def _count_usage(state: RunState, tried: PlanTry) -> dict[str, Any]:
    """Return what the planner's models have used on this run so far."""
    before = Usage.model_validate(state.get("plan_usage") or {})
    return as_plain(before + tried.usage)


async def _refuse(
    team: Team,
    state: RunState,
    runtime: Runtime[RunContext],
    *,
    tried: PlanTry,
    is_hopeless: bool,
) -> RunState:
    attempt = state["plan_attempts"] + 1
    team.emit(
        PlanRefused(
            thread_id=get_thread_id(runtime),
            at=team.clock.now(),
            attempt=attempt,
            problems=tuple(tried.problems),
            step_id=name_owner(state) or None,
        )
    )
    is_fixed = isinstance(team.spec.planner, TaskGraph)
    if is_fixed or is_hopeless or attempt >= team.spec.policy.max_plan_attempts:
        counted = RunState(plan_attempts=attempt)
        given_up = await _give_up(team, state, runtime, tried=tried, attempts=attempt)
        return {**counted, **given_up}
    return RunState(plan_attempts=attempt, plan_problems=tried.problems, plan_status="invalid")


async def _give_up(
    team: Team,
    state: RunState,
    runtime: Runtime[RunContext],
    *,
    tried: PlanTry,
    attempts: int,
) -> RunState:
    """Return where a run goes on whose planner is not asked any more."""
    update = await fall_back(team, state, runtime, tried=tried)
    if update is not None:
        return update
    words = "\n".join(f"  - {problem}" for problem in tried.problems)
    tries = f"{attempts} attempt{'s' * (attempts != 1)}"
    reason = f"No valid plan after {tries}. Wrong with the last one:\n{words}"
    problems = RunState(plan_problems=tried.problems)
    return {**problems, **end_planning(state, reason)}
