"""Questions and answers in LangChain's shapes: read generously, refused in words."""

from typing import Any

import pytest
from langchain.agents.middleware.human_in_the_loop import (
    ActionRequest,
    HITLRequest,
    ReviewConfig,
)
from pydantic import TypeAdapter

import interlock as il
from interlock.nodes.run.answer_shapes import (
    build_request,
    find_answer_problem,
    is_request,
    parse_answers,
    read_questions,
)


def build_question(**fields: Any) -> il.Question:
    """Return a question."""
    return il.Question.model_validate(
        {
            "id": "q-1",
            "thread_id": "t17",
            "kind": "output",
            "step_id": "reply",
            "name": "reply",
            "args": {"text": "Dear"},
            "description": "Let it pass?",
            "allowed": ["approve", "edit", "reject", "respond"],
            "shown_hash": "h1",
            "asked_at": "2026-01-01T12:00:00Z",
            **fields,
        }
    )


def test_a_request_is_langchains_request_with_our_ids_beside_it() -> None:
    """One action request and one review config a question, as LangChain's own types have them."""
    questions = [build_question(), build_question(id="q-2", args="just text", allowed=["reject"])]
    request = build_request(questions, ["The answer was refused."])
    hitl = TypeAdapter(HITLRequest).validate_python(
        {key: request[key] for key in HITLRequest.__annotations__}
    )
    assert hitl["action_requests"] == [
        ActionRequest(name="reply", args={"text": "Dear"}, description="Let it pass?"),
        ActionRequest(name="reply", args={"value": "just text"}, description="Let it pass?"),
    ]
    assert hitl["review_configs"][1] == ReviewConfig(
        action_name="reply", allowed_decisions=["reject"]
    )
    assert is_request(request)
    assert read_questions(request) == questions
    assert request["problems"] == ["The answer was refused."]


@pytest.mark.parametrize("value", [None, "text", {"action_requests": []}, {"questions": []}, [1]])
def test_a_workers_own_interrupt_is_not_taken_for_ours(value: Any) -> None:
    """Only a request of ours has both the questions and LangChain's action requests."""
    assert not is_request(value)


@pytest.mark.parametrize(
    ("resumed", "expected"),
    [
        ({"answers": {"q-1": {"type": "approve"}}}, {"q-1": il.approve()}),
        ({"answers": {"q-1": il.reject("no")}}, {"q-1": il.reject("no")}),
        (
            {"decisions": [{"question_id": "q-1", "type": "respond", "message": "do"}]},
            {"q-1": il.respond("do")},
        ),
        (
            {
                "decisions": [
                    {
                        "question_id": "q-1",
                        "type": "edit",
                        "edited_action": {"name": "reply", "args": {"text": "Hi"}},
                    }
                ]
            },
            {"q-1": il.edit({"text": "Hi"})},
        ),
        (
            {
                "answers": {"q-1": {"type": "approve"}},
                "decisions": ({"question_id": "q-2", "type": "edit", "value": [1]},),
            },
            {"q-1": il.approve(), "q-2": il.edit([1])},
        ),
    ],
)
def test_answers_are_read_in_both_forms(resumed: Any, expected: Any) -> None:
    """By question id, or as LangChain's decisions with a question id each."""
    assert parse_answers(resumed) == (expected, [])


@pytest.mark.parametrize(
    "resumed",
    [
        None,
        True,
        "approve",
        [],
        0,
        {},
        {"answers": {}},
        {"answers": []},
        {"decisions": "approve"},
        {"q-1": {"type": "approve"}},
    ],
)
def test_what_holds_no_answers_is_told_how_to_answer(resumed: Any) -> None:
    """A scalar, or an approval without an id, approves nothing."""
    answers, problems = parse_answers(resumed)
    assert answers == {}
    (problem,) = problems
    assert 'Answer with {"answers"' in problem


@pytest.mark.parametrize(
    "raw",
    [None, "approve", {}, {"type": "yes"}, {"type": "approve", "extra": 1}, {"message": "x"}, 3],
)
def test_one_bad_answer_does_not_spoil_the_others(raw: Any) -> None:
    """Each answer that cannot be read is told; the good one is taken."""
    answers, problems = parse_answers({"answers": {"bad": raw, "q-1": {"type": "approve"}}})
    assert answers == {"q-1": il.approve()}
    (problem,) = problems
    assert "cannot be read" in problem


@pytest.mark.parametrize("decision", [{"type": "approve"}, "approve", None, 3])
def test_a_decision_without_an_id_is_told(decision: Any) -> None:
    """Decisions are never matched by their order."""
    answers, problems = parse_answers({"decisions": [decision]})
    assert answers == {}
    assert "does not name its question_id" in problems[0]


@pytest.mark.parametrize("value", [2**70, "a\ud800", float("nan"), {"deep": {1: 2}}, {1}])
def test_a_value_that_cannot_be_stored_is_told(value: Any) -> None:
    """What Studio sends is looked at like what a worker returns."""
    answers, problems = parse_answers({"answers": {"q-1": {"type": "edit", "value": value}}})
    assert answers == {}
    assert "cannot be read" in problems[0]


@pytest.mark.parametrize(
    ("question", "answer", "words"),
    [
        ({}, il.approve(), None),
        ({}, il.edit("anything"), None),
        ({}, il.Answer(type="approve", shown_hash="h1"), None),
        ({"kind": "before_step"}, il.edit({"a": 1}), None),
        ({"allowed": ["reject"]}, il.approve(), "Allowed: reject."),
        ({}, il.Answer(type="approve", shown_hash="h0"), "shows something else by now"),
        ({"kind": "before_step"}, il.edit(3), "wants an object"),
        ({"kind": "plan"}, il.edit("plan"), "wants an object"),
        ({}, il.reject(""), "needs a message"),
        ({}, il.Answer(type="respond"), "needs a message"),
    ],
)
def test_an_answer_fits_its_question_or_is_refused_with_the_reason(
    question: dict[str, Any], answer: il.Answer, words: str | None
) -> None:
    """Allowed decisions, what was shown, and what a decision must carry."""
    problem = find_answer_problem(build_question(**question), answer)
    if words is None:
        assert problem is None
    else:
        assert problem is not None
        assert words in problem
        assert "'q-1'" in problem
