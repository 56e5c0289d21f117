"""What rests on what: facts behind a step's output, and steps behind a fact that was taken back.

A step rests on the facts that it was shown, and on what the outputs rest on that it consumed. An
output that holds a published fact stands for that fact: what is read beside it does not.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias

from interlock.contracts.context_records import FactMark, FactRef
from interlock.contracts.ids import StepId, ThreadId
from interlock.contracts.outcome import StepOutcome
from interlock.contracts.plan import Step
from interlock.contracts.plan_order import derive_topological_order
from interlock.contracts.storage import Storage

Path: TypeAlias = tuple[str, ...]
Outcomes: TypeAlias = Mapping[StepId, StepOutcome]


def list_shown(outcome: StepOutcome) -> list[FactRef]:
    """Return the facts that the step of an outcome was shown."""
    return [FactRef(space, key, version) for key, (space, version) in outcome.shown_facts.items()]


def list_published(outcome: StepOutcome) -> list[FactRef]:
    """Return the facts that stand for what the step of an outcome published.

    Where another fact stayed, its output is no part of that.
    """
    places = outcome.published_versions.items()
    kept = outcome.published_in_vain
    return [FactRef(space, key, version) for key, (space, version) in places if key not in kept]


def list_readers(steps: Mapping[StepId, Step], maker: StepId, key: str) -> list[StepId]:
    """Return the steps that consume what a step published as a fact, or a part of it."""
    path = steps[maker].publishes.get(key) if maker in steps else None
    return [
        step.id
        for step in steps.values()
        for source, part in _list_consumed(step)
        if source == maker and path is not None and _overlap(_split(path), part)
    ]


def derive_sources(
    step: Step, *, steps: Mapping[StepId, Step], outcomes: Outcomes
) -> list[FactRef]:
    """Return the facts behind the outputs that a step consumes, each once, in order.

    Where a consumed output holds a published fact, that fact stands for all behind it, so that a
    chain of steps that publish costs one look each.

    Args:
        step: That consumes.
        steps: Of the plan.
        outcomes: Of what it needs, directly or not.
    """
    found: set[FactRef] = set()
    todo = list(_list_consumed(step))
    seen: set[tuple[StepId, Path]] = set()
    while todo:
        place = todo.pop()
        outcome, source = outcomes.get(place[0]), steps.get(place[0])
        if place in seen or outcome is None or source is None:
            continue
        seen.add(place)
        found.update(list_shown(outcome))
        facts = _list_held_facts(source, outcome, place[1])
        found.update(facts)
        if not facts:
            todo += _list_consumed(source)
    return sorted(found)


@dataclass(frozen=True, slots=True)
class _Resting:
    """Why a step rests on what was taken back.

    Attributes:
        mark: On what.
        parts: The parts of its output that do; all of it if None.
    """

    mark: FactMark
    parts: tuple[Path, ...] | None


async def load_resting(
    storage: Storage,
    thread_id: ThreadId,
    *,
    steps: Mapping[StepId, Step],
    outcomes: Outcomes,
    scope: str = "",
) -> Mapping[StepId, FactMark]:
    """Return the steps of a run whose output rests on a fact that was taken back, each with a mark.

    Args:
        storage: Where facts lie.
        thread_id: The thread.
        steps: Of the plan.
        outcomes: Of one branch.
        scope: The path of steps above, in nested teams.
    """
    marks = await storage.context.load_marks(thread_id)
    if not marks:
        return {}
    by_ref = {mark.ref: mark for mark in marks}
    nested: dict[StepId, FactMark] = {}
    for use in await storage.context.load_thread_uses(thread_id):
        inner = use.step_id.removeprefix(scope)
        if use.ref in by_ref and use.step_id.startswith(scope) and "/" in inner:
            nested[StepId(inner.split("/")[0])] = by_ref[use.ref]
    return find_resting(steps, outcomes, marks, nested=nested)


def find_resting(
    steps: Mapping[StepId, Step],
    outcomes: Outcomes,
    marks: Sequence[FactMark],
    *,
    nested: Mapping[StepId, FactMark] = MappingProxyType({}),
) -> Mapping[StepId, FactMark]:
    """Return the steps whose output rests on a fact that was taken back, each with one such mark.

    Args:
        steps: Of the plan.
        outcomes: Of one branch.
        marks: On any facts.
        nested: Steps in whose teams a marked fact was shown.
    """
    by_ref = {mark.ref: mark for mark in marks}
    resting: dict[StepId, _Resting] = {}
    for step_id in derive_topological_order(steps):
        outcome = outcomes.get(step_id)
        if outcome is None or outcome.status not in {"accepted", "degraded"}:
            continue
        why = _find_reason(steps[step_id], outcome, by_ref=by_ref, resting=resting)
        if step_id in nested:
            why = _Resting(nested[step_id], None)
        if why is not None:
            resting[step_id] = why
    return {step_id: why.mark for step_id, why in resting.items()}


def _find_reason(
    step: Step,
    outcome: StepOutcome,
    *,
    by_ref: Mapping[FactRef, FactMark],
    resting: Mapping[StepId, _Resting],
) -> _Resting | None:
    for ref in list_shown(outcome):
        if ref in by_ref:
            return _Resting(by_ref[ref], None)
    for source, path in _list_consumed(step):
        below = resting.get(source)
        if below is not None and _does_touch(path, below.parts):
            return _Resting(below.mark, None)
    published = [ref for ref in list_published(outcome) if ref in by_ref]
    if not published:
        return None
    parts = tuple(_split(step.publishes[ref.key]) for ref in published if ref.key in step.publishes)
    return _Resting(by_ref[published[0]], parts)


def _does_touch(path: Path, parts: tuple[Path, ...] | None) -> bool:
    return parts is None or any(_overlap(path, part) for part in parts)


def _list_consumed(step: Step) -> Iterator[tuple[StepId, Path]]:
    """Yield what a step reads of the outputs of what it needs."""
    if step.inputs is None:
        yield from ((need.step, ()) for need in step.needs)
        return
    for text in step.inputs.values():
        source, *parts = text.split(".")
        yield StepId(source), tuple(parts)


def _list_held_facts(step: Step, outcome: StepOutcome, path: Path) -> list[FactRef]:
    """Return the published facts that lie in a part of a step's output, or around it."""
    return [
        ref
        for ref in list_published(outcome)
        if ref.key in step.publishes and _overlap(_split(step.publishes[ref.key]), path)
    ]


def _split(path: str) -> Path:
    """Return the parts of a path into an output, without `output` itself."""
    return tuple(path.split(".")[1:])


def _overlap(one: Path, other: Path) -> bool:
    """Return whether one path lies within the other."""
    shorter = min(len(one), len(other))
    return one[:shorter] == other[:shorter]
