"""Where faults went: what is told of each faulty value, defined in docs/metrics.md."""

from collections import Counter
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal, TypeAlias

from interlock.contracts.fault import Fault
from interlock.contracts.frozen_model import FrozenModel
from interlock.contracts.ids import StepId, ThreadId

Passage: TypeAlias = Literal["output", "fact", "team", "loss"]


class StepPlace(FrozenModel):
    """Names one settling of one step.

    Attributes:
        thread_id: The thread.
        superstep: In which it settled, or works.
        step_id: By path.
    """

    thread_id: ThreadId
    superstep: str
    step_id: StepId


class AffectedStep(FrozenModel):
    """A step that a faulty value has reached.

    Attributes:
        place: Which.
        status: How it ended; `waiting`, or `running` while it has not settled; `pruned` if that is no
            longer known, nor where the trail went from there.
        distance: Over how few handoffs, from 1.
        via: Through which step: the origin, or one that carried it.
        by: How it was reached: by the `output` that its brief showed, by a `fact`, as the step whose
            `team` made it, or by `loss`: it never began, since what it needs was lost.
        carries: Whether its own value rests on the faulty one, and hands it on.
        settled_at: When it settled.
        attempts: All that it used.
        tokens: Of all its attempts.
        money: The same.
    """

    place: StepPlace
    status: str
    distance: int
    via: StepPlace
    by: Passage
    carries: bool
    settled_at: datetime | None
    attempts: int
    tokens: int
    money: Decimal


class PassedGate(FrozenModel):
    """What one criterion of the faulty value's own step had come to on it.

    Attributes:
        kind: Of the criterion.
        criterion: In words.
        result: `passed`: it let the value pass; `failed`: it caught it, and something else let it
            pass, such as a person; `undecided`.
    """

    kind: str
    criterion: str
    result: str


class FaultTrail(FrozenModel):
    """One faulty value: where it came from, where it went, who found it.

    Attributes:
        origin: The step that made it.
        attempt: Which of its attempts; 0 for a declared value.
        worker: Who made it, `person` where one wrote it; None for a declared value.
        settled_at: When it was accepted.
        faults: Each time it was found, the first first.
        gates: The criteria of its own step.
        affected: The steps that it has reached, the nearest first.
        rests_on: Other values known to be faulty that this one was made from, directly or not: this one
            may be wrong because of them.
        path: From the origin to the step that found it first, both included; empty if no step did
            that the value had reached.
        found_after: From its acceptance to when it was first found.
        settled_before: How many of the affected steps had settled by then.
    """

    origin: StepPlace
    attempt: int
    worker: str | None
    settled_at: datetime | None
    faults: tuple[Fault, ...]
    gates: tuple[PassedGate, ...] = ()
    affected: tuple[AffectedStep, ...] = ()
    rests_on: tuple[StepPlace, ...] = ()
    path: tuple[StepPlace, ...] = ()
    found_after: timedelta | None = None
    settled_before: int = 0

    @property
    def depth(self) -> int:
        """Over how many handoffs it has travelled: to the farthest step that was shown it."""
        return max((step.distance for step in self.affected if step.by != "loss"), default=0)

    @property
    def consumers(self) -> tuple[AffectedStep, ...]:
        """The steps that were shown the value itself."""
        return tuple(step for step in self.affected if step.distance == 1 and step.by != "loss")

    @property
    def cascade_size(self) -> int:
        """How many steps it has reached or cost."""
        return len(self.affected)

    @property
    def accepted(self) -> int:
        """How many steps were accepted on it."""
        return sum(step.status == "accepted" and step.carries for step in self.affected)

    @property
    def lost(self) -> int:
        """How many of the steps that it has reached ended otherwise than accepted."""
        ended = ("degraded", "skipped", "failed", "blocked", "cancelled")
        return sum(step.status in ended for step in self.affected)

    @property
    def statuses(self) -> dict[str, int]:
        """How many of the affected steps ended how."""
        return dict(sorted(Counter(step.status for step in self.affected).items()))

    @property
    def let_pass(self) -> tuple[PassedGate, ...]:
        """The criteria that saw the value and let it pass."""
        return tuple(gate for gate in self.gates if gate.result == "passed")

    @property
    def attempts_spent(self) -> int:
        """Attempts of the affected steps."""
        return sum(step.attempts for step in self.affected)

    @property
    def tokens_spent(self) -> int:
        """Tokens of the affected steps."""
        return sum(step.tokens for step in self.affected)

    @property
    def money_spent(self) -> Decimal:
        """What the affected steps cost."""
        return sum((step.money for step in self.affected), Decimal(0))

    def dump(self) -> dict[str, object]:
        """Return it for a program, with what follows from it."""
        derived = ("depth", "cascade_size", "accepted", "lost", "statuses", "attempts_spent")
        return {
            **self.model_dump(mode="json"),
            **{name: getattr(self, name) for name in derived},
            "tokens_spent": self.tokens_spent,
            "money_spent": str(self.money_spent),
            "consumers": [step.place.step_id for step in self.consumers],
        }
