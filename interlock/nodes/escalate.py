"""The escalate node: one interrupt that carries every open question to a person (I10).

Answers come by question id, some or all. In Studio they bypass the facade, so this node checks
ids, hashes and allowed decisions itself; what is refused is asked again, with the reason.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from langgraph.runtime import Runtime
from langgraph.types import interrupt

from interlock.contracts.errors import AnswerError, PlanError
from interlock.contracts.ids import QuestionId, StepId, ThreadId
from interlock.contracts.plan import TaskGraph
from interlock.contracts.question import Answer, Question
from interlock.contracts.storage import Batch
from interlock.nodes.answer_handoff import record_answer
from interlock.nodes.answer_shapes import build_request, find_answer_problem, parse_answers
from interlock.nodes.forked_questions import renew_taken_questions
from interlock.nodes.place import Place, get_superstep, get_thread_id
from interlock.nodes.plan_checks import validate_next_plan
from interlock.nodes.plan_fallback import list_fallbacks
from interlock.nodes.plan_proposal import tell_plan
from interlock.nodes.rolling_plan import cut_short
from interlock.nodes.run_state import RunContext, RunState, as_plain, require_schema_version
from interlock.nodes.team import Team
from interlock.telemetry.events import HandoffRecorded

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
        await _journal(team, place, questions, answers)
        update = RunState(
            answers={**state["answers"], **accepted},
            answer_problems=problems,
        )
        return {**renewed, **update, **_answer_plan(team, state, thread_id, answers)}

    return escalate


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


def _answer_plan(
    team: Team, state: RunState, thread_id: ThreadId, answers: Mapping[QuestionId, Answer]
) -> RunState:
    """Return what an answer about the plan changes; nothing if there is none."""
    asked: Mapping[str, Any] | None = state.get("plan_question")
    if asked is None or asked["id"] not in answers:
        return RunState()
    answer = answers[QuestionId(asked["id"])]
    closed = RunState(plan_question=None, answers=state["answers"])
    match answer.type:
        case "approve":
            plan = TaskGraph.model_validate(state["plan"])
            tell_plan(team, thread_id, plan, scope=state["scope"])
            return {**closed, **RunState(plan_status="accepted")}
        case "edit":
            return {**closed, **_take_edited_plan(team, state, thread_id, answer)}
        case "reject" | "respond":
            if "approve" not in asked["allowed"]:  # there was none to refuse
                return {**closed, **_hear_person(team, state, answer)}
            problems = [f"A person refused the plan: {answer.message}"]
            return {**closed, **_ask_again(team, state, problems)}


def _hear_person(team: Team, state: RunState, answer: Answer) -> RunState:
    """Return what follows when a person was asked for a plan and gave none."""
    if answer.type == "reject":
        reason = f"A person gave the run up: {answer.message}"
        if state.get("plan_base", 0):
            return cut_short(state, reason)
        return RunState(plan_status="failed", failure=reason)
    once_more = team.spec.policy.max_plan_attempts - 1
    words = f"A person answered: {answer.message}"
    return RunState(plan_status="invalid", plan_attempts=once_more, plan_problems=[words])


def _take_edited_plan(team: Team, state: RunState, thread_id: ThreadId, answer: Answer) -> RunState:
    try:
        edited = {key: item for key, item in (answer.value or {}).items() if key != "problems"}
        plan = TaskGraph.model_validate({"goal": state["goal"], **edited})
        validate_next_plan(team, plan, state)
    except (ValueError, PlanError) as exc:
        return _ask_again(team, state, [f"A person's edited plan was refused: {exc}"])
    version = state.get("plan_base", 0) + state["plan_attempts"]
    plan = plan.model_copy(update={"version": version})
    tell_plan(team, thread_id, plan, scope=state["scope"])
    added = [str(step.id) for step in plan.steps if step.id not in state["outcomes"]]
    return RunState(plan=as_plain(plan), plan_status="accepted", plan_added=added)


def _ask_again(team: Team, state: RunState, problems: list[str]) -> RunState:
    is_fixed = isinstance(team.spec.planner, TaskGraph)
    if is_fixed or state["plan_attempts"] >= team.spec.policy.max_plan_attempts:
        if list_fallbacks(team):
            return RunState(plan_status="invalid", plan_problems=problems)
        reason = "; ".join(problems)
        if state.get("plan_base", 0):
            return cut_short(state, reason)
        return RunState(plan_status="failed", failure=reason)
    return RunState(plan_status="invalid", plan_problems=problems)
