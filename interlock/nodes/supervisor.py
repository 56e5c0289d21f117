"""The supervisor node: decides where a run goes next and writes the decision to the state.

The conditional edge behind it only looks the decision up; a routing function that raised
would be lost for ever.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from langgraph.runtime import Runtime

from interlock.contracts.errors import ConfigurationError, ContractError
from interlock.contracts.ids import WorkerName
from interlock.contracts.outcome import TERMINAL_STEP_STATUSES
from interlock.contracts.plan import TaskGraph
from interlock.nodes.planning.replan_asked import take_request
from interlock.nodes.planning.replanning import is_replan_due
from interlock.nodes.planning.rolling_plan import is_going_on
from interlock.nodes.run.place import get_thread_id
from interlock.nodes.run.run_state import RunContext, RunRoute, RunState, require_schema_version
from interlock.nodes.run.team import Team

SupervisorNode = Callable[[RunState, Runtime[RunContext]], Awaitable[RunState]]


def build_supervisor_node(team: Team) -> SupervisorNode:
    """Return the supervisor node of a team's run graph."""

    async def supervisor(state: RunState, runtime: Runtime[RunContext]) -> RunState:
        """Decide the next route.

        Reads: plan, plan_status, outcomes, answers, failure, replan_heard. Writes: route, and a
        person's request for another plan. Effects and interrupts: none.
        """
        require_schema_version(state)
        thread_id = get_thread_id(runtime)
        is_cancelled = team.find_live(thread_id, state["scope"]).cancel_reason is not None
        route = _decide(team, state, is_cancelled=is_cancelled)
        if route != "finish" or is_cancelled or state["failure"] is not None:
            return RunState(route=route)
        return {"route": route, **await take_request(team, state, thread_id)}

    return supervisor


def _decide(team: Team, state: RunState, *, is_cancelled: bool) -> RunRoute:
    if state["failure"] is not None:
        return "finish"
    match state["plan_status"]:
        case "missing" | "invalid":
            return "finish" if is_cancelled or state.get("plan_gap") is not None else "planner"
        case "proposed":
            return "finish" if is_cancelled else "escalate"
        case "failed":
            return "finish"
        case "accepted":
            _require_workers(team, state)
            return _decide_on_steps(team, state, is_cancelled=is_cancelled)


def _require_workers(team: Team, state: RunState) -> None:
    """Refuse to go on with a plan whose workers are gone since it was stored."""
    plan = state["plan"] or {"steps": ()}
    used = {step["worker"] for step in plan["steps"]}
    for step in plan["steps"]:
        used.update(way["worker"] for way in step["fallback"] if way["kind"] == "use_worker")
    missing = sorted(name for name in used if WorkerName(name) not in team.spec.workers)
    if missing:
        raise ConfigurationError(
            f"The thread's plan uses the workers {', '.join(missing)}, which this team does not "
            f"have. Known workers: {', '.join(sorted(team.spec.workers))}. Resume it with the team "
            "that it was started with, or give the worker its old name back."
        )


def _decide_on_steps(team: Team, state: RunState, *, is_cancelled: bool) -> RunRoute:
    outcomes = state["outcomes"]
    plan = state["plan"] or {"steps": ()}
    unsettled = [step for step in plan["steps"] if not _is_terminal(outcomes.get(step["id"]))]
    if not unsettled:
        if is_cancelled or state.get("plan_gap") is not None:
            return "finish"
        goes_on = is_going_on(state) or is_replan_due(state, team.spec.policy)
        return "planner" if goes_on and not isinstance(team.spec.planner, TaskGraph) else "finish"
    if is_cancelled or any(_can_go_on(step, state) for step in unsettled):
        return "dispatch"
    if any(_is_waiting(step, state) for step in unsettled):
        return "escalate"
    raise ContractError(
        f"No step of {[step['id'] for step in unsettled]!r} can go on, and none waits for a person."
    )


def _is_terminal(outcome: Mapping[str, Any] | None) -> bool:
    return outcome is not None and outcome["status"] in TERMINAL_STEP_STATUSES


def _is_waiting(step: Mapping[str, Any], state: RunState) -> bool:
    outcome = state["outcomes"].get(step["id"])
    return outcome is not None and outcome["question"]["id"] not in state["answers"]


def _can_go_on(step: Mapping[str, Any], state: RunState) -> bool:
    if step["id"] in state["outcomes"]:
        return not _is_waiting(step, state)
    return all(_is_terminal(state["outcomes"].get(need["step"])) for need in step["needs"])
