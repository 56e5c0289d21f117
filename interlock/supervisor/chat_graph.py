"""The chat graph: a conversation in messages, each turn of it a run of its own.

START -> begin -> supervisor -> END, and between supervisor and END the node that asks a person, as
often as the run asks. What `supervisor` does is durable in the run's own storage, so that it may
be run again after a crash.
"""

from collections.abc import Mapping, Sequence
from contextvars import Context, copy_context
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, NotRequired

from langchain_core.messages import AnyMessage, BaseMessage
from langchain_core.runnables import RunnableConfig, RunnableLambda
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.runtime import Runtime, get_runtime
from langgraph.types import interrupt
from pydantic import BaseModel
from typing_extensions import TypedDict

from interlock.contracts.outcome import RunResult
from interlock.contracts.plain import Plain, thaw
from interlock.contracts.plan import TaskGraph
from interlock.contracts.question import Answer, Question
from interlock.supervisor.conversation import Narrator
from interlock.supervisor.decision import ANSWER
from interlock.supervisor.loop_thread import run_in_loop
from interlock.supervisor.person_questions import build_value, choose_questions, read_answers
from interlock.supervisor.turn import Turn, TurnRunner

ChatGraph = StateGraph[Any, Any, Any, Any]
_BEGIN: Final = "begin_turn"
_ASK: Final = "ask_person"
_CHECKPOINTER: Final = "__pregel_checkpointer"
"""Where LangGraph's config tells a node of the checkpointer; it has no public name for it."""


class ChatState(TypedDict):
    """What callers see of a conversation.

    Attributes:
        messages: The conversation.
        interlock: How the last turn's run ended: its thread_id, status, gaps, reason and usage.
        structured_response: The last answer in the response format, if there is one.
    """

    messages: Annotated[list[AnyMessage], add_messages]
    interlock: NotRequired[dict[str, Any]]
    structured_response: NotRequired[Any]


class TurnState(TypedDict, total=False):
    """What the nodes share beside it.

    Attributes:
        messages: The conversation.
        turn_thread: The thread of the turn's run.
        turn_questions: What a person is being asked.
        turn_answers: What was answered, by question id.
        turn_problems: What was wrong with the last answer, in words.
    """

    messages: Annotated[list[AnyMessage], add_messages]
    turn_thread: str
    turn_questions: list[dict[str, Any]]
    turn_answers: dict[str, Any]
    turn_problems: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatSpec:
    """How a chat graph is built.

    Attributes:
        runner: Runs its turns.
        narrator: Tells them as messages.
        state_schema: The conversation's state.
        context_schema: Of what callers pass as `context=`.
        response_class: The class of the structured response, if it has one.
    """

    runner: TurnRunner
    narrator: Narrator
    state_schema: type[Any]
    context_schema: type[Any] | None
    response_class: type[BaseModel] | None


def build_chat_graph(spec: ChatSpec) -> ChatGraph:
    """Return the graph, not compiled."""
    name = spec.narrator.name
    builder: ChatGraph = StateGraph(spec.state_schema, context_schema=spec.context_schema)
    builder.add_node(_BEGIN, begin_turn, input_schema=TurnState)
    builder.add_node(name, _build_turn_node(spec), input_schema=TurnState)
    builder.add_node(_ASK, ask_person, input_schema=TurnState)
    builder.add_edge(START, _BEGIN)
    builder.add_edge(_BEGIN, name)
    builder.add_conditional_edges(name, _route_turn, {"ask": _ASK, "end": END})
    builder.add_conditional_edges(_ASK, _route_answer, {"again": _ASK, "go_on": name})
    return builder


def begin_turn(state: TurnState, runtime: Runtime[Any]) -> TurnState:
    """Name the thread of the turn's run: the same after a crash, another one in a fork.

    Reads: messages. Writes: turn_thread, and nothing left of the last turn. Effects: none.
    Interrupts: none.
    """
    info = runtime.execution_info
    number = sum(message.type == "human" for message in state["messages"])
    parent = (info.thread_id if info is not None else None) or "chat"
    mark = info.task_id.replace("-", "")[:12] if info is not None else "0"
    return TurnState(
        turn_thread=f"{parent}/turn-{number}-{mark}",
        turn_questions=[],
        turn_answers={},
        turn_problems=[],
    )


def _build_turn_node(spec: ChatSpec) -> RunnableLambda[TurnState, dict[str, Any]]:
    async def arun(state: TurnState, config: RunnableConfig) -> dict[str, Any]:
        """Run the turn until it is finished or asks a person.

        Reads: messages, turn_thread, turn_answers. Writes: messages, interlock,
        structured_response; or turn_questions. Effects: the run, in its own storage.
        Interrupts: none.
        """
        return await work(state, config, get_runtime(), copy_context())

    def run(state: TurnState, config: RunnableConfig) -> dict[str, Any]:
        """Do the same from sync code."""
        return run_in_loop(work(state, config, get_runtime(), copy_context()))

    async def work(
        state: TurnState, config: RunnableConfig, runtime: Runtime[Any], here: Context
    ) -> dict[str, Any]:
        answers = state.get("turn_answers", {})
        turn = Turn(
            thread_id=state["turn_thread"],
            place=_name_place(state["turn_thread"], config),
            is_resumable=bool(config.get("configurable", {}).get(_CHECKPOINTER)),
            chat=state["messages"],
            answers={key: Answer.model_validate(answers[key]) for key in answers},
            config=config,
            store=runtime.store,
            context=runtime.context,
            tell=lambda event: here.run(
                runtime.stream_writer, event
            ),  # it looks for its config there
        )
        result, plan = await spec.runner.run(turn)
        if result.status == "waiting":
            return _wait(result)
        return _end(spec, plan, result)

    return RunnableLambda(run, afunc=arun, name=spec.narrator.name)


def _name_place(turn_thread: str, config: RunnableConfig) -> str:
    """Return which conversation a turn is of: by thread, and by where in the caller's graph."""
    parent, _, _ = turn_thread.rpartition("/turn-")
    above, _, _ = config.get("configurable", {}).get("checkpoint_ns", "").rpartition("|")
    return f"{parent}|{above}"


def _wait(result: RunResult) -> dict[str, Any]:
    questions = choose_questions(result.questions)
    return {
        "turn_questions": [question.model_dump(mode="json") for question in questions],
        "turn_answers": {},
    }


def _end(spec: ChatSpec, plan: TaskGraph | None, result: RunResult) -> dict[str, Any]:
    messages: Sequence[BaseMessage] = spec.narrator.tell(plan, result)
    summary = result.model_dump(
        mode="json", include={"status", "gaps", "reason", "usage", "thread_id"}
    )
    update: dict[str, Any] = {
        "messages": messages,
        "interlock": summary,
        "turn_questions": [],
        "turn_answers": {},
    }
    answer = result.outputs.get(ANSWER)
    structured = thaw(answer.get("structured")) if isinstance(answer, Mapping) else None
    if structured is not None:
        update["structured_response"] = _revive(spec, structured)
    return update


def _revive(spec: ChatSpec, structured: Plain) -> object:
    if spec.response_class is None:
        return structured
    return spec.response_class.model_validate(structured)


def ask_person(state: TurnState) -> TurnState:
    """Ask what the run asks, and read the answer.

    Reads: turn_questions, turn_problems. Writes: turn_answers, turn_problems. Effects: none.
    Interrupts: one, with the value of the worker that asks, or all that the run itself asks.
    """
    questions = [Question.model_validate(raw) for raw in state["turn_questions"]]
    resumed = interrupt(build_value(questions, state.get("turn_problems", [])))
    answers, problems = read_answers(questions, resumed)
    return TurnState(
        turn_answers={key: answers[key].model_dump(mode="json") for key in answers},
        turn_problems=problems,
    )


def _route_turn(state: TurnState) -> Literal["ask", "end"]:
    return "ask" if state.get("turn_questions") else "end"


def _route_answer(state: TurnState) -> Literal["again", "go_on"]:
    return "go_on" if state.get("turn_answers") else "again"
