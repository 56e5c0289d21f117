"""What people change of stored threads through the facade: facts, and what is no longer needed."""

from abc import abstractmethod
from collections.abc import Sequence
from datetime import timedelta

from interlock.contracts.clock import Clock
from interlock.contracts.context_records import FactRecord
from interlock.contracts.errors import ConfigurationError
from interlock.contracts.fault import Fault
from interlock.contracts.plan import TaskGraph
from interlock.contracts.retention import PruneReport, Retention
from interlock.nodes.planning.plan_checks import validate_plan
from interlock.nodes.run.team import Team
from interlock.orchestrator.context_reading import (
    build_correction,
    correct_fact,
    retract_fact,
)
from interlock.orchestrator.drive import RunGraphCompiled
from interlock.orchestrator.fault_reporting import report_fault
from interlock.orchestrator.nested_teams import find_team_at
from interlock.orchestrator.plan_edits import PlanEditing
from interlock.orchestrator.replan_request import request_replan
from interlock.orchestrator.replaying import Replaying


class ThreadChanges(Replaying):
    """The part of a team's facade that changes what is stored and runs nothing."""

    _team: Team
    _clock: Clock
    _ttl: timedelta

    @property
    @abstractmethod
    def graph(self) -> RunGraphCompiled:
        """The compiled LangGraph graph."""

    async def acheck_plan(
        self, thread_id: str, plan: TaskGraph, *, step: str | None = None
    ) -> None:
        """Return if a plan could answer the question about a run's plan; changes nothing.

        `acheck_edit` is for runs that are not asked about their plan.

        Args:
            thread_id: The thread.
            plan: A person's.
            step: Whose team it is for, in nested teams, by its path; left out, the run's own. For
                nested teams, whether it keeps what has run is decided when it is answered.

        Raises:
            UnknownThreadError: No run was ever started there.
            FinishedRunError: The run has ended.
            PlanError: It could not; all problems at once.
            ConfigurationError: No team works on that step.
        """
        if not step:
            await (await self._edit(thread_id)).check_answer(plan)
            return
        record = await self._load(thread_id)
        storage = self._open_storage
        team, context = await find_team_at(self._team, storage, record.thread_id, step)
        validate_plan(team, plan, context=context)

    async def aedit_plan(
        self, thread_id: str, plan: TaskGraph, *, why: str | None = None
    ) -> TaskGraph:
        """Put a person's plan in the place of the one that a run stands in the middle of.

        For a run that nobody drives: it was drained or killed, or waits for a person about
        something else than its plan (that question is answered with `edit(plan)`). Runs nothing;
        `aresume` goes on with the new plan. What is finished stands, as in a replanning; steps that
        had not come back are begun anew; questions of steps that are left out are withdrawn. The
        journal has the version, who brought it and what it changes.

        Args:
            thread_id: The run's thread.
            plan: Whole; its version is counted by the run.
            why: In words; for the journal and the run's notes.

        Returns:
            The plan with its version.

        Raises:
            UnknownThreadError: No run was ever started there.
            FinishedRunError: The run has ended.
            ThreadBusyError: Somebody drives it.
            ConfigurationError: It has no plan under way.
            PlanError: The plan may not run after what has run; all problems at once, and nothing
                was changed.
        """
        return await (await self._edit(thread_id)).apply(plan, why=why, ttl=self._ttl)

    async def acheck_edit(self, thread_id: str, plan: TaskGraph) -> None:
        """Return if `aedit_plan` would take a plan as the run stands now; changes nothing.

        Raises:
            InterlockError: What `aedit_plan` raises.
        """
        await (await self._edit(thread_id)).check(plan)

    async def _edit(self, thread_id: str) -> PlanEditing:
        record = await self._load(thread_id)
        return PlanEditing(self._team, self.graph, self._open_storage, record=record)

    async def areplan(self, thread_id: str, *, why: str) -> None:
        """Ask a run's planner for another version of its plan; runs nothing.

        Taken up once all steps have settled, before the run ends: by whoever drives it, also in
        another process, or when it is answered or resumed. What is finished stands. Requests are
        bounded by their number, not by the policy's `replan`.

        Args:
            thread_id: The run's thread; not of a run that has ended.
            why: What is wanted; the planner is told, and the journal keeps it.

        Raises:
            UnknownThreadError: No run was ever started there.
            FinishedRunError: The run has ended.
            ConfigurationError: The team's plan is fixed, or no reason is given.
        """
        if isinstance(self._team.spec.planner, TaskGraph):
            raise ConfigurationError(
                "This team's plan is fixed, so nobody can be asked for another. Give the team a "
                "planner: a function, or an object with `plan(request)`."
            )
        now = self._clock.now()
        await request_replan(self._open_storage, thread_id, why=why, at=now)

    async def aprune(
        self, retention: Retention | None = None, *, dry_run: bool = False
    ) -> PruneReport:
        """Delete what is old and no resume needs from the storage, or count it.

        Threads under way go on as if nothing had happened; those that somebody is running, also
        here, are left alone. Safe to stop anywhere and to repeat.

        Args:
            retention: What may go; by default what is older than 30 days.
            dry_run: Count only.
        """
        return await self._open_storage.prune(retention or Retention(), dry_run=dry_run)

    async def areport_fault(
        self,
        thread_id: str,
        step: str,
        *,
        why: str,
        found_by: str = "person",
        is_final_check: bool = False,
    ) -> Fault:
        """Write down that a step's value proved wrong, for the metrics of errors; changes nothing else.

        For what no criterion of the run could see: a customer's complaint, an evaluation against known
        answers. The run may have ended. Safe to repeat: a step's value is reported once by each
        finder.

        Args:
            thread_id: The thread.
            step: Whose value it is, by path.
            why: What is wrong with it; recorded.
            found_by: Who or what found it; lies in the clear also in sealed storages.
            is_final_check: Whether a check of what the run came to found it.

        Returns:
            The fault, with the attempt that it is about.

        Raises:
            UnknownThreadError: No run was ever started there.
            NoValueError: The step has no value that could be wrong.
        """
        return await report_fault(
            self._open_storage,
            thread_id,
            step,
            why=why,
            found_by=found_by,
            is_final_check=is_final_check,
            at=self._clock.now(),
        )

    async def afaults(self, thread_id: str) -> Sequence[Fault]:
        """Return the faults of a thread's steps that are known by now, in the order they were found.

        Raises:
            UnknownThreadError: No run was ever started there.
        """
        record = await self._load(thread_id)
        return await self._open_storage.load_faults(record.thread_id)

    async def aretract(self, thread_id: str, key: str, *, why: str) -> FactRecord:
        """Take a fact of the shared context back: no step is shown it any more.

        What rests on it is marked, also on other threads; runs that go on say so in their gaps.

        Args:
            thread_id: A thread that sees the fact.
            key: The fact.
            why: What is wrong with it; recorded.

        Raises:
            UnknownThreadError: No run was ever started there.
            UnknownFactError: The thread's context holds no such fact.
        """
        now = self._clock.now()
        return await retract_fact(self._open_storage, thread_id, key, why=why, at=now)

    async def acorrect(self, thread_id: str, key: str, *, value: object, why: str) -> FactRecord:
        """Put another value in the place of a fact; what rests on the old one is marked.

        Args:
            thread_id: A thread that sees the fact.
            key: The fact.
            value: The right value; its type and the invariants hold for people too.
            why: What was wrong; recorded.

        Raises:
            UnknownThreadError: No run was ever started there.
            UnknownFactError: The thread's context holds no such fact.
            PromotionRefusedError: The value may not enter.
            ConfigurationError: The team does not declare the fact, and so cannot check the value.
        """
        shared, criteria = self._team.spec.find_context(key), self._team.criteria
        offer = build_correction(thread_id, key, value, shared=shared, criteria=criteria)
        return await correct_fact(self._open_storage, offer, why=why, at=self._clock.now())
