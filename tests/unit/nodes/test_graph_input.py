"""What a compiled graph is given of its brief, by the names in its input."""

from typing import Any

import pytest
from langgraph.func import entrypoint
from langgraph.graph import END, START, StateGraph
from typing_extensions import TypedDict

import interlock as il
from interlock.contracts.brief import Scratchpad
from interlock.contracts.ids import StepId
from interlock.contracts.plain import freeze
from interlock.nodes.steps.agent_call import shape_graph_input

BRIEF = il.Brief(
    step_id=StepId("s"),
    attempt=1,
    instruction="Do s",
    inputs=freeze({"order": {"id": 1}, "both": "input"}),
    context=freeze({"tenant": "acme", "both": "context", "instruction": "other"}),
    feedback=("shorter",),
    scratchpad=Scratchpad(),
)


def build_graph(*names: str) -> Any:
    """Return a compiled graph whose state has these keys."""
    fields: dict[str, Any] = dict.fromkeys(names, Any)
    graph = StateGraph(TypedDict("State", fields))  # type: ignore[operator]
    graph.add_node("node", lambda state: {})
    graph.add_edge(START, "node")
    graph.add_edge("node", END)
    return graph.compile()


@pytest.mark.parametrize(
    ("names", "given"),
    [
        (["order"], {"order": {"id": 1}}),
        (["tenant", "order", "more"], {"order": {"id": 1}, "tenant": "acme"}),
        (["both"], {"both": "input"}),
        (["instruction", "feedback"], {"instruction": "Do s", "feedback": ["shorter"]}),
        (["context"], {"context": dict(BRIEF.context)}),
        (
            ["nothing", "of", "it"],
            {
                "order": {"id": 1},
                "both": "input",
                "instruction": "Do s",
                "feedback": ["shorter"],
                "context": dict(BRIEF.context),
            },
        ),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else "",
)
def test_a_graph_gets_what_its_input_names(names: list[str], given: dict[str, Any]) -> None:
    """Inputs, then keys of the context, the context itself; all of it where nothing is named."""
    assert shape_graph_input(build_graph(*names), BRIEF) == given


def test_an_entrypoint_that_takes_anything_gets_everything() -> None:
    """A graph that does not say what it takes is shown its declared context too."""

    @entrypoint()
    async def work(shown: Any) -> str:
        return "done"

    shaped = shape_graph_input(work, BRIEF)
    assert shaped["context"] == dict(BRIEF.context)
    assert shaped["order"] == {"id": 1}
