"""`IdempotentTools`: a whole agent guarded at once, and histories that were cut off."""

from datetime import timedelta
from typing import Any

from langchain.agents import create_agent
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

import interlock as il
from tests.acceptance.effect_processes import StrictChat
from tests.integration.effects.agent_turns import call
from tests.integration.effects.till import Till
from tests.integration.teams import build_desk, build_step

NOW_AGAIN = il.Retry(max_attempts=2, backoff=timedelta(0))


def build_pay(till: Till) -> Any:
    """Return a tool that pays."""

    @tool
    async def pay(order: str) -> str:
        """Pay."""
        return f"receipt {till.pay(order, 5)['receipt']}"

    return pay


async def test_a_history_that_was_cut_off_gets_the_recorded_answer() -> None:
    """An agent that keeps its own history is shown, after a cut, what the ledger has recorded."""
    till = Till()
    memory = InMemorySaver()
    config: Any = {"configurable": {"thread_id": "own"}}
    model = StrictChat(turns=[call(("pay", {"order": "o1"}), ("pay", {"order": "o2"})), "done"])
    agent = create_agent(
        model,
        tools=[build_pay(till)],
        middleware=[il.IdempotentTools()],
        checkpointer=memory,
    )
    async with il.open_storage("memory://") as storage:
        with il.effects(ledger=storage, scope="s"):
            await agent.ainvoke({"messages": [HumanMessage("pay")]}, config)
        states = [one async for one in agent.aget_state_history(config)]
        cut = next(one for one in states if one.next == ("tools", "tools"))
        messages = [*cut.values["messages"], HumanMessage("and now?")]
        with il.effects(ledger=storage, scope="s"):
            result = await agent.ainvoke(
                {"messages": messages}, {"configurable": {"thread_id": "other"}}
            )
    assert result["messages"][-1].text == "done"
    heard = model.heard[-1]
    shown = [one for one in heard if isinstance(one, ToolMessage)]
    assert [(one.tool_call_id, one.content) for one in shown] == [
        ("call-1", "receipt 1"),
        ("call-2", "receipt 2"),
    ]
    assert len(till.paid) == 2


async def test_reading_tools_are_not_recorded() -> None:
    """A tool named in `reads` runs every time; the others are guarded."""
    till = Till()
    looks: list[str] = []

    @tool
    async def look(order: str) -> str:
        """Look."""
        looks.append(order)
        return "open"

    turns = [call(("look", {"order": "o1"}), ("pay", {"order": "o1"})), "done"]
    agent = create_agent(
        StrictChat(turns=turns),
        tools=[look, build_pay(till)],
        middleware=[il.IdempotentTools(reads=["look"])],
    )
    attempts: list[int] = []

    def check(output: str, brief: il.Brief) -> bool:
        attempts.append(brief.attempt)
        return brief.attempt == 2

    step = build_step("pay", retry=NOW_AGAIN, criteria=[il.check("check")])
    async with build_desk({"pay": agent}, step, checks={"check": check}) as desk:
        await desk.ainvoke("Pay", thread_id="t")
        effects = await desk.aeffects("t")
    assert (looks, till.paid) == (["o1", "o1"], [("o1", 5)])
    assert [effect.tool for effect in effects] == ["pay"]


async def test_a_tool_that_updates_the_agents_state_does_so_for_duplicates() -> None:
    """A Command with a message and an update comes back from the ledger for the next attempt."""
    till = Till()

    @tool
    async def pay(order: str) -> Any:
        """Pay, and say so in the state."""
        till.pay(order, 5)
        return Command(update={"messages": [ToolMessage("paid", tool_call_id="call-1")]})

    agent = create_agent(
        StrictChat(turns=[call(("pay", {"order": "o1"})), "done"]),
        tools=[pay],
        middleware=[il.IdempotentTools()],
    )
    step = build_step("pay", retry=NOW_AGAIN, criteria=[il.check("check")])
    checks = {"check": lambda output, brief: brief.attempt == 2}
    async with build_desk({"pay": agent}, step, checks=checks) as desk:
        result = await desk.ainvoke("Pay", thread_id="t")
    assert (result.status, till.paid) == ("completed", [("o1", 5)])


async def test_an_undo_declared_with_the_middleware_is_known_to_the_supervisor() -> None:
    """Named in Worker(tools=...), the middleware tells the team which tools can be undone."""
    till = Till()

    def take_back(order: str) -> None:
        till.take_back(order, 5)

    guard = il.IdempotentTools(tools={"pay": {"undo": take_back}})
    agent = create_agent(
        StrictChat(turns=[call(("pay", {"order": "o1"})), "done"]),
        tools=[build_pay(till)],
        middleware=[guard],
    )
    worker = il.Worker(name="pay", agent=agent, tools=(guard,))
    step = build_step("pay", criteria=[il.expr("false")])
    async with build_desk({"pay": worker}, step) as desk:
        result = await desk.ainvoke("Pay", thread_id="t")
    assert (result.status, till.paid) == ("failed", [])
