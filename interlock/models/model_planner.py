"""A planner that is a model: it proposes inside a closed set, code decides whether that may run."""

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any, Final

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage

from interlock.contracts.errors import PlanError, PlanProblem
from interlock.contracts.model_errors import ModelAnswerError
from interlock.contracts.plan import Step, TaskGraph
from interlock.contracts.worker import PlanRequest
from interlock.models.answer_methods import Method
from interlock.models.answer_parsing import parse_answer
from interlock.models.patient_calls import CallLimits
from interlock.models.plan_conversion import convert_graph
from interlock.models.plan_prompt import list_facts, list_names, render_plan_request
from interlock.models.planning_schema import PlannedGraph, build_planning_schema
from interlock.models.streamed_steps import StreamedSteps
from interlock.models.structured import StructuredModel
from interlock.prompts import get_prompt_version

_LIMITS: Final = CallLimits(timeout=timedelta(minutes=2))


class ModelPlanner:
    """Plans with a chat model; implements `interlock.Planner`.

    An answer that is no valid plan is a `PlanError` with all its problems, so that the run asks
    again and tells them, at most `RunPolicy.max_plan_attempts` times; then `fallback` is taken.
    """

    def __init__(
        self,
        *,
        model: BaseChatModel | str,
        method: Method = "auto",
        fallback: Sequence[Any] = (),
        stream: bool = False,
        rolling: bool = False,
        max_steps: int = 40,
        limits: CallLimits = _LIMITS,
    ) -> None:
        """Take a model and how to ask it.

        Args:
            model: A chat model, or `provider:model` such as `openai:gpt-4.1`.
            method: How it is told the shape of a plan; `auto` takes the best that it knows.
            fallback: What to do when its attempts are used up.
            stream: Whether steps may start while the plan still streams in.
            rolling: Whether the model may leave a plan open, to be asked for more steps once all
                that it has planned have settled.
            max_steps: New ones in one answer; in the schema, so that a model cannot run on.
            limits: Time for one question, and how often a call that fails on its way is repeated.
        """
        self._asked = StructuredModel(model, method=method, limits=limits)
        self.fallback = tuple(fallback)
        self.stream = stream
        self.rolling = rolling
        self.max_steps = max_steps

    def describe(self) -> dict[str, str]:
        """Return which model and which prompt plan, for records."""
        return {"model": self._asked.name, "prompt": f"planner/{get_prompt_version('planner')}"}

    async def plan(self, request: PlanRequest) -> TaskGraph:
        """Return what the model plans; whether it may run is the caller's to decide.

        Raises:
            PlanError: Its answer is no plan; lists all that is wrong.
            ModelCallError: No call came back in time.
            ModelRequestError: The provider refuses the request.
        """
        schema = self._build_schema(request)
        messages = render_plan_request(request, max_steps=self.max_steps)
        try:
            answered = await self._asked.ask(messages, schema)
        except ModelAnswerError as exc:
            raise PlanError(_word_refusal(exc)) from exc
        return self._assemble(answered.value, request)

    async def astream_plan(self, request: PlanRequest) -> AsyncIterator[Step | TaskGraph]:
        """Yield each step as soon as it is complete and fits, and the whole plan at the end.

        A step that was yielded is in the plan, unchanged, or the plan does not come.

        Raises:
            PlanError: The whole is no plan, or its end never arrived; steps may have been yielded.
        """
        schema = self._build_schema(request)
        messages = render_plan_request(request, max_steps=self.max_steps)
        steps, last = StreamedSteps(schema), None
        given: list[Step] = []
        try:
            async for last in self._asked.stream(messages, schema):
                for step in steps.read(last):
                    given.append(step)
                    yield step
            whole = parse_answer(last or AIMessage(""), schema, model=self._asked.name)
        except ModelAnswerError as exc:
            raise PlanError(_word_refusal(exc)) from exc
        plan = self._assemble(whole, request)
        if [step for step in given if step not in plan.steps]:
            raise PlanError([PlanProblem("changed_step", "A step changed while the plan came.")])
        yield plan

    def _build_schema(self, request: PlanRequest) -> type[PlannedGraph]:
        old = () if request.previous is None else request.previous.steps
        return build_planning_schema(
            list_names(request.workers),
            max_steps=self.max_steps,
            facts=list_facts(request),
            kept=[step.id for step in old],
            is_rolling=self.rolling,
        )

    @staticmethod
    def _assemble(planned: PlannedGraph, request: PlanRequest) -> TaskGraph:
        return convert_graph(
            planned,
            goal=request.goal,
            previous=request.previous,
            keep_all=request.trigger == "continue",
        )


def _word_refusal(refused: ModelAnswerError) -> list[PlanProblem]:
    """Return what was wrong with an answer, one problem each, the model's fault first."""
    if refused.fault == "invalid":
        return [PlanProblem("bad_answer", problem) for problem in refused.problems]
    first = str(refused).split("\n", 1)[0]
    return [PlanProblem(refused.fault, text) for text in (first, *refused.problems)]
