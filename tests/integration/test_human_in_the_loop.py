"""LangChain's human-in-the-loop shapes: what we ask with, and its middleware inside a worker."""

from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import HumanInTheLoopMiddleware
from langchain_core.messages import AIMessage
from langgraph.types import Command

import interlock as il
from tests.integration.scripted_chat import ScriptedChat
from tests.integration.teams import Recorder, build_desk, build_step, give
from tests.integration.thread_reading import read_thread

CONFIG: Any = {"configurable": {"thread_id": "t"}}


def ask_twice(desk: dict[str, Any] | None = None, **options: Any) -> il.Orchestrator:
    """Return a team with one question before a step and one about an output."""
    agents = {"bad": give("no"), "good": give("yes"), **(desk or {})}
    steps = (
        build_step("bad", criteria=[il.expr("output == 'yes'")], fallback=[il.ask_person()]),
        build_step("good", approval="true", arguments={"cents": 5}),
    )
    return build_desk(agents, *steps, **options)


async def test_open_questions_stand_in_the_state_as_one_langchain_request() -> None:
    """`action_requests` and `review_configs`, one entry a question, ids and hashes beside them."""
    async with ask_twice() as desk:
        waiting = await desk.ainvoke("Test", thread_id="t")
        (pause,) = (await desk.graph.aget_state(CONFIG)).interrupts
    value = pause.value
    ids = [question["id"] for question in value["questions"]]
    assert sorted(ids) == sorted(question.id for question in waiting.questions)
    decisions = ["approve", "edit", "reject", "respond"]
    requests = {request["name"]: request for request in value["action_requests"]}
    assert {name: request["args"] for name, request in requests.items()} == {
        "bad": {"value": "no"},
        "good": {"cents": 5},
    }
    assert all(set(request) == {"name", "args", "description"} for request in requests.values())
    assert [config["action_name"] for config in value["review_configs"]] == list(requests)
    assert all(config["allowed_decisions"] == decisions for config in value["review_configs"])
    assert [q["shown_hash"] for q in value["questions"]] == [
        next(q.shown_hash for q in waiting.questions if q.id == one) for one in ids
    ]


async def test_decisions_in_langchains_words_are_taken_by_id_and_others_asked_again() -> None:
    """Given past the facade, the node itself checks ids and decisions, and says what was wrong."""
    async with ask_twice() as desk:
        waiting = await desk.ainvoke("Test", thread_id="t")
        ids = {q.step_id: q.id for q in waiting.questions}

        async def resume(*decisions: Any) -> Any:
            (pause,) = (await desk.graph.aget_state(CONFIG)).interrupts
            command = Command(resume={pause.id: {"decisions": list(decisions)}})
            await desk.graph.ainvoke(command, CONFIG, durability="sync")
            return await desk.graph.aget_state(CONFIG)

        state = await resume({"type": "approve"}, {"question_id": "q-0", "type": "approve"})
        (pause,) = state.interrupts
        problems = " ".join(pause.value["problems"])
        assert "does not name its question_id" in problems
        assert "'q-0'" in problems
        assert len(pause.value["questions"]) == 2
        state = await resume(
            {"question_id": ids["good"], "type": "edit", "edited_action": {"args": {"cents": 7}}}
        )
        (pause,) = state.interrupts
        assert [q["id"] for q in pause.value["questions"]] == [ids["bad"]]
        state = await resume({"question_id": ids["bad"], "type": "edit", "value": "yes"})
        assert state.interrupts == ()
        result = await desk.aresume("t")
        handoffs = await desk.ahandoffs("t", "good")
    assert result.outputs == {"bad": "yes", "good": "yes"}
    assert [h.payload["inputs"] for h in handoffs if h.kind == "brief"] == [{"cents": 7}]


def build_agent(turns: list[Any], called: list[Any]) -> Any:
    """Return LangChain's agent with two tools that a person must let it call."""

    def refund(order: str, cents: int) -> str:
        """Pay back."""
        called.append(("refund", order, cents))
        return f"paid {cents}"

    def mail(text: str) -> str:
        """Write to the customer."""
        called.append(("mail", text))
        return "sent"

    gates: Any = {"refund": True, "mail": {"allowed_decisions": ["approve", "reject"]}}
    middleware = [HumanInTheLoopMiddleware(interrupt_on=gates)]
    return create_agent(ScriptedChat(turns=turns), tools=[refund, mail], middleware=middleware)


def call_both() -> AIMessage:
    """Return a model turn that wants both tools."""
    calls = [
        {"name": "refund", "args": {"order": "o-1", "cents": 900}, "id": "c1"},
        {"name": "mail", "args": {"text": "Dear"}, "id": "c2"},
    ]
    usage = {"input_tokens": 7, "output_tokens": 3, "total_tokens": 10}
    return AIMessage("", tool_calls=calls, usage_metadata=usage)


def say_done() -> AIMessage:
    """Return the agent's last words."""
    usage = {"input_tokens": 9, "output_tokens": 1, "total_tokens": 10}
    return AIMessage("done", usage_metadata=usage)


async def test_an_agents_tool_calls_are_questions_answered_one_by_one() -> None:
    """Each action request is a question of its own; the agent goes on when all are answered."""
    called: list[Any] = []
    beside = Recorder("beside")
    agents = {"clerk": build_agent([call_both(), say_done()], called), "beside": beside}
    async with build_desk(agents) as desk:
        waiting = await desk.ainvoke("Test", thread_id="t")
        by_name = {q.name: q for q in waiting.questions}
        assert {name: q.args for name, q in by_name.items()} == {
            "refund": {"order": "o-1", "cents": 900},
            "mail": {"text": "Dear"},
        }
        assert {q.step_id for q in waiting.questions} == {"clerk"}
        assert by_name["mail"].allowed == ("approve", "reject")
        with pytest.raises(il.InvalidAnswerError, match="edit"):
            await desk.aanswer("t", {by_name["mail"].id: il.edit({"text": "x"})})
        edited = il.edit({"order": "o-1", "cents": 100})
        half = await desk.aanswer("t", {by_name["refund"].id: edited})
        assert (half.status, [q.name for q in half.questions], called) == ("waiting", ["mail"], [])
        done = await desk.aanswer("t", {by_name["mail"].id: il.reject("no mail")})
        handoffs = await desk.ahandoffs("t", "clerk")
        await read_thread(desk, "t")
    assert done.outputs == {"clerk": "done", "beside": "beside"}
    assert called == [("refund", "o-1", 100)]
    assert beside.calls == 1
    kinds = [h.kind for h in handoffs]
    assert sorted(kinds) == ["answer"] * 2 + ["brief", "output"] + ["question"] * 2
    assert done.usage.tokens == 20  # the call before the pause, and the one after it


async def test_an_agent_that_asks_again_gets_the_second_answer_to_the_second_question() -> None:
    """Two turns that want the same tool ask twice; equal requests are different questions."""
    called: list[Any] = []
    call = {"name": "mail", "args": {"text": "Dear"}, "id": "c1"}
    again = {**call, "id": "c2"}
    turns = [AIMessage("", tool_calls=[call]), AIMessage("", tool_calls=[again]), say_done()]
    async with build_desk({"clerk": build_agent(turns, called)}) as desk:
        first = await desk.ainvoke("Test", thread_id="t")
        second = await desk.aanswer("t", {first.questions[0].id: il.approve()})
        assert called == [("mail", "Dear")]
        assert second.status == "waiting"
        assert second.questions[0].id != first.questions[0].id
        assert (await desk.aanswer("t", {first.questions[0].id: il.approve()})).status == "waiting"
        assert called == [("mail", "Dear")]
        done = await desk.aanswer("t", {second.questions[0].id: il.approve()})
    assert done.status == "completed"
    assert called == [("mail", "Dear")] * 2
