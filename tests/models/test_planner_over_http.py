"""A model planner over real HTTP: whatever the other side does, no bad plan runs."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from interlock.models.answer_schema import render_schema
from interlock.models.planning_schema import build_planning_schema
from interlock.testing import ManualClock
from interlock.testing.manual_clock import NOON
from interlock.testing.openai_replies import (
    OpenAIReply,
    call,
    fail,
    filter_out,
    refuse,
    say,
    stop_at_limit,
)
from interlock.testing.openai_server import OpenAIServer, read_messages
from tests.models.chat_over_http import GOOD_PLAN, run_planned

UNKNOWN = {"steps": [{"id": "a", "worker": "reed", "instruction": "x", "needs": ["b"], "tools": 1}]}
RING = {
    "steps": [
        {"id": "a", "worker": "look_up", "instruction": "x", "needs": ["b"]},
        {"id": "b", "worker": "look_up", "instruction": "x", "needs": ["a"]},
    ]
}
OTHER_PLAN = {"steps": [{"id": "a", "worker": "look_up", "instruction": "x"}]}
HALF = '{"steps": [{"id": "find", "worker": "look_up", "instruction": "Find'

ANSWERS: dict[str, tuple[OpenAIReply, str]] = {
    "prose": (say("I would rather talk about it."), "holds no JSON object"),
    "half": (say(HALF), "not valid JSON near"),
    "two": (
        say(f"{json.dumps(GOOD_PLAN)} or {json.dumps(OTHER_PLAN)}"),
        "2 different answers were given",
    ),
    "unknown worker": (say(UNKNOWN), "steps[0].worker: Input should be 'look_up'"),
    "ring": (say(RING), "in a ring"),
    "refusal": (refuse("I cannot help with that."), "I cannot help with that."),
    "length": (stop_at_limit(HALF), "cut off by its output limit"),
    "filter": (filter_out(), "content filter"),
    "bad tool call": (call("PlannedGraph", '{"steps": ['), "cannot be read"),
    "empty": (say(""), "no answer"),
}
FAULTS: dict[str, OpenAIReply] = {
    "500": fail(500),
    "slow": say(GOOD_PLAN).late(1.0),
    "hang": say(GOOD_PLAN).broken("hang"),
    "reset": say(GOOD_PLAN).broken("reset"),
    "stall": say(GOOD_PLAN).broken("stall"),
    "malformed": say(GOOD_PLAN).broken("cut"),
    "garbled": say(GOOD_PLAN).broken("garble"),
}


async def test_a_good_plan_runs() -> None:
    """One call, one plan, every step accepted; the server was sent the schema, strictly."""
    with OpenAIServer() as server:
        server.script(say(GOOD_PLAN, usage=(120, 40)))
        result = await run_planned(server)
    assert result.status == "completed"
    assert result.outputs["reply"]["given"] == {"order": "Find order 17"}
    shape = server.requests[0]["response_format"]["json_schema"]
    assert shape["strict"] is True
    assert "Finds orders" in read_messages(server.requests[0])


@pytest.mark.parametrize("name", ANSWERS)
async def test_a_bad_answer_is_asked_again_with_what_is_wrong(name: str) -> None:
    """The second question tells the model all that was wrong with its first answer."""
    reply, words = ANSWERS[name]
    with OpenAIServer() as server:
        server.script(reply, say(GOOD_PLAN))
        result = await run_planned(server)
    assert result.status == "completed"
    assert words in read_messages(server.requests[1])


async def test_all_problems_are_told_at_once() -> None:
    """A model that errs twice in one step hears both."""
    with OpenAIServer() as server:
        server.script(say(UNKNOWN), say(GOOD_PLAN))
        await run_planned(server)
    told = read_messages(server.requests[1])
    assert "steps[0].worker: Input should be 'look_up'" in told
    assert "steps[0].tools: there is no such field" in told


@pytest.mark.parametrize("name", FAULTS)
async def test_a_call_that_fails_on_its_way_is_repeated(name: str) -> None:
    """Within one attempt of the planner: the model is not blamed for the line."""
    with OpenAIServer() as server:
        server.script(FAULTS[name], say(GOOD_PLAN))
        result = await run_planned(server)
    assert result.status == "completed"
    assert read_messages(server.requests[0]) == read_messages(server.requests[1])


async def test_retry_after_is_honoured() -> None:
    """A provider that asks for seven seconds gets them, on our clock."""
    clock = ManualClock(auto=True)
    with OpenAIServer() as server:
        server.script(fail(429, retry_after=7), say(GOOD_PLAN))
        result = await run_planned(server, clock=clock)
    assert result.status == "completed"
    assert 7 <= (clock.now() - NOON).total_seconds() < 8


async def test_a_wait_beyond_the_time_left_is_not_begun() -> None:
    """A provider that asks for ten minutes is told about at once, three times, then the run fails."""
    clock = ManualClock(auto=True)
    with OpenAIServer() as server:
        server.script(*[fail(429, retry_after=600)] * 3)
        result = await run_planned(server, clock=clock)
    assert result.status == "failed"
    assert "Try again in 600 s" in (result.reason or "")
    assert clock.now() == NOON


@pytest.mark.parametrize("name", ANSWERS)
async def test_a_model_that_never_plans_well_ends_the_run_honestly(name: str) -> None:
    """After three answers the run has failed, saying why; nothing ran."""
    reply, _ = ANSWERS[name]
    with OpenAIServer() as server:
        server.script(reply, times=3)
        result = await run_planned(server)
    assert (result.status, result.outputs) == ("failed", {})
    assert "No valid plan after 3 attempts" in (result.reason or "")


async def test_a_server_that_knows_no_schema_is_asked_otherwise() -> None:
    """With `auto`, a 400 for the schema leads to a tool call, and next to plain text."""
    with OpenAIServer() as server:
        server.script(fail(400), when=lambda request: "response_format" in request)
        server.script(fail(400), when=lambda request: "tools" in request)
        server.script(say(f"Here it is:\n```json\n{json.dumps(GOOD_PLAN)}\n```"))
        result = await run_planned(server)
    assert result.status == "completed"
    assert "JSON Schema" in read_messages(server.requests[2])


async def test_a_wrong_key_is_not_tried_again() -> None:
    """What a provider refuses for good is sent once; the run fails and says what to check."""
    with OpenAIServer() as server:
        server.script(fail(401))
        result = await run_planned(server)
    assert result.status == "failed"
    assert "Check the API key" in (result.reason or "")


async def test_a_rolling_plan_grows_by_what_the_model_adds() -> None:
    """Asked for more, the model names the new steps only; the old ones stay and do not run again."""
    first = {**OTHER_PLAN, "is_open": True}
    more = {"id": "b", "worker": "look_up", "instruction": "y", "needs": ["a"]}
    with OpenAIServer() as server:
        server.script(say(first), say({"steps": [more]}))
        result = await run_planned(server, rolling=True)
    assert result.status == "completed"
    assert result.outputs["b"]["given"] == {"a": {"said": "x", "given": {}}}
    assert result.outcomes["a"].attempts == 1
    assert "a (look_up): x -> accepted" in read_messages(server.requests[1])


async def test_the_schema_is_one_that_a_strict_provider_takes() -> None:
    """Every object closed, every field required, nothing free: OpenAI's rules for strict schemas."""
    shape, is_strict = render_schema(build_planning_schema(["a", "b"], max_steps=9, kept=["x"]))
    assert is_strict
    objects = [node for node in _walk(shape) if node.get("type") == "object"]
    assert len(objects) == 7
    for node in objects:
        assert node["additionalProperties"] is False
        assert set(node["required"]) == set(node["properties"])
    text = json.dumps(shape)
    assert not [word for word in ("oneOf", "default", "allOf") if f'"{word}":' in text]


def _walk(node: object) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
    for part in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from _walk(part)


async def test_an_answer_cut_off_by_its_limit_is_counted() -> None:
    """The client hides it behind an error; its tokens are part of what the run has used."""
    with OpenAIServer() as server:
        server.script(stop_at_limit(HALF), say(GOOD_PLAN, usage=(120, 40)))
        result = await run_planned(server)
    usage = result.usage
    assert (usage.model_calls, usage.input_tokens, usage.output_tokens) == (2, 130, 45)
