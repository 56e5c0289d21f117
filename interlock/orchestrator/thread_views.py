"""What can be read of threads through the facade: questions, status, handoffs, effects, notes."""

from abc import abstractmethod
from collections.abc import Sequence
from datetime import datetime

from interlock.contracts.clock import Clock
from interlock.contracts.context_view import ContextView
from interlock.contracts.effect_ledger import ListEffects
from interlock.contracts.effects import EffectRecord
from interlock.contracts.errors import UnknownThreadError
from interlock.contracts.handoff import Handoff
from interlock.contracts.ids import StepId, ThreadId
from interlock.contracts.plain import Plain
from interlock.contracts.plan_version import PlanVersion
from interlock.contracts.question import Question
from interlock.contracts.run_difference import RunDifference
from interlock.contracts.run_record import RunRecord
from interlock.contracts.scratchpad import Note
from interlock.contracts.storage import Storage
from interlock.orchestrator.blaming import BlameViews
from interlock.orchestrator.context_reading import load_context
from interlock.orchestrator.measuring import load_metrics
from interlock.orchestrator.nested_paths import load_handoffs_at
from interlock.orchestrator.reporting import load_report
from interlock.orchestrator.run_traces import load_difference
from interlock.orchestrator.status import ThreadStatus
from interlock.orchestrator.thread_reading import load_plan_versions, load_status
from interlock.telemetry.metrics import Metrics


class ThreadViews(BlameViews):
    """The reading half of a team's facade; needs its storage and a clock."""

    _clock: Clock

    @property
    @abstractmethod
    def _open_storage(self) -> Storage:
        """The opened storage."""

    async def aquestions(self, thread_id: str | None = None) -> Sequence[Question]:
        """Return the open questions, oldest first: of one thread, or of all."""
        key = ThreadId(thread_id) if thread_id is not None else None
        return await self._open_storage.list_questions(key)

    async def ashown(self, question: Question) -> Plain:
        """Return what a question is about, in full: `args`, with no big value shortened."""
        if question.args_ref is None:
            return question.args
        return await self._open_storage.load_payload(question.thread_id, question.args_ref)

    async def astatus(self, thread_id: str) -> ThreadStatus:
        """Return where a thread stands; from any process, while it runs.

        Raises:
            UnknownThreadError: No run was ever started there.
        """
        return await load_status(self._open_storage, thread_id)

    async def ametrics(
        self,
        thread_id: str | None = None,
        *,
        team: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        step_prefix: str = "",
    ) -> Metrics:
        """Return what is counted of the storage's runs; docs/metrics.md defines every number.

        Args:
            thread_id: Of this thread; of all if left out.
            team: Of the runs of teams with this name, `Orchestrator(name=...)`.
            since: What happened from then on.
            until: What happened before.
            step_prefix: Of steps whose paths begin so, `outer/` for what is within a step's team.

        Raises:
            UnknownThreadError: No run was ever started on the thread.
            ConfigurationError: The window is none.
        """
        return await load_metrics(
            self._open_storage,
            thread_id=thread_id,
            team=team,
            since=since,
            until=until,
            step_prefix=step_prefix,
        )

    async def areport(self, thread_id: str) -> str:
        """Return an HTML page about a thread's run, in one piece that loads nothing.

        Raises:
            UnknownThreadError: No run was ever started there.
            ConfigurationError: The extra `report` is not installed.
        """
        command = f"await desk.ahandoffs({thread_id!r})"
        return await load_report(
            self._open_storage, thread_id, now=self._clock.now(), command=command
        )

    async def adiff(self, one: str, other: str) -> RunDifference:
        """Return where the runs of two threads parted, and what followed from it.

        Args:
            one: A thread.
            other: Another, of the same plan or of a like one.

        Raises:
            UnknownThreadError: No run was ever started on one of them.
        """
        return await load_difference(self._open_storage, one, other)

    async def ahandoffs(self, thread_id: str, step: str | None = None) -> Sequence[Handoff]:
        """Return the journal's records of a thread, oldest first, with their payloads.

        Args:
            thread_id: The thread.
            step: Of this step only; in a nested team by its path, `outer_step/inner_step`. With
                `outer_step/` of all that the step's team did.

        Raises:
            UnknownThreadError: No run was ever started there.
        """
        record = await self._load(thread_id)
        return await load_handoffs_at(self._open_storage, record.thread_id, step, payloads=True)

    async def aplan(self, thread_id: str, step: str | None = None) -> Sequence[PlanVersion]:
        """Return the versions of a run's plan, oldest first, as the journal holds them.

        The last one is under way, unless a person has still to approve it or has refused it.

        Args:
            thread_id: The thread.
            step: Whose team's plan, in nested teams, by its path; left out, the run's own.

        Raises:
            UnknownThreadError: No run was ever started there.
        """
        record = await self._load(thread_id)
        return await load_plan_versions(self._open_storage, record.thread_id, step=step)

    async def aeffects(self, thread_id: str, step: str | None = None) -> Sequence[EffectRecord]:
        """Return what guarded tools did on a thread, oldest first, with answers and history.

        Args:
            thread_id: The thread.
            step: Of this step only, and of steps nested below it; by its path.

        Raises:
            UnknownThreadError: No run was ever started there.
        """
        record = await self._load(thread_id)
        step_id = StepId(step) if step is not None else None
        request = ListEffects(thread_id=record.thread_id, step_id=step_id, answers=True)
        return await self._open_storage.ledger.apply(request)

    async def ascratchpad(self, thread_id: str, step: str) -> Sequence[Note]:
        """Return what workers noted on a step, oldest first, attempts of all branches together.

        For people: a worker reads its own notes, and no others.

        Args:
            thread_id: The thread.
            step: In a nested team by its path, `outer_step/inner_step`.

        Raises:
            UnknownThreadError: No run was ever started there.
        """
        record = await self._load(thread_id)
        return await self._open_storage.load_notes(record.thread_id, step_id=StepId(step))

    async def acontext(
        self, thread_id: str, version: int | None = None, *, step: str | None = None
    ) -> ContextView:
        """Return a thread's shared context for people: facts, who made them, what rests on what.

        Args:
            thread_id: The thread.
            version: As it stood at this version of the thread's own space; now, if left out.
            step: Whose team's context, in nested teams, by its path; left out, the run's own.

        Raises:
            UnknownThreadError: No run was ever started there.
            ConfigurationError: There is no such version, or no such team.
        """
        return await load_context(self._open_storage, thread_id, version=version, step=step)

    async def _load(self, thread_id: str) -> RunRecord:
        record = await self._open_storage.load_run(ThreadId(thread_id))
        if record is None:
            raise UnknownThreadError(thread_id=thread_id)
        return record
