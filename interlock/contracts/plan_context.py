"""What can be wrong with a plan's use of the shared context.

Two steps that may write one fact need a rule for it, and whoever reads a fact must be ordered
against whoever writes it: else which value is read is left to chance.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from interlock.contracts.errors import PlanProblem
from interlock.contracts.ids import StepId
from interlock.contracts.near_names import suggest_names
from interlock.contracts.plan import Step
from interlock.contracts.plan_order import derive_topological_order
from interlock.contracts.shared_context import SharedContext


@dataclass(slots=True)
class ContextProblems:
    """One pass over the facts that a plan's steps read and publish.

    Attributes:
        planned: The steps, in plan order.
        shared: The team's declared context.
        keys: Keys that exist before the first step.
        has_rings: Whether steps need each other in rings, which is told on its own.
        steps: By id.
        publishers: Context key to the steps that publish it.
    """

    planned: Sequence[Step]
    shared: SharedContext
    keys: Collection[str]
    has_rings: bool = False
    steps: Mapping[StepId, Step] = field(init=False)
    publishers: dict[str, list[StepId]] = field(default_factory=dict)
    _ancestors: dict[StepId, int] = field(default_factory=dict)
    _ranks: dict[StepId, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Index the steps, and who publishes what."""
        self.steps = {step.id: step for step in self.planned}
        for step in self.planned:
            for key in step.publishes:
                self.publishers.setdefault(key, []).append(step.id)

    def find_published(self, step: Step, key: str) -> Iterator[PlanProblem]:
        """Yield what is wrong with one key that a step publishes."""
        fact = self.shared.find_fact(key)
        if fact is None:
            yield self._refuse_unknown(step, key, verb="publishes")
            return
        first = self.publishers[key][0] if key in self.publishers else step.id
        if step.id != first and fact.on_conflict == "refuse":
            yield PlanProblem(
                "conflicting_publish",
                f"Steps {first!r} and {step.id!r} both publish the context key {key!r}. "
                "Let one of them publish it, use two keys, or declare a rule for it: "
                f"il.Fact(name={key!r}, on_conflict='first', 'last' or 'merge').",
                step.id,
            )

    def find_read(self, step: Step) -> Iterator[PlanProblem]:
        """Yield what is wrong with the keys that a step reads."""
        for key in step.context:
            fact = self.shared.find_fact(key)
            publishers = self.publishers.get(key, [])
            if fact is None:
                yield self._refuse_unknown(step, key, verb="reads")
            elif self.has_rings and publishers:
                continue
            elif (racing := self._find_racing(step, publishers)) is not None and (
                self._is_there(step, key)
            ):
                yield PlanProblem(
                    "context_race",
                    f"Step {step.id!r} reads the context key {key!r}, which step {racing!r} "
                    "publishes, and neither waits for the other: which value is read would be left "
                    f"to chance. Add {racing!r} to the needs of {step.id!r}, or the other way "
                    "round.",
                    step.id,
                )
            elif not self._is_there(step, key):
                yield self._refuse_missing(step, key, publishers)

    def _is_there(self, step: Step, key: str) -> bool:
        """Return whether something provides a key before a step, or may from another thread."""
        fact = self.shared.find_fact(key)
        if key in self.keys or (fact is not None and fact.space is not None):
            return True
        return any(self._is_before(name, step.id) for name in self.publishers.get(key, []))

    def _find_racing(self, step: Step, publishers: Sequence[StepId]) -> StepId | None:
        for name in publishers:
            is_ordered = self._is_before(name, step.id) or self._is_before(step.id, name)
            if name != step.id and not is_ordered:
                return name
        return None

    def _refuse_unknown(self, step: Step, key: str, *, verb: str) -> PlanProblem:
        known = [fact.name for fact in self.shared.facts]
        return PlanProblem(
            "unknown_fact",
            f"Step {step.id!r} {verb} the context key {key!r}, which the team's context does not "
            f"declare. {suggest_names(key, known)} Declare it: il.Fact(name={key!r}).",
            step.id,
        )

    def _refuse_missing(self, step: Step, key: str, publishers: Sequence[StepId]) -> PlanProblem:
        if publishers and publishers[0] != step.id:
            advice = f"Step {publishers[0]!r} publishes it: add that to the needs."
        else:
            known = {*self.keys, *self.publishers} - {key}
            advice = f"{suggest_names(key, known)} Start the run with it, or have it published."
        return PlanProblem(
            "unknown_context_key",
            f"Step {step.id!r} reads the context key {key!r}, which neither the run's "
            f"context nor any step before it provides. {advice}",
            step.id,
        )

    def _is_before(self, earlier: StepId, later: StepId) -> bool:
        """Return whether a step waits, directly or not, for another; nobody knows in a ring."""
        if self.has_rings:
            return False
        if not self._ancestors:
            self._derive_ancestors()
        return bool(self._ancestors[later] >> self._ranks[earlier] & 1)

    def _derive_ancestors(self) -> None:
        """Write down each step's ancestors as the bits of a number: a bit a pair of steps."""
        self._ranks = {step_id: rank for rank, step_id in enumerate(self.steps)}
        for step_id in derive_topological_order(self.steps):
            bits = 0
            for need in self.steps[step_id].needs:
                if need.step in self.steps:
                    bits |= self._ancestors[need.step] | 1 << self._ranks[need.step]
            self._ancestors[step_id] = bits
