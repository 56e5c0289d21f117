"""The shared context as one run's steps see it: what each is shown, at which version, from where.

A step's snapshot is taken once, at one instant, and travels in its assignment: a resume of the
attempt is shown the same. What this branch of the run knows of its own facts comes from its own
outcomes, so that a fork never reads what an abandoned branch has promoted.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from interlock.contracts.big_values import is_big
from interlock.contracts.context_records import AskedFact, FactRecord, FactRef, Facts
from interlock.contracts.fallback import UseWorker
from interlock.contracts.ids import PayloadHash, StepId, ThreadId, WorkerName
from interlock.contracts.outcome import StepOutcome
from interlock.contracts.plain import Plain
from interlock.contracts.plan import Step
from interlock.contracts.plan_order import derive_topological_order
from interlock.contracts.shared_context import (
    SharedContext,
    is_shared_space,
    name_own_space,
    name_shared_space,
)
from interlock.contracts.storage import Storage
from interlock.criteria import list_paths
from interlock.nodes.run.declared_facts import require_spaces
from interlock.nodes.run.kept_values import KeptValues
from interlock.nodes.run.resting import derive_sources
from interlock.nodes.run.run_state import RunState


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextSlice:
    """What a step is given of the shared context.

    Attributes:
        values: Context key to value; None where it is big.
        refs: The hashes of the big ones.
        facts: What a promotion needs to know; None for a step that neither reads nor publishes.
    """

    values: dict[str, Plain]
    refs: dict[str, PayloadHash]
    facts: dict[str, Any] | None = None


@dataclass(slots=True, kw_only=True)
class RunFacts:
    """The facts of one run in one dispatch superstep.

    Attributes:
        shared: The team's declared context.
        storage: Where facts lie.
        thread_id: The thread.
        state: The run's.
        steps: Of the plan.
        is_team: Says whether a worker is a whole team.
        publishers: Context key to the steps that publish it.
    """

    shared: SharedContext
    storage: Storage
    thread_id: ThreadId
    state: RunState
    steps: Mapping[StepId, Step]
    is_team: Callable[[WorkerName], bool] = lambda _: False
    publishers: dict[str, list[StepId]] = field(default_factory=dict)
    _orders: dict[StepId, int] = field(default_factory=dict)
    _looked_at: Sequence[str] | None = None

    def __post_init__(self) -> None:
        """Index who publishes what."""
        for step in self.steps.values():
            for key in step.publishes:
                self.publishers.setdefault(key, []).append(step.id)

    async def select(
        self, step: Step, outcomes: Mapping[StepId, StepOutcome], values: KeptValues
    ) -> ContextSlice:
        """Return a step's slice of the context.

        Args:
            step: As planned.
            outcomes: All that have settled on this branch.
            values: Stores big values.
        """
        is_traced = bool(step.publishes) or self._may_be_team(step)
        if not step.context and not is_traced:
            return ContextSlice(values={}, refs={})
        known = {key: self._find_known(key, outcomes) for key in self._list_keys(step)}
        held = await self._load(dict.fromkeys((*step.context, *step.publishes)), known)
        shown: dict[str, Plain] = {}
        refs: dict[str, PayloadHash] = {}
        places: dict[str, tuple[str, int]] = {}
        for key in step.context:
            await self._show(key, known[key], held.get(key), values=values, into=(shown, refs))
            version = max(known[key].version, _get_version(held.get(key)))
            if key in shown and version:
                places[key] = (self.name_space(key), version)
        facts: dict[str, Any] = {
            "shown": places,
            "base": {
                key: max(known[key].version, _get_version(held.get(key)))
                for key in dict.fromkeys((*step.context, *step.publishes))
            },
            "spaces": {key: self.name_space(key) for key in known},
        }
        if is_traced:
            found = derive_sources(step, steps=self.steps, outcomes=outcomes)
            given = (FactRef(*ref) for ref in self.state.get("sources") or ())
            facts["sources"] = [list(ref) for ref in sorted({*found, *given})]
        if step.publishes:
            facts["known"] = {key: one.version for key, one in known.items()}
            facts["order"] = self._find_order(step.id)
        return ContextSlice(values=shown, refs=refs, facts=facts)

    def renew(
        self, step: Step, outcomes: Mapping[StepId, StepOutcome], carried: ContextSlice
    ) -> ContextSlice:
        """Return the slice of a step that waited for a person, with what its branch knows by now.

        What it was shown stays; what others have promoted meanwhile is promoted upon.
        """
        known = {key: self._find_known(key, outcomes).version for key in self._list_keys(step)}
        return replace(carried, facts={**(carried.facts or {}), "known": known})

    def list_publishers(
        self, step: Step, outcomes: Mapping[StepId, StepOutcome]
    ) -> dict[StepId, StepOutcome]:
        """Return the settled steps that publish what a step reads."""
        return {
            name: outcomes[name]
            for key in step.context
            for name in self.publishers.get(key, ())
            if name in outcomes and name != step.id
        }

    def name_space(self, key: str) -> str:
        """Return the space that a fact lives in.

        Raises:
            ConfigurationError: The run does not say which of the named spaces.
        """
        fact = self.shared.find_fact(key)
        if fact is None or fact.space is None:
            return name_own_space(self.thread_id, self.state.get("scope", ""))
        spaces = self.state.get("spaces") or {}
        require_spaces(self.shared, spaces)
        return name_shared_space(fact.space, spaces[fact.space])

    def _may_be_team(self, step: Step) -> bool:
        ways = (way.worker for way in step.fallback if isinstance(way, UseWorker))
        return any(self.is_team(WorkerName(name)) for name in (step.worker, *ways))

    def _list_keys(self, step: Step) -> Iterable[str]:
        """Return the keys that a step's promotion is about: those that invariants look at, too."""
        looked_at = self._list_looked_at() if step.publishes else ()
        return dict.fromkeys((*step.context, *step.publishes, *looked_at))

    def _list_looked_at(self) -> Sequence[str]:
        """Return the keys that invariants look at: all there are, if one looks at the whole."""
        if self._looked_at is None:
            paths = [
                path
                for invariant in self.shared.invariants
                for path in list_paths(invariant.expression, "context")
            ]
            facts = [fact.name for fact in self.shared.facts]
            known = facts or [*self.state["context"], *self.publishers]
            self._looked_at = known if () in paths else [path[0] for path in paths]
        return self._looked_at

    def _find_known(self, key: str, outcomes: Mapping[StepId, StepOutcome]) -> "_Known":
        """Return what this branch knows of a key: the newest of what its steps have published."""
        best = _Known(is_seeded=key in self.state["context"])
        best.version = self.state.get("seed_version", 0) if best.is_seeded else 0
        space = self.name_space(key)
        if is_shared_space(space):
            return _Known()
        for name in self.publishers.get(key, ()):
            outcome = outcomes.get(name)
            if outcome is None or not (key in outcome.published or key in outcome.published_refs):
                continue
            version = outcome.published_versions.get(key, ("", 0))[1]
            if best.publisher is None or version >= best.version:
                best = _Known(version=max(version, best.version), publisher=outcome)
        return best

    async def _load(self, keys: Iterable[str], known: Mapping[str, "_Known"]) -> Facts:
        """Return what storage holds of the keys, at one instant."""
        asked = [
            AskedFact(
                space=space,
                key=key,
                base=None if is_shared_space(space) else known[key].version,
            )
            for key in keys
            if (space := self.name_space(key))
        ]
        return await self.storage.context.load_snapshot(asked) if asked else {}

    async def _show(
        self,
        key: str,
        known: "_Known",
        held: FactRecord | None,
        *,
        values: KeptValues,
        into: tuple[dict[str, Plain], dict[str, PayloadHash]],
    ) -> None:
        """Add what a step is shown of one key; nothing if there is nothing, or no more."""
        shown, refs = into
        if held is not None and (held.version > known.version or is_shared_space(held.space)):
            if held.is_held:
                await _put(key, held.value, values=values, into=into)
        elif known.publisher is not None:
            shown[key] = known.publisher.published.get(key)
            if key in known.publisher.published_refs:
                refs[key] = known.publisher.published_refs[key]
        elif known.is_seeded:
            value = self.state["context"][key]
            run_refs = self.state.get("context_refs") or {}
            if value is None and key in run_refs:
                shown[key], refs[key] = None, run_refs[key]
            else:  # big only if edited into the state
                await _put(key, value, values=values, into=into)

    def _find_order(self, step_id: StepId) -> int:
        if not self._orders:
            order = derive_topological_order(self.steps)
            self._orders = {name: index for index, name in enumerate(order)}
        return self._orders[step_id]


@dataclass(slots=True)
class _Known:
    """What a branch knows of one of its own facts.

    Attributes:
        version: In which it stands; 0 if storage knows nothing of it.
        publisher: The outcome that published it, if a step did.
        is_seeded: Whether the run was started with it.
    """

    version: int = 0
    publisher: StepOutcome | None = None
    is_seeded: bool = False


async def _put(
    key: str,
    value: Plain,
    *,
    values: KeptValues,
    into: tuple[dict[str, Plain], dict[str, PayloadHash]],
) -> None:
    shown, refs = into
    if is_big(value):
        shown[key], refs[key] = None, await values.keep(value)
    else:
        shown[key] = value


def _get_version(fact: FactRecord | None) -> int:
    return 0 if fact is None else fact.version
