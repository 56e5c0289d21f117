"""Model calls, told to whoever watches the run.

A span opens when a caller asks LangChain for a model, in the caller's own context, so that what the
client library opens is within it. The gate's guards say when the call goes out and how it ends.
"""

import threading
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, LLMResult

from interlock.contracts.model_call import CallGuard, CallResult, ModelCall
from interlock.contracts.model_names import find_by_model
from interlock.contracts.prices import Price, dump_money
from interlock.contracts.spending import Caller
from interlock.nodes.calls.model_gate import name_model
from interlock.telemetry.spans import Fact, Facts, OpenSpan, Telemetry

_ROLES = {"human": "user", "ai": "assistant"}


class CallSpans(BaseCallbackHandler):
    """Opens a span for each model call of one caller's attempt."""

    run_inline = True

    def __init__(
        self,
        telemetry: Telemetry,
        caller: Caller,
        *,
        thread_id: str,
        prices: Mapping[str, Price],
    ) -> None:
        """Watch for a caller.

        Args:
            telemetry: Who watches.
            caller: On whose behalf models are called.
            thread_id: The thread.
            prices: What models cost.
        """
        super().__init__()
        self._telemetry = telemetry
        self._facts: Facts = {
            "thread": thread_id,
            "step": caller.path or None,
            "attempt": caller.attempt,
            "role": caller.role,
            "worker": caller.worker,
        }
        self._prices = prices
        self._open: dict[str, OpenSpan] = {}
        self._lock = threading.Lock()

    @property
    def ignore_chain(self) -> bool:
        """Yes: only models are of interest here."""
        return True

    def guard(self, guards: Sequence[CallGuard]) -> tuple[CallGuard, ...]:
        """Return guards with those around them that say when a call goes out, and how it ends."""
        return (_Ends(self), *guards, _GoesOut(self))

    def on_chat_model_start(
        self,
        serialized: dict[str, Any],
        messages: list[list[BaseMessage]],
        *,
        run_id: UUID,
        **kwargs: Any,  # noqa: ANN401 - LangChain's
    ) -> None:
        """Open a span, in the caller's context."""
        span = self._begin(serialized, run_id, kwargs)
        if self._telemetry.shows_content:
            span.show("input", [_dump(message) for turn in messages for message in turn])

    def on_llm_start(
        self,
        serialized: dict[str, Any],
        prompts: list[str],
        *,
        run_id: UUID,
        **kwargs: Any,  # noqa: ANN401 - LangChain's
    ) -> None:
        """Open a span, in the caller's context."""
        span = self._begin(serialized, run_id, kwargs)
        if self._telemetry.shows_content:
            span.show("input", [_word("user", prompt) for prompt in prompts])

    def _begin(
        self, serialized: Mapping[str, Any], run_id: UUID, details: Mapping[str, Any]
    ) -> OpenSpan:
        model = name_model(serialized, details)
        provider = (details.get("metadata") or {}).get("ls_provider")
        facts = {**self._facts, "model": model, "provider": str(provider or "unknown")}
        span = self._telemetry.open("model", model, facts=facts)
        span.lend()
        with self._lock:
            self._open[str(run_id)] = span
        return span

    def on_llm_end(self, response: LLMResult, *, run_id: UUID, **kwargs: Any) -> None:  # noqa: ANN401
        """Add what the model said of itself; its guards end the span."""
        del kwargs
        span = self._open.get(str(run_id))
        if span is None:
            return
        span.take_back()
        answers = [
            one.message
            for turn in response.generations
            for one in turn
            if isinstance(one, ChatGeneration)
        ]
        if answers:
            span.tell(response_model=answers[0].response_metadata.get("model_name"))
        if answers and self._telemetry.shows_content:
            span.show("output", [_dump(message) for message in answers])

    def on_llm_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:  # noqa: ANN401
        """Let the span be the caller's no more; its guards end it."""
        del error, kwargs
        if (span := self._open.get(str(run_id))) is not None:
            span.take_back()

    def tell(self, call_id: str, **facts: Fact) -> None:
        """Add facts about a call."""
        span = self._open.get(call_id)
        if span is not None:
            span.tell(**facts)

    def end(self, call: ModelCall, result: CallResult) -> None:
        """End a call's span."""
        with self._lock:
            span = self._open.pop(call.id, None)
        if span is None:
            return
        span.tell(
            input_tokens=result.input_tokens,
            output_tokens=result.output_tokens,
            cached_tokens=result.cached_input_tokens or None,
            money=self._count_money(call, result),
        )
        if result.error is not None:
            span.fail(result.error)
        span.end()

    def _count_money(self, call: ModelCall, result: CallResult) -> float | None:
        price = find_by_model(self._prices, call.model)
        if price is None or result.input_tokens is None:
            return None
        units = price.count_units(
            input_tokens=result.input_tokens,
            output_tokens=result.output_tokens or 0,
            cached_tokens=result.cached_input_tokens,
        )
        return float(dump_money(units))

    def close(self) -> None:
        """End the spans of calls that no guard has heard of: they never went out."""
        with self._lock:
            left, self._open = list(self._open.values()), {}
        for span in left:
            span.mark("given_up")
            span.end()


class _Ends:
    """The outermost guard: told how every call ends, also one that another guard refuses."""

    def __init__(self, spans: CallSpans) -> None:
        self._spans = spans

    def open(self, call: ModelCall) -> None:
        self._spans.tell(call.id, max_tokens=call.max_output_tokens)

    async def wait(self, call: ModelCall) -> None:
        pass

    def close(self, call: ModelCall, result: CallResult) -> None:
        self._spans.end(call, result)


class _GoesOut:
    """The innermost guard: when it is asked, the call goes out."""

    def __init__(self, spans: CallSpans) -> None:
        self._spans = spans

    def open(self, call: ModelCall) -> None:
        if not call.can_wait:
            self._spans.tell(call.id, is_sent=True)

    async def wait(self, call: ModelCall) -> None:
        self._spans.tell(call.id, is_sent=True)

    def close(self, call: ModelCall, result: CallResult) -> None:
        pass


def _dump(message: BaseMessage) -> dict[str, Any]:
    """Return a message as the GenAI conventions write it."""
    dumped = _word(_ROLES.get(message.type, message.type), message.content)
    calls = message.tool_calls if isinstance(message, AIMessage) else ()
    dumped["parts"] += [
        {"type": "tool_call", "id": one["id"], "name": one["name"], "arguments": one["args"]}
        for one in calls
    ]
    return dumped


def _word(role: str, content: object) -> dict[str, Any]:
    return {"role": role, "parts": [{"type": "text", "content": content}] if content else []}
