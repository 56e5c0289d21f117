"""Replanning: when a planner is asked again about a plan that has run, and what it may change.

What is finished stands: a step that was accepted, has published a fact or made an effect that
stands is in every later version, unchanged. What was tried and failed may go, and be replaced under
another id; what was only blocked may be rewired. Called by the supervisor and the planner node.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from interlock.contracts.effect_ledger import ListEffects
from interlock.contracts.errors import PlanError, PlanProblem
from interlock.contracts.ids import StepId, ThreadId
from interlock.contracts.outcome import StepOutcome, Usage
from interlock.contracts.plan import TaskGraph
from interlock.contracts.plan_order import derive_topological_order
from interlock.contracts.policy import ReplanTrigger, RunPolicy
from interlock.contracts.storage import Storage
from interlock.nodes.planning.left_out import LeftOut
from interlock.nodes.planning.plan_outcomes import parse_outcomes
from interlock.nodes.planning.rolling_plan import Outcomes, find_repeats
from interlock.nodes.run.run_state import RunState, as_plain

_TRIGGERS: Final[Mapping[str, ReplanTrigger]] = {
    "failed": "abandoned",
    "blocked": "stall",
    "skipped": "gap",
    "degraded": "gap",
}
"""Status of a settled step to the trigger that it is."""


def find_triggers(state: RunState, policy: RunPolicy) -> dict[StepId, ReplanTrigger]:
    """Return the settled steps about which the planner is to be asked, and was not yet."""
    declared = policy.replan
    if declared is None or state.get("replans", 0) >= declared.max_times:
        return {}
    seen = set(state.get("replan_seen", ()))
    found = {
        StepId(step): _TRIGGERS[outcome["status"]]
        for step, outcome in state["outcomes"].items()
        if step not in seen and outcome["status"] in _TRIGGERS
    }
    return {step: trigger for step, trigger in found.items() if trigger in declared.on}


def is_replan_due(state: RunState, policy: RunPolicy) -> bool:
    """Return whether the planner is to be asked about a plan that has run."""
    if state["plan_status"] != "accepted":
        return False
    return state.get("replan_why") is not None or bool(find_triggers(state, policy))


def begin_replan(state: RunState, policy: RunPolicy) -> RunState:
    """Return what changes when the planner is asked about a plan that has run."""
    plan: Mapping[str, Any] = state["plan"] or {}
    triggers = find_triggers(state, policy)
    is_asked = state.get("replan_why") is not None
    return RunState(
        plan_base=plan["version"],
        plan_before=state["plan"],
        plan_attempts=0,
        plan_problems=[],
        plan_chain=0,
        replans=state.get("replans", 0) + (not is_asked),
        replan_seen=[*state.get("replan_seen", ()), *triggers],
        replan_reason="person" if is_asked else min(triggers.values()),  # abandoned first
    )


def give_up_replan(state: RunState, problems: Collection[str]) -> RunState:
    """Return the end of a replanning that brought no valid plan: the plan that has run stands."""
    note = f"Replanning ({word_reason(state)}) brought no valid plan: {'; '.join(problems)}"
    return RunState(
        plan=state["plan_before"],
        plan_status="accepted",
        plan_notes=[*state.get("plan_notes", ()), note],
        replan_reason=None,
        replan_why=None,
    )


def word_reason(state: RunState) -> str:
    """Return why the planner is asked about a plan that has run; a person's reason in full."""
    why = state.get("replan_why")
    return f"{state['replan_reason']}: {why}" if why is not None else str(state["replan_reason"])


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanDiff:
    """What a version changes of the one before.

    Attributes:
        added: New steps.
        removed: Steps that are gone.
        changed: Steps of another definition.
        rewired: Steps of which only needs and inputs are others.
    """

    added: tuple[StepId, ...]
    removed: tuple[StepId, ...]
    changed: tuple[StepId, ...]
    rewired: tuple[StepId, ...]

    def describe(self) -> str:
        """Return it in words."""
        parts = [
            f"{name} {', '.join(steps)}"
            for name, steps in (
                ("added", self.added),
                ("removed", self.removed),
                ("changed", self.changed),
                ("rewired", self.rewired),
            )
            if steps
        ]
        return "; ".join(parts) or "changed nothing"


def compare_plans(before: TaskGraph, after: TaskGraph) -> PlanDiff:
    """Return what changed from one version to another, step by step."""
    old, new = before.index_steps(), after.index_steps()
    other = [step for step in old.keys() & new.keys() if old[step] != new[step]]
    wires = {"needs", "inputs"}
    rewired = {
        step
        for step in other
        if old[step].model_dump(exclude=wires) == new[step].model_dump(exclude=wires)
    }
    return PlanDiff(
        added=tuple(step for step in new if step not in old),
        removed=tuple(step for step in old if step not in new),
        changed=tuple(step for step in old if step in other and step not in rewired),
        rewired=tuple(step for step in old if step in rewired),
    )


def require_replan(
    before: TaskGraph,
    plan: TaskGraph,
    outcomes: Outcomes,
    *,
    standing: Collection[StepId],
    is_by_person: bool = False,
) -> None:
    """Return if a plan may follow one that has run.

    Args:
        before: Has run.
        plan: Is to follow.
        outcomes: Of the steps of `before`.
        standing: Steps whose effects stand.
        is_by_person: Whether a person wrote it, who may do without something; it is a gap then.

    Raises:
        PlanError: It drops or changes what is finished, leaves something out with nothing in its
            place (I7), or has a step done again.
    """
    problems = list(_find_losses(before, plan, outcomes, standing))
    if not is_by_person:
        told = {problem.step_id for problem in problems}
        losses = LeftOut(before, plan, outcomes).find_losses(told=told)
        problems += [loss.as_problem() for loss in losses]
    problems += find_repeats(before, plan, outcomes)
    if problems:
        raise PlanError(problems)


def _find_losses(
    before: TaskGraph, plan: TaskGraph, outcomes: Outcomes, standing: Collection[StepId]
) -> Iterator[PlanProblem]:
    steps = plan.index_steps()
    for old in before.steps:
        outcome, new = outcomes.get(old.id), steps.get(old.id)
        if outcome is None or new == old:
            continue
        why = _find_hold(outcome, is_standing=old.id in standing)
        if why is not None:
            yield PlanProblem(
                "dropped_step" if new is None else "changed_step",
                f"Step {old.id!r} {why}. Keep it as it was, and add to it.",
                old.id,
            )
        elif new is not None and outcome.attempts > 0:
            yield PlanProblem(
                "changed_step",
                f"Step {old.id!r} has been tried and was changed. Leave it out, and give what takes "
                "its place another id.",
                old.id,
            )


def _find_hold(outcome: StepOutcome, *, is_standing: bool) -> str | None:
    """Return why a settled step must stay in every version, or None."""
    if outcome.status == "accepted" and not outcome.rests_on:
        return "is finished and accepted"
    if outcome.published or outcome.published_refs:
        return "has published facts"
    if is_standing:
        return "has made effects that stand"
    return None


def take_replan(state: RunState, before: TaskGraph, plan: TaskGraph) -> RunState:
    """Return what changes when a version is to run after one that has: what counts, what is gone.

    What is left out with nothing in its place is a gap (I7); what it has cost stays spent (I11).
    """
    outcomes = parse_outcomes(state)
    kept = keep_outcomes(before, plan, outcomes)
    spent = sum(
        (outcome.usage for step, outcome in outcomes.items() if step not in kept),
        Usage.model_validate(state.get("plan_spent") or {}),
    )
    left_out = LeftOut(before, plan, outcomes)
    return RunState(
        outcomes={step: state["outcomes"][step] for step in kept},
        replan_seen=[step for step in state.get("replan_seen", ()) if step in kept],
        plan_spent=as_plain(spent),
        plan_gone=[*state.get("plan_gone", ()), *left_out.removed],
        plan_notes=[*state.get("plan_notes", ()), *left_out.list_notes()],
        plan_left_out=[
            *state.get("plan_left_out", ()),
            *(
                f"version {plan.version} of the plan: {loss.seen}"
                for loss in left_out.find_losses()
            ),
        ],
    )


def keep_outcomes(before: TaskGraph, plan: TaskGraph, outcomes: Outcomes) -> list[StepId]:
    """Return the steps whose outcomes still count; the others are gone, or to be done (again)."""
    old = before.index_steps()
    kept: set[StepId] = set()
    for step in derive_topological_order(plan.index_steps()):
        new = plan.index_steps()[step]
        outcome = outcomes.get(step)
        if outcome is None or old.get(step) != new:
            continue
        if outcome.status == "blocked" and any(need.step not in kept for need in new.needs):
            continue
        kept.add(step)
    return [step.id for step in plan.steps if step.id in kept]


def find_used_ids(plan: TaskGraph, gone: Collection[str]) -> Iterator[PlanProblem]:
    """Find steps whose ids were those of others that an earlier version has left out."""
    for step in plan.steps:
        if step.id in gone:
            yield PlanProblem(
                "used_step_id",
                f"Step {step.id!r} has the id of another that was tried and left out. Give it "
                "another id.",
                step.id,
            )


async def list_standing(storage: Storage, thread_id: ThreadId, *, scope: str) -> set[StepId]:
    """Return the steps of a team that have made effects which stand, nested teams' included."""
    effects = await storage.ledger.apply(ListEffects(thread_id=thread_id))
    paths = (effect.step_id for effect in effects if effect.stands)
    return {
        StepId(path.removeprefix(scope).split("/")[0]) for path in paths if path.startswith(scope)
    }
