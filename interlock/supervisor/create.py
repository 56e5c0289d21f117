"""`create_supervisor`: a team whose model hands out the work, with langgraph-supervisor's call."""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final, Literal, get_args

from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from langgraph.prebuilt import ToolNode
from pydantic import BaseModel

from interlock.contracts.clock import Clock
from interlock.contracts.criteria import Criterion
from interlock.contracts.encryption import Encryption
from interlock.contracts.errors import ConfigurationError
from interlock.contracts.policy import RunPolicy
from interlock.contracts.storage import Storage
from interlock.models.chat_models import resolve_chat_model
from interlock.models.patient_calls import CallLimits
from interlock.orchestrator.declare import Checks
from interlock.supervisor.agent_worker import Agent, OutputMode, build_agent_workers
from interlock.supervisor.chat_graph import ChatGraph, ChatSpec, ChatState, build_chat_graph
from interlock.supervisor.conversation import Narrator
from interlock.supervisor.handoff_tools import build_toolbox
from interlock.supervisor.patient_model import PatientModel
from interlock.supervisor.router import Prompt, ResponseFormat, RouterSpec
from interlock.supervisor.turn import TeamDeclaration, TurnRunner
from interlock.telemetry.spans import Telemetry

_LIMITS: Final = CallLimits(timeout=timedelta(minutes=2))

Tools = Sequence[BaseTool | Callable[..., Any]] | ToolNode


def create_supervisor(  # noqa: PLR0913 - the call of langgraph-supervisor, and what runs add to it
    agents: Sequence[Agent],
    *,
    model: BaseChatModel | str,
    tools: Tools | None = None,
    prompt: Prompt | None = None,
    response_format: ResponseFormat | tuple[str, ResponseFormat] | None = None,
    pre_model_hook: Callable[[Any], Any] | Runnable[Any, Any] | None = None,
    post_model_hook: None = None,
    parallel_tool_calls: bool | None = None,
    state_schema: type[Any] | None = None,
    context_schema: type[Any] | None = None,
    output_mode: OutputMode = "last_message",
    add_handoff_messages: bool = True,
    handoff_tool_prefix: str | None = None,
    add_handoff_back_messages: bool | None = None,
    supervisor_name: str = "supervisor",
    include_agent_name: Literal["inline"] | None = None,
    storage: str | Storage | None = None,
    policy: RunPolicy | None = None,
    criteria: Mapping[str, Sequence[Criterion]] | None = None,
    checks: Checks = (),
    descriptions: Mapping[str, str] | None = None,
    limits: CallLimits = _LIMITS,
    clock: Clock | None = None,
    encryption: Encryption | None = None,
    telemetry: Telemetry | None = None,
) -> ChatGraph:
    """Return a graph in which a model gives tasks to agents; compile it, and call it with messages.

    Every handoff is a step of a run: validated, journalled, bounded and durable.

    Args:
        agents: Compiled graphs with `messages` in their state, each with a name.
        model: A chat model that can call tools, or `provider:model`.
        tools: The supervisor's own; handoff tools, one for every agent, take the place of the one
            that is made otherwise.
        prompt: What the model is told first, or what makes its messages of the state.
        response_format: A class or schema of the final answer, or a prompt and one.
        pre_model_hook: Shortens what the model is sent, e.g. by `llm_input_messages`.
        post_model_hook: Not supported: use `criteria` and `policy`.
        parallel_tool_calls: Passed on to the model, if given. However many calls it makes in a
            turn, all are carried out.
        state_schema: A TypedDict with `messages`, for keys of your own.
        context_schema: Of what callers pass as `context=`; the agents get it.
        output_mode: How much of an agent's messages joins the conversation.
        add_handoff_messages: Whether handoffs are told in it.
        handoff_tool_prefix: Gives every agent a handoff tool of its own, by this and its name.
        add_handoff_back_messages: Whether the way back is told too; as handoffs, if left out.
        supervisor_name: Names the node and the final message.
        include_agent_name: `inline` marks an agent's messages with its name for the model.
        storage: Where runs are kept: a URL or an opened storage. Left out, it is that of the
            supervisor above, or memory.
        policy: What holds for each turn's run.
        criteria: Agent to what its results must satisfy; over `output.text`, as a rule.
        checks: Registered checks for them.
        descriptions: Agent to what it does, for the model.
        limits: Time for one turn of the model, and how often a call that is lost is repeated.
        clock: The runs' time; the machine's if left out.
        encryption: The keys of a storage that is named by its URL and sealed.
        telemetry: Who watches the turns' runs, such as `OpenTelemetry()`; nobody if left out.

    Raises:
        ConfigurationError: The declaration cannot work; the message says why.
    """
    _require_supported(output_mode, post_model_hook)
    workers = build_agent_workers(
        agents, output_mode=output_mode, descriptions=dict(descriptions or {})
    )
    _require_known("criteria", criteria or {}, workers)
    _require_known("descriptions", descriptions or {}, workers)
    toolbox = build_toolbox(workers, _list_tools(tools), handoff_tool_prefix=handoff_tool_prefix)
    shape = response_format if isinstance(response_format, tuple) else (None, response_format)
    router = RouterSpec(
        model=PatientModel(resolve_chat_model(model), limits),
        prompt=prompt,
        pre_model_hook=pre_model_hook,
        parallel_tool_calls=parallel_tool_calls,
        response_format=None if shape[1] is None else (shape[0], shape[1]),
        has_inline_names=include_agent_name == "inline",
    )
    team = TeamDeclaration(
        toolbox=toolbox,
        router=router,
        criteria=dict(criteria or {}),
        policy=policy or RunPolicy(),
        checks=checks,
        storage=storage,
        clock=clock,
        encryption=encryption,
        telemetry=telemetry,
        name=supervisor_name,
    )
    has_back = (
        add_handoff_messages if add_handoff_back_messages is None else add_handoff_back_messages
    )
    narrator = Narrator(
        toolbox=toolbox,
        name=supervisor_name,
        has_handoffs=add_handoff_messages,
        has_handoffs_back=has_back,
    )
    is_class = isinstance(shape[1], type) and issubclass(shape[1], BaseModel)
    return build_chat_graph(
        ChatSpec(
            runner=TurnRunner(team),
            narrator=narrator,
            state_schema=_join_state(state_schema),
            context_schema=context_schema,
            response_class=shape[1] if is_class else None,  # type: ignore[arg-type]
        )
    )


def _require_supported(output_mode: object, post_model_hook: object) -> None:
    if output_mode not in get_args(OutputMode):
        raise ConfigurationError(
            f"The output mode {output_mode!r} is not one of {', '.join(get_args(OutputMode))}."
        )
    if post_model_hook is not None:
        raise ConfigurationError(
            "post_model_hook is not supported: a supervisor's turns are validated by code. Bound "
            "them with policy=, and what agents return with criteria=."
        )


def _require_known(what: str, given: Mapping[str, Any], known: Mapping[str, Any]) -> None:
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise ConfigurationError(
            f"{what} names {unknown}, which are no agents. Agents: {', '.join(known)}."
        )


def _list_tools(tools: Tools | None) -> Sequence[BaseTool | Callable[..., Any]]:
    if isinstance(tools, ToolNode):
        return list(tools.tools_by_name.values())
    return list(tools or ())


def _join_state(state_schema: type[Any] | None) -> type[Any]:
    """Return the user's state with how the run ended beside it."""
    if state_schema is None:
        return ChatState
    if "messages" not in getattr(state_schema, "__annotations__", {}) or not issubclass(
        state_schema, dict
    ):
        raise ConfigurationError(
            f"The state schema {state_schema!r} is no TypedDict with `messages`. Make it one."
        )
    # A checker knows no words for a TypedDict that is made of one it has not seen.
    added = {"structured_response": Any, "interlock": dict[str, Any]}
    kind: Any = type(state_schema)
    made: type[Any] = kind("ChatState", (state_schema,), {"__annotations__": added})
    return made
