"""Agents as workers: parallel calls, loops, interrupts and retries leave effects right."""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import AgentMiddleware, ToolRetryMiddleware
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.tools import BaseTool, tool
from langgraph.graph import END, START, StateGraph
from langgraph.types import RetryPolicy, interrupt
from typing_extensions import TypedDict

import interlock as il
from interlock.tools.agent_middleware import mend_history
from tests.integration.effects.agent_turns import call
from tests.integration.effects.till import Till
from tests.integration.scripted_chat import ScriptedChat
from tests.integration.teams import build_desk, build_step

TWICE = il.Retry(max_attempts=2, backoff=timedelta(0))
PAY = ("refund", {"order": "o1", "cents": 50})

BuildAgent = Callable[..., Any]


def build_plain_tool(till: Till) -> BaseTool:
    """Return a tool without a guard."""

    @tool
    async def refund(order: str, cents: int) -> str:
        """Refund an order."""
        return str(till.pay(order, cents)["receipt"])

    return refund


def with_function(till: Till, turns: Sequence[Any], *more: Any, **options: Any) -> Any:
    """Return an agent that has a guarded function among its tools."""

    @il.idempotent()
    async def refund(order: str, cents: int, *, key: il.IdempotencyKey) -> str:
        """Refund an order."""
        return str(till.pay(order, cents, key)["receipt"])

    return create_agent(ScriptedChat(turns=list(turns)), tools=[refund, *more], **options)


def with_tool(till: Till, turns: Sequence[Any], *more: Any, **options: Any) -> Any:
    """Return an agent that has a LangChain tool under guard."""
    refund = il.make_idempotent(build_plain_tool(till))
    return create_agent(ScriptedChat(turns=list(turns)), tools=[refund, *more], **options)


def with_middleware(
    till: Till, turns: Sequence[Any], *more: Any, middleware: Sequence[Any] = (), **options: Any
) -> Any:
    """Return an agent whose tools are guarded all at once."""
    guard = il.IdempotentTools(reads=["look"])
    return create_agent(
        ScriptedChat(turns=list(turns)),
        tools=[build_plain_tool(till), *more],
        middleware=[*middleware, guard],
        **options,
    )


GUARDS = pytest.mark.parametrize("build", [with_function, with_tool, with_middleware])


@GUARDS
async def test_parallel_equal_calls_are_two_effects_and_the_retry_repeats_none(
    build: BuildAgent,
) -> None:
    """Two equal calls in one turn pay twice; the refused attempt's retry pays nothing more."""
    till = Till()
    ids = count(1)
    agent = build(till, [call(PAY, PAY, ids=ids), "done"])
    answers: list[str] = []

    def check(output: str, brief: il.Brief) -> bool:
        answers.append(output)
        return brief.attempt == 2

    step = build_step("pay", retry=TWICE, criteria=[il.check("check")])
    async with build_desk({"pay": agent}, step, checks={"check": check}) as desk:
        result = await desk.ainvoke("Pay", thread_id="t")
        effects = await desk.aeffects("t")
    assert result.status == "completed"
    assert till.counts == Counter({("o1", 50): 2})
    assert [(e.ordinal, e.state, len(e.uses)) for e in effects] == [(0, "done", 2), (1, "done", 2)]


@GUARDS
async def test_a_loop_of_equal_calls_is_as_many_effects(build: BuildAgent) -> None:
    """A model that calls the same in three turns means it three times."""
    till = Till()
    ids = count(1)
    agent = build(till, [*(call(PAY, ids=ids) for _ in range(3)), "done"])
    async with build_desk({"pay": agent}) as desk:
        result = await desk.ainvoke("Pay", thread_id="t")
    assert (result.status, len(till.paid)) == ("completed", 3)


@GUARDS
async def test_an_interrupt_repeats_no_earlier_effect_and_hides_no_later_one(
    build: BuildAgent,
) -> None:
    """Turns before and after a tool that asks a person each pay once, also through a resume."""
    till = Till()
    asked: list[int] = []

    @tool
    def look(what: str) -> str:
        """Ask a person."""
        asked.append(1)
        return str(interrupt({"question": what}))

    ids = count(1)
    turns = [
        call(PAY, ids=ids),
        call(("look", {"what": "ok?"}), ids=ids),
        call(PAY, ids=ids),
        "done",
    ]
    async with build_desk({"pay": build(till, turns, look)}) as desk:
        waiting = await desk.ainvoke("Pay", thread_id="t")
        assert (waiting.status, len(till.paid)) == ("waiting", 1)
        result = await desk.aanswer("t", {waiting.questions[0].id: il.respond("yes")})
        effects = await desk.aeffects("t", "pay")
    assert (result.status, till.paid) == ("completed", [("o1", 50)] * 2)
    assert len(asked) == 2
    assert [e.ordinal for e in effects if e.tool == "refund"] == [0, 1]


@GUARDS
async def test_an_interrupt_beside_a_call_in_the_same_turn_repeats_nothing(
    build: BuildAgent,
) -> None:
    """Two tools at once, of which one asks: the other's effect is made once over the resume."""
    till = Till()

    @tool
    def look(what: str) -> str:
        """Ask a person."""
        return str(interrupt({"question": what}))

    agent = build(till, [call(PAY, ("look", {"what": "ok?"})), "done"], look)
    async with build_desk({"pay": agent}) as desk:
        waiting = await desk.ainvoke("Pay", thread_id="t")
        result = await desk.aanswer("t", {waiting.questions[0].id: il.respond("yes")})
    assert (result.status, till.paid) == ("completed", [("o1", 50)])


async def test_a_guarded_tools_own_interrupt_passes_through() -> None:
    """A guarded tool that asks before it pays is paused, and pays once when it is answered."""
    till = Till()

    @il.idempotent()
    async def refund(order: str) -> str:
        """Refund an order, if a person says so."""
        if interrupt({"question": f"refund {order}?"}) != "yes":
            return "no"
        return str(till.pay(order, 5)["receipt"])

    model = ScriptedChat(turns=[call(("refund", {"order": "o1"})), "done"])
    async with build_desk({"pay": create_agent(model, tools=[refund])}) as desk:
        waiting = await desk.ainvoke("Pay", thread_id="t")
        assert (waiting.status, till.paid) == ("waiting", [])
        result = await desk.aanswer("t", {waiting.questions[0].id: il.respond("yes")})
        (effect,) = await desk.aeffects("t")
    assert (result.status, till.paid) == ("completed", [("o1", 5)])
    assert (effect.state, effect.tries) == ("done", 2)


@pytest.mark.parametrize("build", [with_function, with_tool, with_middleware])
async def test_langchains_tool_retry_makes_no_second_effect(build: BuildAgent) -> None:
    """A retry around the guard meets the recorded outcome: what is unknown stays for a person."""
    till = Till()

    class Lossy(Till):
        def pay(self, order: str, cents: int, key: str = "") -> dict[str, object]:
            till.pay(order, cents, key)
            raise ConnectionError("the line went dead")

    retry = ToolRetryMiddleware(max_retries=2, initial_delay=0, jitter=False, on_failure="continue")
    agent = build(Lossy(), [call(PAY), "done"], middleware=[retry])
    async with build_desk({"pay": agent}) as desk:
        waiting = await desk.ainvoke("Pay", thread_id="t")
        (effect,) = await desk.aeffects("t")
        assert (waiting.status, waiting.questions[0].kind) == ("waiting", "effect")
        result = await desk.aanswer("t", {waiting.questions[0].id: il.edit("7")})
    assert (result.status, till.paid) == ("completed", [("o1", 50)])
    assert effect.state == "unknown"


class _DeliverTwice(AgentMiddleware[Any, Any]):
    """Hands every tool call on twice, as a queue or a proxy may."""

    async def awrap_tool_call(self, request: Any, handler: Any) -> Any:
        """Deliver, and deliver again."""
        first = await handler(request)
        second = await handler(request)
        assert first.content == second.content
        return second


@pytest.mark.parametrize("build", [with_tool, with_middleware])
async def test_one_tool_call_that_is_delivered_twice_is_one_effect(build: BuildAgent) -> None:
    """The model's own tool call tells a second delivery from a second call."""
    till = Till()
    ids = count(1)
    turns = [call(PAY, PAY, ids=ids), "done"]
    agent = build(till, turns, middleware=[_DeliverTwice()])
    async with build_desk({"pay": agent}) as desk:
        result = await desk.ainvoke("Pay", thread_id="t")
    assert (result.status, len(till.paid)) == ("completed", 2)


class _Pad(TypedDict, total=False):
    instruction: str
    output: Any


def build_graph_that_retries(till: Till, *, nested: bool) -> Any:
    """Return a graph whose node pays, fails once, and is retried by LangGraph itself."""

    @il.idempotent()
    async def refund(order: str) -> int:
        return till.pay(order, 5)["receipt"]  # type: ignore[return-value]

    failures = [ConnectionError("once")]

    async def pay(state: _Pad) -> _Pad:
        receipt = await refund("o1")
        if not nested and failures:
            raise failures.pop()
        return {"output": receipt}

    async def fail_once(state: _Pad) -> _Pad:
        if failures:
            raise failures.pop()
        return {}

    policy = RetryPolicy(initial_interval=0.001, jitter=False, retry_on=ConnectionError)
    graph = StateGraph(_Pad)
    if nested:
        below = StateGraph(_Pad)
        below.add_node("pay", pay)
        below.add_node("fail_once", fail_once)
        below.add_edge(START, "pay")
        below.add_edge("pay", "fail_once")
        below.add_edge("fail_once", END)
        graph.add_node("work", below.compile(), retry_policy=policy)
    else:
        graph.add_node("work", pay, retry_policy=policy)
    graph.add_edge(START, "work")
    graph.add_edge("work", END)
    return graph.compile()


@pytest.mark.parametrize("nested", [False, True])
async def test_langgraphs_own_retry_makes_no_second_effect(nested: bool) -> None:
    """A node, or a subgraph, that LangGraph runs again finds what it did before."""
    till = Till()
    async with build_desk({"pay": build_graph_that_retries(till, nested=nested)}) as desk:
        result = await desk.ainvoke("Pay", thread_id="t")
    assert (result.status, result.outputs["pay"], till.paid) == ("completed", 1, [("o1", 5)])


def test_a_history_that_was_cut_off_is_mended() -> None:
    """Every tool call gets an answer right behind it; what has one stays as it is."""
    history = [
        HumanMessage("pay"),
        call(PAY, PAY),
        ToolMessage("1", tool_call_id="call-1"),
        HumanMessage("and?"),
    ]
    mended = mend_history(history, ())
    assert [type(one) for one in mended] == [
        HumanMessage,
        AIMessage,
        ToolMessage,
        ToolMessage,
        HumanMessage,
    ]
    assert {one.tool_call_id for one in mended if isinstance(one, ToolMessage)} == {
        "call-1",
        "call-2",
    }
    (added,) = [one for one in mended if isinstance(one, ToolMessage) and one.status == "error"]
    assert "cut off" in str(added.content)
    assert mend_history(mended, ()) == mended


def keep_errors() -> ToolRetryMiddleware:
    """Return a middleware that tells the model of a tool's error, as many agents do."""
    return ToolRetryMiddleware(max_retries=0, initial_delay=0, jitter=False, on_failure="continue")


@GUARDS
async def test_a_model_that_calls_again_after_a_lost_answer_pays_once(build: BuildAgent) -> None:
    """The model's next call is no new effect beside one of which nobody knows; a person is asked."""
    till = Till()

    class Lossy(Till):
        def pay(self, order: str, cents: int, key: str = "") -> dict[str, object]:
            answer = till.pay(order, cents, key)
            if len(till.paid) == 1:
                raise ConnectionError("the line went dead")
            return answer

    ids = count(1)
    turns = [call(PAY, ids=ids), call(PAY, ids=ids), "done"]
    agent = build(Lossy(), turns, middleware=[keep_errors()])
    async with build_desk({"pay": agent}) as desk:
        waiting = await desk.ainvoke("Pay", thread_id="t")
        (effect,) = await desk.aeffects("t")
    assert [question.kind for question in waiting.questions] == ["effect"]
    assert (effect.state, till.paid) == ("unknown", [("o1", 50)])


@GUARDS
async def test_the_retry_of_a_call_that_did_nothing_takes_no_number(build: BuildAgent) -> None:
    """Refused once and called again, it is one effect: the next attempt's one call is answered."""
    till = Till()

    class Shy(Till):
        calls = 0

        def pay(self, order: str, cents: int, key: str = "") -> dict[str, object]:
            self.calls += 1
            if self.calls == 1:
                raise il.NotAppliedError("busy")
            return till.pay(order, cents, key)

    ids, shop = count(1), Shy()
    scripts = ([call(PAY, ids=ids), call(PAY, ids=ids), "no"], [call(PAY, ids=ids), "done"])
    first, second = (build(shop, script, middleware=[keep_errors()]) for script in scripts)
    step = build_step(
        "pay", "first", criteria=[il.expr("output == 'done'")], fallback=[il.use_worker("second")]
    )
    async with build_desk({"first": first, "second": second}, step) as desk:
        result = await desk.ainvoke("Pay", thread_id="t")
    assert (result.status, till.paid) == ("completed", [("o1", 50)])
