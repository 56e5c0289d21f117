"""The fault campaign's job as an interlock team; every figure is counted from the journal.

Three in four of the steps have a second way: another worker, a person, or a gap that is said out loud.
"""

from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any, Final

from pydantic import ValidationError

from interlock.bench.fault_job import ANSWER, Cell, Job, JobStep
from interlock.bench.fault_run import TRIES, FaultRun
from interlock.bench.fault_worker import FaultyWorker
from interlock.contracts.brief import Brief
from interlock.contracts.criteria import check
from interlock.contracts.errors import ContractError
from interlock.contracts.fallback import Fallback, ask_person, skip, use_worker
from interlock.contracts.handoff import Handoff
from interlock.contracts.ids import IdempotencyKey, StepId, WorkerName
from interlock.contracts.outcome import RunResult
from interlock.contracts.plain import thaw
from interlock.contracts.plan import Need, Step, TaskGraph
from interlock.contracts.policy import EffectPolicy, Retry, RunPolicy
from interlock.contracts.question import Answer, Question, edit
from interlock.contracts.storage import Storage
from interlock.contracts.worker import Worker
from interlock.orchestrator import Orchestrator
from interlock.tools.idempotent import idempotent

CLERK: Final = WorkerName("clerk")
BACKUP: Final = WorkerName("backup")
PERSON: Final = "person"
_MOST_ANSWERS: Final = 100


class FaultDesk:
    """One run of the job on a storage."""

    def __init__(self, worker: FaultyWorker, storage: Storage, *, timeout_seconds: float) -> None:
        """Start with nothing run.

        Args:
            worker: Of this run.
            storage: Opened; may be shared by runs.
            timeout_seconds: Of each attempt.
        """
        self._worker = worker
        self._job = worker.job
        self._steps = worker.job.index_steps()
        # A run that was too slow is run anew, with more time.
        place = f"{worker.plan.kind}-{worker.plan.rate}-{worker.run}"
        self._thread_id = f"{place}-{timeout_seconds:g}"
        self._storage = storage
        self._timeout = timedelta(seconds=timeout_seconds)

    async def run(self) -> FaultRun:
        """Run the job to its end, a person answering, and count.

        Raises:
            ContractError: The journal says something else than the result.
        """
        async with self._build_team() as team:
            result = await team.ainvoke("Work out the answer", thread_id=self._thread_id)
            for _ in range(_MOST_ANSWERS):
                if result.status != "waiting":
                    break
                journal = await team.ahandoffs(self._thread_id)
                answers = {str(q.id): self._answer(q, journal) for q in result.questions}
                result = await team.aanswer(self._thread_id, answers)
            journal = await team.ahandoffs(self._thread_id)
        return self._count(result, journal)

    def _build_team(self) -> Orchestrator:
        book = self._build_tool()

        async def work(brief: Brief) -> object:
            step = self._steps[brief.step_id]
            return await self._worker.work(step, thaw(brief.inputs), book=book)

        workers = [
            Worker(name=name, agent=work, output=Cell, tools=(book,)) for name in (CLERK, BACKUP)
        ]
        return Orchestrator(
            workers=workers,
            planner=build_plan(self._job, timeout=self._timeout),
            storage=self._storage,
            checks={"adds_up": self._adds_up, "is_booked": self._is_booked},
            policy=RunPolicy(
                max_parallel=None,
                retry=Retry(max_attempts=TRIES, backoff=timedelta(0)),
                effects=EffectPolicy(orphans="gap"),
            ),
        )

    def _build_tool(self) -> Any:  # noqa: ANN401 - a guarded function has no narrower type
        by_key: dict[IdempotencyKey, str] = {}

        async def find(key: IdempotencyKey) -> str | None:
            return by_key.get(key)

        @idempotent(name="book", probe=find)
        async def book(step: str, *, key: IdempotencyKey) -> str:
            try:
                return self._worker.make_entry(step)
            finally:
                by_key[key] = self._worker.books.entries[-1][1]

        return book

    def _adds_up(self, output: Any, brief: Brief) -> bool:  # noqa: ANN401 - a worker's value
        step, inputs = self._steps[brief.step_id], thaw(brief.inputs)
        return bool(
            output["step"] == step.id
            and output["value"] == step.derive_value(inputs)
            and output["weight"] > step.derive_carried(inputs)
        )

    def _is_booked(self, output: Any, brief: Brief) -> bool:  # noqa: ANN401 - a worker's value
        return self._worker.books.holds(brief.step_id, output["receipt"])

    def _answer(self, question: Question, journal: Sequence[Handoff]) -> Answer:
        """Do the step by hand, as a person does who has the same brief and the books."""
        step = self._steps[str(question.step_id)]
        briefs = [h for h in journal if h.kind == "brief" and h.step_id == question.step_id]
        payload: Any = thaw(briefs[-1].payload)
        receipt: str | None = None
        if step.books:
            receipt = self._worker.books.find(step.id) or self._worker.books.book(step.id)
        return edit(step.derive_cell(payload["inputs"], receipt=receipt))

    def _count(self, result: RunResult, journal: Sequence[Handoff]) -> FaultRun:
        outputs = [h for h in journal if h.kind == "output" and h.sender != PERSON]
        _require(result.usage.attempts, len(outputs), "attempts")
        settled = recount_ends(journal)
        told = {step: outcome.status for step, outcome in result.outcomes.items()}
        _require(told, settled, "how the steps ended")
        started = {h.step_id for h in journal if h.kind == "brief"} & self._list_struck()
        accepted = {str(step) for step, status in settled.items() if status == "accepted"}
        answer = _read_answer(result)
        missing = [step for step, status in settled.items() if status == "skipped"]
        return FaultRun(
            end="failed" if result.status == "cancelled" else result.status,
            has_answer=answer is not None,
            is_right=answer == self._job.derive_answer(),
            is_silently_wrong=answer is not None
            and answer != self._job.derive_answer([str(step) for step in missing]),
            attempts=len(outputs),
            calls=self._worker.calls,
            tokens=self._worker.tokens,
            phantoms=self._worker.books.count_phantoms(accepted & set(self._job.list_booking())),
            doubles=self._worker.books.count_doubles(),
            struck_steps=len(started),
            expected_steps=sum(self._expect(step) for step in started),
            done_steps=len(started & {h.step_id for h in outputs if _is_first_way(h)}),
            escalations=sum(h.kind == "question" for h in journal),
        )

    def _expect(self, step_id: StepId | None) -> float:
        has_effect = self._steps[str(step_id)].books
        return 1.0 - self._worker.plan.derive_refusal_rate(has_effect=has_effect) ** TRIES

    def _list_struck(self) -> set[StepId | None]:
        plan = self._worker.plan
        return {StepId(s.id) for s in self._job.steps if plan.can_strike(has_effect=s.books)}


def build_plan(job: Job, *, timeout: timedelta) -> TaskGraph:
    """Return the job as a task graph, with criteria and second ways."""
    steps = tuple(
        Step(
            id=StepId(step.id),
            worker=CLERK,
            instruction="Work out the cell of this step from its inputs.",
            needs=tuple(Need(step=StepId(need), accept_degraded=True) for need in step.needs),
            criteria=(check("adds_up"), *((check("is_booked"),) if step.books else ())),
            timeout=timeout,
            fallback=_choose_second_ways(step, number),
        )
        for number, step in enumerate(job.steps)
    )
    return TaskGraph(goal="Work out the answer", steps=steps)


def _choose_second_ways(step: JobStep, number: int) -> tuple[Fallback, ...]:
    if step.id == ANSWER:
        return (use_worker(BACKUP), ask_person())
    match number % 4:
        case 0:
            return (use_worker(BACKUP), skip(gap=f"the cell of {step.id}"))
        case 1 | 2:
            return (skip(gap=f"the cell of {step.id}"),)
        case _:
            return (ask_person(),)


def recount_ends(journal: Sequence[Handoff]) -> dict[StepId, str]:
    """Return how each step ended: an accepted output ends it, and so does a settlement."""
    ends: dict[StepId, str] = {}
    for handoff in journal:
        if handoff.step_id is None:
            continue
        if handoff.kind == "settlement" and handoff.status is not None:
            ends[handoff.step_id] = handoff.status
        elif is_accepted(handoff):
            ends[handoff.step_id] = "accepted"
    return ends


def is_accepted(handoff: Handoff) -> bool:
    """Return whether it is an output that ends its step."""
    verdict = handoff.verdict
    return handoff.kind == "output" and verdict is not None and verdict.action == "accept"


def _is_first_way(output: Handoff) -> bool:
    return output.sender == CLERK and is_accepted(output)


def _read_answer(result: RunResult) -> tuple[int, int] | None:
    value = result.outputs.get(StepId(ANSWER))
    with suppress(ValidationError):
        cell = Cell.model_validate(thaw(value))
        return cell.value, cell.weight
    return None


def _require(told: object, journal: object, what: str) -> None:
    if told != journal:
        raise ContractError(
            f"The result and the journal differ in {what}: {told!r} against {journal!r}. Report this."
        )
