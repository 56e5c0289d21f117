"""A ticket's calls as they are made without a frame: nothing guards them, nobody looks at answers.

Called by the desk's other contenders in the fault campaign, a plain chain and langgraph-supervisor.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from langgraph.types import RetryPolicy

from interlock.demo.desk import parse_answer
from interlock.demo.shop import TOOLS, Shop
from interlock.testing import FaultInjector, Place

Calls: TypeAlias = Mapping[str, tuple[str, Mapping[str, Any]]]
"""Step to tool and arguments, in order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BareEnd:
    """How it ended.

    Attributes:
        answers: By step; None if whoever made them died.
        attempts: Of all steps.
    """

    answers: Mapping[str, Any] | None
    attempts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BareCalls:
    """Makes calls one at a time, and counts how often each was tried.

    Attributes:
        shop: Where they are made.
        injector: What goes wrong.
        thread_id: With which faults are drawn.
        seconds: The timeout of an attempt.
        attempts: Of each step, so far.
    """

    shop: Shop
    injector: FaultInjector
    thread_id: str
    seconds: float
    attempts: Counter[str] = field(default_factory=Counter[str])

    async def make(self, step: str, tool: str, arguments: Mapping[str, Any]) -> Any:  # noqa: ANN401 - an answer, or what a fault made of it
        """Try a call once more.

        Raises:
            ConnectionError: Drawn: it failed, or its answer was lost.
        """
        # A receipt under the step's name lets the shop's own records tell what was done twice.
        key = step if TOOLS[tool].effect == "write" else None

        async def call() -> object:
            answer = await asyncio.to_thread(self.shop.call, tool, arguments, key=key)
            return parse_answer(tool, answer).model_dump()

        self.attempts[step] += 1
        place = Place(thread_id=self.thread_id, step_id=step, attempt=self.attempts[step])
        return await self.injector.apply(place, call)


def build_retries(tries: int) -> RetryPolicy:
    """Return LangGraph's own retries: so many attempts, whatever the error."""
    return RetryPolicy(
        max_attempts=tries,
        initial_interval=0.001,
        backoff_factor=1.0,
        jitter=False,
        retry_on=Exception,
    )
