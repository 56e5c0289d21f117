"""Whatever can be a worker is one: functions, Runnables, models, graphs, agents."""

import functools
import threading
import typing
from collections.abc import Callable
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.structured_output import ToolStrategy
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda
from langgraph.graph import END, START, MessagesState, StateGraph
from pydantic import BaseModel
from typing_extensions import TypedDict

import interlock as il
from tests.integration.scripted_chat import ScriptedChat, call_tools
from tests.integration.teams import build_desk, build_step, give


def answer(brief: Any) -> dict[str, Any]:
    """Return what a worker can read in its brief."""
    return {"asked": brief.instruction, "order": brief.inputs["order"]["id"], "no": brief.attempt}


async def answer_async(brief: il.Brief) -> dict[str, Any]:
    """Do the same in a coroutine."""
    return answer(brief)


def answer_with(sign: str, brief: il.Brief) -> dict[str, Any]:
    """Do the same, with an argument before the brief."""
    assert sign == "!"
    return answer(brief)


async def answer_with_async(sign: str, brief: il.Brief) -> dict[str, Any]:
    """Do the same in a coroutine."""
    return answer_with(sign, brief)


class Desk:
    """An object that is called."""

    def __call__(self, brief: il.Brief) -> dict[str, Any]:
        return answer(brief)

    def work(self, brief: il.Brief) -> dict[str, Any]:
        return answer(brief)


class AsyncDesk:
    """An object whose call is a coroutine."""

    async def __call__(self, brief: il.Brief) -> dict[str, Any]:
        return answer(brief)


class OwnState(TypedDict, total=False):
    """A graph's own keys; the brief's instruction and inputs come in by name."""

    instruction: str
    order: dict[str, Any]
    output: dict[str, Any]


class BriefState(TypedDict, total=False):
    """A graph that takes the whole brief."""

    brief: dict[str, Any]
    asked: str
    order: str
    no: int


def build_own_graph() -> Any:
    """Return a graph of two nodes that reads its inputs from keys of its own."""
    graph = StateGraph(OwnState)

    def read(state: OwnState) -> OwnState:
        return {"output": {"asked": state["instruction"]}}

    async def add(state: OwnState) -> OwnState:
        return {"output": {**state["output"], "order": state["order"]["id"], "no": 1}}

    graph.add_node("read", read)
    graph.add_node("add", add)
    graph.add_edge(START, "read")
    graph.add_edge("read", "add")
    graph.add_edge("add", END)
    return graph.compile()


def build_brief_graph() -> Any:
    """Return a graph that is given `brief` and hands back all its other keys."""
    graph = StateGraph(BriefState)

    def read(state: BriefState) -> BriefState:
        shown = state["brief"]
        order = shown["inputs"]["order"]["id"]
        return {"asked": shown["instruction"], "order": order, "no": shown["attempt"]}

    graph.add_node("read", read)
    graph.add_edge(START, "read")
    graph.add_edge("read", END)
    return graph.compile()


class PlainState(typing.TypedDict):
    """A state as LangGraph's own pages write it, which pydantic refuses on Python 3.11."""

    instruction: str
    order: dict[str, Any]
    output: dict[str, Any]


def build_plain_graph() -> Any:
    """Return a graph over a `typing.TypedDict`."""
    graph = StateGraph(PlainState)

    def read(state: PlainState) -> dict[str, Any]:
        shown = {"asked": state["instruction"], "order": state["order"]["id"], "no": 1}
        return {"output": shown}

    graph.add_node("read", read)
    graph.add_edge(START, "read")
    graph.add_edge("read", END)
    return graph.compile()


KINDS: dict[str, Callable[[], Any]] = {
    "sync function": lambda: answer,
    "async function": lambda: answer_async,
    "callable object": Desk,
    "async callable object": AsyncDesk,
    "method": lambda: Desk().work,
    "partial": lambda: functools.partial(answer_with, "!"),
    "async partial": lambda: functools.partial(answer_with_async, "!"),
    "lambda": lambda: lambda brief: {**answer(brief)},
    "lambda that gives a coroutine": lambda: lambda brief: answer_with_async("!", brief),
    "runnable": lambda: RunnableLambda(answer),
    "async runnable": lambda: RunnableLambda(answer_async),
    "sequence": lambda: RunnableLambda(answer_async) | (lambda said: {**said, "no": said["no"]}),
    "graph with keys of its own": build_own_graph,
    "graph with the brief": build_brief_graph,
    "graph over a plain TypedDict": build_plain_graph,
}


@pytest.mark.parametrize("kind", KINDS)
async def test_any_kind_of_agent_reads_its_brief_and_gives_the_step_its_value(kind: str) -> None:
    """One brief in, one value out, however the agent is written."""
    steps = (build_step("order"), build_step("reply", needs=["order"], instruction="Say it"))
    async with build_desk({"order": give({"id": "o-1"}), "reply": KINDS[kind]()}, *steps) as desk:
        result = await desk.ainvoke("Test", thread_id="t")
        handoffs = await desk.ahandoffs("t", "reply")
    assert result.status == "completed", result.gaps
    assert result.outputs["reply"] == {"asked": "Say it", "order": "o-1", "no": 1}
    brief, output = handoffs
    assert brief.payload["inputs"] == {"order": {"id": "o-1"}}
    assert output.payload == result.outputs["reply"]


async def test_a_sync_function_runs_off_the_event_loop() -> None:
    """A blocking worker has a thread of its own, with the caller's context."""
    seen: list[int] = []

    def work(brief: il.Brief) -> str:
        seen.append(threading.get_ident())
        return "done"

    async with build_desk({"work": work}) as desk:
        result = await desk.ainvoke("Test", thread_id="t")
    assert result.outputs == {"work": "done"}
    assert seen != [threading.get_ident()]


def test_what_cannot_be_called_is_refused_when_the_team_is_declared() -> None:
    """An agent that is no agent is named, with what can be one."""
    with pytest.raises(il.ConfigurationError, match=r"'work'.*42.*compiled graph"):
        build_desk({"work": 42})


def test_a_graph_that_would_share_its_state_between_steps_is_refused() -> None:
    """`checkpointer=True` keeps one state for all calls; a step's worker starts with its brief."""
    graph = StateGraph(OwnState).add_node("read", lambda state: {}).add_edge(START, "read")
    with pytest.raises(il.ConfigurationError, match=r"'work'.*checkpointer=True.*without"):
        build_desk({"work": graph.compile(checkpointer=True)})


def say(text: str, tokens: int = 10) -> AIMessage:
    """Return a model turn that reports its tokens, four fifths of them read."""
    usage = {"input_tokens": tokens * 4 // 5, "output_tokens": tokens // 5, "total_tokens": tokens}
    return AIMessage(text, usage_metadata=usage)


def list_text(messages: list[BaseMessage]) -> str:
    """Return all that a model was shown."""
    return "\n".join(str(message.text) for message in messages)


async def test_a_prompt_and_model_sequence_gets_the_inputs_by_name() -> None:
    """A template's variables are the step's inputs, the brief's fields, or the brief in words."""
    model = ScriptedChat(turns=[say("Order o-1 is here.")])
    prompt = ChatPromptTemplate.from_template("{tone}: {instruction}\n{brief}")
    step = build_step(
        "reply", arguments={"tone": "Kind"}, criteria=[il.expr("output.startsWith('Order')")]
    )
    async with build_desk({"reply": prompt | model}, step) as desk:
        result = await desk.ainvoke("Test", thread_id="t")
    assert result.outputs == {"reply": "Order o-1 is here."}
    shown = list_text(model.heard[0])
    assert shown.startswith("Kind: Do reply\n")
    assert "output.startsWith('Order')" in shown
    assert (result.usage.input_tokens, result.usage.output_tokens) == (8, 2)


BOUND: dict[str, Callable[[ScriptedChat], Any]] = {
    "model": lambda model: model,
    "bound": lambda model: model.bind(stop=["END"]),
    "with retry": lambda model: model.with_retry(),
    "with config": lambda model: model.with_config(tags=["a"]),
    "with fallbacks": lambda model: model.with_fallbacks([ScriptedChat(turns=["never"])]),
    "in a sequence": lambda model: model.bind(stop=["END"]) | (lambda message: message.text),
}


@pytest.mark.parametrize("kind", BOUND)
async def test_a_chat_model_is_a_worker_however_it_is_bound(kind: str) -> None:
    """It is spoken to in one message that holds the brief; its text is the value."""
    model = ScriptedChat(turns=[say("good")])
    step = build_step("reply", arguments={"order": {"id": "o-1"}})
    async with build_desk({"reply": BOUND[kind](model)}, step) as desk:
        result = await desk.ainvoke("Test", thread_id="t")
    assert result.outputs == {"reply": "good"}, result.gaps
    (message,) = model.heard[0]
    assert "Do reply" in message.text
    assert '{"id": "o-1"}' in message.text
    assert result.usage.tokens == 10


class Draft(BaseModel):
    """What a writer hands in."""

    text: str
    tone: str = "kind"


async def test_a_model_with_structured_output_gives_the_object_as_its_value() -> None:
    """A pydantic object that a model filled in is the step's value, as plain data."""
    model = ScriptedChat(turns=[call_tools(Draft={"text": "Hello"})])
    worker = il.Worker(name="w", agent=model.with_structured_output(Draft), output=Draft)
    async with build_desk({"w": worker}) as desk:
        result = await desk.ainvoke("Test", thread_id="t")
    assert result.outputs == {"w": {"text": "Hello", "tone": "kind"}}
    assert result.usage.tokens == 10


async def test_a_refused_model_is_told_why_in_its_next_message() -> None:
    """Findings reach a worker that is spoken to in messages as words in the second brief."""
    model = ScriptedChat(turns=[say("short")])
    step = build_step(
        "reply",
        criteria=[il.expr("size(output) > 9", message="say more")],
        retry=il.Retry(max_attempts=2),
    )
    async with build_desk({"reply": model}, step) as desk:
        result = await desk.ainvoke("Test", thread_id="t")
    assert result.status == "failed"
    first, second = (list_text(messages) for messages in model.heard)
    assert "not accepted" not in first
    assert "Attempt 1: say more" in second
    assert result.usage == il.Usage(attempts=2, input_tokens=16, output_tokens=4, model_calls=2)


class StructuredState(MessagesState, total=False):
    """A messages graph with a structured response beside its messages."""

    structured_response: Draft


@pytest.mark.parametrize("is_structured", [False, True])
async def test_a_messages_graph_gets_the_brief_as_a_message(is_structured: bool) -> None:
    """Its value is `structured_response` if there is one, else the last message's text."""
    model = ScriptedChat(turns=[say("last words")])
    graph = StateGraph(StructuredState)

    async def chat(state: StructuredState) -> dict[str, Any]:
        update: dict[str, Any] = {"messages": [await model.ainvoke(state["messages"])]}
        if is_structured:
            update["structured_response"] = Draft(text="structured")
        return update

    graph.add_node("chat", chat)
    graph.add_edge(START, "chat")
    graph.add_edge("chat", END)
    async with build_desk({"chat": graph.compile()}) as desk:
        result = await desk.ainvoke("Test", thread_id="t")
    expected = {"text": "structured", "tone": "kind"} if is_structured else "last words"
    assert result.outputs == {"chat": expected}
    assert "Do chat" in list_text(model.heard[0])
    assert result.usage.tokens == 10


async def test_an_agent_calls_its_tools_and_gives_its_response_format() -> None:
    """`create_agent` works unchanged: tool calls inside, one object out, all tokens counted."""
    called: list[str] = []

    def look_up(order_id: str) -> str:
        """Look up an order."""
        called.append(order_id)
        return f"{order_id} is pending"

    model = ScriptedChat(
        turns=[call_tools(look_up={"order_id": "o-1"}), call_tools(Draft={"text": "It is pending"})]
    )
    agent = create_agent(model, tools=[look_up], response_format=ToolStrategy(Draft))
    worker = il.Worker(name="clerk", agent=agent, output=Draft)
    step = build_step("reply", "clerk", criteria=[il.expr("output.text.contains('pending')")])
    async with build_desk({"clerk": worker}, step) as desk:
        result = await desk.ainvoke("Test", thread_id="t")
        _, output = await desk.ahandoffs("t", "reply")
    assert result.outputs == {"reply": {"text": "It is pending", "tone": "kind"}}
    assert called == ["o-1"]
    assert "o-1 is pending" in list_text(model.heard[1])
    assert result.usage == il.Usage(attempts=1, input_tokens=14, output_tokens=6, model_calls=2)
    assert (output.input_tokens, output.output_tokens) == (14, 6)


@pytest.mark.parametrize("is_async", [True, False])
async def test_models_that_a_function_calls_are_counted(is_async: bool) -> None:
    """Tokens of model calls inside a function worker count, from its thread too."""
    model = ScriptedChat(turns=[say("said")])

    async def call(brief: il.Brief) -> str:
        first = await model.ainvoke("one")
        return str(first.text) + str((await model.ainvoke("two")).text)

    def call_blocking(brief: il.Brief) -> str:
        return str(model.invoke("one").text) + str(model.invoke("two").text)

    async with build_desk({"call": call if is_async else call_blocking}) as desk:
        result = await desk.ainvoke("Test", thread_id="t")
    assert result.outputs == {"call": "saidsaid"}
    assert result.usage == il.Usage(attempts=1, input_tokens=16, output_tokens=4, model_calls=2)
