"""A person's plan put in the place of a run's own, while nobody drives the run."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, cast

from interlock.contracts.errors import ConfigurationError, FinishedRunError
from interlock.contracts.ids import StepId
from interlock.contracts.outcome import TERMINAL_RUN_STATUSES
from interlock.contracts.plan import TaskGraph
from interlock.contracts.run_record import RunRecord
from interlock.contracts.storage import Batch, Storage
from interlock.nodes.planning.plan_checks import validate_next_plan
from interlock.nodes.planning.plan_editing import Standstill, merge_outcomes, take_edit
from interlock.nodes.run.place import Place
from interlock.nodes.run.plan_stream import load_parts
from interlock.nodes.run.run_state import RunState, as_plain
from interlock.nodes.run.team import Team
from interlock.orchestrator.drive import RunGraphCompiled, build_config

_PLANNER = "planner"


class PlanEditing:
    """Edits of the plan of one thread.

    Args:
        team: The run's.
        graph: Its compiled graph.
        storage: Where the run lies.
        record: The run's.
    """

    def __init__(
        self, team: Team, graph: RunGraphCompiled, storage: Storage, *, record: RunRecord
    ) -> None:
        """Prepare; nothing is read yet.

        Raises:
            FinishedRunError: The run has ended.
        """
        if record.status in TERMINAL_RUN_STATUSES:
            raise FinishedRunError(thread_id=record.thread_id, status=record.status)
        self._team = team
        self._graph = graph
        self._storage = storage
        self._thread_id = record.thread_id
        self._config: Any = build_config(record.thread_id)

    async def check(self, plan: TaskGraph) -> None:
        """Return if a plan may take the place of the run's own as it stands; changes nothing.

        Raises:
            PlanError: It may not; all problems at once.
            ConfigurationError: The run has no plan under way.
        """
        await take_edit(self._team, self._storage, await self._load_stand(), plan, why=None)

    async def check_answer(self, plan: TaskGraph) -> None:
        """Return if a plan may answer the question about the run's plan; changes nothing.

        Raises:
            PlanError: It may not; all problems at once.
        """
        snapshot = await self._graph.aget_state(self._config)
        state = cast(RunState, dict(snapshot.values))
        await validate_next_plan(
            self._team, plan, state, thread_id=self._thread_id, is_by_person=True
        )

    async def apply(self, plan: TaskGraph, *, why: str | None, ttl: timedelta) -> TaskGraph:
        """Put a plan in the place of the run's own; returns it with its version.

        The journal's record comes first: killed in between, the run goes on with its old plan, and
        the same edit can be made again.

        Raises:
            ThreadBusyError: Somebody drives the run.
            PlanError: The plan may not run; nothing was changed.
            ConfigurationError: The run has no plan under way.
        """
        async with self._leased(ttl):
            stand = await self._load_stand()
            edit = await take_edit(self._team, self._storage, stand, plan, why=why)
            batch = Batch(handoffs=(edit.handoff,), closed=tuple(edit.withdrawn))
            await self._storage.commit(self._thread_id, batch)
            await self._graph.aupdate_state(self._config, edit.update, as_node=_PLANNER)
        return edit.plan

    async def _load_stand(self) -> Standstill:
        snapshot = await self._graph.aget_state(self._config)
        if not snapshot.values:
            raise ConfigurationError(
                f"The run on thread {self._thread_id!r} has no plan yet. Resume it: then it is "
                "planned."
            )
        superstep = snapshot.config["configurable"].get("checkpoint_id", "")
        stored = await self._storage.load_outcomes(self._thread_id, superstep=superstep)
        counts = await self._storage.count_thread(self._thread_id, scope="")
        state = merge_outcomes(cast(RunState, dict(snapshot.values)), stored)
        parts = await load_parts(self._storage, state, self._thread_id, superstep=superstep)
        if parts:  # it was still being written
            state["plan"] = as_plain(parts[-1])
        return Standstill(
            place=Place(thread_id=self._thread_id, superstep=superstep, path=StepId("")),
            state=state,
            questions=await self._storage.list_questions(self._thread_id),
            running=counts.running,
        )

    @asynccontextmanager
    async def _leased(self, ttl: timedelta) -> AsyncIterator[None]:
        lease = await self._storage.acquire_lease(self._thread_id, ttl=ttl)
        try:
            yield
        finally:
            await self._storage.release_lease(lease)
