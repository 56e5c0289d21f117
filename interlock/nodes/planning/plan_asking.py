"""How each kind of planner is asked, and its answer read."""

from collections.abc import Mapping

from pydantic import ValidationError

from interlock.contracts.errors import PlanError, PlanProblem
from interlock.contracts.form_words import word_form_error
from interlock.contracts.plan import TaskGraph
from interlock.contracts.safe_words import clean_words, word_value
from interlock.contracts.thread_call import call_user
from interlock.contracts.worker import Planner, PlannerLike, PlanRequest


async def ask_planner(planner: PlannerLike, request: PlanRequest) -> TaskGraph:
    """Return what a planner gives: a fixed plan, an object's, or a function's.

    Raises:
        PlanError: It is not a task graph; one problem an error.
    """
    if isinstance(planner, TaskGraph):
        return planner
    if isinstance(planner, Planner):
        answer: object = await planner.plan(request)
    else:
        answer = await call_user(planner, request)
    if isinstance(answer, TaskGraph):
        return answer
    try:
        return TaskGraph.model_validate(answer)
    except ValidationError as exc:
        raise PlanError(_word_refusal(answer, exc)) from exc


def describe_planner(planner: PlannerLike) -> Mapping[str, str]:
    """Return what a planner says of itself for the journal: `ModelPlanner`, its model and prompt."""
    describe = getattr(planner, "describe", None)
    return {str(key): str(value) for key, value in describe().items()} if describe else {}


def _word_refusal(answer: object, error: ValidationError) -> list[PlanProblem]:
    """Return why an answer is no task graph, one problem an error."""
    problems = [f"The planner returned {word_value(answer)}, which is not a task graph."]
    for detail in error.errors(include_url=False, include_context=False, include_input=False):
        where = ".".join(str(part) for part in detail["loc"])
        problems.append(f"{where or 'task graph'}: {word_form_error(detail)}")
    return [PlanProblem("not_a_task_graph", clean_words(text, 500)) for text in problems]
