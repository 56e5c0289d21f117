"""What calls a model in the benchmark of calls: a LangGraph node, `@task`s, and a step of interlock.

All three run the same function against the same model, which waits for a while, reports what it
used and counts itself. Only the calls are timed, from within: not the run around them.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeAlias

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.func import task
from langgraph.graph import END, START, StateGraph
from pydantic import PrivateAttr
from typing_extensions import TypedDict

from interlock.bench.stock_savers import GiveSaver
from interlock.bench.stopwatch import Elapsed, Stopwatch
from interlock.checkpoints import open_storage
from interlock.contracts.brief import Brief
from interlock.contracts.errors import ContractError
from interlock.contracts.ids import StepId, WorkerName
from interlock.contracts.plan import Step, TaskGraph
from interlock.contracts.policy import Budget, RunPolicy
from interlock.contracts.storage import Storage
from interlock.contracts.worker import Worker
from interlock.orchestrator import Orchestrator

_PROMPT: Final = "How many parcels are late today?"
_TOKENS_IN: Final = 12
_TOKENS_OUT: Final = 3
_MOST_TOKENS_OUT: Final = 16
_PLENTY: Final = 10**12


class WaitingChat(BaseChatModel):
    """Answers after a while, says what it used, and counts its answers."""

    seconds: float
    _made: int = PrivateAttr(default=0)

    @property
    def _llm_type(self) -> str:
        return "waiting"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model_name": "waiting", "max_tokens": _MOST_TOKENS_OUT}

    @property
    def made(self) -> int:
        """How many answers it has given."""
        return self._made

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,  # noqa: ANN401 - LangChain's own signature
    ) -> ChatResult:
        del messages, stop, run_manager, kwargs
        if self.seconds:
            await asyncio.sleep(self.seconds)
        self._made += 1
        usage: Any = {
            "input_tokens": _TOKENS_IN,
            "output_tokens": _TOKENS_OUT,
            "total_tokens": _TOKENS_IN + _TOKENS_OUT,
        }
        message = AIMessage(str(self._made), usage_metadata=usage)
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,  # noqa: ANN401 - LangChain's own signature
    ) -> ChatResult:
        raise NotImplementedError("Only awaited calls are measured.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCallPlan:
    """What is to be called.

    Attributes:
        model: The model.
        calls: How many calls.
        at_once: How many of them are under way at the same time.
    """

    model: WaitingChat
    calls: int
    at_once: int


class CallDatabase(Protocol):
    """An empty storage, for one measurement of one contender."""

    def open_ours(self) -> AbstractAsyncContextManager[Storage]:
        """Open interlock's storage on it."""
        ...

    def open_stock(self) -> AbstractAsyncContextManager[GiveSaver]:
        """Open LangGraph's own saver on it."""
        ...


class MemoryDatabase:
    """Neither storage survives the process."""

    def open_ours(self) -> AbstractAsyncContextManager[Storage]:
        """Open interlock's storage in memory."""
        return open_storage("memory://")

    @asynccontextmanager
    async def open_stock(self) -> AsyncGenerator[GiveSaver]:
        """Lend LangGraph's saver in memory."""
        saver = InMemorySaver()
        yield lambda: saver


@dataclass(frozen=True, slots=True)
class MemoryPlace:
    """Where memory is lent.

    Attributes:
        shown: How it is named to people.
    """

    shown: str = "memory"

    @contextmanager
    def lend(self) -> Iterator[CallDatabase]:
        """Lend an empty one."""
        yield MemoryDatabase()


CallOnce: TypeAlias = Callable[[], Awaitable[object]]
CallContender: TypeAlias = Callable[[ModelCallPlan, CallDatabase], Coroutine[Any, Any, Elapsed]]
"""Makes the calls on an empty storage, and returns what they alone took."""


async def _time_calls(plan: ModelCallPlan, call: CallOnce) -> Elapsed:
    room = asyncio.Semaphore(plan.at_once)

    async def call_one() -> None:
        async with room:
            await call()

    stopwatch = Stopwatch()
    if plan.at_once == 1:
        for _ in range(plan.calls):
            await call()
    else:
        await asyncio.gather(*(call_one() for _ in range(plan.calls)))
    return stopwatch.read()


class _NodeState(TypedDict):
    wall: float
    cpu: float


async def _run_node(plan: ModelCallPlan, database: CallDatabase, call: CallOnce) -> Elapsed:
    async def work(state: _NodeState) -> _NodeState:
        del state
        elapsed = await _time_calls(plan, call)
        return {"wall": elapsed.wall_seconds, "cpu": elapsed.cpu_seconds}

    graph: StateGraph[Any, Any, Any, Any] = StateGraph(_NodeState)
    graph.add_node("work", work)
    graph.add_edge(START, "work")
    graph.add_edge("work", END)
    config: Any = {"configurable": {"thread_id": "bench"}}
    async with database.open_stock() as give_saver:
        compiled = graph.compile(checkpointer=give_saver())
        ended = await compiled.ainvoke({"wall": 0.0, "cpu": 0.0}, config, durability="sync")
    return Elapsed(wall_seconds=ended["wall"], cpu_seconds=ended["cpu"])


async def call_plain(plan: ModelCallPlan, database: CallDatabase) -> Elapsed:
    """Call the model within a LangGraph node: nothing is written down for a call."""
    return await _run_node(plan, database, lambda: plan.model.ainvoke(_PROMPT))


async def call_in_tasks(plan: ModelCallPlan, database: CallDatabase) -> Elapsed:
    """Call it as LangGraph's `@task`, whose answer is stored once it is there."""

    @task
    async def ask(number: int) -> str:
        del number
        return (await plan.model.ainvoke(_PROMPT)).text

    numbers = iter(range(plan.calls))

    async def call() -> object:
        return await ask(next(numbers))

    return await _run_node(plan, database, call)


async def call_ours(plan: ModelCallPlan, database: CallDatabase) -> Elapsed:
    """Call it within a step, with a budget: each call is reserved for and written down before it.

    Raises:
        ContractError: The run failed, or counted something else than what the model was called.
    """
    taken: list[Elapsed] = []

    async def work(brief: Brief) -> int:
        del brief
        taken.append(await _time_calls(plan, lambda: plan.model.ainvoke(_PROMPT)))
        return plan.model.made

    step = Step(id=StepId("ask"), worker=WorkerName("work"), instruction="Ask.")
    async with (
        database.open_ours() as storage,
        Orchestrator(
            workers=[Worker(name=WorkerName("work"), agent=work)],
            planner=TaskGraph(goal="bench", steps=(step,)),
            storage=storage,
            policy=RunPolicy(budget=Budget(model_calls=plan.calls, tokens=_PLENTY)),
        ) as team,
    ):
        result = await team.ainvoke("bench", thread_id="bench")
    counted = (result.usage.model_calls, result.usage.input_tokens, result.usage.output_tokens)
    expected = (plan.calls, plan.calls * _TOKENS_IN, plan.calls * _TOKENS_OUT)
    if result.status != "completed" or counted != expected:
        raise ContractError(
            f"The run ended {result.status!r} and counted {counted} calls and tokens where "
            f"{expected} were made. Its figures mean nothing; report this."
        )
    return taken[-1]


PLAIN: Final = "LangGraph node"
OURS: Final = "interlock step"

CONTENDERS: Final[Mapping[str, CallContender]] = {
    PLAIN: call_plain,
    "LangGraph @task": call_in_tasks,
    OURS: call_ours,
}
"""In the order in which they take turns."""
