"""A fault injector: workers, chat models and tools that fail as often and as a test says.

What strikes is a function of a seed and of the place (thread, step, attempt, call), so a run that
is resumed in another process meets the same faults, and so does another team on the same job.
"""

import random
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeAlias, TypeVar

from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import var_child_runnable_config
from langgraph.pregel import Pregel

from interlock.contracts.brief import Brief
from interlock.contracts.clock import Clock, SystemClock
from interlock.contracts.errors import ConfigurationError, PlainValueError
from interlock.contracts.plain import Plain, parse_plain
from interlock.contracts.worker import Worker
from interlock.nodes.run.team import find_team_spec
from interlock.nodes.steps.agent_call import (
    AgentResult,
    build_function_call,
    read_graph_output,
    shape_graph_input,
)
from interlock.testing.faulty_calls import make_faulty_model, make_faulty_tool
from interlock.testing.injected_faults import (
    FAULT_KINDS,
    FaultKind,
    FaultTarget,
    InjectedError,
    InjectedRateLimitError,
    Injection,
    LostAnswerError,
    Place,
)
from interlock.testing.spoilt_values import Spoil, cut_off, make_garbage, make_wrong
from interlock.tools.effect_scope import CURRENT_SCOPE

ToolT = TypeVar("ToolT")

_ROUNDING: Final = 1e-9


_Attempt: TypeAlias = tuple[str, str, int]


@dataclass(slots=True)
class _Calls:
    """Calls in one execution of an attempt, by model or tool, and by what they were sent.

    Attributes:
        execution: Which; None outside runs.
        numbers: How often each was made so far.
    """

    execution: object
    numbers: Counter[tuple[str, ...]] = field(default_factory=Counter[tuple[str, ...]])

    def count(self, *names: str) -> tuple[int, int]:
        """Count a call in; returns how often it was made before, and how often any like it."""
        same, any_like_it = names, names[:-1]
        before = self.numbers[same], self.numbers[any_like_it]
        self.numbers[same] += 1
        self.numbers[any_like_it] += 1
        return before


class FaultInjector:
    """Wraps workers, chat models and tools, and notes every fault that it injects.

    Attributes:
        seed: Decides with a place what strikes there.
        rates: Share of calls that each kind strikes, from 0 to 1.
        clock: On which `slow` waits.
    """

    def __init__(
        self,
        *,
        seed: int,
        rates: Mapping[FaultKind, float],
        wrong: Spoil | None = None,
        slow_seconds: float = 30.0,
        retry_after_seconds: float = 1.0,
        clock: Clock | None = None,
        strikes: Callable[[Place], bool] | None = None,
    ) -> None:
        """Decide nothing yet.

        Args:
            seed: Another seed, other faults.
            rates: By kind; together at most 1, since a call has at most one fault.
            wrong: Makes a wrong value of a true one; left out, one leaf is changed.
            slow_seconds: How much later a slow call begins.
            retry_after_seconds: What a rate limit asks to wait.
            clock: The machine's if left out.
            strikes: Where faults may strike at all; everywhere if left out.

        Raises:
            ConfigurationError: A kind is unknown, or the rates are no shares.
        """
        _require_rates(rates)
        self.seed = seed
        self.rates: Mapping[FaultKind, float] = dict(rates)
        self.clock = clock or SystemClock()
        self.slow_seconds = slow_seconds
        self._retry_after = retry_after_seconds
        self._spoils: Mapping[FaultKind, Spoil] = {
            "garbage": make_garbage,
            "wrong": wrong or make_wrong,
            "truncated": cut_off,
        }
        self._strikes = strikes
        self._injections: list[Injection] = []
        self._calls: dict[_Attempt, _Calls] = {}
        self._lock = threading.Lock()

    @property
    def injections(self) -> tuple[Injection, ...]:
        """What was injected so far, in order."""
        with self._lock:
            return tuple(self._injections)

    def choose(self, place: Place) -> FaultKind | None:
        """Return what strikes at a place, or None; always the same."""
        if self._strikes is not None and not self._strikes(place):
            return None
        share = self._draw(place, "kind").random()
        for kind in FAULT_KINDS:
            share -= self.rates.get(kind, 0.0)
            if share < 0:
                return kind
        return None

    def wrap(self, worker: Worker) -> Worker:
        """Return the worker with faults: one draw an attempt.

        Raises:
            ConfigurationError: It is a whole team; wrap the workers of that team.
        """
        call_agent = _build_call(worker)

        async def work(brief: Brief) -> Plain:
            async def call() -> object:
                config = var_child_runnable_config.get() or RunnableConfig()
                result = await call_agent(brief, config)
                if result.failure is not None:
                    raise result.failure
                return result.value

            place = _find_place("worker", step_id=brief.step_id, attempt=brief.attempt)
            return parse_plain(await self.apply(place, call, name=worker.name))

        # The tools that the agent was known by are named, since a function shows none.
        tools = tuple(dict.fromkeys((*worker.tools, *_list_own_tools(worker))))
        return worker.model_copy(update={"agent": work, "tools": tools})

    def wrap_all(self, workers: Sequence[Worker]) -> list[Worker]:
        """Return all the workers with faults."""
        return [self.wrap(worker) for worker in workers]

    def wrap_model(self, model: BaseChatModel) -> BaseChatModel:
        """Return a copy of a chat model with faults: one draw a call, tools and schemas as before."""
        return make_faulty_model(model, self)

    def wrap_tool(self, tool: ToolT) -> ToolT:
        """Return a tool, or a function that a tool is made of, with faults: one draw a call.

        To lose an answer behind a guard, wrap the function first and make it idempotent then.
        """
        return make_faulty_tool(tool, self)

    async def apply(
        self, place: Place, call: Callable[[], Awaitable[Any]], *, name: str = ""
    ) -> Any:  # noqa: ANN401 - whatever the call gives
        """Make a call at a place, with the fault that strikes there.

        Raises:
            InjectedError: `raise`; InjectedRateLimitError: `rate_limit`; both before the call.
            LostAnswerError: `lost`; after the call.
        """
        kind = self.choose(place)
        self.fail_before(kind, place, name=name)
        if kind == "slow":
            await self.clock.sleep(self.slow_seconds)
        value = await call()
        return self.change_after(kind, place, value=value, name=name)

    def fail_before(self, kind: FaultKind | None, place: Place, *, name: str) -> None:
        """Raise, or note, what strikes before a call is made."""
        if kind in {"raise", "rate_limit", "slow"}:
            assert kind is not None  # noqa: S101 - for the type checkers
            self._note(Injection(kind=kind, place=place, name=name))
        if kind == "raise":
            raise InjectedError(name=name)
        if kind == "rate_limit":
            raise InjectedRateLimitError(name=name, retry_after_seconds=self._retry_after)

    def change_after(
        self,
        kind: FaultKind | None,
        place: Place,
        *,
        value: Any,  # noqa: ANN401 - whatever the call gave
        name: str,
    ) -> Any:  # noqa: ANN401 - the same, or what a fault makes of it
        """Return what is handed on of what a call gave, or raise if that is lost."""
        if kind == "lost":
            self._note(Injection(kind=kind, place=place, name=name, true_value=_show(value)))
            raise LostAnswerError(name=name)
        spoil = self._spoils.get(kind) if kind is not None else None
        if kind is None or spoil is None:
            return value
        true_value = parse_plain(value)
        given = spoil(true_value, self._draw(place, kind))
        self._note(
            Injection(kind=kind, place=place, name=name, true_value=true_value, given=_show(given))
        )
        return given

    def take_place(self, target: FaultTarget, name: str, *, content: str) -> Place:
        """Return the place of a call of a model or a tool where the caller stands.

        Calls are told apart by what they were sent, so that it does not matter which of several at
        the same time comes first. An attempt that is made once more begins to count anew.

        Args:
            target: What is called.
            name: Of it.
            content: What it was sent, as a word.
        """
        here = _find_place(target)
        scope = CURRENT_SCOPE.get()
        execution = None if scope is None else scope.execution
        with self._lock:
            key = (here.thread_id, here.step_id, here.attempt)
            calls = self._calls.get(key)
            if calls is None or calls.execution is not execution:
                calls = self._calls[key] = _Calls(execution)
            number, arrival = calls.count(target, name, content)
        return replace(here, content=content, call=number, arrival=arrival)

    def _draw(self, place: Place, purpose: str) -> random.Random:
        where = f"{self.seed}/{purpose}/{place!r}{place.content}"
        return random.Random(where)  # noqa: S311 - no secret

    def _note(self, injection: Injection) -> None:
        with self._lock:
            self._injections.append(injection)


def _require_rates(rates: Mapping[FaultKind, float]) -> None:
    unknown = sorted(set(rates) - set(FAULT_KINDS))
    if unknown:
        raise ConfigurationError(
            f"There are no faults of the kinds {unknown!r}. Known kinds: {', '.join(FAULT_KINDS)}."
        )
    if any(rate < 0 for rate in rates.values()) or sum(rates.values()) > 1 + _ROUNDING:
        raise ConfigurationError(
            f"The rates {dict(rates)!r} are no shares of the calls: each must be at least 0, and "
            "together at most 1, since a call has at most one fault. Lower them."
        )


def _find_place(target: FaultTarget, *, step_id: str = "", attempt: int | None = None) -> Place:
    """Return where the caller stands: by the scope of its attempt, or by what it knows itself."""
    scope = CURRENT_SCOPE.get()
    if scope is None:
        return Place(thread_id="", step_id=step_id, attempt=attempt or 1, target=target)
    number = scope.attempt.rpartition("#")[2]
    return Place(
        thread_id=scope.thread_id,
        step_id=scope.step_id or step_id,
        attempt=attempt or (int(number) if number.isdigit() else 1),
        target=target,
    )


def _build_call(worker: Worker) -> Callable[[Brief, RunnableConfig], Awaitable[AgentResult]]:
    agent = worker.agent
    if find_team_spec(agent) is not None:
        raise ConfigurationError(
            f"Worker {worker.name!r} is a whole team, whose steps have attempts of their own. Wrap "
            "the workers of that team instead."
        )
    if not isinstance(agent, Pregel):
        return build_function_call(worker)

    async def call(brief: Brief, config: RunnableConfig) -> AgentResult:
        return read_graph_output(await agent.ainvoke(shape_graph_input(agent, brief), config))

    return call


def _list_own_tools(worker: Worker) -> tuple[Any, ...]:
    agent = worker.agent
    return (agent,) if isinstance(agent, Pregel) else ()


def _show(value: object) -> Plain:
    """Return a value as a record holds it; one that is not plain, by its look."""
    try:
        return parse_plain(value)
    except PlainValueError:
        return repr(value)
