"""I7: what a version of a plan leaves out, and what it has in its place.

A step that is left out was wanted by somebody: by the steps that needed it, or, if none did, by
whoever reads the results. A version is honest if each of them is given something instead. What
that is worth is for criteria and judges to say; that it is there at all is for code.
Called by replanning, and where a plan is taken.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from interlock.contracts.errors import PlanProblem
from interlock.contracts.ids import StepId
from interlock.contracts.outcome import StepOutcome
from interlock.contracts.plan import Step, TaskGraph
from interlock.contracts.plan_order import derive_topological_order


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """Something that a version leaves out with nothing in its place.

    Attributes:
        step_id: The step that goes.
        seen: What is missing, in words.
        advice: What to do about it.
    """

    step_id: StepId
    seen: str
    advice: str

    def as_problem(self) -> PlanProblem:
        """Return it for the planner."""
        return PlanProblem("nothing_in_place", f"{self.seen}. {self.advice}", self.step_id)


class LeftOut:
    """The settled steps of a plan which the next version does not have.

    Steps that have not run may go in silence: only a person edits a plan that is under way.

    Attributes:
        removed: Them, in plan order.
    """

    def __init__(
        self, before: TaskGraph, plan: TaskGraph, outcomes: Mapping[StepId, StepOutcome]
    ) -> None:
        """Compare two versions; O(steps + needs)."""
        self._old, self._new = before.index_steps(), plan.index_steps()
        self._version = plan.version
        self._outcomes = outcomes
        ended = {step for step, outcome in outcomes.items() if outcome.is_terminal}
        self.removed = tuple(s for s in self._old if s in ended and s not in self._new)
        self._users: dict[StepId, list[StepId]] = {step: [] for step in self.removed}
        for step in before.steps:
            for need in step.needs:
                if need.step in self._users:
                    self._users[need.step].append(step.id)
        self._lost = [step for step in self.removed if not self._users[step]]
        self._gained = [step for step in _list_results(plan) if step not in self._old]

    def find_losses(self, *, told: Collection[str | None] = ()) -> Iterator[Loss]:
        """Find what has nothing in its place.

        Args:
            told: Steps that may not go at all, about which the planner hears that.
        """
        for gone in self.removed:
            if gone in told:
                continue
            for user in self._users[gone]:
                if user in self._new:
                    yield from self._find_hole(gone, self._old[user], self._new[user])
        lost = [step for step in self._lost if step not in told]
        if len(lost) > len(self._gained):
            yield self._word_lost(lost)

    def _find_hole(self, gone: StepId, old: Step, new: Step) -> Iterator[Loss]:
        """Find what a kept step does not get any more."""
        if any(need.step == gone for need in new.needs):
            return  # told as an unknown dependency
        name = self._name(gone)
        if not _list_fresh(old, new):
            yield Loss(
                step_id=gone,
                seen=f"{name} is left out, and step {old.id!r}, which needed it, has nothing in its "
                "place",
                advice=f"Let {old.id!r} need a step that brings what {gone!r} was to bring, or keep "
                f"{gone!r}",
            )
            return
        given = {*_list_inputs(new), *new.arguments}
        for missing in sorted(
            key
            for key, path in (old.inputs or {}).items()
            if path.split(".")[0] == gone and key not in given
        ):
            yield Loss(
                step_id=gone,
                seen=f"{name} is left out, and step {old.id!r} has nothing in its place for its input "
                f"{missing!r}",
                advice=f"Read {missing!r} from another step, or keep {gone!r}",
            )

    def _word_lost(self, lost: list[StepId]) -> Loss:
        names = ", ".join(f"{self._name(step)}" for step in lost)
        results = "a result" if len(lost) == 1 else "results"
        place = ", ".join(self._gained) or "nothing"
        return Loss(
            step_id=lost[0],
            seen=f"{names}, {results} of the plan, left out: in their place there is {place}",
            advice="Add a step that no other step needs for each of them, or keep it",
        )

    def list_notes(self) -> list[str]:
        """Return for people what became of each step that is left out, in plan order."""
        places: dict[StepId, dict[StepId, None]] = {}
        for step in reversed(derive_topological_order(self._old)):
            if step in self._users:
                places[step] = dict.fromkeys(self._list_places(step, places))
        return [
            f"Version {self._version} of the plan leaves out {self._name(step, in_full=True)}; in "
            f"its place: {', '.join(places[step]) or 'nothing'}"
            for step in self.removed
        ]

    def _list_places(
        self, gone: StepId, places: Mapping[StepId, Mapping[StepId, None]]
    ) -> Iterator[StepId]:
        if not self._users[gone]:
            yield from self._gained
        for user in self._users[gone]:
            if user in self._new:
                yield from _list_fresh(self._old[user], self._new[user])
            else:
                yield from places[user]

    def _name(self, step: StepId, *, in_full: bool = False) -> str:
        outcome = self._outcomes.get(step)
        if outcome is None:
            return f"step {step!r}"
        why = f": {outcome.reason}" if in_full and outcome.reason else ""
        return f"step {step!r} ({outcome.status}{why})"


def _list_results(plan: TaskGraph) -> list[StepId]:
    """Return the steps that no other step needs, in plan order."""
    needed = {need.step for step in plan.steps for need in step.needs}
    return [step.id for step in plan.steps if step.id not in needed]


def _list_fresh(old: Step, new: Step) -> list[StepId]:
    """Return what a step needs now and did not need before."""
    known = {need.step for need in old.needs}
    return [need.step for need in new.needs if need.step not in known]


def _list_inputs(step: Step) -> Collection[str]:
    return step.inputs if step.inputs is not None else [need.step for need in step.needs]
