"""Driving one thread: from an input to a finish or a question, under its lease.

Never a scalar resume: answers go in by interrupt id, with strict resume on, so that an answer
can only reach the question it was given to (I10).
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final, cast

from langgraph.errors import GraphDrained
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import RunControl
from langgraph.types import Command, Interrupt, StateSnapshot
from pydantic import ValidationError

from interlock.contracts.errors import (
    DrainedError,
    InvalidAnswerError,
    LeaseLostError,
)
from interlock.contracts.ids import QuestionId, StepId, ThreadId
from interlock.contracts.outcome import RunResult, StepOutcome
from interlock.contracts.plain import Plain
from interlock.contracts.question import Answer, Question
from interlock.contracts.run_record import RunRecord
from interlock.contracts.safe_words import word_value
from interlock.contracts.storage import Batch, RunUpdate, Storage
from interlock.nodes.finish import build_result
from interlock.nodes.run.answer_handoff import record_answer
from interlock.nodes.run.answer_shapes import is_request
from interlock.nodes.run.asked_questions import put_questions
from interlock.nodes.run.kept_values import KeptValues, fold_values
from interlock.nodes.run.live_run import LiveRun
from interlock.nodes.run.place import Place
from interlock.nodes.run.run_state import RunState, as_plain
from interlock.nodes.run.team import Team
from interlock.nodes.steps.worker_questions import derive_resume_value, list_questions
from interlock.orchestrator.lease_keeper import LeaseKeeper
from interlock.orchestrator.run_request import SEED_VERSION, select_own
from interlock.orchestrator.run_span import tell_result, watch_run
from interlock.telemetry.events import HandoffRecorded, RunStarted
from interlock.telemetry.spans import SILENT_SPAN, OpenSpan

RunGraphCompiled = CompiledStateGraph[Any, Any, Any, Any]
_RECURSION_LIMIT: Final = 1_000_000
"""The supervisor bounds its own loops: every pass settles a step, asks a person, or ends."""


def build_config(thread_id: ThreadId) -> dict[str, Any]:
    """Return the config that every call on a thread uses."""
    return {
        "configurable": {"thread_id": thread_id, "__pregel_strict_resume": True},
        "recursion_limit": _RECURSION_LIMIT,
    }


class Drive:
    """One thread being driven in this process."""

    def __init__(
        self, team: Team, graph: RunGraphCompiled, storage: Storage, *, record: RunRecord
    ) -> None:
        """Prepare; nothing runs yet."""
        self._team = team
        self._graph = graph
        self._storage = storage
        self._record = record
        self._thread_id = record.thread_id
        self._config: Any = build_config(record.thread_id)
        self._control = RunControl()
        self._task: asyncio.Task[Any] | None = None
        self._lost: LeaseLostError | None = None
        self._drain_reason: str | None = None
        self._taken: list[tuple[Question, Answer]] = []
        self._live: LiveRun = team.build_live(record.thread_id)
        self._aborts = 0
        self._has_run = False
        self._span: OpenSpan = SILENT_SPAN

    async def run(self, *, ttl: timedelta, is_resumed: bool) -> RunResult:
        """Drive the thread until it is finished or waits for a person.

        Args:
            ttl: How long the lease lasts after a sign of life.
            is_resumed: Whether the run was begun by an earlier call.

        Raises:
            ThreadBusyError: Another process, or another call here, drives it.
            LeaseLostError: Another process took it over on the way.
            DrainedError: It was asked to stop.
        """
        lease = await self._storage.acquire_lease(self._thread_id, ttl=ttl)
        self._team.live[self._thread_id, ""] = self._live  # only the lease's holder has one there
        self._tell_start(is_resumed=is_resumed)
        keeper = LeaseKeeper(
            self._storage, lease, ttl=ttl, on_cancel=self.cancel, on_lost=self._on_lost
        )
        reason = lease.cancel_reason or self._record.cancel_reason
        if reason is not None:
            self.cancel(reason)
        try:
            async with keeper:
                with watch_run(self._team, self._record, is_resumed=is_resumed) as self._span:
                    result = await self._run_abortably()
                    tell_result(self._span, result)
                return result
        except GraphDrained as exc:
            reason = self._drain_reason or str(exc)
            raise DrainedError(thread_id=self._thread_id, reason=reason) from exc

    async def _run_abortably(self) -> RunResult:
        """Run, and say in words why if it was aborted; a cancel by the caller passes through."""
        task = self._task = asyncio.current_task()
        assert task is not None  # noqa: S101 - coroutines run in tasks
        cancels = task.cancelling()
        try:
            return await self._run_to_stop()
        except asyncio.CancelledError:
            for _ in range(self._aborts):
                task.uncancel()  # or the caller's own timeouts and groups would miscount
            if not self._aborts or task.cancelling() > cancels:
                raise
            if self._lost is not None:
                raise self._lost from None
            reason = self._drain_reason or "aborted"
            raise DrainedError(thread_id=self._thread_id, reason=reason) from None
        finally:
            self._task = None
            self._team.forget_live(self._thread_id)

    def _tell_start(self, *, is_resumed: bool) -> None:
        self._team.emit(
            RunStarted(
                thread_id=self._thread_id,
                at=self._team.clock.now(),
                goal=self._record.goal,
                is_resumed=is_resumed,
            )
        )

    def cancel(self, reason: str) -> None:
        """Stop the run, keeping what is done."""
        for live in self._list_live():
            live.cancel(reason)

    def drain(self, reason: str) -> None:
        """Let running workers end, start nothing more, and stop."""
        self._drain_reason = self._drain_reason or reason
        self._control.request_drain(reason)
        for live in self._list_live():
            live.drain(reason)

    def abort(self) -> None:
        """Stop at once; running attempts are run again on resume."""
        if self._task is not None:
            self._aborts += 1
            self._task.cancel()

    async def has_answers(self) -> bool:
        """Return whether recorded answers could move the thread on."""
        snapshot = await self._graph.aget_state(self._config)
        return bool(await self._collect_resume(snapshot.interrupts))

    def _list_live(self) -> Sequence[LiveRun]:
        found = self._team.list_live(self._thread_id)
        return found if self._live in found else [self._live, *found]

    def _on_lost(self, error: LeaseLostError) -> None:
        self._lost = error
        self.abort()

    async def _run_to_stop(self) -> RunResult:
        snapshot = await self._graph.aget_state(self._config)
        step: Any = await self._choose_first_input(snapshot)
        if step is _NOTHING:
            return await self._stop(snapshot)
        while True:
            await self._write_down_start(snapshot)
            self._has_run = True
            self._live.put_aside.clear()
            await self._graph.ainvoke(
                step,
                self._config,
                context={"stepwise": self._record.stepwise},
                durability="sync",
                control=self._control,
            )
            snapshot = await self._graph.aget_state(self._config)
            resume = await self._collect_resume(snapshot.interrupts)
            if not resume:
                return await self._stop(snapshot)
            step = Command(resume=resume)

    async def _write_down_start(self, snapshot: StateSnapshot) -> None:
        """Make it durable that the run goes on, and which workers' questions are answered (I8)."""
        now = self._team.clock.now()
        place = self._place(snapshot)
        handoffs = [
            record_answer(question, answer, place=place, now=now)
            for question, answer in self._taken
        ]
        self._taken = []
        batch = Batch(handoffs=handoffs, run=self._derive_start())
        await self._storage.commit(self._thread_id, batch)
        for handoff in handoffs:
            self._team.emit(HandoffRecorded(thread_id=self._thread_id, at=now, handoff=handoff))

    def _derive_start(self) -> RunUpdate:
        return RunUpdate(status="running", trace_parent=self._span.reference)

    def _place(self, snapshot: StateSnapshot) -> Place:
        superstep = snapshot.config["configurable"].get("checkpoint_id", "")
        return Place(thread_id=self._thread_id, superstep=superstep, path=StepId(""))

    async def _choose_first_input(self, snapshot: StateSnapshot) -> Any:  # noqa: ANN401 - LangGraph's
        """Return how to go on: from the start, with answers, from the checkpoint, or not."""
        if not snapshot.values:
            return await self._build_input()
        resume = await self._collect_resume(snapshot.interrupts)
        if resume:
            return Command(resume=resume)
        is_asked_to_stop = self._live.cancel_reason is not None
        if self._record.status == "waiting" and snapshot.interrupts and not is_asked_to_stop:
            return _NOTHING
        return None

    async def _build_input(self) -> RunState:
        """Return what the run graph starts from; facts of named spaces stay where they are."""
        values = KeptValues(self._storage, self._thread_id)
        own = select_own(self._record, shared=self._team.spec.context)
        context, refs = await fold_values(own, values.keep)
        begun = RunState(goal=self._record.goal, context=context)
        if refs:
            begun["context_refs"] = refs
        if self._record.spaces:
            begun["spaces"] = dict(self._record.spaces)
        if own:
            begun["seed_version"] = SEED_VERSION
        return begun

    async def _collect_resume(self, interrupts: Sequence[Interrupt]) -> dict[str, Any]:
        """Return resume values by interrupt id, for interrupts whose answers are recorded."""
        if not interrupts or self._live.cancel_reason is not None:
            return {}
        recorded = await self._storage.load_answers(self._thread_id)
        answers = {question_id: entry.answer for question_id, entry in recorded.items()}
        resume: dict[str, Any] = {}
        self._taken = []
        for item in interrupts:
            questions = self._read(item)
            known = {q.id: answers[q.id] for q in questions if q.id in answers}
            if is_request(item.value) and known:
                resume[item.id] = {"answers": {key: as_plain(known[key]) for key in known}}
            elif questions and len(known) == len(questions):
                resume[item.id] = derive_resume_value(item, questions, known)
                self._taken += [(recorded[q.id].question, known[q.id]) for q in questions]
        return resume

    def _read(self, item: Interrupt) -> list[Question]:
        return list_questions(
            item,
            thread_id=self._thread_id,
            step_id=self._live.asked_by.get(item.id),
            now=self._team.clock.now(),
        )

    def _is_over(self, question: Question) -> bool:
        """Return whether nobody waits for an answer that neither an interrupt nor a step names.

        Of nested teams' questions only a process that has driven them to where they wait can tell.
        """
        return self._has_run or "/" not in (question.step_id or "")

    async def _stop(self, snapshot: StateSnapshot) -> RunResult:
        """Write down where the thread stopped, and return it."""
        state = cast(RunState, dict(snapshot.values))
        if state.get("result") is not None:
            record = await self._storage.load_run(self._thread_id)
            result = RunResult.model_validate((record or self._record).result)
            return await resolve_outputs(self._storage, result)
        open_now = [q for item in snapshot.interrupts for q in self._read(item)]
        asked = {q.id for q in open_now}
        stored = await self._storage.list_questions(self._thread_id)
        waiting = await load_settled(self._storage, self._thread_id, snapshot)
        parked = {o.question.id for o in waiting.values() if o.question is not None}
        parked |= self._live.put_aside
        stale = [q.id for q in stored if q.id not in asked | parked and self._is_over(q)]
        answered = await self._storage.load_answers(self._thread_id)
        known = {q.id for q in stored} | answered.keys()
        fresh = [q for q in open_now if q.id not in known]
        await put_questions(
            self._team,
            self._storage,
            fresh,
            place=self._place(snapshot),
            beside=Batch(closed=stale, run=RunUpdate(status="waiting")),
        )
        return await load_waiting_result(self._storage, self._thread_id, snapshot)


class _Nothing:
    """Stands for: there is nothing to run."""


_NOTHING: Final = _Nothing()


async def load_settled(
    storage: Storage, thread_id: ThreadId, snapshot: StateSnapshot
) -> dict[StepId, StepOutcome]:
    """Return all outcomes: those in the state, and those of the superstep under way."""
    checkpoint_id = snapshot.config["configurable"].get("checkpoint_id", "")
    stored = await storage.load_outcomes(thread_id, superstep=checkpoint_id)
    known = {
        StepId(step): StepOutcome.model_validate(raw)
        for step, raw in snapshot.values.get("outcomes", {}).items()
    }
    return {**known, **stored}


async def load_waiting_result(
    storage: Storage, thread_id: ThreadId, snapshot: StateSnapshot
) -> RunResult:
    """Return how an unfinished run stands, with its open questions."""
    settled = await load_settled(storage, thread_id, snapshot)
    state = cast(RunState, dict(snapshot.values))
    state["outcomes"] = {step: as_plain(outcome) for step, outcome in settled.items()}
    result = build_result(state, thread_id)
    questions = await storage.list_questions(thread_id)
    waiting = result.model_copy(update={"status": "waiting", "questions": tuple(questions)})
    return await resolve_outputs(storage, waiting)


async def resolve_outputs(storage: Storage, result: RunResult) -> RunResult:
    """Return a result with the values that travelled by reference in their place."""
    outputs: dict[StepId, Plain] = dict(result.outputs)
    outcomes = dict(result.outcomes)
    for step_id, outcome in result.outcomes.items():
        if outcome.value_ref is None and not outcome.published_refs:
            continue
        values = KeptValues(storage, result.thread_id)
        published = {key: await values.load(ref) for key, ref in outcome.published_refs.items()}
        whole: dict[str, Plain] = {"published": {**outcome.published, **published}}
        if outcome.value_ref is not None:
            whole["value"] = await values.load(outcome.value_ref)
            if outcome.status in {"accepted", "degraded"}:
                outputs[step_id] = whole["value"]
        outcomes[step_id] = outcome.model_copy(update=whole)
    return result.model_copy(update={"outputs": outputs, "outcomes": outcomes})


def parse_answer_ids(answers: Any) -> dict[QuestionId, Answer]:  # noqa: ANN401 - a user's mapping
    """Return answers by question id, each as an `Answer`.

    Raises:
        InvalidAnswerError: They are no mapping, or one of them is no answer or cannot be stored.
    """
    if not isinstance(answers, Mapping):
        reason = f"answers are a mapping of question id to answer, not {word_value(answers)}"
        raise InvalidAnswerError(question_id="", reason=reason)
    return {QuestionId(str(key)): _parse_answer(str(key), item) for key, item in answers.items()}


def _parse_answer(question_id: str, answer: object) -> Answer:
    try:
        return Answer.model_validate(answer)
    except ValidationError as exc:
        details = "; ".join(
            f"{'.'.join(map(str, detail['loc'])) or 'it'}: {detail['msg']}"
            for detail in exc.errors(include_url=False, include_context=False, include_input=False)
        )
        reason = (
            f"{word_value(answer)} is no answer ({details}). Use il.approve(), il.edit(value), "
            "il.reject(why) or il.respond(text)"
        )
        raise InvalidAnswerError(question_id=question_id, reason=reason) from exc
