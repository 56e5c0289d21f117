"""`Orchestrator`: the object a user holds."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any, Self

from interlock.contracts.clock import Clock, SystemClock
from interlock.contracts.encryption import Encryption
from interlock.contracts.errors import (
    ConfigurationError,
    InvalidAnswerError,
    ThreadBusyError,
    UnknownQuestionError,
)
from interlock.contracts.ids import QuestionId, ThreadId
from interlock.contracts.judging import Judges
from interlock.contracts.limits import ModelLimits
from interlock.contracts.outcome import TERMINAL_RUN_STATUSES, RunResult
from interlock.contracts.plan import TaskGraph
from interlock.contracts.policy import RunPolicy
from interlock.contracts.question import Answer, Answers
from interlock.contracts.run_record import RunRecord
from interlock.contracts.shared_context import SharedContext
from interlock.contracts.storage import Storage
from interlock.contracts.worker import PlannerLike, Worker
from interlock.graphs.run_graph import build_graph
from interlock.nodes.planning.plan_checks import validate_plan
from interlock.nodes.run.answer_shapes import find_answer_problem
from interlock.nodes.run.run_state import StoredRunInput
from interlock.nodes.run.team import Team, TeamSpec
from interlock.orchestrator.declare import DEFAULT_STORAGE, Checks, build_spec
from interlock.orchestrator.drive import (
    Drive,
    RunGraphCompiled,
    build_config,
    load_waiting_result,
    parse_answer_ids,
    resolve_outputs,
)
from interlock.orchestrator.lazy_storage import LazyStorage
from interlock.orchestrator.run_request import build_record, build_seeds
from interlock.orchestrator.status import ThreadStatus
from interlock.orchestrator.thread_changes import ThreadChanges
from interlock.telemetry.events import Event, RunStopped
from interlock.telemetry.spans import SILENT, Telemetry


class Orchestrator(ThreadChanges):
    """A team with its storage: starts, resumes, answers, streams and stops runs.

    An async context manager: entering opens the storage, leaving closes it. Sync code calls
    `invoke`, which does both.
    """

    def __init__(  # noqa: PLR0913 - one declaration, every part by name
        self,
        *,
        workers: Sequence[Worker],
        planner: PlannerLike,
        storage: str | Storage = DEFAULT_STORAGE,
        policy: RunPolicy | None = None,
        checks: Checks = (),
        judges: Judges = (),
        models: Mapping[str, ModelLimits] | None = None,
        context: SharedContext | None = None,
        clock: Clock | None = None,
        lease_ttl: timedelta = timedelta(seconds=15),
        encryption: Encryption | None = None,
        name: str = "",
        telemetry: Telemetry | None = None,
    ) -> None:
        """Declare a team; nothing is opened yet.

        Args:
            workers: Who can be given steps.
            planner: A task graph, a planner, or a function of a `PlanRequest`.
            storage: `sqlite:///path`, `memory://`, or an opened storage.
            policy: What holds for a run.
            checks: Registered checks: by name, or functions whose own names count.
            judges: Who reads rubrics: judges, functions, or either by name.
            models: Breakers and rates, by model name or by patterns with `*`.
            context: The shared context as declared; left out, any key may be published.
            clock: Time; the machine's if left out.
            lease_ttl: How long a thread stays this process's after its last sign of life.
            encryption: The keys of a storage that is named by its URL and sealed; None if plain.
            name: What its runs are counted under, where several teams share a storage.
            telemetry: Who watches its runs, such as `OpenTelemetry()`; nobody if left out.

        Raises:
            ConfigurationError: The declaration cannot work; the message says why.
        """
        spec = build_spec(
            workers=workers,
            planner=planner,
            policy=policy,
            checks=checks,
            judges=judges,
            models=models,
            context=context,
        )
        self.team_spec: TeamSpec = replace(spec, name=name)
        self._given_storage = storage
        self._given_clock = clock
        self._given_encryption = encryption
        self._given_telemetry = telemetry
        self._source = LazyStorage(storage, clock=clock, encryption=encryption)
        self._clock = clock or SystemClock()
        self._ttl = lease_ttl
        self._team = Team.build(
            self.team_spec,
            open_storage=self._source.open,
            clock=self._clock,
            telemetry=telemetry or SILENT,
        )
        self._builder = build_graph(self._team, input_schema=StoredRunInput)
        self._storage: Storage | None = None
        self._graph: RunGraphCompiled | None = None
        self._drives: dict[ThreadId, Drive] = {}
        self._drain_reason: str | None = None
        self._drain_timer: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> Self:
        """Open the storage and compile the graph on it.

        Raises:
            StorageError: The storage cannot be opened.
        """
        self._storage = await self._source.open()
        # Dispatch can be run again at no cost: what has settled is stored beside the checkpoints.
        saver = self._storage.checkpointer.leaving_out("outcomes")
        self._graph = self._builder.compile(checkpointer=saver, name="interlock")
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        """Close the storage; unfinished runs can be resumed."""
        self._storage = None
        self._graph = None
        self._drain_reason = None
        if self._drain_timer is not None:
            self._drain_timer.cancel()
            self._drain_timer = None
        await self._source.aclose()

    @property
    def graph(self) -> RunGraphCompiled:
        """The compiled LangGraph graph; without a saver until the team is entered."""
        return self._graph if self._graph is not None else self._builder.compile(name="interlock")

    @property
    def storage_url(self) -> str:
        """Where its runs are kept."""
        given = self._given_storage
        return given if isinstance(given, str) else given.url

    @property
    def is_storage_named(self) -> bool:
        """Whether its storage was given as a URL, not opened."""
        return isinstance(self._given_storage, str)

    @property
    def encryption(self) -> Encryption | None:
        """The keys that it was declared with."""
        return self._given_encryption

    @property
    def telemetry(self) -> Telemetry | None:
        """Who watches its runs, as it was declared."""
        return self._given_telemetry

    def copy_with(
        self,
        *,
        storage: str | None = None,
        planner: PlannerLike | None = None,
        encryption: Encryption | None = None,
        telemetry: Telemetry | None = None,
    ) -> Self:
        """Return a team like this one with something else in its place; nothing is opened.

        Raises:
            ConfigurationError: The URL is unknown.
        """
        spec = self.team_spec
        return type(self)(
            workers=list(spec.workers.values()),
            planner=planner if planner is not None else spec.planner,
            storage=storage if storage is not None else self._given_storage,
            policy=spec.policy,
            checks=spec.checks,
            judges=spec.judges,
            models=spec.models,
            context=spec.context,
            clock=self._given_clock,
            lease_ttl=self._ttl,
            encryption=encryption if encryption is not None else self._given_encryption,
            name=spec.name,
            telemetry=telemetry or self._given_telemetry,
        )

    @property
    def _open_storage(self) -> Storage:
        if self._storage is None:
            raise ConfigurationError(
                "The team is not open. Write `async with Orchestrator(...) as desk:` around the "
                "call, or use desk.invoke(...) from sync code."
            )
        return self._storage

    async def ainvoke(
        self,
        goal: str,
        *,
        thread_id: str,
        context: Mapping[str, object] | None = None,
        spaces: Mapping[str, str] | None = None,
        stepwise: bool = False,
    ) -> RunResult:
        """Start a run on a new thread and drive it until it is finished or waits for a person.

        Args:
            goal: What the run is for.
            thread_id: Names the run; new.
            context: The shared context that it starts with.
            spaces: Which named space its facts live in, by the name that they declare.
            stepwise: Return to the supervisor after every settled step.

        Raises:
            ConfigurationError: Context or spaces are not what the team declares.
            PromotionRefusedError: The context may not enter; nothing was started.
            UnfinishedRunError: The thread has a run under way; go on with aresume.
            FinishedRunError: The thread's run has ended.
            PlanError: The team's fixed plan cannot run; nothing was started.
            DrainedError: The run was asked to stop; go on with aresume.
            LeaseLostError: Another process took the thread over.
        """
        record = build_record(
            goal,
            thread_id,
            context=context,
            spaces=spaces,
            stepwise=stepwise,
            now=self._clock.now(),
        ).model_copy(update={"team": self.team_spec.name})
        seeds = build_seeds(record, team=self._team)
        self._require_plan(record)
        await self._open_storage.accept_run(record, seeds=seeds)
        return await self._drive(record, is_resumed=False)

    async def aresume(self, thread_id: str) -> RunResult:
        """Go on after a crash or a drain; on a finished thread return its result again.

        Raises:
            UnknownThreadError: No run was ever started there.
            ThreadBusyError: Another process is running it.
        """
        record = await self._load(thread_id)
        if record.status in TERMINAL_RUN_STATUSES:
            return await self._load_result(record)
        return await self._drive(record, is_resumed=True)

    async def aanswer(self, thread_id: str, answers: Answers) -> RunResult:
        """Answer some or all open questions by id, and drive the thread on.

        The answers are durable before anything runs. If another process is running the
        thread, it takes them up, and the result says where the thread stands.

        Args:
            thread_id: The thread.
            answers: Question id to `approve()`, `edit(value)`, `reject(why)` or `respond(text)`.

        Raises:
            UnknownThreadError: No run was ever started there.
            UnknownQuestionError: No such question on this thread.
            StaleAnswerError: It was answered otherwise, or shows something else by now.
            InvalidAnswerError: The decision is not allowed, or its value is no good.
        """
        record = await self._load(thread_id)
        parsed = parse_answer_ids(answers)
        await self._require_fitting(record.thread_id, parsed)
        await self._open_storage.record_answers(record.thread_id, parsed)
        record = await self._load(thread_id)
        if record.status in TERMINAL_RUN_STATUSES:
            return await self._load_result(record)
        try:
            return await self._drive(record, is_resumed=True)
        except ThreadBusyError:
            return await self._load_standing(record.thread_id)

    async def astream(
        self,
        goal: str | None = None,
        *,
        thread_id: str,
        context: Mapping[str, object] | None = None,
        answers: Answers | None = None,
        spaces: Mapping[str, str] | None = None,
        stepwise: bool = False,
    ) -> AsyncIterator[Event]:
        """Do what ainvoke does, and yield what happens as it happens; the last is `RunStopped`.

        Without a goal, the thread is resumed, or answered if answers are given. Closing the
        iterator early stops the run; it can be resumed.

        Raises:
            InterlockError: What ainvoke, aresume or aanswer raise.
        """
        key = ThreadId(thread_id)
        events: asyncio.Queue[Event | None] = asyncio.Queue()
        listeners = self._team.listeners.setdefault(key, [])
        listeners.append(events.put_nowait)
        call: Coroutine[Any, Any, RunResult]
        if goal is not None:
            call = self.ainvoke(
                goal, thread_id=thread_id, context=context, spaces=spaces, stepwise=stepwise
            )
        elif answers is not None:
            call = self.aanswer(thread_id, answers)
        else:
            call = self.aresume(thread_id)
        driving = asyncio.ensure_future(call)
        driving.add_done_callback(lambda _: events.put_nowait(None))
        try:
            while (event := await events.get()) is not None:
                yield event
            result = await driving
            yield RunStopped(thread_id=key, at=self._clock.now(), result=result)
        finally:
            listeners.remove(events.put_nowait)
            if not listeners:
                self._team.listeners.pop(key, None)
            if not driving.done():
                driving.cancel()
                await asyncio.gather(driving, return_exceptions=True)

    async def acancel(self, thread_id: str, *, why: str) -> ThreadStatus:
        """Stop a run, keeping what is done; returns where it stands then.

        A run of another process is asked to stop and does so within seconds; one that has ended
        stays as it ended.

        Raises:
            UnknownThreadError: No run was ever started there.
        """
        key = ThreadId(thread_id)
        await self._open_storage.request_cancel(key, why=why)
        if key in self._drives:
            self._drives[key].cancel(why)
        else:
            record = await self._load(thread_id)
            if record.status not in TERMINAL_RUN_STATUSES:
                with suppress(ThreadBusyError):
                    await self._drive(record, is_resumed=True)
        return await self.astatus(thread_id)

    def drain(self, reason: str = "asked to stop") -> None:
        """Let running workers end their attempts, start nothing more, and stop all runs.

        The calls that drive them raise DrainedError; every run can be resumed. After the
        policy's `drain_grace`, workers that still run are cut off. Safe to call from a signal
        handler of the event loop, and to repeat: a second call cuts off at once. Until the team
        is left and entered again, it drives nothing more.
        """
        is_second = self._drain_reason is not None
        self._drain_reason = self._drain_reason or reason
        for drive in list(self._drives.values()):
            drive.drain(reason)
            if is_second:
                drive.abort()
        if not is_second and self._drives:
            grace = self.team_spec.policy.drain_grace.total_seconds()
            loop = asyncio.get_running_loop()
            self._drain_timer = loop.call_later(grace, self._abort_all)

    def invoke(
        self,
        goal: str,
        *,
        thread_id: str,
        context: Mapping[str, object] | None = None,
        spaces: Mapping[str, str] | None = None,
    ) -> RunResult:
        """Do what ainvoke does, from sync code: opens the storage, runs, and closes it.

        Several threads may call it at once; each has the workers' limits to itself.

        Raises:
            ConfigurationError: There is a running event loop; await ainvoke there.
        """
        return self._run_sync(
            lambda desk: desk.ainvoke(goal, thread_id=thread_id, context=context, spaces=spaces),
            name="ainvoke",
        )

    def resume(self, thread_id: str) -> RunResult:
        """Do what aresume does, from sync code."""
        return self._run_sync(lambda desk: desk.aresume(thread_id), name="aresume")

    def answer(self, thread_id: str, answers: Answers) -> RunResult:
        """Do what aanswer does, from sync code."""
        return self._run_sync(lambda desk: desk.aanswer(thread_id, answers), name="aanswer")

    def _run_sync(self, call: Callable[[Self], Awaitable[RunResult]], *, name: str) -> RunResult:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return asyncio.run(self._run_opened(call))
        raise ConfigurationError(
            f"There is a running event loop here. Write `await desk.{name}(...)` instead."
        )

    async def _run_opened(self, call: Callable[[Self], Awaitable[RunResult]]) -> RunResult:
        async with self.copy_with() as desk:  # in this loop only: other threads have theirs
            return await call(desk)

    def _abort_all(self) -> None:
        for drive in list(self._drives.values()):
            drive.abort()

    def _require_plan(self, record: RunRecord) -> None:
        """Refuse a fixed plan that cannot run before anything is written down."""
        planner = self.team_spec.planner
        if isinstance(planner, TaskGraph):
            validate_plan(self._team, planner, context=record.context)

    async def _require_fitting(
        self, thread_id: ThreadId, answers: Mapping[QuestionId, Answer]
    ) -> None:
        open_now = {q.id: q for q in await self._open_storage.list_questions(thread_id)}
        if not answers:
            raise UnknownQuestionError(
                question_id="", thread_id=thread_id, open_ids=tuple(open_now)
            )
        for question_id, answer in answers.items():
            question = open_now.get(question_id)
            # The hash of what was shown is checked where the answer is recorded.
            decision = answer.model_copy(update={"shown_hash": None})
            problem = find_answer_problem(question, decision) if question is not None else None
            if problem is not None:
                raise InvalidAnswerError(question_id=question_id, reason=problem)

    async def _load_result(self, record: RunRecord) -> RunResult:
        return await resolve_outputs(self._open_storage, RunResult.model_validate(record.result))

    async def _load_standing(self, thread_id: ThreadId) -> RunResult:
        """Return how a run stands that another call drives, or has driven to its end."""
        record = await self._load(thread_id)
        if record.status in TERMINAL_RUN_STATUSES:
            return await self._load_result(record)
        snapshot = await self.graph.aget_state(build_config(thread_id))  # type: ignore[arg-type]
        return await load_waiting_result(self._open_storage, thread_id, snapshot)

    async def _drive(self, record: RunRecord, *, is_resumed: bool) -> RunResult:
        """Drive a thread, and again if it was answered or cancelled while it was put down."""
        is_first = True
        while True:
            drive = Drive(self._team, self.graph, self._open_storage, record=record)
            try:
                async with self._registered(record.thread_id, drive):
                    result = await drive.run(ttl=self._ttl, is_resumed=is_resumed)
            except ThreadBusyError:
                if is_first:
                    raise
                return await self._load_standing(record.thread_id)  # who answered drives it now
            if result.status != "waiting":
                return result
            known, record = record, await self._load(record.thread_id)
            is_cancelled = record.cancel_reason is not None and known.cancel_reason is None
            if not is_cancelled and not await drive.has_answers():
                return result
            is_first, is_resumed = False, True

    @asynccontextmanager
    async def _registered(self, thread_id: ThreadId, drive: Drive) -> AsyncIterator[None]:
        others = self._drives.get(thread_id)
        if others is None:
            self._drives[thread_id] = drive
        if self._drain_reason is not None:
            drive.drain(self._drain_reason)  # asked before the run had begun
        try:
            yield
        finally:
            if self._drives.get(thread_id) is drive:
                del self._drives[thread_id]
