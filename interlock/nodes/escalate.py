"""The escalate node: one interrupt that carries every open question to a person (I10).

Answers come by question id, some or all. In Studio they bypass the facade, so this node checks
ids, hashes and allowed decisions itself; what is refused is asked again, with the reason.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any

from langgraph.runtime import Runtime
from langgraph.types import interrupt

from interlock.contracts.errors import AnswerError
from interlock.contracts.ids import QuestionId, StepId, ThreadId
from interlock.contracts.question import Answer, Question
from interlock.contracts.storage import Batch
from interlock.nodes.planning.plan_answers import answer_plan
from interlock.nodes.run.answer_handoff import record_answer
from interlock.nodes.run.answer_shapes import build_request, find_answer_problem, parse_answers
from interlock.nodes.run.forked_questions import renew_taken_questions
from interlock.nodes.run.place import Place, get_superstep, get_thread_id
from interlock.nodes.run.run_state import RunContext, RunState, as_plain, require_schema_version
from interlock.nodes.run.team import Team
from interlock.telemetry.events import HandoffRecorded
from interlock.telemetry.spans import SPAN

EscalateNode = Callable[[RunState, Runtime[RunContext]], Awaitable[RunState]]


def build_escalate_node(team: Team) -> EscalateNode:
    """Return the escalate node of a team's run graph."""

    async def escalate(state: RunState, runtime: Runtime[RunContext]) -> RunState:
        """Ask what is open, unless answers are recorded already.

        Reads: plan_question, outcomes, answers. Writes: answers, answer_problems, what an answer
        about the plan changes, and on a fork the questions themselves. Effects: answers are in the
        journal, and so are a fork's own questions. Interrupts: one, with every open question; what
        stands before it is safe to repeat.
        """
        require_schema_version(state)
        thread_id = get_thread_id(runtime)
        superstep = get_superstep(runtime)
        if team.find_live(thread_id, state["scope"]).cancel_reason is not None:
            return RunState(answer_problems=[])
        storage = await team.open_storage()
        recorded = await storage.load_answers(thread_id)
        place = Place(thread_id=thread_id, superstep=superstep, path=StepId(""))
        renewed = await renew_taken_questions(
            team, state, list_open_questions(state), recorded=recorded, place=place
        )
        state = {**state, **renewed}
        questions = list_open_questions(state)
        answers = {q.id: recorded[q.id].answer for q in questions if q.id in recorded}
        problems: list[str] = []
        if not answers:
            resumed = interrupt(build_request(questions, state["answer_problems"]))
            answers, problems = await _take(team, thread_id, questions, resumed)
        accepted: dict[str, dict[str, Any]] = {
            question_id: as_plain(answer) for question_id, answer in answers.items()
        }
        _name_askers(team, state, answers)
        await _journal(team, place, questions, answers)
        update = RunState(
            answers={**state["answers"], **accepted},
            answer_problems=problems,
        )
        return {**renewed, **update, **await answer_plan(team, state, place, answers)}

    return escalate


def _name_askers(team: Team, state: RunState, answered: Collection[QuestionId]) -> None:
    """Tell who watches which steps had asked what is answered now, also in another process."""
    if not team.telemetry.is_on:
        return
    for outcome in state.get("outcomes", {}).values():
        question = outcome["question"] or {}
        if question.get("id") in answered:
            asked_in = (outcome["carry"] or {}).get(SPAN)
            team.telemetry.remember_asker(question["id"], asked_in)


def list_open_questions(state: RunState) -> list[Question]:
    """Return what has been asked and not answered, in plan order."""
    plan_question = state.get("plan_question")
    if plan_question is not None:
        return [Question.model_validate(plan_question)]
    waiting = (
        Question.model_validate(outcome["question"])
        for outcome in state.get("outcomes", {}).values()
        if outcome["status"] == "waiting" and outcome["question"] is not None
    )
    return [question for question in waiting if question.id not in state["answers"]]


async def _take(
    team: Team, thread_id: ThreadId, questions: Sequence[Question], resumed: object
) -> tuple[dict[QuestionId, Answer], list[str]]:
    """Return the answers that can be used, and in words why the others cannot."""
    answers, problems = parse_answers(resumed)
    by_id = {question.id: question for question in questions}
    storage = await team.open_storage()
    usable: dict[QuestionId, Answer] = {}
    for question_id, answer in answers.items():
        if question_id not in by_id:
            known = ", ".join(by_id)
            problems.append(f"There is no open question {question_id!r} here. Open: {known}.")
        elif (problem := find_answer_problem(by_id[question_id], answer)) is not None:
            problems.append(problem)
        else:
            try:
                await storage.record_answers(thread_id, {question_id: answer})
            except AnswerError as exc:
                problems.append(str(exc))
            else:
                usable[question_id] = answer
    return usable, problems


async def _journal(
    team: Team,
    place: Place,
    questions: Sequence[Question],
    answers: Mapping[QuestionId, Answer],
) -> None:
    thread_id = place.thread_id
    now = team.clock.now()
    handoffs = [
        record_answer(question, answers[question.id], place=place, now=now)
        for question in questions
        if question.id in answers
    ]
    storage = await team.open_storage()
    await storage.commit(thread_id, Batch(handoffs=handoffs, applied=tuple(answers)))
    for handoff in handoffs:
        team.emit(HandoffRecorded(thread_id=thread_id, at=now, handoff=handoff))
