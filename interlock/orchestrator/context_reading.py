"""The shared context for people: looked at, traced, corrected. Needs a storage, and no lease."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final, TypeAlias

from interlock.contracts.context_errors import UnknownFactError
from interlock.contracts.context_records import (
    ContextVersion,
    FactMark,
    FactRecord,
    Provenance,
    VersionKind,
)
from interlock.contracts.context_view import ContextView, FactStory
from interlock.contracts.errors import ConfigurationError, UnknownThreadError
from interlock.contracts.ids import StepId, ThreadId
from interlock.contracts.outcome import StepOutcome
from interlock.contracts.plain import Plain, parse_plain
from interlock.contracts.plan import Step, TaskGraph
from interlock.contracts.promotion import Promotion
from interlock.contracts.run_record import RunRecord
from interlock.contracts.shared_context import (
    SharedContext,
    name_own_space,
    name_shared_space,
)
from interlock.contracts.storage import Storage
from interlock.criteria import CriteriaEngine
from interlock.nodes.run.resting import list_readers, load_resting
from interlock.nodes.run.run_state import RunState
from interlock.nodes.steps.promotion_rules import Offer
from interlock.orchestrator.nested_paths import require_team_path
from interlock.orchestrator.thread_reading import load_recorded_plan, read_outcomes

_NO_VERSION: Final = (
    "Versions count the changes of the thread's own facts, and it has none yet; facts of named "
    "spaces are shown without --version, and each with all its versions by --why."
)

_Plan: TypeAlias = tuple[Mapping[StepId, Step], Mapping[StepId, StepOutcome]]
"""The steps of a thread, and what has settled."""


async def load_context(
    storage: Storage, thread_id: str, *, version: int | None = None, step: str | None = None
) -> ContextView:
    """Return a thread's shared context, as it stands or stood.

    Args:
        storage: Where it lies.
        thread_id: The thread.
        version: Of the thread's own space. Facts of named spaces are shown as they stood when it
            was made.
        step: The path of a step whose worker is a team: what that team shares, in its own space
            and in named ones, in the place of what the run does.

    Raises:
        UnknownThreadError: No run was ever started there.
        ConfigurationError: There is no such version, or no such team.
    """
    record = await _load_record(storage, thread_id)
    own = await _find_own_space(storage, record, step)
    versions = await storage.context.load_versions(own)
    newest = versions[-1].version if versions else 0
    if version is not None and not 1 <= version <= newest:
        raise ConfigurationError(
            f"The shared context of thread {thread_id!r} has no version {version}. "
            f"{f'It has 1 to {newest}.' if newest else _NO_VERSION}"
        )
    until = versions[version - 1].at if version is not None else None
    facts: dict[str, FactRecord] = {}
    marks: dict[str, list[FactMark]] = {}
    for space in _list_spaces(record, own):
        upto = version if space == own else await _find_version(storage, space, until=until)
        found = {fact.ref: fact for fact in await storage.context.load_facts(space, version=upto)}
        facts.update({fact.key: fact for fact in found.values()})
        for mark in await storage.context.load_space_marks(space):
            if mark.ref in found:
                marks.setdefault(mark.key, []).append(mark)
    return ContextView(
        thread_id=record.thread_id,
        version=newest if version is None else version,
        newest=newest,
        facts=dict(sorted(facts.items())),
        marks={key: tuple(entries) for key, entries in marks.items()},
        resting={} if step else await _load_resting_now(storage, record.thread_id),
    )


async def load_story(
    storage: Storage, thread_id: str, key: str, *, step: str | None = None
) -> FactStory:
    """Return where every version of a fact comes from, and what rests on it.

    Args:
        storage: Where it lies.
        thread_id: The thread.
        key: The fact.
        step: The path of a step whose team shares it; left out, the run does.

    Raises:
        UnknownThreadError: No run was ever started there.
        UnknownFactError: The thread's context holds no such fact.
        ConfigurationError: There is no such team.
    """
    fact = await _find_fact(storage, thread_id, key, step=step)
    versions = await storage.context.load_history(fact.space, key)
    plans: dict[ThreadId, _Plan] = {}
    for entry in versions:
        for name in {entry.fact.made.thread_id, *(use.thread_id for use in entry.uses)}:
            if name not in plans:
                plans[name] = await load_thread_steps(storage, name)
    return FactStory(
        thread_id=ThreadId(thread_id),
        key=key,
        versions=tuple(versions),
        outputs={entry.fact.version: _list_outputs(entry, plans) for entry in versions},
        dependents={entry.fact.version: _list_dependents(entry, plans) for entry in versions},
        facts={
            entry.fact.version: tuple(await storage.context.load_resting(entry.fact.ref))
            for entry in versions
        },
    )


async def retract_fact(
    storage: Storage, thread_id: str, key: str, *, why: str, at: datetime
) -> FactRecord:
    """Take a fact back: no step is shown it any more, and what rests on it is marked.

    Raises:
        UnknownThreadError: No run was ever started there.
        UnknownFactError: The thread's context holds no such fact.
        ConfigurationError: No reason is given.
    """
    promotion = await _build_amendment(storage, thread_id, key, kind="retraction", why=why, at=at)
    return await storage.context.amend(promotion, key=key)


async def correct_fact(storage: Storage, offer: Offer, *, why: str, at: datetime) -> FactRecord:
    """Put a person's value in the place of a fact; what rests on the old one is marked.

    Args:
        storage: Where it lies.
        offer: The right value, of one fact: type and invariants hold for people too.
        why: What was wrong.
        at: Now.

    Raises:
        UnknownThreadError: No run was ever started there.
        UnknownFactError: The thread's context holds no such fact.
        PromotionRefusedError: The value may not enter.
        ConfigurationError: No reason is given; or the team does not declare the fact.
    """
    (key,) = offer.values
    promotion = await _build_amendment(
        storage, offer.thread_id, key, kind="correction", why=why, at=at, offer=offer
    )
    if offer.shared.find_fact(key) is None:
        raise ConfigurationError(
            f"This team's context does not declare {key!r}, so that nothing says which values it may "
            "have. Correct it with the team that declares it."
        )
    return await storage.context.amend(promotion, key=key)


def build_correction(
    thread_id: str, key: str, value: object, *, shared: SharedContext, criteria: CriteriaEngine
) -> Offer:
    """Return a person's value as it is offered in the place of a fact.

    Raises:
        PlainValueError: It cannot be stored.
    """
    plain: Plain = parse_plain(value, name=key)
    return Offer(
        shared=shared,
        criteria=criteria,
        thread_id=ThreadId(thread_id),
        values={key: plain},
        replaces=True,
    )


async def load_thread_steps(
    storage: Storage, thread_id: ThreadId
) -> tuple[Mapping[StepId, Step], Mapping[StepId, StepOutcome]]:
    """Return the steps of a thread's plan and what has settled, from its newest checkpoint.

    Of a run whose checkpoints have been pruned, from the journal and its result.
    """
    saved = await storage.checkpointer.aget_tuple({"configurable": {"thread_id": thread_id}})
    if saved is None:
        return await _load_recorded_steps(storage, thread_id)
    state: RunState = saved.checkpoint["channel_values"]
    known = _parse_outcomes(state.get("outcomes") or {})
    superstep = saved.config["configurable"]["checkpoint_id"]
    stored = await storage.load_outcomes(thread_id, superstep=superstep)
    return _index_steps(state.get("plan")), {**known, **stored}


async def _load_recorded_steps(
    storage: Storage, thread_id: ThreadId
) -> tuple[Mapping[StepId, Step], Mapping[StepId, StepOutcome]]:
    record = await storage.load_run(thread_id)
    if record is None or record.result is None:
        return {}, {}
    plan = await load_recorded_plan(storage, record)
    return _index_steps(plan), _parse_outcomes(read_outcomes(record))


def _index_steps(plan: Plain) -> Mapping[StepId, Step]:
    return TaskGraph.model_validate(plan).index_steps() if plan else {}


def _parse_outcomes(dumped: Mapping[str, Plain]) -> dict[StepId, StepOutcome]:
    return {StepId(step): StepOutcome.model_validate(raw) for step, raw in dumped.items()}


async def _load_record(storage: Storage, thread_id: str) -> RunRecord:
    record = await storage.load_run(ThreadId(thread_id))
    if record is None:
        raise UnknownThreadError(thread_id=thread_id)
    return record


def _list_spaces(record: RunRecord, own: str) -> list[str]:
    named = (name_shared_space(role, name) for role, name in record.spaces.items())
    return [own, *named]


async def _find_own_space(storage: Storage, record: RunRecord, step: str | None) -> str:
    """Return the space that a run has to itself, or that the team of one of its steps has."""
    path = (step or "").strip("/")
    space = name_own_space(record.thread_id, f"{path}/" if path else "")
    if path and not await storage.context.load_versions(space):
        await require_team_path(storage, record.thread_id, path)
    return space


async def _find_version(storage: Storage, space: str, *, until: datetime | None) -> int | None:
    """Return the version of a named space at an instant; None for the newest."""
    if until is None:
        return None
    versions = await storage.context.load_versions(space)
    return max((one.version for one in versions if one.at <= until), default=0)


async def _load_facts_now(
    storage: Storage, record: RunRecord, step: str | None = None
) -> dict[str, FactRecord]:
    own = await _find_own_space(storage, record, step)
    return {
        fact.key: fact
        for space in _list_spaces(record, own)
        for fact in await storage.context.load_facts(space)
    }


async def _find_fact(storage: Storage, thread_id: str, key: str, *, step: str | None) -> FactRecord:
    facts = await _load_facts_now(storage, await _load_record(storage, thread_id), step)
    if key not in facts:
        raise UnknownFactError(key=key, thread_id=thread_id, known=sorted(facts))
    return facts[key]


async def _build_amendment(
    storage: Storage,
    thread_id: str,
    key: str,
    *,
    kind: VersionKind,
    why: str,
    at: datetime,
    offer: Offer | None = None,
) -> Promotion:
    if not isinstance(why, str) or not why.strip():  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ConfigurationError(
            f"The reason for the {kind} of {key!r} is {why!r}. Say why, in words: it is recorded."
        )
    record = await _load_record(storage, thread_id)
    facts = await _load_facts_now(storage, record)
    if key not in facts:
        known = sorted(name for name, fact in facts.items() if fact.is_held)
        raise UnknownFactError(key=key, thread_id=thread_id, known=known)
    reason: str = parse_plain(why, name="the reason")
    made = ContextVersion(kind=kind, thread_id=record.thread_id, why=reason, at=at)
    return Promotion(
        made=made,
        spaces={name: fact.space for name, fact in facts.items()},
        base={},
        decide=offer.decide if offer is not None else lambda held: {},  # noqa: ARG005
    )


async def _load_resting_now(storage: Storage, thread_id: ThreadId) -> Mapping[StepId, FactMark]:
    steps, outcomes = await load_thread_steps(storage, thread_id)
    return await load_resting(storage, thread_id, steps=steps, outcomes=outcomes)


def _list_outputs(entry: Provenance, plans: Mapping[ThreadId, _Plan]) -> tuple[StepId, ...]:
    """Return the steps whose outputs the maker of a version was given."""
    made = entry.fact.made
    step = plans[made.thread_id][0].get(made.step_id or StepId(""))
    return () if step is None else _list_consumed(step)


def _list_consumed(step: Step) -> tuple[StepId, ...]:
    """Return the steps of whose outputs a step is given something."""
    if step.inputs is None:
        return tuple(need.step for need in step.needs)
    return tuple(dict.fromkeys(StepId(path.split(".")[0]) for path in step.inputs.values()))


def _list_dependents(
    entry: Provenance, plans: Mapping[ThreadId, _Plan]
) -> tuple[tuple[ThreadId, StepId], ...]:
    """Return the steps that are given an output with a fact in it, or of one that was shown it.

    Directly or not. Those that have settled without an attempt were given nothing.
    """
    fact = entry.fact
    shown = {(use.thread_id, StepId(use.step_id.split("/")[0])) for use in entry.uses}
    found: dict[tuple[ThreadId, StepId], None] = {}
    for thread_id, (planned, outcomes) in plans.items():
        steps = {
            step_id: step
            for step_id, step in planned.items()
            if step_id not in outcomes or outcomes[step_id].attempts
        }
        reached = {step_id for name, step_id in shown if name == thread_id}
        if thread_id == fact.made.thread_id and fact.made.step_id is not None:
            reached.update(list_readers(steps, fact.made.step_id, fact.key))
        is_growing = bool(reached)
        while is_growing:
            more = {
                step.id
                for step in steps.values()
                if step.id not in reached and not reached.isdisjoint(_list_consumed(step))
            }
            reached |= more
            is_growing = bool(more)
        found.update(
            dict.fromkeys(
                (thread_id, step_id)
                for step_id in steps
                if step_id in reached and (thread_id, step_id) not in shown
            )
        )
    return tuple(found)
