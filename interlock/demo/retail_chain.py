"""A ticket's calls as a plain LangGraph chain: retried, timed out, and looked at by nobody."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final

from langgraph.graph import END, START, StateGraph
from langgraph.types import RetryPolicy
from typing_extensions import TypedDict

from interlock.demo.desk import parse_answer
from interlock.demo.shop import TOOLS, Shop
from interlock.testing import FaultInjector, Place

_TIMEOUT_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainEnd:
    """How a chain ended.

    Attributes:
        answers: By step; None if it died.
        attempts: Of all steps.
    """

    answers: Mapping[str, Any] | None
    attempts: int


def _merge(left: dict[str, Any], right: dict[str, Any]) -> dict[str, Any]:
    return {**left, **right}


class _State(TypedDict):
    answers: Annotated[dict[str, Any], _merge]


@dataclass(frozen=True, slots=True, kw_only=True)
class RetailChain:
    """Makes a ticket's calls in order.

    Attributes:
        shop: Where they are made.
        injector: What goes wrong.
        thread_id: With which faults are drawn.
        tries: Attempts of each call.
        attempts: Of each step, so far.
    """

    shop: Shop
    injector: FaultInjector
    thread_id: str
    tries: int
    attempts: Counter[str] = field(default_factory=Counter[str])

    async def run(self, calls: Mapping[str, tuple[str, Mapping[str, Any]]]) -> ChainEnd:
        """Make the calls: step to tool and arguments."""
        builder = StateGraph(_State)
        retry = RetryPolicy(
            max_attempts=self.tries,
            initial_interval=0.001,
            backoff_factor=1.0,
            jitter=False,
            retry_on=Exception,
        )
        previous = START
        for step, (tool, arguments) in calls.items():
            node = self._build_link(step, tool, arguments)
            builder.add_node(step, node, retry_policy=retry, timeout=_TIMEOUT_SECONDS)
            builder.add_edge(previous, step)
            previous = step
        builder.add_edge(previous, END)
        try:
            state = await builder.compile().ainvoke({"answers": {}})
        except Exception:  # noqa: BLE001 - whatever a chain dies of, it says so
            return ChainEnd(answers=None, attempts=self.attempts.total())
        return ChainEnd(answers=state["answers"], attempts=self.attempts.total())

    def _build_link(self, step: str, tool: str, arguments: Mapping[str, Any]) -> Any:  # noqa: ANN401 - a node
        # A receipt under the step's name lets the shop's own records tell what was done twice.
        key = step if TOOLS[tool].effect == "write" else None

        async def call() -> object:
            answer = await asyncio.to_thread(self.shop.call, tool, arguments, key=key)
            return parse_answer(tool, answer).model_dump()

        async def link(state: _State) -> dict[str, Any]:
            del state
            self.attempts[step] += 1
            place = Place(thread_id=self.thread_id, step_id=step, attempt=self.attempts[step])
            return {"answers": {step: await self.injector.apply(place, call)}}

        return link
