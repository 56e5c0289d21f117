"""The worker node: runs one agent on one brief and puts what comes back into an envelope.

A failure becomes a value here, so that it cancels no other step. Only LangGraph's own signals
(interrupt, drain) and outside cancellation pass through. The envelope keeps what a worker
returns away from the top level of any channel.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from langchain_core.callbacks import BaseCallbackManager, UsageMetadataCallbackHandler
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import var_child_runnable_config
from langgraph.errors import GraphBubbleUp, GraphInterrupt

from interlock.contracts.brief import Brief, Scratchpad
from interlock.contracts.errors import PermanentError, PlainValueError, StepTimeoutError
from interlock.contracts.plain import Plain, parse_plain
from interlock.contracts.worker import Worker
from interlock.nodes.agent_call import AgentResult, CallAgent
from interlock.nodes.scoped_saver import ScopedSaver
from interlock.nodes.step_brief import build_brief, record_brief_again
from interlock.nodes.step_run import CURRENT_STEP, StepRun, get_step_run
from interlock.nodes.step_state import StepState
from interlock.nodes.team import Team

_CHECKPOINTER = "__pregel_checkpointer"
_SCRATCHPAD = "__pregel_scratchpad"
_HOPELESS = (NotImplementedError, ImportError, NameError, SyntaxError)
"""Errors of the worker's own code, which another attempt meets again."""


def build_worker_runner(
    team: Team, worker: Worker
) -> Callable[[StepState, RunnableConfig, CallAgent], Awaitable[StepState]]:
    """Return what a worker's node does, given how its agent is called."""

    async def run_worker(
        state: StepState, config: RunnableConfig, call_agent: CallAgent
    ) -> StepState:
        """Run one attempt.

        Reads: assignment, attempt, brief, feedback, notes. Writes: output, notes. Effects: the
        worker's own. Interrupts: the worker's own.
        """
        run = get_step_run()
        await run.slot.take_or_suspend(worker.name)
        if not run.is_briefed:
            record_brief_again(team, state, run)
        # I8: the brief is in the journal, and this process still holds the thread.
        await run.storage.flush(run.thread_id)
        scratchpad = Scratchpad(tuple(state.get("notes", ())))
        brief = build_brief(team, state, run, scratchpad=scratchpad)
        usage = UsageMetadataCallbackHandler()
        scoped = _scope_config(config, usage)
        CURRENT_STEP.set(None)
        var_child_runnable_config.set(scoped)
        timeout = run.step.timeout or run.policy.timeout
        seconds = timeout.total_seconds() if timeout else None
        envelope = await _attempt(
            call_agent, brief, scoped, run=run, worker=worker, limit_seconds=seconds
        )
        envelope["ended_at"] = team.clock.now().isoformat()
        envelope.update(_sum_usage(usage, envelope))
        update = StepState(output=envelope)
        if scratchpad.added:
            update["notes"] = list(scratchpad)
        return update

    return run_worker


def _scope_config(config: RunnableConfig, usage: UsageMetadataCallbackHandler) -> RunnableConfig:
    """Return the node's config with a saver that opens only the worker's own namespace."""
    conf = dict(config.get("configurable", {}))
    saver = conf.get(_CHECKPOINTER)
    if saver is not None:
        saver = getattr(saver, "strict", saver)
        conf[_CHECKPOINTER] = ScopedSaver(
            saver, thread_id=conf["thread_id"], namespace=conf.get("checkpoint_ns", "")
        )
    scoped: RunnableConfig = {**config, "configurable": conf}
    callbacks = scoped.get("callbacks")
    if isinstance(callbacks, BaseCallbackManager):
        callbacks = callbacks.copy()
        callbacks.add_handler(usage)
        scoped["callbacks"] = callbacks
    else:
        scoped["callbacks"] = [*(callbacks or ()), usage]
    return scoped


async def _attempt(
    call_agent: CallAgent,
    brief: Brief,
    config: RunnableConfig,
    *,
    run: StepRun,
    worker: Worker,
    limit_seconds: float | None,
) -> dict[str, Plain]:
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - a node always runs in a task
    run.live.working.add(task)
    limit = asyncio.timeout(limit_seconds)
    try:
        async with limit:
            result = await call_agent(brief, config)
            _refuse_swallowed_interrupt(config)
            return _wrap(result)
    except GraphInterrupt as exc:
        run.live.asked_by.update(dict.fromkeys((item.id for item in exc.args[0]), run.path))
        raise
    except GraphBubbleUp:
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
    except (Exception, SystemExit) as exc:
        if (bubble := _find_bubble(exc)) is not None:
            raise bubble from exc
        return _wrap_error(exc, is_permanent=_is_permanent(exc, worker))
    finally:
        run.live.working.discard(task)


def _refuse_swallowed_interrupt(config: RunnableConfig) -> None:
    """Fail loudly if the worker asked a person and then caught the pause itself.

    LangGraph counts `interrupt()` calls of a task; more calls than answers means that one of
    them raised, and that the worker went on all the same.
    """
    scratchpad: Any = config.get("configurable", {}).get(_SCRATCHPAD)
    if scratchpad is not None and scratchpad.interrupt_counter() > len(scratchpad.resume):
        raise PermanentError(
            "The worker called interrupt() and caught the pause in a broad `except`. Catch named "
            "errors only, and let langgraph.errors.GraphBubbleUp through."
        )


def _wrap(result: AgentResult) -> dict[str, Plain]:
    if result.failure is not None:
        return _wrap_error(result.failure, is_permanent=False)
    try:
        value = parse_plain(result.value)
    except PlainValueError as exc:
        return _wrap_error(exc, is_permanent=False)
    return {"value": value, "gaps": list(result.gaps), "messages_usage": result.usage}


def _wrap_error(exc: BaseException, *, is_permanent: bool) -> dict[str, Plain]:
    words = str(exc) or repr(exc)
    return {
        "error": {
            "type": type(exc).__name__,
            "message": words.encode("utf-8", "replace").decode()[:2000],
            "is_permanent": is_permanent,
            "retry_after_seconds": _find_retry_after(exc),
        }
    }


def _is_permanent(exc: BaseException, worker: Worker) -> bool:
    return isinstance(exc, (PermanentError, *_HOPELESS, *worker.permanent_errors))


def _find_retry_after(exc: BaseException) -> float | None:
    """Return what the other side asked us to wait, in seconds, if it did."""
    headers = getattr(getattr(exc, "response", None), "headers", None)
    value = headers.get("retry-after") if headers is not None else None
    try:
        return max(float(value), 0.0) if value is not None else None
    except (TypeError, ValueError):
        return None


def _find_bubble(exc: BaseException) -> GraphBubbleUp | None:
    """Return LangGraph's signal inside an exception group, if there is one."""
    if not isinstance(exc, BaseExceptionGroup):
        return None
    for part in exc.exceptions:
        if isinstance(part, GraphBubbleUp):
            return part
        if (found := _find_bubble(part)) is not None:
            return found
    return None


def _sum_usage(usage: UsageMetadataCallbackHandler, envelope: dict[str, Plain]) -> dict[str, int]:
    """Return the tokens that models reported, through callbacks or else in their messages."""
    reported = list(usage.usage_metadata.values())
    from_messages = envelope.pop("messages_usage", None)
    if not reported and from_messages:
        return dict(from_messages)
    return {
        "input_tokens": sum(int(part["input_tokens"]) for part in reported),
        "output_tokens": sum(int(part["output_tokens"]) for part in reported),
    }
