"""What a run asks a person, as an interrupt of the chat graph, and the answers back.

A worker's own `interrupt(value)` surfaces with its own value, and is resumed with the value that
the worker gets. One interrupt at a time, so that an answer can only reach its question (I10).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from interlock.contracts.plain import Plain, thaw
from interlock.contracts.question import Answer, Question, edit
from interlock.nodes.run.answer_shapes import build_request, parse_answers


def choose_questions(questions: Sequence[Question]) -> list[Question]:
    """Return those to ask first: one interrupt of a worker, or all that the run itself asks."""
    own = [question for question in questions if question.kind != "worker"]
    if own:
        return own
    first = min(questions, key=lambda q: (q.asked_at, q.interrupt_id or "", q.position))
    together = [q for q in questions if q.interrupt_id == first.interrupt_id]
    return sorted(together, key=lambda question: question.position)


def build_value(questions: Sequence[Question], problems: Sequence[str]) -> Plain:
    """Return the interrupt's value.

    Args:
        questions: As chosen.
        problems: What was wrong with the last answer, in words.
    """
    if is_plain_interrupt(questions):
        return thaw(questions[0].args)
    request = build_request(questions, problems)
    if questions[0].kind == "worker":
        return {name: request[name] for name in ("action_requests", "review_configs")}
    return request


def is_plain_interrupt(questions: Sequence[Question]) -> bool:
    """Return whether a worker asked with a value of its own making."""
    return questions[0].kind == "worker" and questions[0].name == "interrupt"


def read_answers(
    questions: Sequence[Question], resumed: object
) -> tuple[dict[str, Answer], list[str]]:
    """Return the answers by question id, and in words what could not be read."""
    if is_plain_interrupt(questions):
        return {questions[0].id: edit(resumed)}, []
    if questions[0].kind != "worker":
        answers, problems = parse_answers(resumed)
        return {str(key): answer for key, answer in answers.items()}, problems
    decisions = resumed.get("decisions") if isinstance(resumed, Mapping) else None
    if not isinstance(decisions, list) or len(decisions) != len(questions):
        return {}, [f'Answer with {{"decisions": [...]}}, {len(questions)} of them, in order.']
    try:
        read = [_read_decision(decision) for decision in decisions]
    except (ValidationError, TypeError, AttributeError) as exc:
        return {}, [f"The decisions {decisions!r:.200} cannot be read: {exc}"[:600]]
    return {q.id: answer for q, answer in zip(questions, read, strict=True)}, []


def _read_decision(decision: Any) -> Answer:  # noqa: ANN401 - what a person sent
    edited = decision.get("edited_action") or {}
    return Answer(
        type=decision.get("type", "missing"),
        value=edited.get("args"),
        message=decision.get("message"),
    )
