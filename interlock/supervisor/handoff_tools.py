"""The tools with which a supervisor's model hands over, forwards and acts.

A tool here is what the model is offered, and how its call is read. Calls are carried out by the
run, as steps, never here.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from langchain_core.tools import BaseTool, StructuredTool
from langchain_core.tools import tool as make_tool
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import BaseModel, Field

from interlock.contracts.errors import ConfigurationError
from interlock.contracts.worker import Worker
from interlock.prompts import load_prompt

ASSIGN: Final = "assign"
_DESTINATION: Final = "__handoff_destination"
"""The metadata key by which langgraph-supervisor knows a handoff tool, so that its own serve here."""
_FORWARD: Final = "interlock_forward"
_ORIGINAL_FORWARD: Final = ("forward_message", {"from_agent"})
"""Name and arguments of langgraph-supervisor's forwarding tool, which has no metadata."""
_UNTOLD: Final = "interlock_untold"
_TASK_NAMES: Final = ("task", "task_description", "instruction", "description", "query", "input")


class HandoffArguments(BaseModel):
    """What a handoff tool takes."""

    task: str = Field(default="", description="What the worker is to do, complete in itself.")
    uses: list[str] = Field(default=[], description="Ids of results that the worker needs.")


class _ForwardArguments(BaseModel):
    from_agent: str = Field(description="Whose last result is the answer.")


def create_handoff_tool(
    *,
    agent_name: str,
    name: str | None = None,
    description: str | None = None,
    add_handoff_messages: bool = True,
) -> BaseTool:
    """Return a tool that gives tasks to one agent, in place of the one tool for all.

    Args:
        agent_name: The agent.
        name: Of the tool; `transfer_to_<agent>` if left out.
        description: For the model; says what a worker sees if left out.
        add_handoff_messages: Whether handoffs by this tool are told in the conversation.
    """
    return StructuredTool(
        name=name or f"transfer_to_{make_word(agent_name)}",
        description=description or _describe(f"the worker {agent_name!r}"),
        args_schema=HandoffArguments,
        func=_refuse_call,
        metadata={_DESTINATION: agent_name, _UNTOLD: not add_handoff_messages},
    )


def create_forward_message_tool(supervisor_name: str = "supervisor") -> BaseTool:
    """Return a tool with which the model answers by an agent's last result, word for word.

    Args:
        supervisor_name: Accepted for callers of langgraph-supervisor; the name of the final
            message is that of the supervisor that runs.
    """
    del supervisor_name
    return StructuredTool(
        name="forward_message",
        description=(
            "Answer the person with an agent's last result, word for word. Use it when nothing "
            "need be added."
        ),
        args_schema=_ForwardArguments,
        func=_refuse_call,
        metadata={_FORWARD: True},
    )


def _refuse_call(**arguments: object) -> None:
    raise ConfigurationError(
        f"A handoff tool was called with {arguments!r}. It is read by il.create_supervisor(...), and "
        "does nothing elsewhere."
    )


def make_word(name: str) -> str:
    """Return a name as part of a tool's name: in small letters, without spaces."""
    return re.sub(r"\s+", "_", name.strip()).lower()


def _describe(whom: str) -> str:
    return load_prompt("routing").substitute(whom=whom).strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Toolbox:
    """All that a supervisor's model may call.

    Attributes:
        agents: Agent to worker; the closed set that a handoff chooses from.
        handoffs: Tool name to agent, where each agent has a tool of its own; empty for one tool.
        offered: Those tools and the forwarding one, by name.
        forwarding: The names of forwarding tools.
        actions: Tools that act, by name.
    """

    agents: Mapping[str, Worker]
    handoffs: Mapping[str, str]
    offered: Mapping[str, BaseTool]
    forwarding: frozenset[str]
    actions: Mapping[str, BaseTool]

    @property
    def names(self) -> list[str]:
        """Return the names of all that may be called, for messages."""
        first = [] if self.handoffs else [ASSIGN]
        return [*first, *self.offered, *self.actions]

    def is_forward(self, name: str) -> bool:
        """Return whether a tool forwards a result."""
        return name in self.forwarding

    def is_told(self, agent: str) -> bool:
        """Return whether handoffs to an agent may be told in the conversation."""
        tool = self.offered.get(self.name_handoff(agent))
        return tool is None or not (tool.metadata or {}).get(_UNTOLD)

    def name_handoff(self, agent: str) -> str:
        """Return the tool that hands over to an agent."""
        return next((tool for tool, whom in self.handoffs.items() if whom == agent), ASSIGN)

    def list_schemas(self, results: Sequence[str]) -> list[dict[str, Any]]:
        """Return what the model is offered, with the closed sets of this moment.

        Args:
            results: The ids of the results that a worker can be given.
        """
        schemas = [] if self.handoffs else [self._build_assign()]
        schemas += [convert_to_openai_tool(tool) for tool in self.offered.values()]
        for schema in schemas:
            _close_uses(schema["function"]["parameters"].get("properties", {}), results)
        return schemas + [convert_to_openai_tool(tool) for tool in self.actions.values()]

    def _build_assign(self) -> dict[str, Any]:
        cards = "; ".join(
            f"{name}: {worker.description}" if worker.description else name
            for name, worker in self.agents.items()
        )
        schema = convert_to_openai_tool(HandoffArguments)
        parameters = schema["function"]["parameters"]
        chosen = {"type": "string", "enum": list(self.agents), "description": cards}
        parameters["properties"] = {"worker": chosen, **parameters["properties"]}
        parameters["required"] = ["worker", "task"]
        function = {
            "name": ASSIGN,
            "description": _describe(
                f"one worker, named in `worker`. The name of this function is always `{ASSIGN}`"
            ),
            "parameters": parameters,
        }
        return {"type": "function", "function": function}


def _close_uses(properties: dict[str, Any], results: Sequence[str]) -> None:
    """Let `uses` name what there is, and nothing else; without results there is no `uses`."""
    if "uses" not in properties:
        return
    if results:
        properties["uses"]["items"] = {"type": "string", "enum": list(results)}
    else:
        del properties["uses"]


def build_toolbox(
    agents: Mapping[str, Worker],
    tools: Sequence[BaseTool | Callable[..., Any]],
    *,
    handoff_tool_prefix: str | None,
) -> Toolbox:
    """Sort a supervisor's tools by what they are for.

    Raises:
        ConfigurationError: Two tools have one name, a handoff goes to an unknown agent, or an
            agent has no handoff where others have one of their own.
    """
    made = [item if isinstance(item, BaseTool) else make_tool(item) for item in tools]
    if handoff_tool_prefix is not None and not any(_read_destination(tool) for tool in made):
        made += [
            create_handoff_tool(agent_name=agent, name=_join(handoff_tool_prefix, agent))
            for agent in agents
        ]
    _require_names(made)
    handoffs = {tool.name: whom for tool in made if (whom := _read_destination(tool)) is not None}
    _require_destinations(agents, handoffs)
    forwarding = frozenset(tool.name for tool in made if _is_forwarding(tool))
    offered = {tool.name: tool for tool in made if tool.name in {*handoffs, *forwarding}}
    actions = {tool.name: tool for tool in made if tool.name not in offered}
    return Toolbox(
        agents=agents,
        handoffs=handoffs,
        offered=offered,
        forwarding=forwarding,
        actions=actions,
    )


def _join(prefix: str, agent: str) -> str:
    """Return a handoff tool's name; `delegate_to` and `delegate_to_` come to the same."""
    return f"{prefix}{'' if prefix.endswith('_') else '_'}{make_word(agent)}"


def _is_forwarding(tool: BaseTool) -> bool:
    if (tool.metadata or {}).get(_FORWARD):
        return True
    name, arguments = _ORIGINAL_FORWARD
    return tool.name == name and set(tool.args) == arguments


def _read_destination(tool: BaseTool) -> str | None:
    destination = (tool.metadata or {}).get(_DESTINATION)
    return None if destination is None else str(destination)


def _require_names(tools: Sequence[BaseTool]) -> None:
    names = [tool.name for tool in tools]
    double = sorted({name for name in names if names.count(name) > 1})
    if ASSIGN in names or double:
        raise ConfigurationError(
            f"The supervisor's tools {', '.join(double) or ASSIGN!r} share a name with another. "
            "Give each its own."
        )


def _require_destinations(agents: Mapping[str, Worker], handoffs: Mapping[str, str]) -> None:
    unknown = sorted(set(handoffs.values()) - set(agents))
    missing = sorted(set(agents) - set(handoffs.values())) if handoffs else []
    if unknown or missing:
        raise ConfigurationError(
            f"Handoff tools go to unknown agents {unknown} and leave out {missing}. Known agents: "
            f"{', '.join(agents)}. Give one handoff tool to every agent, or to none."
        )


def read_task(arguments: Mapping[str, Any]) -> str:
    """Return the task in a handoff's arguments; those of other makes name it otherwise."""
    for name in _TASK_NAMES:
        if isinstance(arguments.get(name), str) and arguments[name].strip():
            return str(arguments[name])
    return "\n".join(
        f"{name}: {value}"
        for name, value in arguments.items()
        if name not in {"uses", "worker"} and value
    )
