"""The planner of a supervisor's run: each turn of a model becomes steps of a rolling plan."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    HumanMessage,
    RemoveMessage,
    SystemMessage,
)
from langchain_core.runnables import Runnable
from pydantic import BaseModel

from interlock.contracts.model_errors import ModelAnswerError
from interlock.contracts.plain import parse_plain
from interlock.contracts.plan import Need, Step, TaskGraph
from interlock.contracts.thread_call import call_user
from interlock.contracts.worker import PlanRequest
from interlock.supervisor.conversation import build_transcript, list_turns, note_said
from interlock.supervisor.decision import (
    ANSWER,
    ANSWER_WORKER,
    Decision,
    DecisionReader,
    list_results,
)
from interlock.supervisor.patient_model import PatientModel

Prompt: TypeAlias = str | SystemMessage | Callable[[Any], Any] | Runnable[Any, Any]
ResponseFormat: TypeAlias = type[Any] | dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterSpec:
    """How a supervisor's model is asked.

    Attributes:
        model: The model.
        prompt: What it is told first, or what makes its messages of the state.
        pre_model_hook: What shortens its messages, or None.
        parallel_tool_calls: Whether it may call several tools in a turn; None leaves it to it.
        response_format: A class or schema for the final answer, with a prompt of its own or None.
        has_inline_names: Whether agents' messages carry their name in their text.
    """

    model: PatientModel
    prompt: Prompt | None
    pre_model_hook: Callable[[Any], Any] | Runnable[Any, Any] | None
    parallel_tool_calls: bool | None
    response_format: tuple[str | None, ResponseFormat] | None
    has_inline_names: bool


class Router:
    """Plans one run of a supervisor; implements `interlock.Planner`."""

    def __init__(
        self, spec: RouterSpec, reader: DecisionReader, *, chat: Sequence[BaseMessage]
    ) -> None:
        """Take how the model is asked, how it is read, and the conversation so far."""
        self._spec = spec
        self._reader = reader
        self._chat = list(chat)

    async def plan(self, request: PlanRequest) -> TaskGraph:
        """Ask the model for its next turn, and return the plan that goes on with it.

        Raises:
            PlanError: It asks for what is not there.
            ModelAnswerError: Its message was cut off, filtered or refused.
            ModelCallError: No call came back.
            ModelRequestError: The provider refuses the request.
        """
        messages = await self._build_messages(request)
        message = await self._ask(messages, results=list_results(request.outcomes))
        done = request.previous if request.outcomes else None
        before, said = (done.steps, done.planner_notes) if done is not None else ((), {})
        turn = len(list_turns(TaskGraph(goal="", steps=before))) + 1
        decision = self._reader.read(message, turn=turn, outcomes=request.outcomes)
        if decision.steps:
            steps = (*before, *decision.steps)
            notes = note_said(said, turn=turn, content=decision.said)
            return TaskGraph(goal=request.goal, steps=steps, is_open=True, planner_notes=notes)
        answer = await self._build_answer(decision, [*messages, message], before)
        return TaskGraph(goal=request.goal, steps=(*before, answer), planner_notes=said)

    async def _build_messages(self, request: PlanRequest) -> list[BaseMessage]:
        said = _mark_names(self._chat) if self._spec.has_inline_names else list(self._chat)
        if request.previous is not None and request.outcomes:
            toolbox = self._reader.toolbox
            said += build_transcript(request.previous, request.outcomes, toolbox=toolbox)
        said = await self._apply_hook(said)
        if request.problems:
            problems = "\n".join(f"- {problem}" for problem in request.problems)
            said.append(
                HumanMessage(f"Your last turn could not be carried out:\n{problems}\nDecide again.")
            )
        return await self._apply_prompt(said)

    async def _apply_hook(self, said: list[BaseMessage]) -> list[BaseMessage]:
        if self._spec.pre_model_hook is None:
            return said
        update = await _call_made(self._spec.pre_model_hook, {"messages": said})
        kept = update.get("llm_input_messages", update.get("messages", said))
        return [message for message in kept if not isinstance(message, RemoveMessage)]

    async def _apply_prompt(self, said: list[BaseMessage]) -> list[BaseMessage]:
        match self._spec.prompt:
            case None:
                return said
            case str() as text:
                return [SystemMessage(text), *said]
            case SystemMessage() as message:
                return [message, *said]
            case made:
                prompted = await _call_made(made, {"messages": said})
                return list(
                    prompted.to_messages() if hasattr(prompted, "to_messages") else prompted
                )

    async def _ask(self, messages: list[BaseMessage], *, results: Sequence[str]) -> AIMessage:
        schemas = self._reader.toolbox.list_schemas(results)
        settings: dict[str, Any] = {}
        if self._spec.parallel_tool_calls is not None:
            settings["parallel_tool_calls"] = self._spec.parallel_tool_calls
        model = self._spec.model
        return await model.say(model.model.bind_tools(schemas, **settings), messages)

    async def _build_answer(
        self, decision: Decision, messages: list[BaseMessage], before: Sequence[Step]
    ) -> Step:
        """Return the step that gives the answer; it rests on all that was done for it."""
        inputs: dict[str, str] = {}
        arguments: dict[str, Any] = {}
        if decision.forwarded is not None:
            inputs["text"] = f"{decision.forwarded}.text"
        else:
            arguments["text"] = decision.answer
        if self._spec.response_format is not None:
            arguments["structured"] = await self._shape(messages)
        return Step(
            id=ANSWER,
            worker=ANSWER_WORKER,
            instruction="Answer the person",
            needs=tuple(Need(step=step.id, accept_degraded=True) for step in before),
            inputs=inputs,
            arguments=arguments,
        )

    async def _shape(self, messages: list[BaseMessage]) -> Any:  # noqa: ANN401 - the user's schema
        assert self._spec.response_format is not None  # noqa: S101 - asked for only then
        prompt, schema = self._spec.response_format
        asked = [SystemMessage(prompt), *messages] if prompt else messages
        model = self._spec.model
        value = await model.ask(model.model.with_structured_output(schema), asked)
        if value is None:
            raise ModelAnswerError(fault="empty", model=model.name)
        return parse_plain(value.model_dump(mode="json") if isinstance(value, BaseModel) else value)


async def _call_made(made: Any, state: dict[str, Any]) -> Any:  # noqa: ANN401 - the user's own
    if isinstance(made, Runnable):
        return await made.ainvoke(state)
    return await call_user(made, state)


def _mark_names(messages: Sequence[BaseMessage]) -> list[BaseMessage]:
    """Return messages in which agents' words carry their name, for models that see no names."""
    return [
        message.model_copy(
            update={"content": f"<name>{message.name}</name><content>{message.text}</content>"}
        )
        if isinstance(message, AIMessage) and message.name and message.text
        else message
        for message in messages
    ]
