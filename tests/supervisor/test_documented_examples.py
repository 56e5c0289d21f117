"""What langgraph-supervisor documents, with another import and scripted models (MIT; reworded)."""

from typing import Annotated, Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.tools import InjectedToolCallId, tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.func import entrypoint, task
from langgraph.graph import add_messages
from langgraph.prebuilt import InjectedState, ToolNode, create_react_agent
from langgraph.store.memory import InMemoryStore
from langgraph.types import Command
from langgraph_supervisor import create_handoff_tool as create_original_handoff_tool
from langgraph_supervisor.handoff import METADATA_KEY_HANDOFF_DESTINATION
from langgraph_supervisor.handoff import (
    create_forward_message_tool as create_original_forward_message_tool,
)
from pydantic import BaseModel

import interlock as il
from tests.supervisor.routing_chat import USER, RoutingChat, assign, build_agent, calls


def add(a: float, b: float) -> float:
    """Add two numbers."""
    return a + b


def web_search(query: str) -> str:
    """Search the web."""
    return "Meta: 67,317 employees. Apple: 164,000 employees."


def list_shown(result: dict[str, Any]) -> list[tuple[str | None, str]]:
    """Return name and text of every message that has text."""
    return [(message.name, message.text) for message in result["messages"] if message.text]


def test_quickstart_runs_with_real_agents() -> None:
    """The quick start works from sync code: both agents use their tools, the answer is the model's."""
    research = build_agent(
        "research_expert",
        calls(("web_search", {"query": "headcount"})),
        lambda seen: f"Found: {seen[-1].text}",
        tools=[web_search],
    )
    math = build_agent(
        "math_expert",
        calls(("add", {"a": 67317, "b": 164000})),
        lambda seen: f"The sum is {seen[-1].text}",
        tools=[add],
    )
    model = RoutingChat(
        turns=[
            assign(("research_expert", "Find the headcounts")),
            assign(("math_expert", "Add 67317 and 164000")),
            lambda seen: f"Together: {seen[-1].text}",
        ]
    )
    app = il.create_supervisor([research, math], model=model, prompt="You lead a team.").compile()
    result = app.invoke(USER)
    assert list_shown(result)[-1] == ("supervisor", "Together: [t2_1] The sum is 231317.0")
    names = [message.name for message in result["messages"] if isinstance(message, AIMessage)]
    assert names == [
        "supervisor", "research_expert", "research_expert",
        "supervisor", "math_expert", "math_expert", "supervisor",
    ]  # fmt: skip
    assert result["interlock"]["status"] == "completed"
    own = [message.id for message in result["messages"][1:]]
    assert own == [f"{result['interlock']['thread_id']}/{number}" for number in range(1, 12)]
    assert all(heard[0].text == "You lead a team." for heard in model.heard)


@pytest.mark.parametrize(("mode", "tools_told"), [("full_history", 1), ("last_message", 0)])
async def test_output_mode_decides_how_much_of_an_agent_is_told(mode: Any, tools_told: int) -> None:
    """With full_history the agent's own tool messages join the conversation, else its last word."""
    agent = build_agent("math", calls(("add", {"a": 1, "b": 2})), "It is 3", tools=[add])
    model = RoutingChat(turns=[assign(("math", "Add 1 and 2")), "Three"])
    app = il.create_supervisor([agent], model=model, output_mode=mode).compile()
    result = await app.ainvoke(USER)
    assert sum(message.name == "add" for message in result["messages"]) == tools_told
    assert ("math", "It is 3") in list_shown(result)


@pytest.mark.filterwarnings("ignore:create_react_agent has been moved")
def test_agents_of_langgraphs_own_making() -> None:
    """`create_react_agent`, which the original's quick start uses, makes agents here too."""
    worker = RoutingChat(turns=[calls(("add", {"a": 1, "b": 2})), "It is 3"])
    math = create_react_agent(model=worker, tools=[add], name="math_expert", prompt="Do sums.")
    model = RoutingChat(turns=[assign(("math_expert", "Add 1 and 2")), "Three"])
    result = il.create_supervisor([math], model=model).compile().invoke(USER)
    assert ("math_expert", "It is 3") in list_shown(result)
    assert [message.text for message in worker.heard[0][:1]] == ["Do sums."]


async def test_handoffs_are_left_out_when_not_wanted() -> None:
    """Without handoff messages the conversation holds what was said, and nothing else."""
    model = RoutingChat(turns=[assign(("math", "Add")), "Three"])
    app = il.create_supervisor(
        [build_agent("math", "3")], model=model, add_handoff_messages=False
    ).compile()
    shown = [(m.type, m.text) for m in (await app.ainvoke(USER))["messages"]]
    assert shown == [("human", USER["messages"][0]["content"]), ("ai", "3"), ("ai", "Three")]


async def test_supervisors_of_supervisors() -> None:
    """A team with a supervisor of its own is an agent of the one above, by its compiled name."""
    low = RoutingChat(turns=[assign(("math", "Add 1 and 2")), "The team says 3"])
    team = il.create_supervisor([build_agent("math", "3")], model=low).compile(name="math_team")
    model = RoutingChat(turns=[assign(("math_team", "Get the sum")), "Top: 3"])
    top = il.create_supervisor([team], model=model).compile(name="top")
    result = await top.ainvoke(USER)
    assert ("math_team", "The team says 3") in list_shown(result)
    assert list_shown(result)[-1] == ("supervisor", "Top: 3")
    assert "Get the sum" in low.heard[0][-1].text  # the team's model sees the task,
    assert USER["messages"][0]["content"] not in low.heard[0][-1].text  # and not the conversation


def test_memory_of_a_thread_and_a_store() -> None:
    """With a checkpointer, the next turn's model sees the last one; a store reaches the agents."""
    from langgraph.config import get_store

    def remember(fact: str) -> str:
        """Keep a fact."""
        get_store().put(("facts",), "last", {"fact": fact})
        return "kept"

    store = InMemoryStore()
    keeper = build_agent("keeper", calls(("remember", {"fact": "blue"})), "Kept", tools=[remember])
    model = RoutingChat(turns=[assign(("keeper", "Remember blue")), "Done", "It was blue"])
    app = il.create_supervisor([keeper], model=model).compile(
        checkpointer=InMemorySaver(), store=store
    )
    config: Any = {"configurable": {"thread_id": "t"}}
    first = app.invoke(USER, config)
    second = app.invoke({"messages": [("user", "Which colour?")]}, config)
    item = store.get(("facts",), "last")
    assert item is not None
    assert item.value == {"fact": "blue"}
    heard = [message.text for message in model.heard[2]]
    assert (heard[0], heard[-1]) == (USER["messages"][0]["content"], "Which colour?")
    assert second["messages"][-1].text == "It was blue"
    runs = {result["interlock"]["thread_id"] for result in (first, second)}
    assert len(runs) == 2  # each turn is a run of its own


def test_functional_agents() -> None:
    """An agent of LangGraph's functional API works too."""

    @task
    def tell_joke(messages: Any) -> AIMessage:
        return AIMessage(f"A joke about: {messages[-1].text}")

    @entrypoint()
    def joke_agent(state: dict[str, Any]) -> dict[str, Any]:
        joke = tell_joke(state["messages"]).result()
        return {"messages": add_messages(state["messages"], [joke])}

    joke_agent.name = "joke_agent"
    model = RoutingChat(turns=[assign(("joke_agent", "vibes")), "Ha"])
    result = il.create_supervisor([joke_agent], model=model).compile().invoke(USER)
    assert ("joke_agent", "A joke about: vibes") in list_shown(result)


@pytest.mark.parametrize("make", [il.create_handoff_tool, create_original_handoff_tool])
async def test_handoff_tools_of_ones_own(make: Any) -> None:
    """A handoff tool for each agent takes the place of the one tool; the original's serve too."""
    model = RoutingChat(turns=[calls(("ask_math", {"task": "Add"})), "Three"])
    math = build_agent("math", "3")
    app = il.create_supervisor(
        [math], model=model, tools=[make(agent_name="math", name="ask_math", description="Ask it")]
    ).compile()
    result = await app.ainvoke(USER)
    assert ("math", "3") in list_shown(result)
    assert [tool["function"]["name"] for tool in model.offered[0]] == ["ask_math"]
    assert model.offered[0][0]["function"]["description"] == "Ask it"


def make_custom_handoff(agent_name: str, name: str) -> Any:
    """Return a handoff tool as users of the original write one, with a task that the model states."""

    @tool(name, description="Give math a task")
    def handoff(
        task_description: Annotated[str, "What the next agent should do"],
        state: Annotated[dict[str, Any], InjectedState],
        tool_call_id: Annotated[str, InjectedToolCallId],
    ) -> Command[str]:
        said = ToolMessage("Transferred", name=name, tool_call_id=tool_call_id)
        update = {"messages": [*state["messages"], said], "task_description": task_description}
        return Command(goto=agent_name, graph=Command.PARENT, update=update)

    handoff.metadata = {METADATA_KEY_HANDOFF_DESTINATION: agent_name}
    return handoff


async def test_a_custom_handoff_tool_that_states_a_task() -> None:
    """Its task is what the agent is sent; what LangGraph would inject is not asked of the model."""
    worker = RoutingChat(turns=["3"])
    agent = create_agent(worker, tools=[], name="math")
    turn = calls(("assign_to_math", {"task_description": "Add 1 and 2"}))
    model = RoutingChat(turns=[turn, "Three"])
    app = il.create_supervisor(
        [agent], model=model, tools=[make_custom_handoff("math", "assign_to_math")]
    ).compile()
    result = await app.ainvoke(USER)
    assert list_shown(result)[-1] == ("supervisor", "Three")
    assert worker.heard[0][-1].text.count("Add 1 and 2") == 1
    assert USER["messages"][0]["content"] not in worker.heard[0][-1].text
    (offered,) = model.offered[0]
    assert list(offered["function"]["parameters"]["properties"]) == ["task_description"]


async def test_a_handoff_tool_that_is_not_told() -> None:
    """`add_handoff_messages=False` of one tool leaves its handoffs out, and no others."""
    model = RoutingChat(
        turns=[calls(("ask_math", {"task": "a"}), ("ask_cook", {"task": "b"})), "Ok"]
    )
    tools = [
        il.create_handoff_tool(agent_name="math", name="ask_math", add_handoff_messages=False),
        il.create_handoff_tool(agent_name="cook", name="ask_cook"),
    ]
    app = il.create_supervisor(
        [build_agent("math", "3"), build_agent("cook", "soup")],
        model=model,
        tools=tools,
        add_handoff_back_messages=False,
    ).compile()
    shown = list_shown(await app.ainvoke(USER))[1:]
    assert shown == [
        ("ask_cook", "Handed over to cook"),
        ("math", "3"),
        ("cook", "soup"),
        ("supervisor", "Ok"),
    ]


@pytest.mark.parametrize("prefix", ["delegate_to", "delegate_to_"])
async def test_a_handoff_without_a_task_passes_the_request(prefix: str) -> None:
    """A handoff that states no task gives the agent what the person said last."""
    worker = RoutingChat(turns=["3"])
    agent = create_agent(worker, tools=[], name="math")
    model = RoutingChat(turns=[calls(("delegate_to_math", {})), "Three"])
    app = il.create_supervisor([agent], model=model, handoff_tool_prefix=prefix).compile()
    await app.ainvoke(USER)
    assert USER["messages"][0]["content"] in worker.heard[0][-1].text


@pytest.mark.parametrize(
    "make", [il.create_forward_message_tool, create_original_forward_message_tool]
)
async def test_forwarding_a_message(make: Any) -> None:
    """The forwarding tool ends the turn with an agent's last result, word for word."""
    model = RoutingChat(
        turns=[assign(("math", "Add")), calls(("forward_message", {"from_agent": "math"}))]
    )
    app = il.create_supervisor(
        [build_agent("math", "It is exactly 3.")],
        model=model,
        tools=[make("boss")],
        supervisor_name="boss",
    ).compile()
    result = await app.ainvoke(USER)
    assert list_shown(result)[-1] == ("boss", "It is exactly 3.")


async def test_the_supervisors_own_tools() -> None:
    """A tool of the supervisor's own is called as a step, and the model sees what it returned."""
    model = RoutingChat(turns=[calls(("add", {"a": 1, "b": 2})), lambda seen: seen[-1].text])
    app = il.create_supervisor([build_agent("idle")], model=model, tools=ToolNode([add])).compile()
    result = await app.ainvoke(USER)
    assert list_shown(result)[1:] == [("add", "3.0"), ("supervisor", "[t1_1] 3.0")]


class Total(BaseModel):
    """A structured answer."""

    people: int


async def test_response_format() -> None:
    """With a response format the last answer is given in it too, as the class asked for."""
    model = RoutingChat(turns=["231,317 people", '{"people": 231317}'])
    app = il.create_supervisor(
        [build_agent("idle")], model=model, response_format=("Give the number.", Total)
    ).compile()
    result = await app.ainvoke(USER)
    assert result["structured_response"] == Total(people=231317)
    assert model.heard[1][0].text == "Give the number."


async def test_hooks_and_prompts_that_are_functions() -> None:
    """A prompt that is a function makes the messages; a hook before it may shorten them."""
    model = RoutingChat(turns=["Hello"])
    app = il.create_supervisor(
        [build_agent("idle")],
        model=model,
        prompt=lambda state: [("system", "Rules"), *state["messages"]],
        pre_model_hook=lambda state: {"llm_input_messages": state["messages"][-1:]},
    ).compile()
    await app.ainvoke({"messages": [("user", "old"), ("ai", "older"), ("user", "new")]})
    assert [m[1] if isinstance(m, tuple) else m.text for m in model.heard[0]] == ["Rules", "new"]
