"""Runs model calls under a gate: every call of a worker, a planner or a judge is made in here.

Whoever is called gets the config to run under; those that take none find it in the context, as
LangChain does.
"""

import asyncio
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final, TypeAlias

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import var_child_runnable_config
from langchain_core.tracers.context import register_configure_hook

from interlock.contracts.model_call import CallGuard
from interlock.contracts.spending import Caller
from interlock.nodes.calls.budget_guard import BudgetGuard
from interlock.nodes.calls.call_spans import CallSpans
from interlock.nodes.calls.limit_guard import list_limit_guards
from interlock.nodes.calls.model_gate import ModelGate, build_handlers, open_gate
from interlock.nodes.calls.tool_watch import ToolWatch
from interlock.nodes.run.account import Account
from interlock.nodes.run.live_run import LiveRun
from interlock.nodes.run.team import Team

_Place: TypeAlias = tuple[ContextVar[BaseCallbackHandler | None], ...]

_PLACES: Final[list[_Place]] = []
"""Where LangChain finds the gates that bind a caller: the outermost, the one within it ..."""

_PLACES_LOCK: Final = threading.Lock()


async def build_budget_guard(
    team: Team, live: LiveRun, caller: Caller, *, account: Account | None = None
) -> BudgetGuard:
    """Return the guard of one caller's attempt, which also knows what its calls have used.

    Args:
        team: At work.
        live: Of the run.
        caller: On whose behalf models are called.
        account: Which they draw on; the run's if left out.
    """
    storage = await team.open_storage()
    await live.load_spending(storage)
    draws_on = account or live.account
    return BudgetGuard(
        account=draws_on,
        beside=list_limit_guards(team, storage, live.thread_id, latest=draws_on.deadline),
        spans=_watch_calls(team, live, caller),
        caller=caller,
        thread_id=live.thread_id,
        storage=storage,
        prices=live.prices,
        clock=team.clock,
    )


def _watch_calls(team: Team, live: LiveRun, caller: Caller) -> CallSpans | None:
    """Return who tells of a caller's model calls, if anybody watches."""
    if not team.telemetry.is_on:
        return None
    return CallSpans(team.telemetry, caller, thread_id=live.thread_id, prices=live.prices)


@contextmanager
def gate_calls(
    guard: BudgetGuard,
    config: RunnableConfig | None = None,
    *,
    watch: ToolWatch | None = None,
) -> Iterator[RunnableConfig]:
    """Let model calls of the block pass a gate.

    Args:
        guard: Of who calls.
        config: What the block would run under without it; the calling task's if left out.
        watch: Notes the tools that the block calls.

    Yields:
        The config to run under.

    Raises:
        InterlockError: The block went on calling although it was refused, and was cut off.
    """
    guards: tuple[CallGuard, ...] = (*guard.beside, guard)
    spans = guard.spans
    gate = ModelGate(guards if spans is None else spans.guard(guards))
    handlers = build_handlers(gate)
    if spans is not None:
        handlers = (spans, *handlers)
    if watch is not None:
        handlers = (*handlers, watch)
    scoped = open_gate(config or var_child_runnable_config.get() or {}, handlers)
    token = var_child_runnable_config.set(scoped)
    guard.book.gates.append(gate)
    try:
        with _bind_callers(handlers):
            yield scoped
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if not gate.is_cut_off or gate.refusal is None or task is None:
            raise
        if task.uncancel() > 0:
            raise  # somebody else wants it to end too
        raise gate.refusal from None
    finally:
        var_child_runnable_config.reset(token)
        guard.book.gates.remove(gate)
        gate.close()
        if spans is not None:
            spans.close()
        guard.is_over = True
        guard.storage_failure = gate.storage_failure


@contextmanager
def _bind_callers(handlers: Sequence[BaseCallbackHandler]) -> Iterator[None]:
    """Have whoever calls a model in this context pass the handlers, whatever its config says.

    A config with callbacks of its own takes the place of the one that it would inherit.
    """
    place = _find_place(len(handlers))
    tokens = [var.set(handler) for var, handler in zip(place, handlers, strict=True)]
    try:
        yield
    finally:
        for var, token in zip(place, tokens, strict=True):
            var.reset(token)


def _find_place(size: int) -> _Place:
    """Return a place that no gate around this one has; LangChain is told of new ones."""
    with _PLACES_LOCK:
        for place in _PLACES:
            if len(place) == size and place[0].get() is None:
                return place
        made: _Place = tuple(ContextVar(f"interlock_gate_{n}", default=None) for n in range(size))
        for var in made:
            register_configure_hook(var, inheritable=True)
        _PLACES.append(made)
        return made
