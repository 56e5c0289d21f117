"""The dispatch node: starts every step the moment its own needs have settled (I3).

One superstep, no barrier. Steps are LangGraph tasks, issued in one deterministic order in a
bounded window, each waiting inside for what it needs; each runs the step graph. A settled
outcome is in our own storage before anybody hears of it, keyed by thread, superstep and step:
that record is what counts on resume (I6), LangGraph's replay is only the quick way.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from inspect import Parameter, Signature
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.errors import GraphBubbleUp, GraphDrained, GraphInterrupt
from langgraph.func import task
from langgraph.pregel import Pregel
from langgraph.runtime import Runtime
from langgraph.types import Interrupt

from interlock.contracts.errors import ConfigurationError, ContractError
from interlock.contracts.handoff import Handoff
from interlock.contracts.ids import QuestionId, StepId, ThreadId
from interlock.contracts.outcome import StepOutcome
from interlock.contracts.plan import Step, TaskGraph
from interlock.contracts.plan_order import (
    derive_issue_order,
    derive_remaining_seconds,
    derive_topological_order,
)
from interlock.contracts.storage import Batch, Storage
from interlock.nodes.planning.plan_proposal import name_owner
from interlock.nodes.planning.streamed_plan import end_stream, journal_part
from interlock.nodes.run.assignment import MissingInputError, build_assignment, find_unmet_need
from interlock.nodes.run.board import Board, SuspendedError
from interlock.nodes.run.kept_values import KeptValues
from interlock.nodes.run.live_run import LiveRun
from interlock.nodes.run.place import Place
from interlock.nodes.run.plan_stream import load_parts
from interlock.nodes.run.run_facts import RunFacts
from interlock.nodes.run.run_state import RunContext, RunState, as_plain, require_schema_version
from interlock.nodes.run.settlement import settle_step
from interlock.nodes.run.slots import Slot
from interlock.nodes.run.spent import Spent, count_spent
from interlock.nodes.run.step_needs import list_needs
from interlock.nodes.run.team import Team
from interlock.nodes.steps.step_config import lend_config
from interlock.nodes.steps.step_effects import EffectReport, settle_cut_off
from interlock.nodes.steps.step_notes import StepNotes
from interlock.nodes.steps.step_run import CURRENT_STEP, StepRun
from interlock.nodes.steps.step_spans import StepSpans, watch_step
from interlock.nodes.steps.step_state import BRIEF, derive_trigger
from interlock.tools.effect_scope import CURRENT_SCOPE

_MIN_WINDOW = 256
_UNLIMITED_WINDOW = 1024
_WINDOW_PER_SLOT = 4

_TASK_SIGNATURE = Signature([Parameter("step", Parameter.POSITIONAL_OR_KEYWORD)])
"""Of every step's task; LangGraph would work it out for each anew."""

DispatchNode = Callable[[RunState, RunnableConfig, Runtime[RunContext]], Awaitable[RunState]]

AnyGraph = Pregel[Any, Any, Any, Any]
RunStepGraph = Callable[[Step, dict[str, Any]], Awaitable[dict[str, Any]]]


def build_dispatch_node(
    team: Team,
    step_graph: AnyGraph,
    *,
    find_part: Callable[[AnyGraph, Step, Mapping[str, Any]], AnyGraph],
) -> DispatchNode:
    """Return the dispatch node of a team's run graph.

    Args:
        team: At work.
        step_graph: Compiled; one step's life, with every worker.
        find_part: Returns the part of it that a step with its assignment runs in.
    """

    async def dispatch(
        state: RunState, config: RunnableConfig, runtime: Runtime[RunContext]
    ) -> RunState:
        """Run all steps that can run now, to settlement or to a question.

        Reads: plan, outcomes, answers, scope. Writes: outcomes, answers. Effects: those of the
        workers; every settled outcome is durable. Interrupts: those of the workers, combined.
        """
        require_schema_version(state)
        refuse_max_concurrency(config)
        superstep = await _open_superstep(team, state, runtime)

        async def run_step_graph(step: Step, assignment: dict[str, Any]) -> dict[str, Any]:
            graph = find_part(step_graph, step, assignment)
            result: dict[str, Any] = await graph.ainvoke(
                {"assignment": assignment, derive_trigger(BRIEF): None}, output_keys=["outcome"]
            )
            return result

        return await superstep.run(run_step_graph)

    return dispatch


def refuse_max_concurrency(config: RunnableConfig) -> None:
    """Return unless the config limits LangGraph's own concurrency.

    Raises:
        ConfigurationError: It does, and would deadlock a node that awaits tasks.
    """
    limit = config.get("max_concurrency")
    if limit is not None:
        raise ConfigurationError(
            f"The config sets max_concurrency={limit!r}, which would deadlock dispatch. Leave it "
            f"out and set RunPolicy(max_parallel={limit!r}), or Worker(max_parallel=...)."
        )


async def _open_superstep(
    team: Team, state: RunState, runtime: Runtime[RunContext]
) -> "_Superstep":
    info = runtime.execution_info
    if info is None or info.thread_id is None:
        raise ConfigurationError(
            "A run graph needs a checkpointer and a thread_id. Compile it with storage.checkpointer"
            ", or use Orchestrator."
        )
    thread_id = ThreadId(info.thread_id)
    storage = await team.open_storage()
    plan = TaskGraph.model_validate(state["plan"])
    scope = state.get("scope", "")
    known = {
        StepId(step): StepOutcome.model_validate(outcome)
        for step, outcome in state["outcomes"].items()
    }
    stored = await storage.load_outcomes(thread_id, superstep=info.checkpoint_id)
    parts = await load_parts(storage, state, thread_id, superstep=info.checkpoint_id)
    live = team.find_live(thread_id, scope)
    live.started_at = datetime.fromisoformat(state["started_at"])
    await live.load_spending(storage)
    spent: Mapping[StepId, Spent] = {}
    if live.cancel_reason is not None:
        spent = await count_spent(storage, thread_id, superstep=info.checkpoint_id)
    return _Superstep(
        team=team,
        storage=storage,
        live=live,
        thread_id=thread_id,
        id=info.checkpoint_id,
        state=state,
        plan=plan,
        parts=parts,
        known=known,
        stored={StepId(path.removeprefix(scope)): outcome for path, outcome in stored.items()},
        spent=spent,
    )


@dataclass(slots=True, kw_only=True)
class _Superstep:
    """One dispatch superstep."""

    team: Team
    storage: Storage
    live: LiveRun
    thread_id: ThreadId
    id: str
    state: RunState
    plan: TaskGraph
    parts: Sequence[TaskGraph]
    known: Mapping[StepId, StepOutcome]
    stored: Mapping[StepId, StepOutcome]
    spent: Mapping[StepId, Spent]
    board: Board = field(init=False)
    steps: dict[StepId, Step] = field(init=False)
    todo: dict[StepId, Step] = field(default_factory=dict)
    priority: Mapping[StepId, float] = field(init=False)
    facts: RunFacts = field(init=False)
    interrupts: dict[str, Interrupt] = field(default_factory=dict)
    drained: bool = False

    def __post_init__(self) -> None:
        terminal = {step: o for step, o in self.known.items() if o.is_terminal}
        self.board = Board(terminal)
        self.steps = {}
        self._take_up(self.plan)
        for step_id, outcome in self.known.items():
            if not outcome.is_terminal and step_id not in self.todo:
                self.board.suspend(step_id)

    def _take_up(self, plan: TaskGraph) -> dict[StepId, Step]:
        """Take up the steps of a plan that are not there yet; returns those that are to run."""
        fresh = {step.id: step for step in plan.steps if step.id not in self.steps}
        self.plan = plan
        self.steps.update(fresh)
        todo = {step_id: step for step_id, step in fresh.items() if self._is_open(step_id)}
        self.todo.update(todo)
        self.priority = derive_remaining_seconds(self.todo)
        self.facts = RunFacts(
            shared=self.team.spec.context,
            storage=self.storage,
            thread_id=self.thread_id,
            state=self.state,
            steps=self.steps,
            is_team=self.team.is_team,
        )
        for step_id in todo.keys() & self.stored.keys():
            # LangGraph may replay such a step without running its task: nobody else would say it.
            self.board.settle(self.stored[step_id].model_copy(update={"step_id": step_id}))
        return todo

    def _is_open(self, step_id: StepId) -> bool:
        """Return whether a step has neither settled nor an unanswered question.

        A cancelled run closes its open questions too.
        """
        outcome = self.known.get(step_id)
        if outcome is None:
            return True
        if outcome.is_terminal or outcome.question is None:
            return False
        return outcome.question.id in self.state["answers"] or self.live.cancel_reason is not None

    async def run(self, run_step_graph: RunStepGraph) -> RunState:
        self.live.open_board(self.board)
        try:
            await self._issue_all(run_step_graph)
        finally:
            self.live.close_board(self.board)
            if self.live.plan_stream is not None:
                await self.live.plan_stream.close()
        if self.drained or (self.live.drain_reason is not None and self._has_unsettled()):
            raise GraphDrained(self.live.drain_reason or "drain")
        if self.interrupts:
            self.live.note_put_aside(self._list_put_aside())
            raise GraphInterrupt(tuple(self.interrupts.values()))
        return self._build_update()

    async def _issue_all(self, run_step_graph: RunStepGraph) -> None:
        """Issue the steps' tasks in one order, at most a window of them unfinished."""
        limit = self.live.slots_limit
        window = max(_MIN_WINDOW, _WINDOW_PER_SLOT * limit) if limit else _UNLIMITED_WINDOW
        # Whatever the limit is by now: LangGraph finds half-done steps again by their place.
        slots = self.state.get("issue_slots", limit)
        order: Sequence[StepId] = derive_issue_order(self.todo, slots=slots)
        if self.state.get("stepwise"):
            order = [step for step in order if self._is_ready(step)][:1]
        open_futures: dict[asyncio.Future[Any], StepId] = {}
        finished: list[asyncio.Future[Any]] = []
        room = asyncio.Event()

        def note(future: "asyncio.Future[Any]") -> None:
            finished.append(future)
            room.set()
            if not future.cancelled():
                future.exception()  # one failure is raised; asyncio need not report the others

        async for step_id in self._follow(order):
            while len(open_futures) >= window:
                await room.wait()
                room.clear()
                for future in finished:
                    self._collect(open_futures.pop(future), future)
                finished.clear()
            body: Any = self._build_task(step_id, run_step_graph)
            call: Any = task(name=f"step:{step_id}")(body)
            issued: asyncio.Future[Any] = asyncio.ensure_future(call(step_id))
            issued.add_done_callback(note)
            open_futures[issued] = step_id
        if open_futures:
            await asyncio.wait(open_futures)
        for future, step_id in open_futures.items():
            self._collect(step_id, future)

    async def _follow(self, order: Sequence[StepId]) -> AsyncIterator[StepId]:
        """Give steps in the order they are issued: the plan's, then those of parts as they come."""
        for step_id in order:
            yield step_id
        for part in self.parts:
            for step_id in derive_topological_order(self._take_up(part)):
                yield step_id
        while (more := await self._wait_for_part()) is not None:
            for step_id in derive_topological_order(self._take_up(more)):
                yield step_id

    async def _wait_for_part(self) -> TaskGraph | None:
        """Return the next part of a plan that is still being written, once it is in the journal."""
        stream = self.live.plan_stream
        if stream is None:
            return None
        await self.live.wait_unless_stopping(stream.wait())
        part = None if self.live.is_stopping else stream.take_part()
        if part is None:
            await stream.close()
            return None
        part = part.model_copy(update={"version": self.plan.version + 1})
        place = Place(thread_id=self.thread_id, superstep=self.id, path=name_owner(self.state))
        await journal_part(self.team, self.storage, part, place=place, scope=self.state["scope"])
        return part

    def _is_ready(self, step_id: StepId) -> bool:
        return all(need.step in self.board.outcomes for need in self.steps[step_id].needs)

    def _build_task(
        self,
        step_id: StepId,
        run_step_graph: RunStepGraph,
    ) -> Callable[[str], Awaitable[dict[str, Any]]]:
        """Return one step's task, a function of its own: LangGraph names the function."""

        async def run_step(step: str) -> dict[str, Any]:
            outcome = self.stored.get(step_id)
            if outcome is None:
                try:
                    outcome = await self._settle(self.steps[step_id], run_step_graph)
                except BaseException:
                    self.board.suspend(step_id)
                    raise
            outcome = outcome.model_copy(update={"step_id": step_id})
            self.board.settle(outcome)
            return {"step": step, "outcome": as_plain(outcome)}

        setattr(run_step, "__signature__", _TASK_SIGNATURE)  # noqa: B010 - mypy knows no such one
        return run_step

    async def _settle(
        self,
        step: Step,
        run_step_graph: RunStepGraph,
    ) -> StepOutcome:
        if self.live.cancel_reason is not None:
            return await self._settle_unstarted(step, "cancelled", self.live.cancel_reason)
        try:
            needed = await self.board.wait_for_needs(step)
        except SuspendedError:
            if self.live.cancel_reason is not None:
                return await self._settle_unstarted(step, "cancelled", self.live.cancel_reason)
            raise
        if (reason := find_unmet_need(step, needed)) is not None:
            return await self._settle_unstarted(step, "blocked", reason)
        place, waiting = self._get_place(step.id), self.known.get(step.id)
        with watch_step(self.team, step, place, waiting=waiting) as spans:
            outcome = await self._run(step, needed, run_step_graph, spans=spans)
            spans.settle(outcome)
            return outcome

    async def _run(
        self,
        step: Step,
        needed: Mapping[StepId, StepOutcome],
        run_step_graph: RunStepGraph,
        *,
        spans: StepSpans,
    ) -> StepOutcome:
        queued_at = self.team.clock.now()
        slot = self.live.slots.open_slot(step.worker, priority=self.priority[step.id])
        account = self.live.get_step_account(self._get_place(step.id).path, step.budget)
        try:
            await slot.take_or_suspend()
            values = KeptValues(self.storage, self.thread_id)
            run = self._build_step_run(step, slot=slot, queued_at=queued_at, values=values)
            run.spans = spans
            assignment = await build_assignment(
                step,
                needed,
                outcomes=self.board.outcomes,
                state=self.state,
                values=values,
                waiting=self.known.get(step.id),
                facts=self.facts,
            )
            CURRENT_STEP.set(run)
            await lend_config()
            result = await run_step_graph(step, assignment)
            outcome = StepOutcome.model_validate(result["outcome"])
            self.board.settle(outcome)
            await self.board.let_dependents_go_on()  # so that they queue for the slot too
        except MissingInputError as exc:
            return await self._settle_unstarted(step, "blocked", str(exc))
        except SuspendedError as exc:
            if self.live.cancel_reason is not None:
                return await self._settle_unstarted(
                    step, "cancelled", self.live.cancel_reason, spent=exc.spent
                )
            raise
        finally:
            slot.give_back()
            account.close()
        return outcome

    def _build_step_run(
        self, step: Step, *, slot: Slot, queued_at: datetime, values: KeptValues
    ) -> StepRun:
        place, policy = self._get_place(step.id), self.team.spec.policy
        return StepRun(
            step=step,
            place=place,
            storage=self.storage,
            live=self.live,
            account=self.live.get_step_account(place.path, step.budget),
            slot=slot,
            queued_at=queued_at,
            policy=policy,
            values=values,
            notes=StepNotes(self.storage, place, limits=policy.scratchpad, now=self.team.clock.now),
            epoch=self.state.get("effect_epoch", 0),
            spaces=self.state.get("spaces") or {},
            outer_attempt=_find_outer_attempt(self.thread_id),
        )

    def _get_place(self, step_id: StepId) -> Place:
        path = StepId(f"{self.state.get('scope', '')}{step_id}")
        return Place(thread_id=self.thread_id, superstep=self.id, path=path)

    async def _settle_unstarted(
        self, step: Step, status: str, reason: str, *, spent: Spent | None = None
    ) -> StepOutcome:
        """Settle a step that no node of its graph settles.

        Args:
            step: As planned.
            status: How.
            reason: Why, in words.
            spent: All that it has cost; looked up if its graph did not say.
        """
        place = self._get_place(step.id)
        if spent is None:
            before, now = self._get_waited(step.id), self.spent.get(place.path, Spent())
            spent = Spent(max(before.attempts, now.attempts), before.usage + now.usage)
        report, handoffs = await self._take_back(step, spent)
        waited = self.known.get(step.id)
        outcome = StepOutcome.model_validate(
            {
                "step_id": step.id,
                "status": status,
                "reason": "; ".join((reason, *report.words)),
                "attempts": spent.attempts,
                "usage": spent.usage,
                "begun_at": ((waited.carry if waited else None) or {}).get("begun_at"),
            }
        )
        beside = Batch(handoffs=handoffs, needs=list_needs(step, place))
        return await settle_step(self.team, self.storage, outcome, place=place, beside=beside)

    async def _take_back(
        self, step: Step, spent: Spent
    ) -> tuple[EffectReport, tuple[Handoff, ...]]:
        """Undo what a step did that was cut off for good."""
        if spent.attempts == 0:
            return EffectReport(), ()
        waited = self.known.get(step.id)
        run = self._build_step_run(
            step,
            slot=self.live.slots.open_slot(step.worker, priority=self.priority[step.id]),
            queued_at=self.team.clock.now(),
            values=KeptValues(self.storage, self.thread_id),
        )
        carry = None if waited is None else waited.carry
        return await settle_cut_off(self.team, run, attempts=spent.attempts, carry=carry)

    def _get_waited(self, step_id: StepId) -> Spent:
        """Return what a step had cost when it began to wait for a person."""
        waited = self.known.get(step_id)
        return Spent(waited.attempts, waited.usage) if waited is not None else Spent()

    def _collect(self, step_id: StepId, future: "asyncio.Future[Any]") -> None:
        """Take up one finished task: its outcome, its interrupts, or its failure."""
        try:
            result = future.result()
        except GraphInterrupt as exc:
            self.interrupts.update({item.id: item for item in exc.args[0]})
        except SuspendedError:
            pass
        except GraphDrained:
            self.drained = True
        except GraphBubbleUp as exc:
            raise ContractError(f"Step {step_id!r} raised {exc!r} out of its graph.") from exc
        else:
            if result["step"] != step_id or result["outcome"]["step_id"] != step_id:
                raise ContractError(
                    f"LangGraph gave step {step_id!r} the result of {result['step']!r}. The "
                    "thread's plan and its checkpoint do not belong together; nothing was taken."
                )
            # A replayed result: its task did not run, so the board does not know it yet.
            if step_id not in self.board.outcomes and step_id not in self.board.waiting:
                self.board.settle(StepOutcome.model_validate(result["outcome"]))

    def _list_put_aside(self) -> list[QuestionId]:
        """Return what is asked about steps that wait for a person, of this superstep or before."""
        waiting = {**self.known, **self.board.waiting, **self.board.outcomes}
        return [outcome.question.id for outcome in waiting.values() if outcome.question is not None]

    def _has_unsettled(self) -> bool:
        done = self.board.outcomes.keys() | self.board.waiting.keys()
        return any(step_id not in done for step_id in self.todo)

    def _build_update(self) -> RunState:
        settled = {**self.known, **self.board.outcomes, **self.board.waiting}
        taken = {
            outcome.question.id
            for step_id, outcome in self.known.items()
            if outcome.question is not None
            and (step_id in self.board.outcomes or step_id in self.board.waiting)
        }
        update = RunState(
            outcomes={step_id: as_plain(outcome) for step_id, outcome in settled.items()},
            answers={
                question: answer
                for question, answer in self.state["answers"].items()
                if question not in taken
            },
        )
        return {**update, **end_stream(self.team, self.state, self.plan, self.live)}


def _find_outer_attempt(thread_id: ThreadId) -> str:
    """Return the attempt that a nested team works for, by path; empty in a run of its own."""
    scope = CURRENT_SCOPE.get()
    return scope.attempt if scope is not None and scope.thread_id == thread_id else ""
