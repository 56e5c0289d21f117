"""Faults for the demonstration: workers wrapped so that one attempt of one step goes wrong.

The team, its plan and its storage know nothing of them. Every fault strikes before the call
reaches the shop.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeAlias, assert_never

from interlock.contracts.brief import Brief
from interlock.contracts.ids import StepId
from interlock.contracts.worker import Worker
from interlock.demo.answers import ShopAnswer
from interlock.demo.cases import Case, Trouble
from interlock.demo.desk import parse_answer

Agent: TypeAlias = Callable[[Brief], Awaitable[object]]

_OTHER_ORDER: Final = '{"order_id": "#W0000000", "status": "delivered", "items": []}'
"""A well-formed answer about an order that nobody asked for."""


def wrap_agents(workers: Sequence[Worker], wrap: Callable[[Agent], Agent]) -> list[Worker]:
    """Return the same workers with every agent, a function of the brief, wrapped."""
    return [worker.model_copy(update={"agent": wrap(worker.agent)}) for worker in workers]


def inject_fault(workers: Sequence[Worker], case: Case) -> list[Worker]:
    """Return workers whose first attempt at the case's step goes wrong as the case says."""

    def wrap(agent: Agent) -> Agent:
        async def work(brief: Brief) -> object:
            is_struck = brief.step_id == case.step_id and brief.attempt == 1
            if is_struck and case.trouble is not None:
                return await _misbehave(case.trouble, agent, brief)
            return await agent(brief)

        return work

    return wrap_agents(workers, wrap)


def hold_step(workers: Sequence[Worker], step_id: StepId | None) -> list[Worker]:
    """Return workers that never get past one step: for a process that is to be killed there."""

    def wrap(agent: Agent) -> Agent:
        async def work(brief: Brief) -> object:
            if brief.step_id == step_id:
                await _hang()
            return await agent(brief)

        return work

    return wrap_agents(workers, wrap)


async def _misbehave(trouble: Trouble, agent: Agent, brief: Brief) -> object:
    match trouble:
        case "raised":
            raise ConnectionError("the shop closed the connection")
        case "garbage":
            return _answer_for_other_order(brief)
        case "hung":
            await _hang()
        case "killed" | "refund":
            pass  # befalls the process, or is asked before the worker starts
        case _:
            assert_never(trouble)
    return await agent(brief)


def _answer_for_other_order(brief: Brief) -> ShopAnswer:
    return parse_answer(str(brief.inputs["tool"]), _OTHER_ORDER)


async def _hang() -> None:
    await asyncio.Event().wait()
