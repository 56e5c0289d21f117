"""What a step is given: its inputs and its slice of the context, from what has settled."""

from collections.abc import Mapping
from typing import Any, Final

from interlock.contracts.big_values import is_big
from interlock.contracts.errors import PermanentError
from interlock.contracts.ids import PayloadHash, StepId
from interlock.contracts.outcome import StepOutcome
from interlock.contracts.plain import Plain, find_path
from interlock.contracts.plan import Step
from interlock.nodes.run.kept_values import KeptValues, fold_values
from interlock.nodes.run.run_facts import ContextSlice, RunFacts
from interlock.nodes.run.run_state import RunState
from interlock.telemetry.spans import SPAN

_CARRIED_SLICE: Final = ("facts", "context", "context_refs")
"""What park keeps of a step's facts; no part of its state."""


class MissingInputError(PermanentError):
    """An accepted output lacks what another step reads from it."""

    name: str
    path: str
    reason: str

    def __init__(self, *, name: str, path: str, reason: str) -> None:
        """Name the input, where it is read from and what is missing there."""
        super().__init__(name=name, path=path, reason=reason)

    def __str__(self) -> str:
        """Say what is missing and what to do."""
        return (
            f"its input {self.name!r} is read from {self.path!r}: {self.reason}. Add a criterion "
            "to the step that produces it, or correct the path"
        )


def find_unmet_need(step: Step, needed: Mapping[StepId, StepOutcome]) -> str | None:
    """Return why a step is blocked by what it needs, or None if it may start (I3)."""
    for need in step.needs:
        outcome = needed[need.step]
        if outcome.status == "accepted":
            continue
        if outcome.status in {"degraded", "skipped"}:
            if need.accept_degraded:
                continue
            return (
                f"needs {need.step!r}, which is {outcome.status} ({outcome.reason}); the step does "
                "not accept a degraded result"
            )
        return f"needs {need.step!r}, which is {outcome.status} ({outcome.reason})"
    return None


async def build_assignment(
    step: Step,
    needed: Mapping[StepId, StepOutcome],
    *,
    outcomes: Mapping[StepId, StepOutcome],
    state: RunState,
    values: KeptValues,
    waiting: StepOutcome | None,
    facts: RunFacts,
) -> dict[str, Any]:
    """Return the step graph's input: this step's data and no other's (I4).

    Big values are None in it; `refs` has their hashes, by part and name.

    Args:
        step: As planned.
        needed: The outcomes of what it needs.
        outcomes: All outcomes known; read only for declared context keys.
        state: The run's.
        values: Reads and stores big values.
        waiting: The step's own outcome, if it waited for a person.
        facts: The shared context as the run sees it.
    """
    context = _find_carried_slice(waiting, state)
    if context is not None:
        context = facts.renew(step, outcomes, context)
    else:
        context = await facts.select(step, outcomes, values)
    sources = {**needed, **facts.list_publishers(step, outcomes)}
    assignment: dict[str, Any] = {
        "step_id": step.id,
        "instruction": step.instruction,
        "scope": state.get("scope", ""),
        "context": context.values,
        "rests_on": list(_derive_rests_on(sources)),
    }
    if context.facts is not None:
        assignment["facts"] = context.facts
    if waiting is not None and waiting.question is not None:
        carry = dict(waiting.carry or {})
        assignment["inputs"] = carry.pop("inputs")
        input_refs = carry.pop("input_refs", {})
        for name in (*_CARRIED_SLICE, SPAN):
            carry.pop(name, None)
        assignment["carry"] = carry
        assignment["question_kind"] = waiting.question.kind
        assignment["answer"] = state["answers"].get(waiting.question.id)
        shown = waiting.question.args
        if waiting.question.kind == "orphans":
            assignment["orphan_keys"] = [effect["key"] for effect in shown["effects"]]
        if waiting.question.kind == "effect":
            assignment["effect_key"], assignment["effect_call"] = shown["key"], shown["call"]
    else:
        assignment["inputs"], input_refs = await _select_inputs(step, needed, values)
    if input_refs or context.refs:
        assignment["refs"] = {"inputs": input_refs, "context": context.refs}
    return assignment


def _find_carried_slice(waiting: StepOutcome | None, state: RunState) -> ContextSlice | None:
    """Return the facts on which an output was made that is to be promoted after all, or None.

    Whoever is to try again is shown what holds now.
    """
    carry = (waiting.carry if waiting is not None else None) or {}
    if waiting is None or waiting.question is None or "facts" not in carry:
        return None
    answer = state["answers"].get(waiting.question.id) or {}
    if answer.get("type") in {"respond", "reject"} and waiting.question.kind == "output":
        return None
    return ContextSlice(
        values=carry["context"], refs=carry.get("context_refs", {}), facts=carry["facts"]
    )


async def _select_inputs(
    step: Step, needed: Mapping[StepId, StepOutcome], values: KeptValues
) -> tuple[dict[str, Plain], dict[str, PayloadHash]]:
    """Return the declared inputs, and the hashes of those that are big.

    A part that a degraded need lacks is None.
    """
    selected: dict[str, Plain] = {}
    refs: dict[str, PayloadHash] = {}
    paths = step.inputs
    if paths is None:
        paths = {step_id: step_id for step_id in needed}
    for name, path in paths.items():
        source, *parts = path.split(".") if step.inputs is not None else (path,)
        outcome = needed[StepId(source)]
        selected[name] = None
        if not parts and outcome.value_ref is not None:
            refs[name] = outcome.value_ref
            continue
        try:
            value = find_path(await _load(outcome, values), parts)
        except LookupError as exc:
            if outcome.status == "accepted":
                raise MissingInputError(name=name, path=path, reason=str(exc)) from exc
            continue
        if outcome.value_ref is not None and is_big(value):
            refs[name] = await values.keep(value)
        else:
            selected[name] = value
    if step.arguments:
        arguments, argument_refs = await fold_values(step.arguments, values.keep)
        kept = {name: ref for name, ref in refs.items() if name not in arguments}
        return {**selected, **arguments}, {**kept, **argument_refs}
    return selected, refs


async def _load(outcome: StepOutcome, values: KeptValues) -> Plain:
    """Return an outcome's value, wherever it lies."""
    return outcome.value if outcome.value_ref is None else await values.load(outcome.value_ref)


def _derive_rests_on(sources: Mapping[StepId, StepOutcome]) -> tuple[StepId, ...]:
    """Return the degraded facts below a step, given what it needs and what is behind its context."""
    found: dict[StepId, None] = {}
    for source, outcome in sources.items():
        if outcome.status in {"degraded", "skipped"}:
            found[source] = None
        found.update(dict.fromkeys(outcome.rests_on))
    return tuple(found)
