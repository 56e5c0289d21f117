"""I11: a gate binds whoever calls, with whatever callbacks, and believes no impossible count."""

import asyncio
import contextvars
import inspect
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage, HumanMessage

import interlock as il
from interlock.contracts.ids import ThreadId
from interlock.contracts.spending import StoredCall
from interlock.nodes.calls import awaited_calls
from interlock.nodes.calls.model_gate import ModelGate
from tests.integration.teams import build_desk, build_step
from tests.integration.test_spending import CountingModel, build_model, read_reason


async def call_with_config(model: CountingModel) -> None:
    """Call with callbacks of the caller's own."""
    await model.ainvoke("x", config={"callbacks": [BaseCallbackHandler()]})


async def call_bound(model: CountingModel) -> None:
    """Call a model that has callbacks bound to it."""
    await model.with_config(callbacks=[BaseCallbackHandler()]).ainvoke("x")


async def call_generate(model: CountingModel) -> None:
    """Call below the interface that takes a config."""
    await model.agenerate([[HumanMessage("x")]])


async def call_in_thread(model: CountingModel) -> None:
    """Call in a thread that has the worker's context, with callbacks of its own."""
    await asyncio.to_thread(model.invoke, "x", config={"callbacks": [BaseCallbackHandler()]})


async def call_in_pool(model: CountingModel) -> None:
    """Call in a pool's thread to which the context was handed."""
    with ThreadPoolExecutor(1) as pool:
        context = contextvars.copy_context()
        await asyncio.wrap_future(pool.submit(context.run, model.invoke, "x"))


@pytest.mark.parametrize(
    "call", [call_with_config, call_bound, call_generate, call_in_thread, call_in_pool]
)
async def test_i11_a_gate_binds_callers_with_callbacks_of_their_own(
    call: Callable[[CountingModel], Awaitable[None]],
) -> None:
    """Twenty calls are tried, two are allowed, and each of these is counted once."""
    model = build_model(tokens=200)

    async def worker(brief: il.Brief) -> str:
        for _ in range(20):
            await call(model)
        return "done"

    step = build_step("ask", budget=il.Budget(model_calls=2))
    async with build_desk({"ask": worker}, step) as desk:
        result = await desk.ainvoke("Test", thread_id="t")
    assert (len(model.heard), result.usage.model_calls, result.usage.tokens) == (2, 2, 400)
    assert "budget of 2 model calls" in read_reason(result, "ask")


async def test_i11_the_gate_around_a_run_binds_the_run_within_it() -> None:
    """A worker that runs a desk of its own draws on its own budget too, callbacks or not."""
    model = build_model(tokens=200)

    async def inner(brief: il.Brief) -> str:
        for _ in range(20):
            await call_with_config(model)
        return "done"

    async def outer(brief: il.Brief) -> str:
        async with build_desk({"ask": inner}, build_step("ask")) as below:
            return (await below.ainvoke("Test", thread_id="inner")).status

    step = build_step("ask", budget=il.Budget(model_calls=3))
    async with build_desk({"ask": outer}, step) as desk:
        result = await desk.ainvoke("Test", thread_id="t")
    assert (len(model.heard), result.usage.model_calls) == (3, 3)


async def test_i11_a_thread_that_the_loop_waits_for_is_turned_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A blocking `batch` on the loop ends with words on what to do, and nothing stays held."""
    monkeypatch.setattr(awaited_calls, "_STUCK_SECONDS", 0.2)
    model = build_model(tokens=200)

    async def worker(brief: il.Brief) -> str:
        return str(len(model.batch(["a", "b"])))

    async with build_desk({"ask": worker}, build_step("ask")) as desk, asyncio.timeout(20):
        result = await desk.ainvoke("Test", thread_id="t")
    assert (len(model.heard), result.usage.model_calls, result.usage.tokens) == (0, 0, 0)
    assert "Await the call (ainvoke, abatch)" in read_reason(result, "ask")


async def test_i11_a_loop_in_another_thread_is_turned_away_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The same holds for a thread that runs a loop of its own."""
    monkeypatch.setattr(awaited_calls, "_STUCK_SECONDS", 0.2)
    model = build_model(tokens=200)

    async def worker(brief: il.Brief) -> str:
        with ThreadPoolExecutor(1) as pool:
            work = contextvars.copy_context().run
            return str(pool.submit(work, lambda: asyncio.run(model.ainvoke("x"))).result())

    async with build_desk({"ask": worker}, build_step("ask")) as desk, asyncio.timeout(20):
        result = await desk.ainvoke("Test", thread_id="t")
    assert len(model.heard) == 0
    assert "Await the call (ainvoke, abatch)" in read_reason(result, "ask")


@pytest.mark.parametrize(
    "usage",
    [
        {"input_tokens": -1000, "output_tokens": 10, "total_tokens": -990},
        {"input_tokens": None, "output_tokens": 10, "total_tokens": 10},
        {"input_tokens": 3.5, "output_tokens": 10, "total_tokens": 13},
        {"input_tokens": 2**63, "output_tokens": 10, "total_tokens": 13},
        {"output_tokens": 10},
    ],
)
async def test_i11_a_report_that_cannot_be_counts_as_none(usage: dict[str, Any]) -> None:
    """The answer is used, and the call counts for what it reserved: its limit and more."""
    model = build_limited(max_tokens=300)
    said = AIMessage("fine")
    said.usage_metadata = usage  # type: ignore[assignment]
    model.said = said

    result, stored = await ask_once(model)
    assert (result.status, result.outputs) == ("completed", {"ask": "fine"})
    assert stored.end is not None
    assert stored.end.input_tokens is None
    assert stored.end.tokens == stored.record.tokens > 300


async def test_i11_more_is_read_from_a_cache_than_was_sent_never() -> None:
    """What a provider says of its cache cannot make a call cost less than nothing."""
    model = build_limited(max_tokens=300)
    model.said.usage_metadata["input_token_details"] = {"cache_read": 10**9}  # type: ignore[index]

    _, stored = await ask_once(model)
    assert stored.end is not None
    assert (stored.end.input_tokens, stored.end.cached_tokens) == (900, 900)


async def ask_once(model: CountingModel) -> tuple[il.RunResult, StoredCall]:
    """Return how a run went that calls once, and the call as it is written down."""

    async def worker(brief: il.Brief) -> str:
        return str((await model.ainvoke("x")).content)

    async with il.open_storage("memory://") as storage:
        async with build_desk({"ask": worker}, storage=storage) as desk:
            result = await desk.ainvoke("Test", thread_id="t")
        (stored,) = await storage.load_model_calls(ThreadId("t"))
    return result, stored


class LimitedModel(CountingModel):
    """A model whose calls say how much may come back, as client libraries do."""

    params: dict[str, Any]

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return self.params


def build_limited(**params: Any) -> LimitedModel:
    """Return a model with these parameters."""
    return LimitedModel(said=build_model().said, params=params)


@pytest.mark.parametrize(
    ("params", "back"),
    [
        ({"max_tokens": 100}, 100),
        ({"max_tokens": 100, "n": 3}, 300),
        ({"num_predict": 70}, 70),
        ({"options": {"num_predict": 80}}, 80),
        ({"max_new_tokens": 90}, 90),
        ({"inferenceConfig": {"maxTokens": 60}}, 60),
        ({"max_tokens": 100, "num_predict": -1}, 100),
    ],
)
async def test_i11_a_call_reserves_all_that_it_asks_for(params: dict[str, Any], back: int) -> None:
    """Each of `n` answers may be as long as the limit, by whatever name a client calls it."""
    model = build_limited(**params)

    _, stored = await ask_once(model)
    assert stored.record.tokens == 1 + 16 + back  # the byte, what is put around it, the limit


async def test_i11_an_image_reserves_no_token_a_byte() -> None:
    """A picture of 400 kB goes out under a budget of 200,000 tokens."""
    model = build_limited(max_tokens=300)
    picture = {"type": "image", "base64": "A" * 400_000, "mime_type": "image/png"}
    said = HumanMessage([{"type": "text", "text": "See"}, picture])

    async def worker(brief: il.Brief) -> str:
        return str((await model.ainvoke([said])).content)

    step = build_step("ask", budget=il.Budget(tokens=200_000))
    async with build_desk({"ask": worker}, step) as desk:
        result = await desk.ainvoke("Test", thread_id="t")
    assert (result.status, len(model.heard)) == ("completed", 1)


async def test_i11_an_answer_from_langchains_cache_uses_no_tokens() -> None:
    """The model is called once; what the cache repeats costs nothing more."""
    model = build_model(cache=InMemoryCache())

    async def worker(brief: il.Brief) -> str:
        for _ in range(5):
            await model.ainvoke("same")
        return "done"

    async with build_desk({"ask": worker}, build_step("ask")) as desk:
        result = await desk.ainvoke("Test", thread_id="t")
    assert (len(model.heard), result.usage.tokens) == (1, 1000)


async def test_what_tasks_of_another_loop_do_is_not_guessed() -> None:
    """A task that runs elsewhere cannot be looked into: its call is never taken for given up."""
    gate = ModelGate(())
    here, there = uuid4(), uuid4()

    async def note(call: UUID) -> None:
        gate._note_owner(call, inspect.currentframe())

    await note(here)
    await asyncio.to_thread(lambda: asyncio.run(note(there)))
    assert gate._owners[here] is not None
    assert gate._owners[there] is None
