"""What a run must come to, said a second time: pure Python that knows nothing of the engine.

A `PlannedStep` is a step with the faults and the answers that it will meet. `predict` walks the
plan once, in the order of its needs, and says how every step and the run must stand.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

STRICT_WORKER = "strict"
"""The worker whose outputs must have `by`; a declared value without it does not fit."""


@dataclass(frozen=True, kw_only=True)
class PlannedStep:
    """A step and its fate.

    Attributes:
        id: Its name.
        worker: Who tries first.
        needs: Needed step to whether a degraded result will do.
        max_attempts: By each worker.
        fallback: Pairs of kind and argument.
        faults: What happens at attempt 1, 2, ...: ok, transient, permanent, garbage, unstorable,
            hang; ok beyond the last.
        gated: Whether a person must let the worker start.
        publishes: Whether the output's `by` becomes the context key `of_<id>`.
        reads: Steps whose context key it is shown.
    """

    id: str
    worker: str
    needs: Mapping[str, bool] = field(default_factory=dict)
    max_attempts: int = 1
    fallback: Sequence[tuple[str, Any]] = ()
    faults: Sequence[str] = ()
    gated: bool = False
    publishes: bool = False
    reads: Sequence[str] = ()

    def get_fault(self, attempt: int) -> str:
        """Return what happens at an attempt, counted from 1."""
        return self.faults[attempt - 1] if attempt <= len(self.faults) else "ok"


def make_output(step_id: str, attempt: int, worker: str, *, ok: bool) -> dict[str, Any]:
    """Return what a worker gives at an attempt."""
    return {"ok": ok, "by": f"{step_id}#{attempt}@{worker}"}


PERSON_VALUE = {"ok": True, "by": "a person"}
PERSON_GARBAGE = {"ok": False, "by": "a hasty person"}


@dataclass(kw_only=True)
class Expected:
    """How one step must stand.

    Attributes:
        status: None while it cannot settle because something it needs waits.
        attempts: The workers of attempt 1, 2, ...
        allowed: The decisions that its open question must allow, sorted.
    """

    status: str | None
    attempts: list[str] = field(default_factory=list)
    value: Any = None
    rests_on: set[str] = field(default_factory=set)
    inputs: dict[str, Any] = field(default_factory=dict)
    context: dict[str, Any] = field(default_factory=dict)
    published: dict[str, Any] = field(default_factory=dict)
    allowed: list[str] = field(default_factory=list)


def predict(
    steps: Sequence[PlannedStep], answers: Mapping[str, Sequence[str]]
) -> dict[str, Expected]:
    """Return how every step must stand once these answers have been given.

    Args:
        steps: Needed ones before those that need them.
        answers: Step to decisions, in the order of its questions: approve, edit, edit_badly,
            reject, respond.
    """
    expected: dict[str, Expected] = {}
    for step in steps:
        expected[step.id] = _predict_step(step, expected, iter(answers.get(step.id, ())))
    return expected


def predict_run(expected: Mapping[str, Expected]) -> str:
    """Return how the run must stand."""
    statuses = {each.status for each in expected.values()}
    if statuses & {None, "waiting"}:
        return "waiting"
    if statuses & {"failed", "blocked"}:
        return "failed"
    if statuses == {"accepted"} and not any(each.rests_on for each in expected.values()):
        return "completed"
    return "degraded"


def _predict_step(
    step: PlannedStep, before: Mapping[str, Expected], answers: Iterator[str]
) -> Expected:
    if any(before[need].status in {None, "waiting"} for need in step.needs):
        return Expected(status=None)
    for need, takes_less in step.needs.items():
        status = before[need].status
        if status != "accepted" and not (takes_less and status in {"degraded", "skipped"}):
            return Expected(status="blocked")
    expected = Expected(
        status="failed",
        inputs={need: before[need].value for need in step.needs},
        context={k: v for each in step.reads for k, v in before[each].published.items()},
    )
    for source in (*step.needs, *step.reads):
        if before[source].status in {"degraded", "skipped"}:
            expected.rests_on.add(source)
        expected.rests_on |= before[source].rests_on
    _Life(step, expected, answers).run()
    if step.publishes and expected.status == "accepted":
        expected.published = {f"of_{step.id}": expected.value["by"]}
    return expected


class _Life:
    """One step's life: whose turn it is, what was tried, what people said."""

    def __init__(self, step: PlannedStep, expected: Expected, answers: Iterator[str]) -> None:
        self.step = step
        self.expected = expected
        self.answers = answers
        self.worker = step.worker
        self.may_start = not step.gated
        self.shown: Any = None

    def run(self) -> None:
        chain = list(self.step.fallback)
        if self._try_worker():
            return
        while chain:
            kind, argument = chain.pop(0)
            if kind == "use_worker":
                self.worker = argument
                is_settled = self._try_worker()
            elif kind == "ask_person":
                is_settled = self._ask()
            else:
                is_settled = self._settle_for_less(kind, argument)
            if is_settled:
                return
        self._settle("failed", None)

    def _settle(self, status: str, value: Any) -> bool:
        self.expected.status = status
        self.expected.value = value
        return True

    def _try_worker(self) -> bool:
        if not self.may_start and not self.expected.attempts:
            match next(self.answers, None):
                case None:
                    self.expected.allowed = ["approve", "edit", "reject", "respond"]
                    return self._settle("waiting", None)
                case "reject":
                    return False
                case "edit" | "edit_badly" as decision:
                    self.expected.inputs = PERSON_VALUE if decision == "edit" else PERSON_GARBAGE
            self.may_start = True
        for _ in range(self.step.max_attempts):
            self.expected.attempts.append(self.worker)
            number = len(self.expected.attempts)
            fault = self.step.get_fault(number)
            made = make_output(self.step.id, number, self.worker, ok=fault == "ok")
            if fault == "ok":
                return self._settle("accepted", made)
            self.shown = made if fault == "garbage" else None
            if fault == "permanent":
                return False
        return False

    def _ask(self) -> bool:
        while True:
            decision = next(self.answers, None)
            if decision is None:
                decisions = {"edit", "reject", "respond"} | ({"approve"} if self.shown else set())
                self.expected.allowed = sorted(decisions)
                return self._settle("waiting", None)
            match decision:
                case "approve":
                    return self._settle("accepted", self.shown)
                case "edit":
                    return self._settle("accepted", PERSON_VALUE)
                case "edit_badly":
                    self.shown = PERSON_GARBAGE
                case "reject":
                    return False
                case "respond":
                    if self._try_worker():
                        return True

    def _settle_for_less(self, kind: str, argument: Any) -> bool:
        if kind == "use_value":
            if self.worker == STRICT_WORKER and "by" not in argument:
                return False
            return self._settle("degraded", argument)
        return self._settle({"skip": "skipped", "abandon": "failed"}[kind], None)
