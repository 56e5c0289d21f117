"""Asking for a value: strict types, the time that is left, the way that works, what is kept."""

from datetime import timedelta

import pytest
from langchain_core.messages import HumanMessage
from pydantic import BaseModel

import interlock as il
from interlock.contracts.ids import StepId, WorkerName
from interlock.models.structured import StructuredModel, ask_for
from interlock.testing import ManualClock
from interlock.testing.manual_clock import NOON
from interlock.testing.openai_replies import fail, say
from interlock.testing.openai_server import OpenAIServer, read_messages
from tests.models.chat_over_http import connect

QUESTION = [HumanMessage("Is it good?")]


class Opinion(BaseModel):
    """What a model thinks."""

    passed: bool
    points: int


async def test_a_text_is_no_truth_value_and_no_number() -> None:
    """`"false"` and `"3"` are refused, both at once: nothing is guessed from words."""
    with OpenAIServer() as server:
        server.script(say({"passed": "false", "points": "3"}))
        with pytest.raises(il.ModelAnswerError) as caught:
            await ask_for(connect(server), QUESTION, Opinion)
    assert [problem.split(":")[0] for problem in caught.value.problems] == ["passed", "points"]


async def test_a_wait_beyond_the_time_left_is_not_begun() -> None:
    """Thirty seconds asked for, twenty left: the error comes at once and says how long."""
    clock = ManualClock(auto=True)
    limits = il.CallLimits(timeout=timedelta(seconds=20), clock=clock)
    with OpenAIServer() as server:
        server.script(fail(429, retry_after=30))
        with pytest.raises(il.ModelCallError) as caught:
            await ask_for(connect(server), QUESTION, Opinion, limits=limits)
    assert (caught.value.fault, caught.value.retry_after_seconds) == ("rate_limit", 30)
    assert clock.now() == NOON


async def test_the_way_that_works_is_remembered() -> None:
    """A server that refuses schemas and tools is not asked with them again."""
    good = say({"passed": True, "points": 3}, usage=(7, 2))
    with OpenAIServer() as server:
        server.script(fail(400), fail(400), good, good)
        model = StructuredModel(connect(server))
        first = await model.ask(QUESTION, Opinion)
        second = await model.ask(QUESTION, Opinion)
    assert (first.method, second.method) == ("text", "text")
    assert len(server.requests) == 4
    assert second.value == Opinion(passed=True, points=3)
    assert second.usage["total_tokens"] == 9


async def test_a_server_that_ignores_schemas_is_asked_otherwise_next_time() -> None:
    """Prose for an answer is refused; the next question goes another way."""
    with OpenAIServer() as server:
        server.script(say("Looks good to me."), say({"passed": True, "points": 3}))
        model = StructuredModel(connect(server))
        with pytest.raises(il.ModelAnswerError, match="not the JSON"):
            await model.ask(QUESTION, Opinion)
        await model.ask(QUESTION, Opinion)
    assert "response_format" in server.requests[0]
    assert "tools" in server.requests[1]


@pytest.mark.parametrize("method", ["json_schema", "function_calling", "json_mode", "text"])
async def test_a_method_that_is_asked_for_is_used(method: str) -> None:
    """And it is the only one: what a server refuses is told."""
    with OpenAIServer() as server:
        server.script(fail(400))
        with pytest.raises(il.ModelRequestError):
            await ask_for(connect(server), QUESTION, Opinion, method=method)  # type: ignore[arg-type]
    (request,) = server.requests
    assert ("tools" in request) == (method == "function_calling")
    assert ("response_format" in request) == (method in {"json_schema", "json_mode"})
    assert ("JSON Schema" in read_messages(request)) == (method in {"json_mode", "text"})


async def test_a_new_version_keeps_the_steps_that_it_names() -> None:
    """Asked again with a plan in hand: kept by id, replaced by id, left out by silence."""
    old = [
        il.Step(
            id=StepId(name), worker=WorkerName("w"), instruction=name, timeout=timedelta(seconds=5)
        )
        for name in ("a", "b", "c")
    ]
    answer = {"keep": ["a"], "steps": [{"id": "b", "worker": "w", "instruction": "anew"}]}
    request = il.PlanRequest(
        goal="g",
        workers=[il.WorkerCard(name=WorkerName("w"), description="")],
        previous=il.TaskGraph(goal="g", steps=tuple(old)),
    )
    with OpenAIServer() as server:
        server.script(say(answer))
        plan = await il.ModelPlanner(model=connect(server)).plan(request)
    assert [(step.id, step.instruction) for step in plan.steps] == [("a", "a"), ("b", "anew")]
    assert plan.steps[0] == old[0]
