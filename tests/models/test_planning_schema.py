"""The shape that a model plans in: closed where names are known, bounded, nothing lost on the way."""

from collections.abc import Iterator
from typing import Any

import pytest

import interlock as il
from interlock.contracts.ids import StepId, WorkerName
from interlock.models.answer_schema import render_schema
from interlock.models.planning_schema import build_planning_schema
from interlock.testing.openai_replies import say
from interlock.testing.openai_server import OpenAIServer, read_messages
from tests.models.chat_over_http import GOOD_PLAN, connect, run_planned

CARD = il.WorkerCard(name=WorkerName("look_up"), description="Finds orders")


def walk(node: object) -> Iterator[dict[str, Any]]:
    """Go through all objects inside of a JSON value."""
    if isinstance(node, dict):
        yield node
    for part in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from walk(part)


def test_no_list_and_no_text_is_without_a_bound() -> None:
    """A small model would run on to its output limit: every list has `maxItems`, every text an end."""
    made = build_planning_schema(["a"], max_steps=9, facts=["f"], kept=["x"], is_rolling=True)
    shape, _ = render_schema(made)
    lists = [node for node in walk(shape) if node.get("type") == "array"]
    texts = [node for node in walk(shape) if node.get("type") == "string"]
    assert len(lists) > 8
    assert [node for node in lists if "maxItems" not in node] == []
    ends = {"enum", "const", "maxLength", "pattern"}
    assert [node for node in texts if not ends & node.keys()] == []


async def ask(request: il.PlanRequest) -> dict[str, Any]:
    """Return the shape of one step as the provider is sent it."""
    with OpenAIServer() as server:
        server.script(say(GOOD_PLAN))
        await il.ModelPlanner(model=connect(server, timeout=5)).plan(request)
    schema = server.requests[0]["response_format"]["json_schema"]["schema"]
    step: dict[str, Any] = schema["$defs"]["PlannedStep"]["properties"]
    return step


async def test_facts_are_a_closed_set_and_nothing_where_there_are_none() -> None:
    """Keys that are held, or that steps of the last plan publish; others cannot be said."""
    bare = await ask(il.PlanRequest(goal="g", workers=[CARD]))
    assert "context" not in bare
    old = il.Step(
        id=StepId("find"),
        worker=WorkerName("look_up"),
        instruction="Find",
        publishes={"order": "output.said"},
    )
    known = await ask(
        il.PlanRequest(
            goal="g",
            workers=[CARD],
            context={"customer": "Ann"},
            previous=il.TaskGraph(goal="g", steps=(old,)),
        )
    )
    assert known["context"]["items"]["enum"] == ["customer", "order"]


async def test_a_fact_that_a_model_asks_for_reaches_the_worker() -> None:
    """Through the front door: the key is told, named, and its value is in the brief."""
    seen: list[il.Brief] = []

    async def note(brief: il.Brief) -> str:
        seen.append(brief)
        return "Done."

    step = {"id": "a", "worker": "note", "instruction": "x", "context": ["customer"]}
    with OpenAIServer() as server:
        server.script(say({"steps": [step]}))
        async with il.Orchestrator(
            workers=[il.Worker(name="note", agent=note)],
            planner=il.ModelPlanner(model=connect(server, timeout=5)),
            storage="memory://",
        ) as desk:
            await desk.ainvoke("g", thread_id="t", context={"customer": "Ann", "secret": "x"})
    assert [dict(brief.context) for brief in seen] == [{"customer": "Ann"}]
    assert "Facts; a step sees those whose keys it names in `context`" in read_messages(
        server.requests[0]
    )


BROKEN = {
    "steps": [
        {
            "id": "find",
            "worker": "look_up",
            "instruction": "x",
            "arguments": [{"name": "n", "value": 1}, {"name": "n", "value": 2}],
        },
        {
            "id": "tell",
            "worker": "look_up",
            "instruction": "y",
            "needs": ["find"],
            "inputs": [{"name": "o", "path": "find.said"}, {"name": "o", "path": "find.given"}],
        },
    ]
}


async def test_a_name_that_stands_twice_is_no_plan() -> None:
    """Neither of two values is lost in silence; both steps' problems are told at once, by step."""
    with OpenAIServer() as server:
        server.script(say(BROKEN), say(GOOD_PLAN))
        result = await run_planned(server)
    assert result.status == "completed"
    told = read_messages(server.requests[1])
    assert "Step 'find': arguments has the name 'n' twice" in told
    assert "Step 'tell': inputs has the name 'o' twice" in told


async def test_an_early_step_that_cannot_be_one_ends_the_early_steps() -> None:
    """A streamed step that is no step is not started; the whole is refused with all problems."""
    with OpenAIServer() as server:
        server.script(say(BROKEN))
        planner = il.ModelPlanner(model=connect(server, timeout=5), stream=True)
        coming = planner.astream_plan(il.PlanRequest(goal="g", workers=[CARD]))
        with pytest.raises(il.PlanError) as caught:
            await anext(coming)
    assert len(caught.value.problems) == 2


async def test_a_question_asked_again_is_not_the_same_question() -> None:
    """A model at temperature 0 gives equal questions equal answers; the count of answers tells."""
    with OpenAIServer() as server:
        server.script(say(BROKEN), say(BROKEN), say(GOOD_PLAN))
        result = await run_planned(server)
    assert result.status == "completed"
    asked = [read_messages(request) for request in server.requests]
    assert len(set(asked)) == 3
    assert "Your answer number 2 could not be used" in asked[2]
