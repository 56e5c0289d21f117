"""Rolling plans: what an open plan may go on with, and when it must not go on (I11).

A planner of an open plan is asked again and again, each time with what has settled. Code holds
it to what stands, refuses what has been done already, and ends what leads nowhere. Called by the
planner node, and for plans that people edit.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from interlock.contracts.errors import PlanError, PlanProblem
from interlock.contracts.ids import StepId
from interlock.contracts.outcome import StepOutcome
from interlock.contracts.plain import Plain, derive_hash
from interlock.contracts.plan import Step, TaskGraph
from interlock.contracts.policy import RunPolicy
from interlock.nodes.run.run_state import RunState

Outcomes = Mapping[StepId, StepOutcome]


def is_going_on(state: RunState) -> bool:
    """Return whether the steps of an open plan have settled and the planner is to go on."""
    plan = state["plan"]
    return plan is not None and state["plan_status"] == "accepted" and bool(plan.get("is_open"))


def go_on(state: RunState, policy: RunPolicy) -> RunState:
    """Return what changes when an open plan's steps have settled; its end, if it leads nowhere.

    Args:
        state: The run's, with an open plan whose steps have settled.
        policy: Its bounds.
    """
    plan: Mapping[str, Any] = state["plan"] or {}
    rounds = state.get("plan_rounds", 0)
    stalls = 0 if _has_progress(state) else state.get("plan_stalls", 0) + 1
    update = RunState(
        plan_base=plan["version"],
        plan_before=state["plan"],
        plan_attempts=0,
        plan_problems=state[
            "plan_problems"
        ],  # none, but for a plan whose streamed rest was no good
        plan_stalls=stalls,
        plan_chain=0,
    )
    if rounds >= policy.max_plan_versions:
        update["plan_gap"] = (
            f"the plan was still open after {rounds} versions, the most that the policy allows"
        )
    elif stalls >= policy.max_stalled_versions:
        update["plan_gap"] = f"the last {stalls} versions of the plan brought no accepted step"
    return update


def _has_progress(state: RunState) -> bool:
    """Return whether a step that the newest version added has a value that others may use."""
    outcomes = state["outcomes"]
    return any(
        outcomes.get(step, {}).get("status") in {"accepted", "degraded"}
        for step in state.get("plan_added", ())
    )


def keep_settled(state: RunState) -> TaskGraph:
    """Return the part of an open plan that has run; what was only proposed is left out."""
    plan = TaskGraph.model_validate(state.get("plan_before") or state["plan"])
    settled = tuple(step for step in plan.steps if step.id in state["outcomes"])
    return plan.model_copy(update={"steps": settled})


def cut_short(state: RunState, reason: str) -> RunState:
    """Return the end of an open plan whose planner did not go on: what has run stands."""
    kept: dict[str, Any] = keep_settled(state).model_dump(mode="json")
    gap = f"the planner did not go on. {reason}"
    return RunState(plan=kept, plan_status="accepted", plan_gap=gap)


def require_continuation(previous: TaskGraph, plan: TaskGraph, outcomes: Outcomes) -> None:
    """Return if a plan goes on from an open one.

    Raises:
        PlanError: It drops or changes a step, adds nothing though it stays open, or has a step
            done again.
    """
    problems = (*_find_changes(previous, plan), *find_repeats(previous, plan, outcomes))
    if not problems and plan.is_open and len(plan.steps) == len(previous.steps):
        problems = (
            PlanProblem(
                "nothing_new",
                "The plan is still open and adds no step. Add one, or close it with is_open=False.",
            ),
        )
    if problems:
        raise PlanError(problems)


def _find_changes(previous: TaskGraph, plan: TaskGraph) -> Iterator[PlanProblem]:
    steps = plan.index_steps()
    for old in previous.steps:
        new = steps.get(old.id)
        if new is None:
            yield PlanProblem(
                "dropped_step",
                f"Step {old.id!r} has settled and is missing. Keep all steps of version "
                f"{previous.version} as they are, and add to them.",
                old.id,
            )
        elif new != old:
            yield PlanProblem(
                "changed_step",
                f"Step {old.id!r} has settled and was changed. Keep it as it was, and add a step of "
                "another id.",
                old.id,
            )


def find_repeats(previous: TaskGraph, plan: TaskGraph, outcomes: Outcomes) -> Iterator[PlanProblem]:
    """Find new steps that are the same work on the same inputs as one whose result is known.

    What was settled for less may be tried once more: its value is not what the worker would bring.
    Values are compared only where worker and instruction are the same.
    """
    known = previous.index_steps()
    added = [step for step in plan.steps if step.id not in known]
    works = Counter((step.worker, step.instruction) for step in (*previous.steps, *added))
    values = _ValueHashes(outcomes)
    done: dict[str, list[StepId]] = {}
    for step in (*previous.steps, *added):
        if works[step.worker, step.instruction] == 1:
            continue
        is_new = step.id not in known
        if not is_new and step.id not in values:
            continue
        if (identity := _derive_identity(step, values)) is None:
            continue
        twins = done.setdefault(identity, [])
        if is_new and not _may_repeat(twins, outcomes):
            yield PlanProblem(
                "repeated_step",
                f"Step {step.id!r} repeats step {twins[0]!r}: the same worker, instruction and "
                "inputs. Its result would be the same; use that one, or say what is to be done "
                "otherwise.",
                step.id,
            )
        twins.append(step.id)


def _may_repeat(twins: Sequence[StepId], outcomes: Outcomes) -> bool:
    """Return whether work may be done that was done already: never, or once more after less."""
    if not twins:
        return True
    is_less = all(twin in outcomes and outcomes[twin].status == "degraded" for twin in twins)
    return is_less and len(twins) == 1


class _ValueHashes:
    """The hashes of what steps have brought, each made when it is first asked for."""

    def __init__(self, outcomes: Outcomes) -> None:
        self._outcomes = outcomes
        self._made: dict[StepId, str] = {}

    def __contains__(self, step: StepId) -> bool:
        outcome = self._outcomes.get(step)
        return outcome is not None and outcome.status in {"accepted", "degraded"}

    def __getitem__(self, step: StepId) -> str:
        if step not in self._made:
            outcome = self._outcomes[step]
            self._made[step] = outcome.value_ref or derive_hash(outcome.value)
        return self._made[step]


def _derive_identity(step: Step, values: _ValueHashes) -> str | None:
    """Return what a step does on what, as a hash; None if something that it needs is not known."""
    if any(need.step not in values for need in step.needs):
        return None
    paths = step.inputs if step.inputs is not None else {n.step: n.step for n in step.needs}
    inputs: dict[str, Plain] = {}
    for name, path in paths.items():
        source, *rest = path.split(".")
        known = StepId(source) in values
        inputs[name] = [values[StepId(source)] if known else source, *rest]
    return derive_hash(
        {
            "worker": step.worker,
            "instruction": step.instruction,
            "inputs": inputs,
            "arguments": step.arguments,
            "context": list(step.context),
        }
    )
