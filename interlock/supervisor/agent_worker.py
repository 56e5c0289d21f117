"""Agents as workers: one task in, the agent's last words out.

An agent is any Pregel graph whose state has `messages`. It is sent one message, its brief, and
never the conversation (I4).
"""

from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Literal, TypeAlias

from langchain_core.messages import (
    AIMessage,
    AnyMessage,
    BaseMessage,
    HumanMessage,
    messages_to_dict,
)
from langchain_core.runnables import RunnableConfig
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.pregel import Pregel
from typing_extensions import TypedDict

from interlock.contracts.errors import ConfigurationError
from interlock.contracts.ids import WorkerName
from interlock.contracts.plain import Plain, parse_plain
from interlock.contracts.storage import Storage
from interlock.contracts.worker import Worker
from interlock.models.model_answers import check_message

OutputMode: TypeAlias = Literal["full_history", "last_message"]
Agent: TypeAlias = Pregel[Any, Any, Any, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the caller of a supervisor gave, for the agents below it.

    Attributes:
        storage: Where the surrounding run is kept; a supervisor below that names none uses it.
        configurable: The caller's own entries of the config, such as a user's id.
        metadata: The caller's own entries of the config's metadata.
        context: What the caller passed as `context=`.
    """

    storage: Storage | None = None
    configurable: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    context: Any = None


SURROUNDINGS: Final[ContextVar[Surroundings]] = ContextVar("interlock_supervisor_surroundings")


class _AgentState(TypedDict, total=False):
    messages: Annotated[list[AnyMessage], add_messages]
    structured_response: dict[str, Any]


def name_worker(agent_name: str) -> WorkerName:
    """Return what plans call an agent: its name, as a word."""
    word = "".join(
        char if char.isascii() and (char.isalnum() or char in "_-") else "_"
        for char in agent_name.strip()
    )
    return WorkerName(word if word[:1].isalpha() or word.startswith("_") else f"_{word}")


def build_agent_workers(
    agents: Sequence[Agent], *, output_mode: OutputMode, descriptions: dict[str, str]
) -> dict[str, Worker]:
    """Return the workers by their agents' names.

    Raises:
        ConfigurationError: An agent has no name, or two have one.
    """
    workers: dict[str, Worker] = {}
    for agent in agents:
        name = getattr(agent, "name", None)
        if not name or name == "LangGraph" or not hasattr(agent, "ainvoke"):
            raise ConfigurationError(
                f"The agent {agent!r:.200} has no name. Give it one: create_agent(..., name=...) "
                "or graph.compile(name=...)."
            )
        if name_worker(name) in {worker.name for worker in workers.values()}:
            raise ConfigurationError(
                f"Two agents are called {name!r}. Give each a name of its own."
            )
        workers[name] = Worker(
            name=name_worker(name),
            agent=_wrap(agent, output_mode=output_mode),
            description=descriptions.get(name, ""),
        )
    return workers


def _wrap(agent: Agent, *, output_mode: OutputMode) -> Agent:
    async def call(state: _AgentState, config: RunnableConfig) -> dict[str, Any]:
        """Run the agent on its brief; what it asks a person surfaces as its own interrupt."""
        around = SURROUNDINGS.get(Surroundings())
        merged = {**around.configurable, **config.get("configurable", {})}
        told = {**around.metadata, **config.get("metadata", {})}
        output = await agent.ainvoke(
            {"messages": state["messages"]},
            {**config, "configurable": merged, "metadata": told},
            **({} if around.context is None else {"context": around.context}),
        )
        messages = _read_messages(output, agent=str(agent.name))
        return {
            "messages": messages,
            "structured_response": _build_value(output, messages, output_mode=output_mode),
        }

    builder = StateGraph(_AgentState)
    builder.add_node("agent", call)
    builder.add_edge(START, "agent")
    builder.add_edge("agent", END)
    return builder.compile(name=str(agent.name))


def _read_messages(output: Any, *, agent: str) -> list[BaseMessage]:  # noqa: ANN401 - any graph's
    messages = output.get("messages") if isinstance(output, dict) else None
    if not messages:
        raise ConfigurationError(
            f"Agent {agent!r} returned no messages. A supervisor's agents have `messages` in "
            "their state and add their answer to it."
        )
    last = messages[-1]
    if isinstance(last, AIMessage):
        check_message(last)
    return list(messages)


def _build_value(
    output: dict[str, Any], messages: list[BaseMessage], *, output_mode: OutputMode
) -> dict[str, Plain]:
    value: dict[str, Any] = {"text": messages[-1].text}
    if output.get("structured_response") is not None:
        value["structured"] = parse_plain(output["structured_response"])
    if output_mode == "full_history":
        own = [message for message in messages if not isinstance(message, HumanMessage)]
        value["messages"] = messages_to_dict(own)
    return value
