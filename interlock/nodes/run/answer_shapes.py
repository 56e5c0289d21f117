"""Questions and answers in LangChain's human-in-the-loop shapes.

A request lists `action_requests` and `review_configs`, as LangChain's middleware does, with the
questions' ids and hashes beside them. A response gives `answers` by question id, or `decisions`
that each name their `question_id`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from interlock.contracts.ids import QuestionId
from interlock.contracts.plain import Plain
from interlock.contracts.question import Answer, Question

HOW_TO_ANSWER = (
    'Answer with {"answers": {question_id: {"type": "approve" | "edit" | "reject" | "respond", '
    '"value": ..., "message": ...}}} or {"decisions": [{"question_id": ..., "type": ...}]}.'
)


def build_request(questions: Sequence[Question], problems: Sequence[str] = ()) -> dict[str, Plain]:
    """Return one interrupt value for all questions, one action request each.

    Args:
        questions: What is open.
        problems: Why earlier answers were refused, in words.
    """
    return {
        "action_requests": [
            {"name": q.name, "args": _as_args(q.args), "description": q.description}
            for q in questions
        ],
        "review_configs": [
            {"action_name": q.name, "allowed_decisions": list(q.allowed)} for q in questions
        ],
        "questions": [q.model_dump(mode="json") for q in questions],
        "how_to_answer": HOW_TO_ANSWER,
        "problems": list(problems),
    }


def is_request(value: object) -> bool:
    """Return whether an interrupt value is one of ours."""
    return isinstance(value, Mapping) and "questions" in value and "action_requests" in value


def read_questions(value: Mapping[str, Any]) -> list[Question]:
    """Return the questions of one of our interrupt values."""
    return [Question.model_validate(question) for question in value["questions"]]


def parse_answers(resumed: object) -> tuple[dict[QuestionId, Answer], list[str]]:
    """Return the answers in a resume value, and in words what could not be read."""
    if not isinstance(resumed, Mapping):
        return {}, [f"The answer was {resumed!r}. {HOW_TO_ANSWER}"[:600]]
    entries: list[tuple[object, object]] = []
    if isinstance(resumed.get("answers"), Mapping):
        entries += list(resumed["answers"].items())
    decisions = resumed.get("decisions")
    if isinstance(decisions, Sequence) and not isinstance(decisions, str):
        entries += [_read_decision(decision) for decision in decisions]
    if not entries:
        return {}, [f"The answer {dict(resumed)!r} holds no answers. {HOW_TO_ANSWER}"[:600]]
    answers: dict[QuestionId, Answer] = {}
    problems: list[str] = []
    for question_id, raw in entries:
        if not isinstance(question_id, str):
            problems.append(f"The answer {raw!r} does not name its question_id. {HOW_TO_ANSWER}")
            continue
        try:
            answers[QuestionId(question_id)] = Answer.model_validate(raw)
        except ValidationError as exc:
            problems.append(f"The answer {raw!r} cannot be read: {exc}. {HOW_TO_ANSWER}"[:600])
    return answers, problems


def _read_decision(decision: object) -> tuple[object, object]:
    """Return a decision as LangChain words it, as question id and answer."""
    if not isinstance(decision, Mapping):
        return None, decision
    answer = {key: decision[key] for key in ("type", "message", "value") if key in decision}
    edited = decision.get("edited_action")
    if isinstance(edited, Mapping) and "value" not in answer:
        answer["value"] = edited.get("args")
    return decision.get("question_id"), answer


def find_answer_problem(question: Question, answer: Answer) -> str | None:
    """Return why an answer does not fit its question, or None."""
    if answer.type not in question.allowed:
        return (
            f"Question {question.id!r} does not allow {answer.type!r}. "
            f"Allowed: {', '.join(question.allowed)}."
        )
    if answer.shown_hash is not None and answer.shown_hash != question.shown_hash:
        return f"Question {question.id!r} shows something else by now. Read it again."
    if answer.type == "edit" and question.kind in {"before_step", "plan"}:
        if not isinstance(answer.value, dict):
            return f"Question {question.id!r} wants an object to edit to, not {answer.value!r}."
    elif answer.type in {"reject", "respond"} and not answer.message:
        return f"Question {question.id!r}: {answer.type} needs a message."
    return None


def _as_args(args: Plain) -> dict[str, Plain]:
    """Return what is shown as an action request's args, which LangChain wants as an object."""
    return args if isinstance(args, dict) else {"value": args}
