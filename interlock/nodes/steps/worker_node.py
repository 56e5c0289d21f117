"""The worker node: runs one agent on one brief and puts what comes back into an envelope.

A failure becomes a value here, so that it cancels no other step. Only LangGraph's own signals
(interrupt, drain) and outside cancellation pass through. The envelope keeps what a worker
returns away from the top level of any channel.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import var_child_runnable_config
from langgraph.errors import GraphBubbleUp, GraphInterrupt, ParentCommand

from interlock.contracts.brief import Brief, Scratchpad
from interlock.contracts.errors import (
    STORAGE_FAILURES,
    PermanentError,
    PlainValueError,
    StepTimeoutError,
)
from interlock.contracts.fault_errors import InputRefusedError
from interlock.contracts.limit_errors import BreakerOpenError
from interlock.contracts.plain import Plain, parse_plain
from interlock.contracts.retry_after import find_retry_after
from interlock.contracts.safe_words import word_error, word_value
from interlock.contracts.scratchpad import CURRENT_SCRATCHPAD
from interlock.contracts.spending import Caller
from interlock.contracts.worker import Worker
from interlock.nodes.calls.budget_guard import BudgetGuard
from interlock.nodes.calls.gated_calls import build_budget_guard, gate_calls
from interlock.nodes.calls.tool_watch import ToolWatch
from interlock.nodes.run.spent import dump_usage
from interlock.nodes.run.team import Team
from interlock.nodes.steps.agent_call import AgentResult, CallAgent
from interlock.nodes.steps.error_places import list_places
from interlock.nodes.steps.one_call import call_once
from interlock.nodes.steps.scoped_saver import CHECKPOINTER, ScopedSaver
from interlock.nodes.steps.step_brief import build_brief, record_brief_again, suspend
from interlock.nodes.steps.step_budget import derive_limit
from interlock.nodes.steps.step_effects import open_scope, sum_up
from interlock.nodes.steps.step_limits import WatchedAttempt
from interlock.nodes.steps.step_run import CURRENT_STEP, StepRun, get_step_run
from interlock.nodes.steps.step_spans import tell_work
from interlock.nodes.steps.step_state import StepState
from interlock.nodes.steps.worker_questions import ask
from interlock.nodes.steps.worker_writes import limit_writes
from interlock.tools.effect_scope import CURRENT_SCOPE, EffectScope

_SEND = "__pregel_send"
_HOPELESS = (NotImplementedError, ImportError, NameError, SyntaxError)
"""Errors of the worker's own code, which another attempt meets again."""


def build_worker_runner(
    team: Team, worker: Worker, *, is_team: bool = False
) -> Callable[[StepState, RunnableConfig, CallAgent], Awaitable[StepState]]:
    """Return what a worker's node does, given how its agent is called.

    Args:
        team: At work.
        worker: Whose node it is.
        is_team: Whether the worker is a team, whose own steps count their tokens and are told of
            a cancel themselves.
    """

    async def run_worker(
        state: StepState, config: RunnableConfig, call_agent: CallAgent
    ) -> StepState:
        """Run one attempt.

        Reads: assignment, attempt, brief, feedback. Writes: output. Effects: the worker's own; what
        it asks a person is durable, and what it notes too. Interrupts: the worker's own.
        """
        run = get_step_run()
        if not await run.slot.take(worker.name):
            raise suspend(state)
        is_rerun = not run.is_briefed
        if is_rerun:
            await run.notes.load()
            record_brief_again(team, state, run)
        # I8: the brief is in the journal, and this process still holds the thread.
        await run.storage.flush(run.thread_id)
        if run.live.drain_reason is not None:
            raise suspend(state)  # asked meanwhile: the attempt starts on resume
        scratchpad = run.notes.open(state)
        brief = build_brief(team, state, run, scratchpad=scratchpad)
        guard = await _build_guard(team, run, worker, attempt=brief.attempt)
        scoped = _scope_config(config, is_team=is_team)
        effects = open_scope(
            team, state, run, namespace=config.get("configurable", {}).get("checkpoint_ns", "")
        )
        effects.watch = run.watch = _watch_tools(team, run, worker)
        _show_worker(effects, scoped, scratchpad=None if is_team else scratchpad)
        limit = _open_deadline(team, state, run, is_rerun=is_rerun)
        try:
            with run.spans.work(worker, state, shown=brief) as work:
                envelope = await WatchedAttempt.begin(team, run).make(
                    lambda call: _attempt(
                        call,
                        brief,
                        scoped,
                        run=run,
                        guard=None if is_team else guard,
                        worker=worker,
                        limit_seconds=None if limit is None else limit.total_seconds(),
                    ),
                    call_agent,
                )
                tell_work(work, envelope)
        except GraphInterrupt as exc:
            await ask(team, run, exc.args[0], attempt=brief.attempt)
            raise
        finally:
            effects.end()  # a thread that was cut off goes on, and may call for more
            scratchpad.close()
        _stamp(envelope, run.watch, now=team.clock.now())
        reported = envelope.pop("messages_usage", {})
        guard.count_unseen({} if is_team else reported)
        envelope.update(dump_usage(guard.usage))
        if (noted := sum_up(effects, is_rerun=is_rerun)) is not None:
            envelope["effects"] = noted
        return StepState(output=envelope)

    return run_worker


def _watch_tools(team: Team, run: StepRun, worker: Worker) -> ToolWatch:
    facts = {"thread": run.thread_id, "step": run.path, "agent": worker.name}
    return ToolWatch(clock=team.clock, telemetry=team.telemetry, facts=facts)


def _show_worker(
    effects: EffectScope, config: RunnableConfig, *, scratchpad: Scratchpad | None
) -> None:
    """Leave in the calling task's context what a worker may find there, and no more (I4)."""
    CURRENT_SCOPE.set(effects)
    CURRENT_SCRATCHPAD.set(scratchpad)
    CURRENT_STEP.set(None)
    var_child_runnable_config.set(config)


def _stamp(envelope: dict[str, Plain], watch: ToolWatch, *, now: datetime) -> None:
    """Note in an envelope when the attempt ended, and which tools it called."""
    envelope["ended_at"] = now.isoformat()
    if called := watch.dump(until=now):
        envelope["tool_calls"] = called


async def _build_guard(team: Team, run: StepRun, worker: Worker, *, attempt: int) -> BudgetGuard:
    caller = Caller(
        path=run.path,
        superstep=run.superstep,
        attempt=attempt,
        role="worker",
        worker=worker.name,
    )
    return await build_budget_guard(team, run.live, caller, account=run.account)


def _open_deadline(
    team: Team, state: StepState, run: StepRun, *, is_rerun: bool
) -> timedelta | None:
    """Return how long the attempt may take, and let no nested team's steps have longer."""
    now = team.clock.now()
    limit = derive_limit(state, run, now=now)
    run.account.deadline = None if limit is None else now + limit
    shown = (state["brief"] or {}).get("deadline")
    if shown and run.account.deadline and not is_rerun:
        run.account.deadline = min(run.account.deadline, datetime.fromisoformat(shown))
    return limit


def _scope_config(config: RunnableConfig, *, is_team: bool) -> RunnableConfig:
    """Return the node's config with a saver that opens only the worker's own namespace.

    Through it the worker can answer its own interrupts, and write to no channel (I1). The run's own
    recursion limit bounds nothing: a worker's graph that loops ends at LangGraph's.
    """
    conf = dict(config.get("configurable", {}))
    if _SEND in conf:
        conf[_SEND] = limit_writes(conf[_SEND])
    saver = conf.get(CHECKPOINTER)
    if saver is not None:
        saver = getattr(saver, "strict", saver)
        conf[CHECKPOINTER] = ScopedSaver(
            saver, thread_id=conf["thread_id"], namespace=conf.get("checkpoint_ns", "")
        )
    scoped: RunnableConfig = {**config, "configurable": conf}
    if not is_team:
        scoped.pop("recursion_limit", None)
    return scoped


async def _attempt(
    call_agent: CallAgent,
    brief: Brief,
    config: RunnableConfig,
    *,
    run: StepRun,
    guard: BudgetGuard | None,
    worker: Worker,
    limit_seconds: float | None,
) -> dict[str, Plain]:
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - a node always runs in a task
    limit = asyncio.timeout(limit_seconds)
    try:
        with _gate(run, guard, config) as gated:
            async with limit:
                return _wrap(await call_once(call_agent, brief, gated))
    except GraphInterrupt as exc:
        if (refused := _find_unstorable(exc, config)) is not None:
            return _wrap_error(refused, is_permanent=False)
        raise
    except (GraphBubbleUp, KeyboardInterrupt, GeneratorExit):
        raise
    except asyncio.CancelledError:
        if run.live.cancel_reason is not None:
            task.uncancel()
            return _wrap_error(asyncio.CancelledError(run.live.cancel_reason), is_permanent=True)
        if task.cancelling() == 0:
            return _wrap_error(RuntimeError("the worker cancelled itself"), is_permanent=False)
        raise
    except TimeoutError as exc:
        late = StepTimeoutError(step_id=run.step.id, seconds=limit_seconds or 0.0)
        return _wrap_error(late if limit.expired() else exc, is_permanent=False)
    except BaseException as exc:  # noqa: BLE001 - also no Exception, such as a panic in Rust
        if (passing := _find_passing(exc, config, guard=guard)) is not None:
            raise passing from exc.__cause__
        return _wrap_error(exc, is_permanent=_is_permanent(exc, worker))


@contextmanager
def _gate(
    run: StepRun, guard: BudgetGuard | None, config: RunnableConfig
) -> Iterator[RunnableConfig]:
    """Let a cancel of the run and the gate reach what runs in the block; a team has its own."""
    if guard is None:
        yield config
        return
    with run.live.interrupt_on_cancel(), gate_calls(guard, config, watch=run.watch) as gated:
        yield gated


def _find_unstorable(asked: GraphInterrupt, config: RunnableConfig) -> PlainValueError | None:
    """Return why the questions of a pause cannot be stored, or None.

    LangGraph would raise it later, where it ends the run and every resume of it.
    """
    saver = config.get("configurable", {}).get(CHECKPOINTER)
    if saver is None:
        return None
    for item in asked.args[0]:
        try:
            saver.serde.dumps_typed(item.value)
        except (TypeError, ValueError, RecursionError):
            return PlainValueError(
                path="the value given to interrupt()", seen=word_value(item.value)
            )
    return None


def _find_passing(
    exc: BaseException, config: RunnableConfig, *, guard: BudgetGuard | None
) -> Exception | None:
    """Return what is no failure of the attempt and passes through, or None.

    LangGraph's signal inside an exception group; or what the run's own storage failed with under
    a worker's graph or its model calls: the run stops, as it does wherever its storage fails, and
    can be resumed. A team has no guard; what its run raises is the run's own.
    """
    if (bubble := _find_bubble(exc)) is not None:
        return bubble
    if guard is None:
        if isinstance(exc, STORAGE_FAILURES):
            return exc
    elif guard.storage_failure is not None:
        return guard.storage_failure
    saver = config.get("configurable", {}).get(CHECKPOINTER)
    return saver.failures[0] if isinstance(saver, ScopedSaver) and saver.failures else None


def _wrap(result: AgentResult) -> dict[str, Plain]:
    usage: dict[str, Plain] = {"messages_usage": dict(result.usage)}
    if result.nested_usage:
        usage["nested_usage"] = dict(result.nested_usage)
    if result.failure is not None:
        return {**_wrap_error(result.failure, is_permanent=False), **usage}
    try:
        value = parse_plain(result.value)
    except PlainValueError as exc:
        return {**_wrap_error(exc, is_permanent=False), **usage}
    if result.notes:
        usage["notes"] = [list(note) for note in result.notes]
    return {"value": value, "gaps": list(result.gaps), **usage}


def _wrap_error(exc: BaseException, *, is_permanent: bool) -> dict[str, Plain]:
    return {
        "error": {
            "type": type(exc).__name__,
            "message": word_error(exc),
            "is_permanent": is_permanent,
            "retry_after_seconds": find_retry_after(exc),
            "raised_at": list_places(exc),
            **({"blames": list(exc.inputs)} if isinstance(exc, InputRefusedError) else {}),
        }
    }


def _is_permanent(exc: BaseException, worker: Worker) -> bool:
    known = (PermanentError, BreakerOpenError, *_HOPELESS, *worker.permanent_errors)
    return isinstance(exc, known)


def _find_bubble(exc: BaseException) -> GraphBubbleUp | None:
    """Return LangGraph's signal inside an exception group, if there is one."""
    if not isinstance(exc, BaseExceptionGroup):
        return None
    for part in exc.exceptions:
        if isinstance(part, GraphBubbleUp) and not isinstance(part, ParentCommand):
            return part
        if (found := _find_bubble(part)) is not None:
            return found
    return None
