"""The gate that every model call of a worker, planner or judge passes, whoever makes it.

A LangChain callback handler below a node's config. It sees calls in any thread, sync or async,
hands each to the guards on the event loop's thread, and raises what a guard raises before the
call goes out. What it raises again and again, because the caller swallows it, ends the caller:
its task is cancelled.

A call that waits for its turn must hold no thread: an executor whose threads all wait would never
run what they wait for. So the gate has two halves, one for each kind of callback manager.
"""

import asyncio
import inspect
import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import wait as wait_for_futures
from dataclasses import dataclass, field, replace
from types import FrameType
from typing import Any, Final, NoReturn
from uuid import UUID

from langchain_core.callbacks import (
    AsyncCallbackHandler,
    BaseCallbackHandler,
    BaseCallbackManager,
)
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, LLMResult
from langchain_core.runnables import RunnableConfig

from interlock.contracts.errors import STORAGE_FAILURES, InterlockError, TransientError
from interlock.contracts.model_call import CallGuard, CallResult, ModelCall
from interlock.nodes.calls.awaited_calls import LoopWatch, Owner, count_given_up, find_owner
from interlock.nodes.calls.whole_answers import WholeAnswers

_MANAGER_LOGGER: Final = "langchain_core.callbacks.manager"
_HALVES: Final = frozenset({"ModelGate", "_AwaitedCalls", "WholeAnswers"})
_PATIENCE: Final = 8
"""Refusals after which a caller that goes on all the same is cut off."""

_MOST_TOKENS: Final = 2**40
"""What no call can use; a model that reports more is not believed."""

_IMAGE_TOKENS: Final = 50_000
"""What an image is at most, however many bytes it has; no provider is known to count more."""

_LIMITS: Final = (
    "max_completion_tokens",
    "max_tokens",
    "max_output_tokens",
    "max_new_tokens",
    "maxTokens",
    "maxOutputTokens",
    "num_predict",
)
_INNER_PARAMS: Final = ("options", "model_kwargs", "generation_config", "inferenceConfig")
_COPIES: Final = ("n", "best_of", "candidate_count")


@dataclass(slots=True)
class _OpenCall:
    """A call that is under way.

    Attributes:
        call: As guards see it.
        guards: That have let it in.
        owner: Who awaits it; None for a call in a thread, which always says how it ends.
    """

    call: ModelCall
    owner: Owner | None = None
    guards: list[CallGuard] = field(default_factory=list)


class ModelGate(BaseCallbackHandler):
    """Lets model calls through, one guard after the other.

    Attributes:
        refusal: What the last refused call was refused with; None if none was.
        storage_failure: What the run's own storage failed with when a call was to be written down;
            no fault of whoever called.
    """

    raise_error = True
    run_inline = True

    def __init__(self, guards: Sequence[CallGuard]) -> None:
        """Guard the calls of the task that is running now.

        Args:
            guards: Asked in order; told of the end in reverse.
        """
        super().__init__()
        self._guards = tuple(guards)
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._task = asyncio.current_task()
        self._open: dict[UUID, _OpenCall] = {}
        self._owners: dict[UUID, Owner | None] = {}
        self._begun: set[UUID] = set()
        self._refusals = 0
        self.refusal: InterlockError | None = None
        self.storage_failure: InterlockError | None = None
        self.is_cut_off = False

    def on_chat_model_start(
        self,
        serialized: dict[str, Any],
        messages: list[list[BaseMessage]],
        *,
        run_id: UUID,
        **kwargs: Any,  # noqa: ANN401 - LangChain's
    ) -> None:
        """Ask the guards; raises what they raise."""
        if _is_awaited():
            self._note_owner(run_id, inspect.currentframe())
        else:
            self._begin(run_id, self.describe_chat(run_id, serialized, messages, kwargs))

    def on_llm_start(
        self,
        serialized: dict[str, Any],
        prompts: list[str],
        *,
        run_id: UUID,
        **kwargs: Any,  # noqa: ANN401 - LangChain's
    ) -> None:
        """Ask the guards; raises what they raise."""
        if _is_awaited():
            self._note_owner(run_id, inspect.currentframe())
        else:
            self._begin(run_id, self.describe_text(run_id, serialized, prompts, kwargs))

    def on_llm_end(self, response: LLMResult, *, run_id: UUID, **kwargs: Any) -> None:  # noqa: ANN401
        """Tell the guards what the call reports."""
        del kwargs
        self._finish(run_id, read_usage(response))

    def on_llm_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:  # noqa: ANN401
        """Tell the guards that the call failed, with what it had reported until then."""
        partial = kwargs.get("response")
        usage = _read_attached(error)
        if usage.input_tokens is None and isinstance(partial, LLMResult):
            usage = read_usage(partial)
        self._finish(run_id, replace(usage, error=error))

    def close(self) -> None:
        """Tell the guards that the calls still open were given up; their answers reach nobody."""
        for run_id in list(self._open):
            self._close(run_id, CallResult(error=asyncio.CancelledError("given up")))

    def give_up_lost(self) -> None:
        """Close the calls that nobody awaits any more: their tasks were cancelled, or left them."""
        by_task: dict[asyncio.Task[Any], list[UUID]] = {}
        for run_id, opened in self._open.items():
            if opened.owner is not None:
                by_task.setdefault(opened.owner.task, []).append(run_id)
        for task, calls in by_task.items():
            owners = [owner for one in calls if (owner := self._open[one].owner) is not None]
            for run_id in calls[: count_given_up(task, owners)]:
                self._close(run_id, CallResult(error=asyncio.CancelledError("given up")))

    def describe_chat(
        self,
        run_id: UUID,
        serialized: Mapping[str, Any] | None,
        messages: Sequence[Sequence[BaseMessage]],
        details: Mapping[str, Any],
    ) -> ModelCall:
        """Return a call of a chat model as guards see it."""
        sent = [message for turn in messages for message in turn]
        size = sum(_count_bytes(message) for message in sent)
        return _describe(run_id, serialized, details, size=size, count=len(sent))

    def describe_text(
        self,
        run_id: UUID,
        serialized: Mapping[str, Any] | None,
        prompts: Sequence[str],
        details: Mapping[str, Any],
    ) -> ModelCall:
        """Return a call of a model that completes text as guards see it."""
        size = sum(len(prompt.encode(errors="replace")) for prompt in prompts)
        return _describe(run_id, serialized, details, size=size, count=len(prompts))

    def _note_owner(self, run_id: UUID, frame: FrameType | None) -> None:
        """Remember who awaits a call; of another loop's tasks it cannot be told what they do."""
        is_here = threading.get_ident() == self._thread
        self._owners[run_id] = find_owner(frame) if is_here else None

    def _begin(self, run_id: UUID, call: ModelCall) -> None:
        self._begun.add(run_id)
        if threading.get_ident() == self._thread:
            self._enter(run_id, replace(call, can_wait=False))
        else:
            self._wait_elsewhere(run_id, call)

    async def begin_awaited(self, run_id: UUID, call: ModelCall) -> None:
        """Ask the guards of a call that is awaited, in whatever loop; raises what they raise."""
        if run_id in self._begun:
            return  # it is no such call: the other half has asked
        if threading.get_ident() == self._thread:
            await self._enter_and_wait(run_id, call)
            return
        gone, waiting = self._send_over(run_id, call)
        watch = LoopWatch(self._loop, self._thread)
        mirror = asyncio.wrap_future(waiting)
        while not (await asyncio.wait({mirror}, timeout=watch.interval))[0]:
            if watch.is_stuck():
                self._turn_away(run_id, call, gone, waiting)
        await mirror

    def _wait_elsewhere(self, run_id: UUID, call: ModelCall) -> None:
        gone, waiting = self._send_over(run_id, call)
        watch = LoopWatch(self._loop, self._thread)
        while not wait_for_futures({waiting}, timeout=watch.interval).done:
            if watch.is_stuck():
                self._turn_away(run_id, call, gone, waiting)
        waiting.result()

    def _send_over(self, run_id: UUID, call: ModelCall) -> tuple[threading.Event, Future[None]]:
        """Have the loop ask the guards, unless the caller is gone by then."""
        gone = threading.Event()

        async def enter() -> None:
            if not gone.is_set():
                await self._enter_and_wait(run_id, call)
            if gone.is_set():
                self._close(run_id, _build_turned_away())

        return gone, asyncio.run_coroutine_threadsafe(enter(), self._loop)

    def _turn_away(
        self, run_id: UUID, call: ModelCall, gone: threading.Event, waiting: Future[None]
    ) -> NoReturn:
        """Refuse a call of a thread that the event loop waits for: it would never be let in."""
        gone.set()
        waiting.cancel()
        self._loop.call_soon_threadsafe(self._close, run_id, _build_turned_away())
        self.refusal = TransientError(
            f"{call.model!r} was called in a thread while the event loop stood still, as if it "
            "waited for that thread. Await the call (ainvoke, abatch), or make the worker a sync "
            "function, which runs in a thread of its own."
        )
        raise self.refusal

    def _enter(self, run_id: UUID, call: ModelCall) -> None:
        self._open[run_id] = opened = _OpenCall(call, self._owners.pop(run_id, None))
        try:
            for guard in self._guards:
                guard.open(call)
                opened.guards.append(guard)
        except InterlockError as exc:
            self._refuse(run_id, exc)
            raise

    async def _enter_and_wait(self, run_id: UUID, call: ModelCall) -> None:
        self._enter(run_id, call)
        try:
            for guard in self._guards:
                await guard.wait(call)
        except InterlockError as exc:
            self._refuse(run_id, exc)
            raise
        except BaseException as exc:
            self._close(run_id, CallResult(error=exc))
            raise

    def _refuse(self, run_id: UUID, exc: InterlockError) -> None:
        self._close(run_id, CallResult(input_tokens=0, output_tokens=0, error=exc))
        self.refusal = exc
        if isinstance(exc, STORAGE_FAILURES):
            self.storage_failure = exc
        self._refusals += 1
        if self._refusals >= _PATIENCE and self._task is not None and not self.is_cut_off:
            self.is_cut_off = True
            # Not before this refusal has been raised: a gather in between would lose the cancel.
            self._loop.call_soon(self._task.cancel, str(exc))

    def _finish(self, run_id: UUID, result: CallResult) -> None:
        if threading.get_ident() == self._thread:
            self._close(run_id, result)
        else:
            self._loop.call_soon_threadsafe(self._close, run_id, result)

    def _close(self, run_id: UUID, result: CallResult) -> None:
        opened = self._open.pop(run_id, None)
        if opened is not None:
            for guard in reversed(opened.guards):
                guard.close(opened.call, result)


class _AwaitedCalls(AsyncCallbackHandler):
    """The half of a gate that calls pass which are awaited: they wait without a thread."""

    raise_error = True

    def __init__(self, gate: ModelGate) -> None:
        super().__init__()
        self._gate = gate

    @property
    def ignore_llm(self) -> bool:
        """Whether nothing can be awaited here: a call in a thread without a loop."""
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return True
        return False

    @property
    def ignore_chat_model(self) -> bool:
        """The same."""
        return self.ignore_llm

    async def on_chat_model_start(
        self,
        serialized: dict[str, Any],
        messages: list[list[BaseMessage]],
        *,
        run_id: UUID,
        **kwargs: Any,  # noqa: ANN401 - LangChain's
    ) -> None:
        """Ask the guards; raises what they raise."""
        call = self._gate.describe_chat(run_id, serialized, messages, kwargs)
        await self._gate.begin_awaited(run_id, call)

    async def on_llm_start(
        self,
        serialized: dict[str, Any],
        prompts: list[str],
        *,
        run_id: UUID,
        **kwargs: Any,  # noqa: ANN401 - LangChain's
    ) -> None:
        """Ask the guards; raises what they raise."""
        call = self._gate.describe_text(run_id, serialized, prompts, kwargs)
        await self._gate.begin_awaited(run_id, call)


def build_handlers(gate: ModelGate) -> tuple[BaseCallbackHandler, ...]:
    """Return what a model call has to pass: the two halves of the gate, and what its end must."""
    return gate, _AwaitedCalls(gate), WholeAnswers()


def open_gate(config: RunnableConfig, handlers: Sequence[BaseCallbackHandler]) -> RunnableConfig:
    """Return a config below which every model call passes the handlers of a gate."""
    logging.getLogger(_MANAGER_LOGGER).addFilter(_is_no_refusal)
    scoped: RunnableConfig = {**config}
    callbacks = config.get("callbacks")
    if isinstance(callbacks, BaseCallbackManager):
        callbacks = callbacks.copy()
        for handler in handlers:
            callbacks.add_handler(handler)
        scoped["callbacks"] = callbacks
    else:
        scoped["callbacks"] = [*(callbacks or ()), *handlers]
    return scoped


def _build_turned_away() -> CallResult:
    """Return how a call ended that was never made; it says nothing about its model."""
    error = asyncio.CancelledError("turned away")
    return CallResult(input_tokens=0, output_tokens=0, error=error)


def _is_no_refusal(record: logging.LogRecord) -> bool:
    """Return whether a warning of LangChain's is about something else than a gate that refused.

    It warns of whatever a handler raises; a refusal is no failure of the handler, and the caller
    gets it.
    """
    args = record.args
    return not (isinstance(args, tuple) and args and args[0] in _HALVES)


def _is_awaited() -> bool:
    """Return whether a handler's method is called on behalf of an awaited call.

    LangChain runs the same handlers for both; whoever calls for an awaited one is a coroutine.
    """
    frame = inspect.currentframe()
    handler = None if frame is None else frame.f_back
    caller = None if handler is None else handler.f_back
    return caller is not None and bool(caller.f_code.co_flags & inspect.CO_COROUTINE)


def _describe(
    run_id: UUID,
    serialized: Mapping[str, Any] | None,
    details: Mapping[str, Any],
    *,
    size: int,
    count: int,
) -> ModelCall:
    params = details.get("invocation_params") or {}
    tools = params.get("tools") or params.get("functions") or ()
    return ModelCall(
        id=str(run_id),
        model=name_model(serialized, details),
        input_bytes=size + len(str(tools).encode(errors="replace")) * bool(tools),
        messages=count,
        max_output_tokens=_find_limit(params),
    )


def name_model(serialized: Mapping[str, Any] | None, details: Mapping[str, Any]) -> str:
    """Return what a model is called by its provider, or its class's name."""
    metadata = details.get("metadata") or {}
    params = details.get("invocation_params") or {}
    for name in (metadata.get("ls_model_name"), params.get("model"), params.get("model_name")):
        if isinstance(name, str) and name:
            return name
    named = (serialized or {}).get("name") or (serialized or {}).get("id", ["model"])[-1]
    return str(named)


def read_usage(response: LLMResult) -> CallResult:
    """Return the tokens that a model's answer reports; None where it reports none to believe.

    An answer from LangChain's cache used none: it marks them by a cost of 0.
    """
    reported = [
        _read_metadata(generation.message.usage_metadata)
        for turn in response.generations
        for generation in turn
        if isinstance(generation, ChatGeneration)
        and isinstance(generation.message, AIMessage)
        and generation.message.usage_metadata is not None
    ]
    whole = [one for one in reported if one is not None]
    if not whole or len(whole) < len(reported):
        return CallResult()
    sent, given, cached = (sum(counts) for counts in zip(*whole, strict=True))
    return CallResult(input_tokens=sent, output_tokens=given, cached_input_tokens=cached)


def _read_metadata(usage: object) -> tuple[int, int, int] | None:
    """Return tokens sent, given back and read from the provider's cache; None if it is no count."""
    if not isinstance(usage, Mapping):
        return None
    cost = usage.get("total_cost")
    if isinstance(cost, int) and cost == 0:
        return 0, 0, 0
    sent, given = _count(usage.get("input_tokens")), _count(usage.get("output_tokens"))
    if sent is None or given is None:
        return None
    details = usage.get("input_token_details")
    cached = _count(details.get("cache_read")) if isinstance(details, Mapping) else None
    return sent, given, min(cached or 0, sent)


def _read_attached(error: BaseException) -> CallResult:
    """Return the tokens of an answer that a client library hides behind its error.

    OpenAI's does so with structured output that hit its limit: it came, and it costs.
    """
    usage = getattr(getattr(error, "completion", None), "usage", None)
    sent = _count(getattr(usage, "prompt_tokens", None))
    given = _count(getattr(usage, "completion_tokens", None))
    if sent is None or given is None:
        return CallResult()
    return CallResult(input_tokens=sent, output_tokens=given)


def _count(value: object) -> int | None:
    """Return a value that can be a number of tokens, else None."""
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if 0 <= value <= _MOST_TOKENS else None


def _count_bytes(message: BaseMessage) -> int:
    calls = str(message.tool_calls) if isinstance(message, AIMessage) and message.tool_calls else ""
    content = message.content if isinstance(message.content, list) else [message.content]
    return sum(_count_block(block) for block in content) + len(calls.encode(errors="replace"))


def _count_block(block: object) -> int:
    size = len(str(block).encode(errors="replace"))
    kind = block.get("type") if isinstance(block, Mapping) else None
    return min(size, _IMAGE_TOKENS) if kind in {"image", "image_url", "input_image"} else size


def _find_limit(params: Mapping[str, Any]) -> int | None:
    """Return how many tokens may come back, of all answers that are asked for together."""
    found = list(_list_limits(params))
    copies = [params[name] for name in _COPIES if isinstance(params.get(name), int)]
    return max(found) * max(1, *copies, 1) if found else None


def _list_limits(params: Mapping[str, Any]) -> Iterator[int]:
    for inner in (params, *(params.get(name) for name in _INNER_PARAMS)):
        if isinstance(inner, Mapping):
            for name in _LIMITS:
                limit = inner.get(name)
                if isinstance(limit, int) and limit > 0:  # Ollama's -1 is no limit
                    yield limit
