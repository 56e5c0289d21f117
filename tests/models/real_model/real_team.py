"""A small team and a supervisor, every part of them on one real chat model."""

from datetime import timedelta
from typing import Any

from langchain.agents import create_agent
from langchain_core.language_models import BaseChatModel
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI

import interlock as il
from interlock.contracts.clock import Clock, SystemClock

GOAL = "Tell the customer of ticket 17, whose order number is A17, where the parcel is."
QUESTION = "Where is the parcel of order A17, and how much is 12 times 7?"
ORDERS = {"A17": "left the warehouse in Lyon on Monday, arrives on Thursday"}
LEAD = (
    "You lead a team and know nothing yourself. Call one function for one part of the question, then "
    "the next one for the next part. Never describe a call: make it."
)
ONCE = "Call the function once. Then say in one whole sentence all that it told you."
CRITERIA = (
    il.expr("size(output) > 20 && size(output) < 900"),
    il.rubric("Tells the customer on which day the parcel arrives"),
)
NEUTRAL_URL = "http://model.invalid/v1"
"""Where a recorded run says that its model was; no name of this ending exists."""


def connect(url: str = NEUTRAL_URL) -> ChatOpenAI:
    """Return a client of a local server that answers the same whenever it is asked the same."""
    return ChatOpenAI(
        model="local",
        base_url=url,
        api_key="none",
        temperature=0,
        seed=1,
        timeout=300,
        max_retries=0,
        max_tokens=700,
        use_responses_api=False,
    )


@tool
def find_order(number: str) -> str:
    """Return where an order is, by its number."""
    return ORDERS.get(number, f"There is no order {number!r}.")


@tool
def multiply(first: int, second: int) -> int:
    """Multiply two numbers."""
    return first * second


def build_desk(model: BaseChatModel, *, clock: Clock | None = None) -> il.Orchestrator:
    """Return a team whose planner, workers and judge are the model."""
    limits = _build_limits(clock)
    planner = il.ModelPlanner(model=model, max_steps=4, limits=limits)
    writing = ChatPromptTemplate.from_messages(
        [("system", "You write short, friendly replies to customers."), ("human", "{brief}")]
    )
    return il.Orchestrator(
        workers=[
            il.Worker(
                name="look_up",
                agent=create_agent(model, tools=[find_order], system_prompt=ONCE),
                description="Finds an order by its number and says where it is",
            ),
            il.Worker(
                name="write", agent=writing | model, description="Writes a reply to a customer"
            ),
        ],
        planner=HousePlanner(planner),
        judges=[il.ModelJudge(model=model, limits=limits)],
        storage="memory://",
        clock=clock,
    )


class HousePlanner:
    """Has a model plan, and holds every reply that it plans to the house's own criteria."""

    def __init__(self, model: il.ModelPlanner) -> None:
        self._model = model

    async def plan(self, request: il.PlanRequest) -> il.TaskGraph:
        """Return the model's plan with the criteria of replies in place of its own."""
        plan = await self._model.plan(request)
        steps = [
            step.model_copy(update={"criteria": CRITERIA if step.worker == "write" else ()})
            for step in plan.steps
        ]
        return plan.model_copy(update={"steps": tuple(steps)})


def _build_limits(clock: Clock | None) -> il.CallLimits:
    return il.CallLimits(timeout=timedelta(minutes=5), clock=clock or SystemClock())


def build_app(model: BaseChatModel, *, clock: Clock | None = None) -> Any:
    """Return a supervisor of two agents, all three of them the model."""
    return il.create_supervisor(
        [
            create_agent(model, tools=[find_order], system_prompt=ONCE, name="orders"),
            create_agent(model, tools=[multiply], system_prompt=ONCE, name="sums"),
        ],
        model=model,
        limits=_build_limits(clock),
        policy=il.RunPolicy(budget=il.Budget(model_calls=20)),
        clock=clock,
        prompt=LEAD,
        descriptions={
            "orders": "finds an order by its number and says where it is",
            "sums": "calculates with numbers",
        },
    ).compile()
