"""The job of the fault campaign: steps of typed values whose last value can be checked.

Made from a seed. A step's value follows from its inputs by a rule that a criterion knows. Its
weight rests on a table that only the worker can look into, so no criterion can tell a wrong entry.
Every second step books something in a ledger outside, which is an effect.
"""

import random
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from interlock.contracts.frozen_model import FrozenModel

ANSWER: Final = "answer"
_MODULUS: Final = 9973
_REACH: Final = 6
"""How many steps back a step may look."""


class Cell(FrozenModel):
    """What a step gives.

    Attributes:
        step: The step.
        value: Follows from the inputs' values.
        weight: The step's own weight and those of its inputs.
        receipt: Of the booking, where the step makes one.
    """

    step: str
    value: int
    weight: int
    receipt: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobStep:
    """One step.

    Attributes:
        id: Its name.
        needs: Whose cells it takes.
        factor: Of its inputs' sum.
        offset: Added to that.
        weight: Its entry in the table.
        books: Whether it makes an effect.
    """

    id: str
    needs: tuple[str, ...]
    factor: int
    offset: int
    weight: int
    books: bool

    def derive_value(self, inputs: Mapping[str, Any]) -> int:
        """Return the value that follows from cells; a missing one counts for nothing."""
        total = sum(int(cell["value"]) for cell in self._list_cells(inputs))
        return (self.factor * total + self.offset) % _MODULUS

    def derive_carried(self, inputs: Mapping[str, Any]) -> int:
        """Return the weight of the inputs alone."""
        return sum(int(cell["weight"]) for cell in self._list_cells(inputs))

    def derive_cell(self, inputs: Mapping[str, Any], *, receipt: str | None) -> dict[str, Any]:
        """Return the right cell."""
        weight = self.weight + self.derive_carried(inputs)
        value = self.derive_value(inputs)
        return Cell(step=self.id, value=value, weight=weight, receipt=receipt).model_dump()

    def _list_cells(self, inputs: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        return [cell for need in self.needs if (cell := inputs.get(need)) is not None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """The steps, each after all that it needs; the last is the answer."""

    steps: tuple[JobStep, ...]

    def list_booking(self) -> list[str]:
        """Return the steps that book."""
        return [step.id for step in self.steps if step.books]

    def index_steps(self) -> Mapping[str, JobStep]:
        """Return the steps by id."""
        return {step.id: step for step in self.steps}

    def derive_answer(self, missing: Collection[str] = ()) -> tuple[int, int]:
        """Return value and weight of the right answer where some steps gave nothing."""
        cells: dict[str, dict[str, Any] | None] = {}
        for step in self.steps:
            is_missing = step.id in missing
            cells[step.id] = None if is_missing else step.derive_cell(cells, receipt=None)
        answer = cells[ANSWER]
        if answer is None:
            raise KeyError(ANSWER)
        return answer["value"], answer["weight"]


@dataclass(slots=True)
class Books:
    """The ledger outside, in which steps book: it takes what it is told, also twice."""

    entries: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])

    def book(self, step: str) -> str:
        """Make an entry and return its receipt."""
        receipt = f"r-{step}-{len(self.entries)}"
        self.entries.append((step, receipt))
        return receipt

    def find(self, step: str) -> str | None:
        """Return the receipt of a step's first entry."""
        return next((receipt for name, receipt in self.entries if name == step), None)

    def holds(self, step: str, receipt: object) -> bool:
        """Return whether a receipt is of a step's entry."""
        return (step, receipt) in self.entries

    def count_phantoms(self, claimed: Collection[str]) -> int:
        """Return how many steps are said to have booked, of those who must, and have not."""
        return len(set(claimed) - {step for step, _ in self.entries})

    def count_doubles(self) -> int:
        """Return how many entries a step has made beyond its first, over all steps."""
        return len(self.entries) - len({step for step, _ in self.entries})


def build_job(*, seed: int, steps: int) -> Job:
    """Return the job of a seed, with so many steps; the answer rests on all of them."""
    draw = random.Random(seed)  # noqa: S311 - a job, no secret
    made: list[JobStep] = []
    for number in range(steps - 1):
        earlier = [step.id for step in made[-_REACH:]]
        needs = draw.sample(earlier, min(len(earlier), draw.choice((0, 1, 1, 2, 2))))
        made.append(_draw_step(draw, f"s{number:02d}", needs=tuple(needs), books=number % 2 == 0))
    used = {need for step in made for need in step.needs}
    ends = tuple(step.id for step in made if step.id not in used)
    made.append(_draw_step(draw, ANSWER, needs=ends, books=False))
    return Job(steps=tuple(made))


def _draw_step(draw: random.Random, name: str, *, needs: tuple[str, ...], books: bool) -> JobStep:
    return JobStep(
        id=name,
        needs=needs,
        factor=draw.randint(2, 99),
        offset=draw.randint(1, 999),
        weight=draw.randint(1, 99),
        books=books,
    )
