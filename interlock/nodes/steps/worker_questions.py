"""Questions that workers raise by their own `interrupt()`, and the values that answer them.

LangChain's human-in-the-loop middleware asks with a list of action requests and wants a list of
decisions; each request becomes one question. Any other interrupt is one question.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from langgraph.types import Interrupt

from interlock.contracts.errors import PlainValueError
from interlock.contracts.ids import QuestionId, StepId, ThreadId, derive_id
from interlock.contracts.plain import Plain, derive_hash, parse_plain
from interlock.contracts.question import Answer, Decision, Question
from interlock.nodes.run.answer_shapes import is_request, read_questions
from interlock.nodes.run.asked_questions import put_questions
from interlock.nodes.run.team import Team
from interlock.nodes.steps.step_run import StepRun

_ALL: tuple[Decision, ...] = ("approve", "edit", "reject", "respond")


async def ask(team: Team, run: StepRun, interrupts: Sequence[Interrupt], *, attempt: int) -> None:
    """Put what a worker asks into the inbox and the journal while other steps go on (I8).

    What is stored already, such as the questions of a nested team, is left as it is.
    """
    now = team.clock.now()
    asked: list[Question] = []
    for item in interrupts:
        run.live.note_asker(item.id, run.path)
        asked += list_questions(item, thread_id=run.thread_id, step_id=run.path, now=now)
    known = {question.id for question in await run.storage.list_questions(run.thread_id)}
    known |= (await run.storage.load_answers(run.thread_id)).keys()
    fresh = [question for question in asked if question.id not in known]
    if fresh:
        await put_questions(team, run.storage, fresh, place=run.place, attempt=attempt)


def list_questions(
    interrupt: Interrupt, *, thread_id: ThreadId, step_id: StepId | None, now: datetime
) -> list[Question]:
    """Return the questions that one interrupt asks: ours as they are, or a worker's."""
    value: Any = interrupt.value
    if is_request(value):
        return read_questions(value)
    requests = value.get("action_requests") if isinstance(value, Mapping) else None
    if not isinstance(requests, Sequence) or isinstance(requests, str) or not requests:
        requests = None
    entries: Sequence[Any] = requests if requests is not None else [value]
    allowed = _read_allowed(value) if requests is not None else {}
    return [
        _build_question(
            entry,
            interrupt=interrupt,
            position=position,
            thread_id=thread_id,
            step_id=step_id,
            allowed=allowed,
            now=now,
        )
        for position, entry in enumerate(entries)
    ]


def _read_allowed(value: Mapping[str, Any]) -> dict[str, tuple[Decision, ...]]:
    """Return the allowed decisions by action name."""
    configs = value.get("review_configs") or ()
    return {
        str(config.get("action_name")): tuple(config.get("allowed_decisions", _ALL))
        for config in configs
        if isinstance(config, Mapping)
    }


def _build_question(
    entry: Any,  # noqa: ANN401 - whatever a worker asks with
    *,
    interrupt: Interrupt,
    position: int,
    thread_id: ThreadId,
    step_id: StepId | None,
    allowed: Mapping[str, tuple[Decision, ...]],
    now: datetime,
) -> Question:
    args = _make_plain(entry)
    name = "interrupt"
    # Which step asked is known only to the process that ran it; the id must not depend on that.
    description = args if isinstance(args, str) else "The step's worker asks for a decision"
    if allowed or (isinstance(entry, Mapping) and "name" in entry and "args" in entry):
        name = str(entry.get("name"))
        args = _make_plain(entry.get("args"))
        description = str(entry.get("description") or f"May {name!r} be called?")
    shown = derive_hash({"kind": "worker", "args": args, "text": description})
    return Question(
        id=QuestionId(derive_id("q", thread_id, interrupt.id, position, shown)),
        thread_id=thread_id,
        kind="worker",
        step_id=step_id,
        name=name,
        args=args,
        description=description,
        allowed=allowed.get(name, _ALL),
        shown_hash=shown,
        asked_at=now,
        interrupt_id=interrupt.id,
        position=position,
    )


def _make_plain(value: Any) -> Plain:  # noqa: ANN401 - whatever a worker asks with
    try:
        return parse_plain(value)
    except PlainValueError:
        return repr(value)


def derive_resume_value(
    interrupt: Interrupt, questions: Sequence[Question], answers: Mapping[QuestionId, Answer]
) -> Any:  # noqa: ANN401 - whatever the worker expects
    """Return what a worker's `interrupt()` call gives back.

    Human-in-the-loop requests get `{"decisions": [...]}`. Any other interrupt gets True for
    approve, False for reject, the value for edit and the text for respond.
    """
    is_listed = isinstance(interrupt.value, Mapping) and "action_requests" in interrupt.value
    if is_listed:
        return {"decisions": [_word_decision(q, answers[q.id]) for q in questions]}
    answer = answers[questions[0].id]
    match answer.type:
        case "approve":
            return True
        case "reject":
            return False
        case "edit":
            return answer.value
        case "respond":
            return answer.message


def _word_decision(question: Question, answer: Answer) -> dict[str, Any]:
    match answer.type:
        case "approve":
            return {"type": "approve"}
        case "edit":
            return {"type": "edit", "edited_action": {"name": question.name, "args": answer.value}}
        case "reject" | "respond":
            return {"type": answer.type, "message": answer.message}
