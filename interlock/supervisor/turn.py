"""One turn of a conversation: a run of its own, driven until it is finished or asks a person."""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

from langchain_core.messages import BaseMessage, ToolCall, ToolMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import var_child_runnable_config
from langchain_core.tools import BaseTool
from langgraph.store.base import BaseStore

from interlock.checkpoints import open_storage
from interlock.contracts.brief import Brief
from interlock.contracts.clock import Clock
from interlock.contracts.criteria import Criterion
from interlock.contracts.encryption import Encryption
from interlock.contracts.errors import ContractError, UnknownThreadError
from interlock.contracts.outcome import RunResult
from interlock.contracts.plain import Plain, parse_plain, thaw
from interlock.contracts.plan import TaskGraph
from interlock.contracts.policy import RunPolicy
from interlock.contracts.question import Answer
from interlock.contracts.storage import Storage
from interlock.contracts.worker import Worker
from interlock.orchestrator import Orchestrator
from interlock.orchestrator.declare import Checks
from interlock.orchestrator.drive import build_config
from interlock.supervisor.agent_worker import SURROUNDINGS, Surroundings
from interlock.supervisor.conversation import list_human_text
from interlock.supervisor.decision import ACTION_WORKER, ANSWER_WORKER, DecisionReader
from interlock.supervisor.handoff_tools import Toolbox
from interlock.supervisor.router import Router, RouterSpec
from interlock.supervisor.turn_memories import IN_MEMORY, TurnMemories, TurnMemory
from interlock.telemetry.events import Event, RunStopped
from interlock.telemetry.spans import Telemetry


@dataclass(frozen=True, slots=True, kw_only=True)
class TeamDeclaration:
    """What the runs of a supervisor have in common.

    Attributes:
        toolbox: Agents and tools.
        router: How the model is asked.
        criteria: Agent to what its results must satisfy.
        policy: What holds for a run.
        checks: Registered checks.
        storage: Where runs are kept; None is the surrounding run's, or else memory.
        clock: Time; None is the machine's.
        encryption: The keys of a storage named by its URL.
        telemetry: Who watches the turns' runs.
        name: What they are counted under.
    """

    toolbox: Toolbox
    router: RouterSpec
    criteria: Mapping[str, Sequence[Criterion]]
    policy: RunPolicy
    checks: Checks
    storage: str | Storage | None
    clock: Clock | None
    encryption: Encryption | None
    telemetry: Telemetry | None = None
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What one call of the chat graph's main node works on.

    Attributes:
        thread_id: The run's own thread.
        place: The conversation: a later turn in the same place supersedes this one.
        is_resumable: Whether a later call can go on with it, by a checkpointer.
        chat: The conversation so far.
        answers: What a person decided, by question id.
        config: The node's config; its callbacks see all that the run does.
        store: LangGraph's store, for the agents.
        context: What the caller passed as `context=`.
        tell: Told of every event of the run.
    """

    thread_id: str
    place: str
    is_resumable: bool
    chat: Sequence[BaseMessage]
    answers: Mapping[str, Answer]
    config: RunnableConfig
    store: BaseStore | None
    context: Any
    tell: Callable[[Event], object]


@dataclass(slots=True)
class TurnRunner:
    """Runs turns; without a storage, it keeps each turn in memory while it can be gone on with."""

    team: TeamDeclaration
    _memories: TurnMemories = field(init=False)

    def __post_init__(self) -> None:
        """Have no turn in memory yet."""
        self._memories = TurnMemories(self.team.clock)

    async def run(self, turn: Turn) -> tuple[RunResult, TaskGraph | None]:
        """Start a turn's run, or go on with it, and return its result and its plan."""
        async with self._open_storage(turn) as (storage, memory):
            around = Surroundings(
                storage=storage,
                configurable=_read_own(turn.config),
                metadata=_read_own_metadata(turn.config),
                context=turn.context,
            )
            given = {"callbacks": turn.config.get("callbacks")}
            surrounded = SURROUNDINGS.set(around)
            # The run has checkpoints of its own; of the caller's config it inherits the callbacks.
            apart = var_child_runnable_config.set(given)  # type: ignore[arg-type]
            try:
                ended = await self._drive(turn, storage)
            finally:
                var_child_runnable_config.reset(apart)
                SURROUNDINGS.reset(surrounded)
            if memory is not None:
                memory.is_over = ended[0].status != "waiting"
        return ended

    async def _drive(self, turn: Turn, storage: Storage) -> tuple[RunResult, TaskGraph | None]:
        async with self._build(turn, storage) as desk:
            desk.graph.store = turn.store
            result = await _advance(desk, turn)
            config: Any = build_config(result.thread_id)
            snapshot = await desk.graph.aget_state(config)
        plan = snapshot.values.get("plan")
        return result, None if plan is None else TaskGraph.model_validate(plan)

    @asynccontextmanager
    async def _open_storage(self, turn: Turn) -> AsyncIterator[tuple[Storage, TurnMemory | None]]:
        declared = self.team.storage
        if declared is None and (around := SURROUNDINGS.get(Surroundings()).storage) is not None:
            yield around, None
        elif declared is None or declared == IN_MEMORY:
            async with self._memories.lend(
                turn.thread_id, place=turn.place, is_resumable=turn.is_resumable
            ) as memory:
                yield memory.storage, memory
        elif isinstance(declared, str):
            async with open_storage(
                declared, clock=self.team.clock, encryption=self.team.encryption
            ) as storage:
                yield storage, None
        else:
            yield declared, None

    def _build(self, turn: Turn, storage: Storage) -> Orchestrator:
        team = self.team
        reader = DecisionReader(
            toolbox=team.toolbox, criteria=team.criteria, request=list_human_text(turn.chat)
        )
        return Orchestrator(
            workers=[
                *team.toolbox.agents.values(),
                Worker(name=ANSWER_WORKER, agent=_answer),
                *_build_tool_worker(team.toolbox.actions),
            ],
            planner=Router(team.router, reader, chat=turn.chat),
            storage=storage,
            policy=team.policy,
            checks=team.checks,
            clock=team.clock,
            telemetry=team.telemetry,
            name=team.name,
        )


def _read_own(config: RunnableConfig) -> dict[str, Any]:
    """Return the caller's own entries of a config: neither LangGraph's nor a checkpoint's."""
    return {
        name: value
        for name, value in config.get("configurable", {}).items()
        if not name.startswith(("__", "checkpoint_")) and name != "thread_id"
    }


def _read_own_metadata(config: RunnableConfig) -> dict[str, Any]:
    """Return the caller's own entries of a config's metadata: none that says where LangGraph is."""
    return {
        name: value
        for name, value in config.get("metadata", {}).items()
        if not name.startswith(("langgraph_", "checkpoint_", "__", "ls_")) and name != "thread_id"
    }


async def _advance(desk: Orchestrator, turn: Turn) -> RunResult:
    """Answer, resume or start a turn's run; whichever fits how it stands."""
    if turn.answers:
        return await _follow(desk.astream(thread_id=turn.thread_id, answers=turn.answers), turn)
    goal: str | None = None
    try:
        await desk.astatus(turn.thread_id)
    except UnknownThreadError:
        goal = list_human_text(turn.chat) or "Go on"
    return await _follow(desk.astream(goal, thread_id=turn.thread_id), turn)


async def _follow(events: AsyncIterator[Event], turn: Turn) -> RunResult:
    async with aclosing(cast(AsyncGenerator[Event], events)):
        async for event in events:
            turn.tell(event)
            if isinstance(event, RunStopped):
                return event.result
    raise ContractError(f"The run {turn.thread_id!r} ended without saying how. Report this.")


async def _answer(brief: Brief) -> dict[str, Plain]:
    """Be the supervisor's own last step: its text is what the model said or chose."""
    return {"text": thaw(brief.inputs["text"]), "structured": thaw(brief.inputs.get("structured"))}


def _build_tool_worker(tools: Mapping[str, BaseTool]) -> list[Worker]:
    """Return the worker that carries out the supervisor's own tool calls, if it has tools."""

    async def act(brief: Brief) -> dict[str, Plain]:
        name = str(brief.inputs["tool"])
        arguments: Any = thaw(brief.inputs["arguments"])
        # A whole call, not its arguments alone: a tool may ask for the id (InjectedToolCallId).
        call = ToolCall(name=name, args=arguments, id=brief.step_id, type="tool_call")
        return {"text": _word(await tools[name].ainvoke(call))}

    return [Worker(name=ACTION_WORKER, agent=act, tools=tuple(tools.values()))] if tools else []


def _word(answer: object) -> str:
    value = answer.content if isinstance(answer, ToolMessage) else answer
    return value if isinstance(value, str) else json.dumps(parse_plain(value), ensure_ascii=False)
