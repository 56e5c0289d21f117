"""What a step is given: its inputs and its slice of the context, from what has settled."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from interlock.contracts.errors import PermanentError
from interlock.contracts.ids import StepId
from interlock.contracts.outcome import StepOutcome
from interlock.contracts.plain import Plain, find_path
from interlock.contracts.plan import Step
from interlock.nodes.run_state import RunState


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
    load: Callable[[StepOutcome], Awaitable[Plain]],
    waiting: StepOutcome | None,
    publishers: Mapping[str, StepId],
) -> dict[str, Any]:
    """Return the step graph's input: this step's data and no other's (I4).

    Args:
        step: As planned.
        needed: The outcomes of what it needs.
        outcomes: All outcomes known; read only for declared context keys.
        state: The run's.
        load: Returns an outcome's value, wherever it lies.
        waiting: The step's own outcome, if it waited for a person.
        publishers: Context key to the step that publishes it.
    """
    context = _select_context(step, outcomes, state=state, publishers=publishers)
    assignment: dict[str, Any] = {
        "step_id": step.id,
        "instruction": step.instruction,
        "scope": state.get("scope", ""),
        "context": context,
        "rests_on": list(_derive_rests_on(step, needed, outcomes, publishers=publishers)),
    }
    if waiting is not None and waiting.question is not None:
        carry = dict(waiting.carry or {})
        assignment["inputs"] = carry.pop("inputs")
        assignment["carry"] = carry
        assignment["question_kind"] = waiting.question.kind
        assignment["answer"] = state["answers"].get(waiting.question.id)
    else:
        assignment["inputs"] = await _select_inputs(step, needed, load)
    return assignment


async def _select_inputs(
    step: Step,
    needed: Mapping[StepId, StepOutcome],
    load: Callable[[StepOutcome], Awaitable[Plain]],
) -> dict[str, Plain]:
    """Return the declared inputs; a part that a degraded need lacks is None."""
    if step.inputs is None:
        values: dict[str, Plain] = {
            step_id: await load(outcome) for step_id, outcome in needed.items()
        }
        return {**values, **step.arguments}
    loaded: dict[StepId, Plain] = {}
    selected: dict[str, Plain] = {}
    for name, path in step.inputs.items():
        source, *parts = path.split(".")
        source_id = StepId(source)
        if source_id not in loaded:
            loaded[source_id] = await load(needed[source_id])
        try:
            selected[name] = find_path(loaded[source_id], parts)
        except LookupError as exc:
            if needed[source_id].status == "accepted":
                raise MissingInputError(name=name, path=path, reason=str(exc)) from exc
            selected[name] = None
    return {**selected, **step.arguments}


def _select_context(
    step: Step,
    outcomes: Mapping[StepId, StepOutcome],
    *,
    state: RunState,
    publishers: Mapping[str, StepId],
) -> dict[str, Plain]:
    context: dict[str, Plain] = {}
    for key in step.context:
        publisher = outcomes.get(publishers[key]) if key in publishers else None
        if publisher is not None and key in publisher.published:
            context[key] = publisher.published[key]
        elif key in state["context"]:
            context[key] = state["context"][key]
    return context


def _derive_rests_on(
    step: Step,
    needed: Mapping[StepId, StepOutcome],
    outcomes: Mapping[StepId, StepOutcome],
    *,
    publishers: Mapping[str, StepId],
) -> tuple[StepId, ...]:
    """Return the degraded facts below a step: its needs', and those behind its context."""
    sources = dict(needed)
    for key in step.context:
        if key in publishers and publishers[key] in outcomes:
            sources[publishers[key]] = outcomes[publishers[key]]
    found: dict[StepId, None] = {}
    for source, outcome in sources.items():
        if outcome.status in {"degraded", "skipped"}:
            found[source] = None
        found.update(dict.fromkeys(outcome.rests_on))
    return tuple(found)
