"""Steps are known while the plan still streams in; a plan whose end never arrives is refused."""

import json
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessageChunk

import interlock as il
from interlock.contracts.ids import WorkerName
from interlock.models.planning_schema import build_planning_schema
from interlock.models.streamed_steps import StreamedSteps
from interlock.testing.openai_replies import OpenAIReply, say
from interlock.testing.openai_server import OpenAIServer
from tests.models.chat_over_http import GOOD_PLAN, connect

SCHEMA = build_planning_schema(["look_up"], max_steps=40)
CARD = il.WorkerCard(name=WorkerName("look_up"), description="Finds orders")


async def stream_plan(reply: OpenAIReply) -> tuple[Sequence[il.Step | il.TaskGraph], str]:
    """Return what a streaming planner yields, and why it then refused."""
    seen: list[il.Step | il.TaskGraph] = []
    why = ""
    with OpenAIServer() as server:
        server.script(reply)
        planner = il.ModelPlanner(model=connect(server), stream=True)
        try:
            async for item in planner.astream_plan(il.PlanRequest(goal="g", workers=[CARD])):
                seen.append(item)
        except il.PlanError as exc:
            why = str(exc)
    return seen, why


async def test_steps_come_before_the_plan_and_are_in_it() -> None:
    """Each step once, in order, then the whole; over a real stream."""
    (*steps, plan), _ = await stream_plan(say(GOOD_PLAN))
    assert isinstance(plan, il.TaskGraph)
    assert [step.id for step in plan.steps] == ["find", "reply"]
    assert tuple(steps) == plan.steps


async def test_a_stream_that_breaks_off_gives_no_plan() -> None:
    """Steps may have come; the plan does not, and the error says why."""
    seen, why = await stream_plan(say(GOOD_PLAN).broken("cut"))
    assert [item.id for item in seen if isinstance(item, il.Step)] == ["find"]
    assert not [item for item in seen if isinstance(item, il.TaskGraph)]
    assert "end never arrived" in why


async def test_no_step_behind_a_bad_one_is_given() -> None:
    """A step that does not fit ends the early steps; the whole is refused with its place."""
    good, bad = GOOD_PLAN["steps"]
    plan = {"steps": [good, {**bad, "worker": "reed"}, {**good, "id": "c"}]}
    seen, why = await stream_plan(say(plan))
    assert [item.id for item in seen if isinstance(item, il.Step)] == ["find"]
    assert "steps[1].worker" in why


@given(
    instructions=st.lists(st.text(min_size=1, max_size=20), min_size=1, max_size=4),
    size=st.integers(1, 9),
)
def test_however_the_text_is_cut_the_same_steps_come(instructions: list[str], size: int) -> None:
    """Brackets, quotes and backslashes inside instructions, cut anywhere, mislead nobody."""
    steps = [
        {"id": f"s{place}", "worker": "look_up", "instruction": text}
        for place, text in enumerate(instructions)
    ]
    text = json.dumps({"steps": steps})
    reader = StreamedSteps(SCHEMA)
    came = [
        step.instruction
        for end in [*range(size, len(text), size), len(text)]
        for step in reader.read(AIMessageChunk(text[:end]))
    ]
    assert came == instructions


@pytest.mark.parametrize("text", ["", "no steps here", '{"steps": ', '{"steps": [{"id": "a"'])
def test_nothing_comes_before_a_step_is_whole(text: str) -> None:
    """The beginning of a step is no step."""
    assert list(StreamedSteps(SCHEMA).read(AIMessageChunk(text))) == []
