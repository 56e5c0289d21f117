"""Runs model calls under a gate: every call of a worker, a planner or a judge is made in here.

Whoever is called gets the config to run under; those that take none find it in the context, as
LangChain does.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import var_child_runnable_config

from interlock.contracts.spending import Caller
from interlock.nodes.account import Account
from interlock.nodes.budget_guard import BudgetGuard
from interlock.nodes.limit_guard import list_limit_guards
from interlock.nodes.live_run import LiveRun
from interlock.nodes.model_gate import ModelGate, open_gate
from interlock.nodes.team import Team


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
        caller=caller,
        thread_id=live.thread_id,
        storage=storage,
        prices=live.prices,
        clock=team.clock,
    )


@contextmanager
def gate_calls(
    guard: BudgetGuard, config: RunnableConfig | None = None
) -> Iterator[RunnableConfig]:
    """Let model calls of the block pass a gate.

    Args:
        guard: Of who calls.
        config: What the block would run under without it; the calling task's if left out.

    Yields:
        The config to run under.

    Raises:
        InterlockError: The block went on calling although it was refused, and was cut off.
    """
    gate = ModelGate((*guard.beside, guard))
    scoped = open_gate(config or var_child_runnable_config.get() or {}, gate)
    token = var_child_runnable_config.set(scoped)
    guard.book.gates.append(gate)
    try:
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
        guard.is_over = True
        guard.storage_failure = gate.storage_failure
