"""How each kind of agent is called: brief in, value out.

A function of the brief, a Runnable, a chat model, a compiled graph, another team. Chosen once
when the step graph is built.
"""

import inspect
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from langchain_core.language_models import BaseLanguageModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.prompts import BasePromptTemplate
from langchain_core.runnables import (
    Runnable,
    RunnableConfig,
    RunnableSequence,
    RunnableWithFallbacks,
)
from langchain_core.runnables.base import RunnableBindingBase
from langgraph.graph.state import CompiledStateGraph
from langgraph.pregel import Pregel
from pydantic import PydanticUserError

from interlock.contracts.brief import Brief
from interlock.contracts.errors import ConfigurationError, TransientError
from interlock.contracts.plain import thaw
from interlock.contracts.thread_call import call_in_thread
from interlock.contracts.worker import Worker
from interlock.models.model_answers import check_message
from interlock.nodes.run.kept_values import KeptValues
from interlock.nodes.steps.brief_message import render_brief
from interlock.tools.declaration import is_async


class TeamFailedError(TransientError):
    """A nested team's run failed; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentResult:
    """What an agent gave.

    Attributes:
        value: Its value, not yet plain.
        gaps: What a nested team's result lacks, in words.
        notes: What a nested team settled for, by path, in words.
        failure: Why it gave none.
        usage: Tokens that its messages report.
        nested_usage: Tokens that a nested team's own steps have counted.
    """

    value: object = None
    gaps: tuple[str, ...] = ()
    notes: tuple[tuple[str, str], ...] = ()
    failure: Exception | None = None
    usage: Mapping[str, int] = field(default_factory=dict)
    nested_usage: Mapping[str, int] = field(default_factory=dict)


CallAgent: TypeAlias = Callable[[Brief, RunnableConfig], Awaitable[AgentResult]]


def build_function_call(worker: Worker) -> CallAgent:
    """Return the call of a worker that is a function or a Runnable other than a graph.

    Raises:
        ConfigurationError: The agent is none of the kinds that can work.
    """
    agent = worker.agent
    if isinstance(agent, Runnable):
        return _build_runnable_call(agent)
    if not callable(agent):
        raise ConfigurationError(
            f"Worker {worker.name!r} has the agent {agent!r}, which cannot be called. Give it an "
            "async or sync function of the brief, a Runnable, a compiled graph, or a team."
        )
    function: Callable[..., Any] = agent
    awaits = is_async(function)

    async def call(brief: Brief, config: RunnableConfig) -> AgentResult:
        del config  # a function finds it through LangGraph's own context
        result = await function(brief) if awaits else await call_in_thread(function, brief)
        if inspect.isawaitable(result):
            result = await result
        return AgentResult(value=_unwrap_message(result))

    return call


def _build_runnable_call(agent: Runnable[Any, Any]) -> CallAgent:
    async def call(brief: Brief, config: RunnableConfig) -> AgentResult:
        result = await agent.ainvoke(_shape_for_runnable(agent, brief), config)
        return AgentResult(value=_unwrap_message(result), usage=_sum_messages([result]))

    return call


def _shape_for_runnable(agent: Runnable[Any, Any], brief: Brief) -> object:
    first = _find_first(agent)
    if isinstance(first, BaseLanguageModel):
        return [HumanMessage(render_brief(brief))]
    if isinstance(first, BasePromptTemplate):
        return {**thaw(brief.inputs), **brief.dump(), "brief": render_brief(brief)}
    return brief


def _find_first(agent: Runnable[Any, Any]) -> Runnable[Any, Any]:
    """Return what a Runnable's input reaches first, behind sequences, bound arguments and the like.

    So that a model with tools, retries, fallbacks or structured output is seen as a model.
    """
    while True:
        match agent:
            case RunnableSequence():
                agent = agent.first
            case RunnableBindingBase():
                agent = agent.bound
            case RunnableWithFallbacks():
                agent = agent.runnable
            case _:
                return agent


def shape_graph_input(graph: Pregel[Any, Any, Any, Any], brief: Brief) -> dict[str, Any]:
    """Return a compiled graph's input: messages, the brief, or the inputs by name.

    A graph whose input has `messages` gets one human message; one that has `brief` gets the
    brief as a plain dict; any other gets, by name, what of the brief its input names: the inputs,
    the keys of the context, `instruction`, `feedback`, `effects` and the whole `context`. An input goes before
    what is called like it. A graph that names nothing of it gets all, the context as a whole.
    """
    names = _list_input_names(graph)
    shaped: dict[str, Any] = {}
    if "messages" in names:
        shaped["messages"] = [HumanMessage(render_brief(brief))]
    if "brief" in names:
        shaped["brief"] = brief.dump()
    if not shaped:
        context = thaw(brief.context)
        offered = {
            "instruction": brief.instruction,
            "feedback": list(brief.feedback),
            "context": context,
            **({"effects": list(brief.effects)} if brief.effects else {}),
            **thaw(brief.inputs),
        }
        by_name = {**context, **offered}
        shaped = {name: value for name, value in by_name.items() if name in names} or offered
    return shaped


def _list_input_names(graph: Pregel[Any, Any, Any, Any]) -> frozenset[str]:
    """Return the keys that a graph's input may have; none where it does not say.

    A state's own channels are asked first: pydantic makes no schema of every type that a
    LangGraph state may have (on Python 3.11, of no `typing.TypedDict`).
    """
    if isinstance(graph, CompiledStateGraph):
        return frozenset(graph.builder.schemas[graph.builder.input_schema])
    try:
        return frozenset(graph.get_input_jsonschema().get("properties", {}))
    except PydanticUserError:
        return frozenset()


def read_graph_output(output: Any) -> AgentResult:  # noqa: ANN401 - any graph's output
    """Return a graph's value: `structured_response`, the last message's text, `output`, or all."""
    if not isinstance(output, Mapping):
        return AgentResult(value=output)
    messages = output.get("messages")
    usage = _sum_messages(messages if isinstance(messages, list) else ())
    if output.get("structured_response") is not None:
        return AgentResult(value=output["structured_response"], usage=usage)
    if isinstance(messages, list) and messages:
        return AgentResult(value=_unwrap_message(messages[-1]), usage=usage)
    if "output" in output:
        return AgentResult(value=output["output"])
    return AgentResult(value={key: item for key, item in output.items() if key != "brief"})


async def read_team_output(output: Mapping[str, Any], values: KeptValues) -> AgentResult:
    """Return a nested team's value: the outputs of the steps that no other step needs, by id.

    A run that is not completed says so: its gaps travel with the value, or it is a failure.

    Args:
        output: The team's state at its end.
        values: Where big outputs are read from.
    """
    result = output.get("result") or {}
    status = result.get("status")
    spent = result.get("usage", {})
    usage = {name: count for name, count in spent.items() if name != "attempts"}
    if status not in {"completed", "degraded"}:
        reason = result.get("reason") or "; ".join(result.get("gaps", ())) or "no result"
        failure = TeamFailedError(f"The team's run is {status}: {reason}")
        return AgentResult(failure=failure, nested_usage=usage)
    refs = result["output_refs"]
    outputs = {**result["outputs"], **{step: await values.load(refs[step]) for step in refs}}
    unsaid = ("the team's run is degraded",) if status == "degraded" else ()
    return AgentResult(
        value={step: outputs.get(step) for step in result["final_steps"]},
        gaps=tuple(result.get("gaps", ())) or unsaid,
        notes=tuple((path, words) for path, words in result.get("notes", ())),
        nested_usage=usage,
    )


def _unwrap_message(value: object) -> object:
    """Return a message's text; one that was cut off, filtered or refused is no output."""
    if isinstance(value, AIMessage):
        check_message(value)
    return value.text if isinstance(value, BaseMessage) else value


def _sum_messages(messages: Iterable[object]) -> dict[str, int]:
    """Return the tokens that messages report; zero where they report none."""
    reported = [
        message.usage_metadata
        for message in messages
        if isinstance(message, AIMessage) and message.usage_metadata is not None
    ]
    return {
        "input_tokens": sum(usage["input_tokens"] for usage in reported),
        "output_tokens": sum(usage["output_tokens"] for usage in reported),
    }
