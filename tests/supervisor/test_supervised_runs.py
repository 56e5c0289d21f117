"""What a supervisor's run holds where the original does not, through the front door."""

import asyncio
import operator
import threading
from typing import Annotated, Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import HumanInTheLoopMiddleware
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import Command, interrupt

import interlock as il
from tests.integration.scripted_chat import ScriptedChat
from tests.supervisor.routing_chat import USER, RoutingChat, assign, build_agent, calls

THREAD: Any = {"configurable": {"thread_id": "t"}}


def build_graph_agent(name: str, node: Any, *, schema: Any = MessagesState) -> Any:
    """Return a plain compiled graph with one node as an agent."""
    builder = StateGraph(schema)
    builder.add_node("work", node)
    builder.add_edge(START, "work")
    return builder.compile(name=name)


async def test_parallel_handoffs_all_run_at_the_same_time() -> None:
    """Two assignments of one turn both run, and neither waits for the other to end."""
    both = asyncio.Barrier(2)

    async def meet(state: Any, config: RunnableConfig) -> Any:
        await asyncio.wait_for(both.wait(), 5)
        return {"messages": [AIMessage(state["messages"][-1].text)]}

    agents = [build_graph_agent(name, meet) for name in ("left", "right")]
    model = RoutingChat(turns=[assign(("left", "go left"), ("right", "go right")), "Done"])
    result = await il.create_supervisor(agents, model=model).compile().ainvoke(USER)
    said = {
        m.name: m.text
        for m in result["messages"]
        if m.name in {"left", "right"} and not m.tool_calls
    }
    assert said == {"left": "go left", "right": "go right"}
    assert result["interlock"]["status"] == "completed"


async def test_an_agent_sees_its_brief_and_nothing_else() -> None:
    """An agent is sent its task and the results it was given, never the conversation (I4)."""
    first, second = RoutingChat(turns=["alpha"]), RoutingChat(turns=["beta"])
    agents = [
        create_agent(first, tools=[], name="first"),
        create_agent(second, tools=[], name="second"),
    ]
    use = ("assign", {"worker": "second", "task": "Use it", "uses": ["t1_1"]})
    model = RoutingChat(turns=[assign(("first", "Find"), ("first", "Hide")), calls(use), "Done"])
    first.turns.append("gamma")
    await il.create_supervisor(agents, model=model).compile().ainvoke(USER)
    (heard,) = second.heard[0]
    assert "Use it" in heard.text
    assert first.turns[0 if "Find" in first.heard[0][-1].text else 1] in heard.text
    for foreign in ("Hide", "headcount", "Find"):
        assert foreign not in heard.text


@pytest.mark.parametrize(
    ("turn", "told"),
    [
        (assign(("nobody", "x")), "There is no worker 'nobody'"),
        (calls(("transfer_to_math", {})), "There is no tool 'transfer_to_math'"),
        (calls(("assign", {"worker": "math", "task": "x", "uses": ["t9_9"]})), "t9_9"),
        (AIMessage(""), "The answer was empty"),
        (
            AIMessage(
                "", invalid_tool_calls=[{"name": "assign", "args": "{", "id": "1", "error": "?"}]
            ),
            "arguments that are no JSON object",
        ),
        (calls(("forward_message", {"from_agent": "math"})), "no result of 'math'"),
    ],
)
async def test_what_is_not_there_is_asked_again(turn: AIMessage, told: str) -> None:
    """A turn outside the closed set starts nothing; the model is told why and asked again."""
    model = RoutingChat(turns=[turn, "Sorry: none"])
    tools = [il.create_forward_message_tool()]
    app = il.create_supervisor([build_agent("math")], model=model, tools=tools).compile()
    result = await app.ainvoke(USER)
    assert told in model.heard[1][-1].text
    assert result["messages"][-1].text == "Sorry: none"
    assert result["interlock"]["status"] == "completed"


async def test_a_turn_that_stays_wrong_ends_the_run() -> None:
    """A model that never names a known worker is asked as often as the policy says, then told of."""
    model = RoutingChat(turns=[assign(("nobody", "x"))] * 5)
    app = il.create_supervisor([build_agent("math")], model=model).compile()
    result = await app.ainvoke(USER)
    assert len(model.heard) == il.RunPolicy().max_plan_attempts
    assert result["interlock"]["status"] == "failed"
    assert "There is no worker 'nobody'" in result["messages"][-1].text


async def test_an_agents_exception_is_a_result() -> None:
    """An agent that raises costs its own step: its sibling's result stands, and the gap is said."""

    def fail(state: Any) -> Any:
        raise RuntimeError("the disk is on fire")

    agents = [build_graph_agent("bad", fail), build_agent("good", "fine")]
    model = RoutingChat(turns=[assign(("bad", "try"), ("good", "try")), "Half of it"])
    result = await il.create_supervisor(agents, model=model).compile().ainvoke(USER)
    assert any("the disk is on fire" in m.text for m in model.heard[1])
    assert any(m.name == "good" and m.text == "fine" for m in result["messages"])
    assert result["interlock"]["status"] == "degraded"
    assert any("bad could not do: try" in gap for gap in result["interlock"]["gaps"])


async def test_criteria_hold_for_an_agents_result() -> None:
    """A result that fails its criterion is tried again with feedback, and never passed on."""
    agent = build_agent("math", "banana", "3")
    model = RoutingChat(turns=[assign(("math", "Add")), lambda seen: seen[-1].text])
    app = il.create_supervisor(
        [agent],
        model=model,
        criteria={"math": [il.expr("output.text.matches('^[0-9]+$')")]},
        policy=il.RunPolicy(retry=il.Retry(max_attempts=2)),
    ).compile()
    result = await app.ainvoke(USER)
    assert result["messages"][-1].text == "[t1_1] 3"


def build_ping_pong() -> tuple[RoutingChat, Any]:
    """Return a model that assigns for ever, each time otherwise, and an agent that answers."""
    model = RoutingChat(turns=[assign(("math", f"again {number}")) for number in range(1000)])

    def reply(state: Any) -> Any:
        return {"messages": [AIMessage("ok")]}

    return model, build_graph_agent("math", reply)


async def test_ping_pong_ends_within_its_bound() -> None:
    """A model that never ends is stopped by the policy; the result is degraded and says why."""
    model, agent = build_ping_pong()
    policy = il.RunPolicy(max_plan_versions=7)
    app = il.create_supervisor([agent], model=model, policy=policy).compile()
    result = await app.ainvoke(USER)
    assert len(model.heard) == 7
    assert result["interlock"]["status"] == "degraded"
    assert "7 versions" in result["messages"][-1].text


@pytest.mark.parametrize("is_failing", [False, True])
async def test_the_same_assignment_again_is_no_progress(is_failing: bool) -> None:
    """Work that was done is not done again, and work that fails again and again is given up."""
    ran = 0

    def reply(state: Any) -> Any:
        nonlocal ran
        ran += 1
        if is_failing:
            raise RuntimeError("no")
        return {"messages": [AIMessage("ok")]}

    model = RoutingChat(turns=[assign(("math", "the same"))] * 50)
    app = il.create_supervisor([build_graph_agent("math", reply)], model=model).compile()
    result = await app.ainvoke(USER)
    assert ran == (3 if is_failing else 1)
    assert result["interlock"]["status"] == "degraded"
    word = "no accepted step" if is_failing else "repeats step 't1_1'"
    assert word in result["messages"][-1].text


class Tally(MessagesState):
    """A state with a key whose reducer adds."""

    seen: Annotated[list[str], operator.add]


async def test_a_key_that_adds_does_not_grow_by_handoffs() -> None:
    """State of the caller's own is neither copied to agents nor written back by handoffs."""
    shown: list[Any] = []

    def reply(state: Any) -> Any:
        shown.append(list(state["seen"]))
        return {"messages": [AIMessage("ok")], "seen": ["mine"]}

    model = RoutingChat(turns=[*(assign(("math", f"do {n}")) for n in range(5)), "Done"])
    agent = build_graph_agent("math", reply, schema=Tally)
    app = il.create_supervisor([agent], model=model, state_schema=Tally).compile()
    result = await app.ainvoke({**USER, "seen": ["one"]})
    assert result["seen"] == ["one"]
    assert shown == [[]] * 5


def ask_for_money(amount: int) -> str:
    """Ask a person for money."""
    return f"they said {interrupt({'pay': amount})}"


def test_interrupts_of_agents_reach_the_caller_one_by_one() -> None:
    """What agents ask surfaces with their own values, and each answer reaches its own question."""

    def build(name: str, amount: int) -> Any:
        ask = calls(("ask_for_money", {"amount": amount}))
        return build_agent(name, ask, lambda seen: seen[-1].text, tools=[ask_for_money])

    model = RoutingChat(turns=[assign(("ann", "pay"), ("bob", "pay")), "Done"])
    app = il.create_supervisor([build("ann", 5), build("bob", 7)], model=model).compile(
        checkpointer=InMemorySaver()
    )
    step: Any = USER
    asked: list[int] = []
    for _ in range(2):
        stopped = app.invoke(step, THREAD)
        (pending,) = stopped["__interrupt__"]
        asked.append(pending.value["pay"])
        step = Command(resume=f"yes to {pending.value['pay']}")
    result = app.invoke(step, THREAD)
    assert sorted(asked) == [5, 7]
    said = {
        m.name: m.text for m in result["messages"] if m.name in {"ann", "bob"} and not m.tool_calls
    }
    assert said == {"ann": "they said yes to 5", "bob": "they said yes to 7"}


async def test_langchains_own_requests_pass_through_two_supervisors() -> None:
    """A human-in-the-loop request of an agent two levels down keeps its shape, and its answer too."""
    paid: list[int] = []

    def pay(amount: int) -> str:
        """Pay."""
        paid.append(amount)
        return f"paid {amount}"

    payer = create_agent(
        RoutingChat(turns=[calls(("pay", {"amount": 5})), lambda seen: seen[-1].text]),
        tools=[pay],
        name="payer",
        middleware=[HumanInTheLoopMiddleware(interrupt_on={"pay": True})],
    )
    low = RoutingChat(turns=[assign(("payer", "pay")), lambda seen: seen[-1].text])
    team = il.create_supervisor([payer], model=low).compile(name="team")
    model = RoutingChat(turns=[assign(("team", "pay")), lambda seen: seen[-1].text])
    app = il.create_supervisor([team], model=model).compile(checkpointer=InMemorySaver())
    stopped = await app.ainvoke(USER, THREAD)
    (pending,) = stopped["__interrupt__"]
    (request,) = pending.value["action_requests"]
    assert (request["name"], request["args"]) == ("pay", {"amount": 5})
    assert paid == []
    again = await app.ainvoke(Command(resume={"decisions": "none"}), THREAD)
    assert again["__interrupt__"][0].value["action_requests"] == [request]
    edited = {"type": "edit", "edited_action": {"name": "pay", "args": {"amount": 4}}}
    result = await app.ainvoke(Command(resume={"decisions": [edited]}), THREAD)
    assert paid == [4]
    assert result["messages"][-1].text.endswith("paid 4")


async def test_requests_of_two_agents_are_not_mixed() -> None:
    """Two agents that ask by LangChain's middleware at once are put to the person one by one."""
    paid: dict[str, int] = {}

    def build(name: str, amount: int) -> Any:
        def pay(amount: int) -> str:
            """Pay."""
            paid[name] = amount
            return f"paid {amount}"

        turns = [calls(("pay", {"amount": amount})), "Paid"]
        ask = HumanInTheLoopMiddleware(interrupt_on={"pay": True})
        return create_agent(RoutingChat(turns=turns), tools=[pay], name=name, middleware=[ask])

    model = RoutingChat(turns=[assign(("ann", "pay"), ("bob", "pay")), "Done"])
    app = il.create_supervisor([build("ann", 5), build("bob", 7)], model=model).compile(
        checkpointer=InMemorySaver()
    )
    step: Any = USER
    for _ in range(2):
        (pending,) = (await app.ainvoke(step, THREAD))["__interrupt__"]
        (request,) = pending.value["action_requests"]
        amount = request["args"]["amount"] * 10
        edited = {"type": "edit", "edited_action": {"name": "pay", "args": {"amount": amount}}}
        step = Command(resume={"decisions": [edited]})
    await app.ainvoke(step, THREAD)
    assert paid == {"ann": 50, "bob": 70}


async def test_the_callers_config_context_and_callbacks_reach_the_agents() -> None:
    """What the caller passes in config and context is there for tools, as below any graph."""
    from langgraph.runtime import get_runtime

    seen: list[Any] = []

    def look(state: Any, config: RunnableConfig) -> Any:
        told = {name: config["metadata"][name] for name in ("source", "number")}
        seen.append((config["configurable"]["user_id"], get_runtime().context, told))
        return {"messages": [AIMessage("ok")]}

    builder = StateGraph(MessagesState, context_schema=dict)
    builder.add_node("work", look)
    builder.add_edge(START, "work")
    model = RoutingChat(turns=[assign(("looker", "look")), "Done"])
    app = il.create_supervisor(
        [builder.compile(name="looker")], model=model, context_schema=dict
    ).compile()
    heard: list[str] = []

    class Listener(BaseCallbackHandler):
        def on_chat_model_start(self, *args: Any, **kwargs: Any) -> None:
            heard.append("model")

        def on_chain_start(self, *args: Any, **kwargs: Any) -> None:
            heard.append(str(kwargs.get("name")))

    told = {"source": "desk", "number": 123}
    config: Any = {
        "configurable": {"user_id": "u7"}, "callbacks": [Listener()], "metadata": told
    }  # fmt: skip
    await app.ainvoke(USER, config, context={"tenant": "acme"})
    assert seen == [("u7", {"tenant": "acme"}, told)]
    assert heard.count("model") == 2
    assert "looker" in heard


async def test_the_run_is_in_the_storage_with_its_journal() -> None:
    """Every handoff of a turn can be read afterwards, under the thread that the result names."""
    async with il.open_storage("memory://") as storage:
        model = RoutingChat(turns=[assign(("math", "Add")), "Three"])
        app = il.create_supervisor(
            [build_agent("math", "3")], model=model, storage=storage
        ).compile()
        result = await app.ainvoke(USER, THREAD)
        thread_id = result["interlock"]["thread_id"]
        kinds = [h.kind for h in await storage.load_handoffs(thread_id)]
    assert thread_id.startswith("t/turn-1-")
    assert kinds.count("brief") == 2  # the agent's, and the supervisor's own answer
    assert kinds.count("plan") == 2


def test_events_are_streamed_from_sync_code() -> None:
    """`stream_mode="custom"` tells what happens in the run as it happens."""
    model = RoutingChat(turns=[assign(("math", "Add")), "Three"])
    app = il.create_supervisor([build_agent("math", "3")], model=model).compile()
    events = list(app.stream(USER, stream_mode="custom"))
    settled = [e.step_id for e in events if isinstance(e, il.events.StepSettled)]
    assert settled == ["t1_1", "answer"]


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ({"post_model_hook": print}, "post_model_hook"),
        ({"output_mode": "all"}, "output mode"),
        ({"criteria": {"maths": []}}, "maths"),
        ({"tools": [il.create_handoff_tool(agent_name="nobody")]}, "nobody"),
        ({"state_schema": dict}, "messages"),
    ],
)
def test_what_cannot_work_is_refused_at_once(given: dict[str, Any], word: str) -> None:
    """A declaration that cannot work is refused before anything runs, by what is wrong with it."""
    with pytest.raises(il.ConfigurationError, match=word):
        il.create_supervisor([build_agent("math")], model=RoutingChat(turns=[]), **given)


def test_agents_need_names_of_their_own() -> None:
    """An agent without a name, or with another's, is refused."""
    nameless = create_agent(RoutingChat(turns=[]), tools=[])
    for agents in ([nameless], [build_agent("math"), build_agent("math")]):
        with pytest.raises(il.ConfigurationError, match="name"):
            il.create_supervisor(agents, model=RoutingChat(turns=[]))


async def test_a_budget_holds_for_the_supervisors_model_too() -> None:
    """Calls of the supervisor's own model count against the budget, and stop at it (I11)."""
    model, agent = build_ping_pong()
    policy = il.RunPolicy(budget=il.Budget(model_calls=4))
    app = il.create_supervisor([agent], model=model, policy=policy).compile()
    result = await app.ainvoke(USER)
    assert len(model.heard) == 4
    assert result["interlock"]["status"] == "degraded"
    assert "budget" in result["messages"][-1].text


async def test_a_finished_turn_leaves_nothing_in_memory() -> None:
    """Without a storage a turn is kept in memory until it ends: a server does not grow by its turns."""

    def count_open() -> int:
        return sum(thread.name.startswith("storage ") for thread in threading.enumerate())

    before = count_open()
    model = RoutingChat(turns=["Hello"] * 5)
    app = il.create_supervisor([build_agent("idle")], model=model).compile()
    for _ in range(5):
        await app.ainvoke(USER)
    assert count_open() <= before  # an open storage has a thread of its own


async def test_a_turn_that_is_cancelled_can_go_on() -> None:
    """A cancelled call leaves no run behind that goes on by itself; the turn is resumed by None."""
    started, stopped = asyncio.Event(), asyncio.Event()

    async def work(state: Any) -> Any:
        if stopped.is_set():
            return {"messages": [AIMessage("ok")]}
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    model = ScriptedChat(turns=[assign(("slow", "work")), "Done"])
    app = il.create_supervisor([build_graph_agent("slow", work)], model=model).compile(
        checkpointer=InMemorySaver()
    )
    call = asyncio.ensure_future(app.ainvoke(USER, THREAD))
    await started.wait()
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)
    assert stopped.is_set()
    result = await app.ainvoke(None, THREAD)
    assert result["messages"][-1].text == "Done"
    assert len(model.heard) == 2
