"""The public scripted model: it says what it was told to say, and is strict at both ends."""

import asyncio
import copy
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from pydantic import BaseModel

import interlock as il
from interlock.testing import ModelReply, ScriptedModel, UnexpectedCallError
from tests.integration.teams import build_desk


class Draft(BaseModel):
    """A letter."""

    title: str
    words: int


DRAFT = Draft(title="Hello", words=3)


def look_up(order_id: str) -> str:
    """Look an order up."""
    return order_id


def test_replies_come_in_order_with_tokens_and_an_end() -> None:
    """Texts are answered as a provider answers: how it ended, who spoke, what it cost."""
    with ScriptedModel("one", ModelReply(text="two", usage=(7, 2)), model_name="m-1") as model:
        first, second = model.invoke("a"), model.invoke("b")
    assert (first.text, second.text) == ("one", "two")
    assert second.response_metadata == {"model_name": "m-1", "finish_reason": "stop"}
    assert second.usage_metadata == {"input_tokens": 7, "output_tokens": 2, "total_tokens": 9}
    assert [call.text for call in model.calls] == ["a", "b"]


def test_a_call_too_many_fails_there_and_at_the_end() -> None:
    """The error says who asked what, and what was left; a team that swallows it is caught."""
    model = ScriptedModel().script("yes", when="order 17")
    with pytest.raises(UnexpectedCallError, match=r"no reply for call 1 .*'order 18'.*'yes'"):
        model.invoke("order 18")
    with pytest.raises(UnexpectedCallError, match=r"(?s)asked, not scripted.*scripted, not asked"):
        model.assert_done()


def test_a_reply_that_nobody_takes_fails_the_block() -> None:
    """What was scripted must be asked for; the block's own failure goes before."""
    with pytest.raises(UnexpectedCallError, match="not asked for: 'left' "), ScriptedModel("left"):
        pass
    with pytest.raises(KeyError), ScriptedModel("left"):
        raise KeyError


@pytest.mark.parametrize("method", ["json_schema", "function_calling", "json_mode"])
def test_structured_output_in_every_way(method: Any) -> None:
    """The same scripted value answers JSON and forced tool calls, raw or parsed."""
    with ScriptedModel(DRAFT, {"title": "x"}, DRAFT) as model:
        asked = model.with_structured_output(Draft, method=method)
        assert asked.invoke("a") == DRAFT
        bad = model.with_structured_output(Draft, method=method, include_raw=True).invoke("b")
        assert bad["parsed"] is None
        assert "words" in str(bad["parsing_error"])
        schema = Draft.model_json_schema()
        assert model.with_structured_output(schema, method=method).invoke("c") == {
            "title": "Hello",
            "words": 3,
        }
    assert model.calls[0].tools == (("Draft",) if method == "function_calling" else ())


def test_tools_streams_errors_and_copies_share_one_script() -> None:
    """Bound views and copies go on in the same script; pieces of a stream add up to the reply."""
    replies = (ModelReply.calling(look_up={"order_id": "17"}), "so it is", TimeoutError("late"))
    with ScriptedModel(*replies) as model:
        called = model.bind_tools([look_up]).invoke("a")
        assert [(c["name"], c["args"]) for c in called.tool_calls] == [
            ("look_up", {"order_id": "17"})
        ]
        pieces = list(copy.deepcopy(model).stream("b"))
        assert len(pieces) > 2
        whole = pieces[0]
        for piece in pieces[1:]:
            whole += piece
        assert whole.text == "so it is"
        assert whole.response_metadata["finish_reason"] == "stop"
        assert whole.usage_metadata is not None
        with pytest.raises(TimeoutError, match="late"):
            model.model_copy().invoke("c")
    assert model.calls[0].tools == ("look_up",)


async def test_workers_of_a_run_get_their_own_replies() -> None:
    """In parallel, each worker is answered by its name or by what it says."""
    model = ScriptedModel()
    model.script("from b", worker="b", times=2).script("from a", worker="a")
    model.script("never", when=lambda call: "nobody" in call.text, times=None)

    async def ask(brief: il.Brief) -> str:
        return (await model.ainvoke(brief.instruction)).text

    async def ask_twice(brief: il.Brief) -> str:
        texts = await asyncio.gather(ask(brief), ask(brief))
        return " ".join(texts)

    with model:
        async with build_desk({"a": ask, "b": ask_twice, "c": lambda _: 1}) as desk:
            result = await desk.ainvoke("Test", thread_id="t")
    assert result.outputs == {"a": "from a", "b": "from b from b", "c": 1}
    assert {(call.worker, call.step_id) for call in model.calls} == {("a", "a"), ("b", "b")}


async def test_it_plans_and_works_in_a_team() -> None:
    """One scripted model is planner and worker of a run; both are counted."""
    plan = {"steps": [{"id": "one", "worker": "writer", "instruction": "Write"}]}
    with ScriptedModel() as model:
        model.script(plan, when="writer").script(AIMessage("Dear all"), worker="writer")
        desk = build_desk({"writer": model}, planner=il.ModelPlanner(model=model))
        async with desk:
            result = await desk.ainvoke("Write a letter", thread_id="t")
    assert (result.status, result.outputs) == ("completed", {"one": "Dear all"})
    assert result.usage.model_calls == 2


def test_what_no_model_can_say_is_refused() -> None:
    """A mistake in the script is seen where it is written."""
    with pytest.raises(il.ConfigurationError, match="cannot say 17"):
        ScriptedModel(17)  # type: ignore[arg-type]
