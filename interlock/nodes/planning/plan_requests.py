"""What a planner is asked: the goal, who can work, the facts, what has settled, and why."""

from typing import Any

from interlock.contracts.context_records import AskedFact
from interlock.contracts.ids import ThreadId
from interlock.contracts.plain import freeze
from interlock.contracts.plan import TaskGraph
from interlock.contracts.shared_context import name_shared_space
from interlock.contracts.worker import PlanReason, PlanRequest
from interlock.nodes.planning.plan_outcomes import parse_outcomes
from interlock.nodes.run.kept_values import KeptValues, unfold_values
from interlock.nodes.run.run_state import RunState
from interlock.nodes.run.team import Team


async def build_request(team: Team, state: RunState, thread_id: ThreadId) -> PlanRequest:
    """Return what a planner, or a template in its place, is asked now.

    The plan that it goes on from is the one that has run; of the first version, the one that was
    refused.
    """
    previous = state.get("plan_before") or state["plan"]
    context = state["context"]
    if refs := state.get("context_refs"):
        values = KeptValues(await team.open_storage(), thread_id)
        context = await unfold_values(context, refs, values.load)
    context = {**context, **await _load_shared(team, state)}
    trigger = _find_trigger(state)
    return PlanRequest(
        goal=state["goal"],
        workers=team.derive_cards(),
        context=freeze(context),
        attempt=state["plan_attempts"] + 1,
        problems=tuple(state["plan_problems"]),
        previous=TaskGraph.model_validate(previous) if previous else None,
        outcomes=parse_outcomes(state),
        reason="invalid" if state["plan_problems"] else trigger,
        trigger=trigger,
        why=state.get("replan_why"),
    )


def name_version(state: RunState) -> int:
    """Return the version of the next plan: above every one that was handed over in this run."""
    counted: int = state.get("plan_base", 0) + state["plan_attempts"] + 1
    return max(counted, state.get("plan_top", 0) + 1)


def _find_trigger(state: RunState) -> PlanReason:
    if (reason := state.get("replan_reason")) is not None:
        return reason
    return "continue" if state.get("plan_base", 0) else "first"


async def _load_shared(team: Team, state: RunState) -> dict[str, Any]:
    """Return the facts that are held in the named spaces of a run."""
    spaces = state.get("spaces") or {}
    asked = [
        AskedFact(space=name_shared_space(fact.space, spaces[fact.space]), key=fact.name)
        for fact in team.spec.context.facts
        if fact.space is not None and fact.space in spaces
    ]
    if not asked:
        return {}
    storage = await team.open_storage()
    held = await storage.context.load_snapshot(asked)
    return {key: fact.value for key, fact in held.items() if fact.is_held}
