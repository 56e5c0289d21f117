"""The planner node: asks for a task graph and lets none pass that could not run."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from langgraph.errors import GraphBubbleUp, ParentCommand
from langgraph.runtime import Runtime
from pydantic import ValidationError

from interlock.contracts.context_records import AskedFact
from interlock.contracts.errors import PermanentError, PlanError, PlanProblem
from interlock.contracts.form_words import word_form_error
from interlock.contracts.handoff import Handoff
from interlock.contracts.ids import StepId, ThreadId, derive_handoff_id, derive_question_id
from interlock.contracts.outcome import StepOutcome
from interlock.contracts.plain import derive_hash, freeze
from interlock.contracts.plan import TaskGraph
from interlock.contracts.plan_validation import validate_task_graph
from interlock.contracts.question import Question
from interlock.contracts.safe_words import clean_words, word_error, word_value
from interlock.contracts.shared_context import name_shared_space
from interlock.contracts.storage import Batch
from interlock.contracts.thread_call import call_in_thread
from interlock.contracts.worker import Planner, PlannerLike, PlanReason, PlanRequest
from interlock.nodes.asked_questions import put_questions
from interlock.nodes.kept_values import KeptValues, unfold_values
from interlock.nodes.live_run import forget_cancel
from interlock.nodes.place import Place, get_superstep, get_thread_id
from interlock.nodes.rolling_plan import (
    cut_short,
    go_on,
    is_going_on,
    keep_settled,
    require_continuation,
)
from interlock.nodes.run_state import RunContext, RunState, as_plain, require_schema_version
from interlock.nodes.team import Team
from interlock.telemetry.events import PlanAccepted, PlanRefused

PlannerNode = Callable[[RunState, Runtime[RunContext]], Awaitable[RunState]]


def build_planner_node(team: Team) -> PlannerNode:
    """Return the planner node of a team's run graph."""

    async def planner(state: RunState, runtime: Runtime[RunContext]) -> RunState:
        """Ask the planner once, and validate the whole graph that comes back.

        Reads: goal, context, plan and all about it, outcomes. Writes: plan and all about it, or why
        an open plan ends. Effects: the plan is in the journal, and the question whether it may run,
        if one is asked. Interrupts: none.
        """
        require_schema_version(state)
        begun = RunState()
        if is_going_on(state):
            begun = go_on(state, team.spec.policy)
            if begun.get("plan_gap") is not None:
                return begun
            state = {**state, **begun}
        attempt = state["plan_attempts"] + 1
        live = team.find_live(get_thread_id(runtime), state["scope"])
        try:
            with live.interrupt_on_cancel():
                request = await _build_request(team, state, get_thread_id(runtime), attempt)
                plan = await _ask(team.spec.planner, request)
            version = state.get("plan_base", 0) + attempt
            plan = plan.model_copy(update={"version": version})
            validate_next_plan(team, plan, state)
        except (KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as exc:
            if isinstance(exc, asyncio.CancelledError) and live.cancel_reason is not None:
                forget_cancel()
                return RunState(plan_status=state["plan_status"])
            if _is_from_outside(exc):
                raise
            is_hopeless = isinstance(exc, PermanentError)
            refused = _refuse(
                team, state, runtime, problems=_list_problems(exc), is_hopeless=is_hopeless
            )
            return {**begun, **refused}
        return {**begun, **await _propose(team, state, runtime, plan=plan)}

    return planner


def _is_from_outside(error: BaseException) -> bool:
    """Return whether an error is the run's own: its pause, its drain, or a cancellation."""
    if isinstance(error, asyncio.CancelledError):
        task = asyncio.current_task()
        return task is None or task.cancelling() > 0
    return isinstance(error, GraphBubbleUp) and not isinstance(error, ParentCommand)


def _list_problems(error: BaseException) -> list[str]:
    """Return what is wrong with a planner's answer, for the next time it is asked."""
    if isinstance(error, PlanError):
        return [problem.message for problem in error.problems]
    if isinstance(error, ParentCommand):
        return ["The planner raised a Command for the parent graph; it must return a task graph."]
    return [f"The planner raised {type(error).__name__}: {word_error(error)}"]


def validate_plan(team: Team, plan: TaskGraph, *, context: Mapping[str, Any]) -> None:
    """Return if a plan may run with this team and this context.

    Raises:
        PlanError: It may not.
    """
    validate_task_graph(
        plan,
        team.spec.workers,
        inspector=team.criteria,
        context_keys=context,
        shared=team.spec.context,
    )


def validate_next_plan(team: Team, plan: TaskGraph, state: RunState) -> None:
    """Return if a plan may run after what has run already.

    Raises:
        PlanError: It may not; all problems at once.
    """
    problems: list[PlanProblem] = []
    for validate in (_validate_alone, _validate_continuation):
        try:
            validate(team, plan, state)
        except PlanError as exc:
            problems.extend(exc.problems)
    if problems:
        raise PlanError(problems)


def _validate_alone(team: Team, plan: TaskGraph, state: RunState) -> None:
    validate_plan(team, plan, context=state["context"])


def _validate_continuation(team: Team, plan: TaskGraph, state: RunState) -> None:
    del team
    if state.get("plan_base", 0):
        require_continuation(keep_settled(state), plan, parse_outcomes(state))


def parse_outcomes(state: RunState) -> dict[StepId, StepOutcome]:
    """Return what has settled, by step id."""
    return {
        StepId(step): StepOutcome.model_validate(outcome)
        for step, outcome in state["outcomes"].items()
    }


async def _ask(planner: PlannerLike, request: PlanRequest) -> TaskGraph:
    if isinstance(planner, TaskGraph):
        return planner
    if isinstance(planner, Planner):
        answer: object = await planner.plan(request)
    elif inspect.iscoroutinefunction(planner):
        answer = await planner(request)
    else:
        answer = await call_in_thread(planner, request)
        if inspect.isawaitable(answer):
            answer = await answer
    if isinstance(answer, TaskGraph):
        return answer
    try:
        return TaskGraph.model_validate(answer)
    except ValidationError as exc:
        raise PlanError(_word_refusal(answer, exc)) from exc


def _word_refusal(answer: object, error: ValidationError) -> list[PlanProblem]:
    """Return why an answer is no task graph, one problem an error."""
    problems = [f"The planner returned {word_value(answer)}, which is not a task graph."]
    for detail in error.errors(include_url=False, include_context=False, include_input=False):
        where = ".".join(str(part) for part in detail["loc"])
        problems.append(f"{where or 'task graph'}: {word_form_error(detail)}")
    return [PlanProblem("not_a_task_graph", clean_words(text, 500)) for text in problems]


async def _build_request(
    team: Team, state: RunState, thread_id: ThreadId, attempt: int
) -> PlanRequest:
    previous = state["plan"]
    context = state["context"]
    if refs := state.get("context_refs"):
        values = KeptValues(await team.open_storage(), thread_id)
        context = await unfold_values(context, refs, values.load)
    context = {**context, **await _load_shared(team, state)}
    return PlanRequest(
        goal=state["goal"],
        workers=team.derive_cards(),
        context=freeze(context),
        attempt=attempt,
        problems=tuple(state["plan_problems"]),
        previous=TaskGraph.model_validate(previous) if previous else None,
        outcomes=parse_outcomes(state),
        reason=_find_reason(state),
    )


def _find_reason(state: RunState) -> PlanReason:
    if state["plan_problems"]:
        return "invalid"
    return "continue" if state.get("plan_base", 0) else "first"


async def _load_shared(team: Team, state: RunState) -> dict[str, Any]:
    """Return the facts that are held in the named spaces of a run."""
    spaces = state.get("spaces") or {}
    asked = [
        AskedFact(space=name_shared_space(fact.space, spaces[fact.space]), key=fact.name)
        for fact in team.spec.context.facts
        if fact.space is not None and fact.space in spaces
    ]
    if not asked:
        return {}
    storage = await team.open_storage()
    held = await storage.context.load_snapshot(asked)
    return {key: fact.value for key, fact in held.items() if fact.is_held}


def _refuse(
    team: Team,
    state: RunState,
    runtime: Runtime[RunContext],
    *,
    problems: list[str],
    is_hopeless: bool,
) -> RunState:
    attempt = state["plan_attempts"] + 1
    is_fixed = isinstance(team.spec.planner, TaskGraph)
    is_last = is_fixed or is_hopeless or attempt >= team.spec.policy.max_plan_attempts
    team.emit(
        PlanRefused(
            thread_id=get_thread_id(runtime),
            at=team.clock.now(),
            attempt=attempt,
            problems=tuple(problems),
        )
    )
    update = RunState(plan_attempts=attempt, plan_problems=problems, plan_status="invalid")
    if is_last:
        words = "\n".join(f"  - {problem}" for problem in problems)
        tries = f"{attempt} attempt{'s' * (attempt != 1)}"
        reason = f"No valid plan after {tries}. Wrong with the last one:\n{words}"
        if state.get("plan_base", 0):  # what an open plan has reached so far stands
            return {**update, **cut_short(state, reason)}
        update["plan_status"] = "failed"
        update["failure"] = reason
    return update


async def _propose(
    team: Team, state: RunState, runtime: Runtime[RunContext], *, plan: TaskGraph
) -> RunState:
    thread_id = get_thread_id(runtime)
    superstep = get_superstep(runtime)
    now = team.clock.now()
    dumped = as_plain(plan)
    plan_hash = derive_hash(dumped)
    handoff = Handoff(
        id=derive_handoff_id(
            thread_id,
            superstep=superstep,
            step_id=state["scope"],
            attempt=plan.version,
            kind=f"plan/{plan_hash}",  # asked again after a crash, a planner may plan otherwise
        ),
        thread_id=thread_id,
        superstep=superstep,
        kind="plan",
        sender="planner",
        receiver="supervisor",
        attempt=plan.version,
        payload=dumped,
        payload_hash=plan_hash,
        ended_at=now,
    )
    question = None
    if team.spec.policy.approve_plan:
        question = _build_question(team, state, thread_id, superstep, plan)
    await put_questions(
        team,
        await team.open_storage(),
        (question,) if question else (),
        place=Place(thread_id=thread_id, superstep=superstep, path=_name_owner(state)),
        attempt=plan.version,
        beside=Batch(handoffs=(handoff,)),
    )
    if question is None:
        tell_plan(team, thread_id, plan, scope=state["scope"])
    return RunState(
        plan=dumped,
        plan_attempts=state["plan_attempts"] + 1,
        plan_added=_list_added(state, plan),
        plan_rounds=state.get("plan_rounds", 0) + 1,
        plan_problems=[],
        plan_status="proposed" if question else "accepted",
        plan_question=as_plain(question) if question else None,
    )


def _list_added(state: RunState, plan: TaskGraph) -> list[str]:
    return [step.id for step in plan.steps if step.id not in state["outcomes"]]


def _name_owner(state: RunState) -> StepId:
    """Return the path of the step whose team plans; empty for the run itself."""
    return StepId(state["scope"].removesuffix("/"))


def tell_plan(team: Team, thread_id: ThreadId, plan: TaskGraph, *, scope: str) -> None:
    """Tell listeners that a plan will run; a nested team's is part of one step of theirs."""
    if scope:
        return
    team.emit(
        PlanAccepted(
            thread_id=thread_id,
            at=team.clock.now(),
            version=plan.version,
            total=len(plan.steps),
        )
    )


def _build_question(
    team: Team, state: RunState, thread_id: ThreadId, superstep: str, plan: TaskGraph
) -> Question:
    args = as_plain(plan)
    text = f"May this plan of {len(plan.steps)} steps run for the goal {state['goal']!r}?"
    shown = derive_hash({"kind": "plan", "args": args, "text": text})
    return Question(
        id=derive_question_id(
            thread_id,
            superstep=superstep,
            step_id=state["scope"],
            kind=f"plan/{plan.version}",
            shown_hash=shown,
        ),
        thread_id=thread_id,
        kind="plan",
        name="plan",
        args=args,
        description=text,
        allowed=("approve", "edit", "reject", "respond"),
        shown_hash=shown,
        asked_at=team.clock.now(),
    )
