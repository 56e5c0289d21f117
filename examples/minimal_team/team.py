"""A team of three: find an order, draft a reply, send it once a person agrees.

Run it here with `python -m examples.minimal_team.team`, or look at it in Studio with
`langgraph dev`. It needs no key and no network.
"""

import asyncio
import functools

from langgraph.graph import END, START, StateGraph
from typing_extensions import TypedDict

import interlock as il

ORDERS = {
    "17": {"customer": "Ada", "status": "shipped"},
    "18": {"customer": "Grace", "status": "waiting for stock"},
}


async def look_up(brief: il.Brief) -> dict[str, str]:
    """Return an order: a worker can be a plain function of its brief."""
    return ORDERS[brief.inputs["number"]]


class Letter(TypedDict, total=False):
    """The writer's own state; the step's inputs arrive by name."""

    customer: str
    status: str
    greeting: str
    output: dict[str, str]


def greet(letter: Letter) -> Letter:
    """Return the first line."""
    return {"greeting": f"Dear {letter['customer']},"}


def compose(letter: Letter) -> Letter:
    """Return the whole letter."""
    return {"output": {"text": f"{letter['greeting']} your order is {letter['status']}."}}


writer = (
    StateGraph(Letter)
    .add_node(greet)
    .add_node(compose)
    .add_edge(START, "greet")
    .add_edge("greet", "compose")
    .add_edge("compose", END)
    .compile(name="writer")
)
"""A worker can be a compiled graph, too."""


async def send(brief: il.Brief) -> dict[str, str]:
    """Return what was sent; stands for an effect that a person wants to see first."""
    return {"sent": brief.inputs["text"]}


WORKERS = [
    il.Worker(name="look_up", agent=look_up, description="Finds an order by its number"),
    il.Worker(name="writer", agent=writer, description="Writes a reply to a customer"),
    il.Worker(name="sender", agent=send, description="Sends a reply"),
]


def plan(request: il.PlanRequest) -> il.TaskGraph:
    """Return the task graph for a goal that names an order's number."""
    number = next(word for word in request.goal.strip("?.! ").split() if word.isdigit())
    return il.TaskGraph(
        goal=request.goal,
        steps=[
            il.Step(
                id="order",
                worker="look_up",
                instruction="Find the order",
                arguments={"number": number},
            ),
            il.Step(
                id="reply",
                worker="writer",
                instruction="Reply to the customer",
                needs=["order"],
                inputs={"customer": "order.customer", "status": "order.status"},
                criteria=[il.expr("output.text.contains(inputs.status)")],
            ),
            il.Step(
                id="send",
                worker="sender",
                instruction="Send the reply",
                needs=["reply"],
                inputs={"text": "reply.text"},
                approval="true",
            ),
        ],
    )


@functools.cache
def make_graph() -> StateGraph:
    """Return the run graph for `langgraph dev`, which asks for it at every request."""
    return il.build_run_graph(
        workers=WORKERS, planner=plan, storage="sqlite:///.langgraph_api/minimal_team.db"
    )


async def main() -> None:
    """Answer one customer, agreeing to what the team asks."""
    async with il.Orchestrator(workers=WORKERS, planner=plan, storage="memory://") as team:
        result = await team.ainvoke("Where is order 17?", thread_id="order-17")
        while result.status == "waiting":
            for question in result.questions:
                print(question.description, question.args)
            answers = {question.id: il.approve() for question in result.questions}
            result = await team.aanswer("order-17", answers)
        print(result.status, result.outputs["send"])


if __name__ == "__main__":
    asyncio.run(main())
