"""Teams on a shared context: a customer's facts in a named space, and workers that can be held."""

import asyncio
from collections.abc import Callable
from typing import Any

import interlock as il
from interlock.contracts.context_records import FactRecord
from interlock.contracts.shared_context import name_shared_space

CUSTOMER = {"customer": "c-42"}
SPACE = name_shared_space("customer", "c-42")


def share(*facts: il.Fact, **options: Any) -> il.SharedContext:
    """Return a declared context of these facts."""
    return il.SharedContext(facts=facts, **options)


def customer_fact(name: str, **options: Any) -> il.Fact:
    """Return a fact of the customer's."""
    return il.Fact(name=name, space="customer", **options)


class Held:
    """A worker that says when it has been called, and returns when it is let go."""

    def __init__(self, give: Callable[[il.Brief], Any]) -> None:
        """Give what a function of the brief returns."""
        self.give = give
        self.briefs: list[il.Brief] = []
        self.called = asyncio.Event()
        self.let_go = asyncio.Event()

    async def __call__(self, brief: il.Brief) -> Any:
        """Wait on the first call only."""
        self.briefs.append(brief)
        self.called.set()
        await self.let_go.wait()
        return self.give(brief)


async def list_facts(desk: il.Orchestrator, space: str = SPACE) -> dict[str, FactRecord]:
    """Return what a space holds by key."""
    facts = await desk._open_storage.context.load_facts(space)
    return {fact.key: fact for fact in facts}


async def list_verdicts(desk: il.Orchestrator, thread_id: str, step: str) -> list[tuple[int, str]]:
    """Return the attempts of a step with what was decided about each, from the journal."""
    return [
        (handoff.attempt, handoff.verdict.action)
        for handoff in await desk.ahandoffs(thread_id, step)
        if handoff.kind == "output" and handoff.verdict is not None
    ]
