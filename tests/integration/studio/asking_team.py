"""A team that asks twice in workers of its own, and then twice before a step."""

import functools

from langgraph.config import get_stream_writer
from langgraph.graph import StateGraph
from langgraph.types import interrupt

import interlock as il


async def ask(brief: il.Brief) -> str:
    """Return what a person answers, whom the worker asks itself."""
    return interrupt({"asked_by": brief.step_id})


async def tell(brief: il.Brief) -> str:
    """Return what was told, after saying so to whoever watches."""
    get_stream_writer()({"telling": brief.step_id})
    return f"told {brief.step_id}"


PLAN = il.TaskGraph(
    goal="Ask and tell",
    steps=[
        il.Step(id="left", worker="asker", instruction="Ask on the left"),
        il.Step(id="right", worker="asker", instruction="Ask on the right"),
        il.Step(
            id="publish",
            worker="teller",
            instruction="Publish",
            needs=["left", "right"],
            approval="true",
        ),
        il.Step(
            id="archive",
            worker="teller",
            instruction="Archive",
            needs=["publish"],
            approval="true",
        ),
    ],
)


@functools.cache
def make_graph() -> StateGraph:
    """Return the run graph."""
    return il.build_run_graph(
        workers=[il.Worker(name="asker", agent=ask), il.Worker(name="teller", agent=tell)],
        planner=PLAN,
        storage="sqlite:///.langgraph_api/asking_team.db",
    )
