"""Working on a recorded brief once more, in a world where nothing can change.

The worker is called as it is in a run, inside a LangGraph task of its own; its guarded tools find a
ledger that only answers. What it returns is judged by the criteria, and goes nowhere.
"""

import asyncio
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.pregel import Pregel
from typing_extensions import TypedDict

from interlock.contracts.brief import Brief
from interlock.contracts.criteria import Criterion
from interlock.contracts.errors import ConfigurationError, PlainValueError, StepTimeoutError
from interlock.contracts.ids import WorkerName
from interlock.contracts.near_names import suggest_names
from interlock.contracts.plain import Plain, is_same, parse_plain
from interlock.contracts.replay import RECORDED, Recording, Replay, ReplayChange, ReplaySide
from interlock.contracts.safe_words import word_error, word_value
from interlock.contracts.scratchpad import CURRENT_SCRATCHPAD
from interlock.contracts.worker import Worker
from interlock.nodes.run.team import Team, find_team_spec
from interlock.nodes.steps.agent_call import (
    AgentResult,
    CallAgent,
    build_function_call,
    read_graph_output,
    shape_graph_input,
)
from interlock.tools.effect_scope import CURRENT_SCOPE, EffectScope
from interlock.tools.replayed_ledger import ReplayedLedger

_ASKED_CHARS: Final = 500


class _Nothing(TypedDict, total=False):
    """The state of a graph that remembers nothing."""

    done: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayTerms:
    """How briefs are replayed.

    Attributes:
        team: Whose workers, checks and judges there are.
        worker: Who works in the place of the recorded worker; None for that one, as it is now;
            `RECORDED` for nobody.
        criteria: In the place of the step's.
    """

    team: Team
    worker: Worker | str | None = None
    criteria: Sequence[Criterion] | None = None


def find_team(team: Team, recorded: Recording) -> Team:
    """Return the team whose step was recorded: the outermost, or one below it.

    Raises:
        ConfigurationError: A worker of a step above is no team here.
    """
    spec = team.spec
    for name in recorded.teams:
        known = spec.workers.get(name)
        nested = find_team_spec(known.agent) if known is not None else None
        if nested is None:
            raise ConfigurationError(
                f"Step {recorded.path!r} was worked on within the team {str(name)!r}, and "
                f"{'there is no such worker here' if known is None else 'that worker is no team here'}. "
                f"{suggest_names(name, spec.workers)}"
            )
        spec = nested
    if spec is team.spec:
        return team
    return Team.build(spec, open_storage=team.open_storage, clock=team.clock)


def choose_worker(terms: ReplayTerms, recorded: Recording) -> Worker | None:
    """Return who works, or None if the recorded output is judged anew.

    Raises:
        ConfigurationError: The team has no such worker, or it is a whole team.
    """
    if isinstance(terms.worker, Worker):
        worker = terms.worker
    elif terms.worker == RECORDED:
        return None
    else:
        name = WorkerName(terms.worker or recorded.output.worker)
        known = terms.team.spec.workers
        if name not in known:
            raise ConfigurationError(
                f"The team has no worker {str(name)!r}. {suggest_names(name, known)} Name another, "
                f"or {RECORDED!r} to judge the recorded output anew."
            )
        worker = known[name]
    if find_team_spec(worker.agent) is not None:
        raise ConfigurationError(
            f"Worker {str(worker.name)!r} of step {recorded.path!r} is a whole team: its steps have "
            f"briefs of their own. Replay one of them, as {recorded.path}/inner, or judge the "
            f"recorded output anew with the worker {RECORDED!r}."
        )
    return worker


async def replay(terms: ReplayTerms, recorded: Recording) -> Replay:
    """Return what a recorded brief comes to now, beside what was recorded.

    Raises:
        ConfigurationError: Nobody can work on it.
        ContractError: The brief cannot be made again as it was.
    """
    terms = dataclasses.replace(terms, team=find_team(terms.team, recorded))
    worker = choose_worker(terms, recorded)
    brief = recorded.build_brief()
    ledger = ReplayedLedger(recorded.effects, attempt=recorded.attempt_suffix)
    if worker is None:
        side = recorded.output
    else:
        side = await _work(terms.team, worker, brief, recorded=recorded, ledger=ledger)
    if side.error is None and side.asked is None:
        side = await _judge(terms, side, brief, recorded=recorded, worker=worker)
    return Replay(
        thread_id=recorded.thread_id,
        step=recorded.path,
        attempt=recorded.attempt,
        brief_hash=recorded.brief_hash,
        recorded=recorded.output,
        replayed=side,
        is_same_value=_is_same(recorded.output, side),
        change=_compare(recorded.output, side),
        effects_answered=ledger.answered,
        effects_refused=tuple(ledger.refused),
    )


async def _work(
    team: Team,
    worker: Worker,
    brief: Brief,
    *,
    recorded: Recording,
    ledger: ReplayedLedger,
) -> ReplaySide:
    call = _build_call(worker)
    scope = EffectScope(
        ledger=ledger,
        flights=ledger.flights,
        thread_id=recorded.thread_id,
        step_id=recorded.path,
        worker=worker.name,
        attempt=recorded.attempt_suffix,
        is_own=recorded.step.effect_keys == "worker",
        clock=team.clock,
        declarations=dict(team.tools),
    )
    results: list[AgentResult] = []

    async def work(state: _Nothing, config: RunnableConfig) -> _Nothing:
        del state
        CURRENT_SCOPE.set(scope)
        CURRENT_SCRATCHPAD.set(brief.scratchpad)
        results.append(await call(brief, config))
        return _Nothing(done=True)

    timeout = recorded.step.timeout or team.spec.policy.timeout
    seconds = None if timeout is None else timeout.total_seconds()
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            ended = await _build_graph(work).ainvoke({}, {"configurable": {"thread_id": "replay"}})
    except TimeoutError as exc:
        late = StepTimeoutError(step_id=recorded.step.id, seconds=seconds or 0.0)
        return _fail(worker, late if limit.expired() else exc)
    except Exception as exc:  # noqa: BLE001 - the worker's own: what it raises is what is shown
        return _fail(worker, exc)
    finally:
        scope.end()
        brief.scratchpad.close()
    if asked := ended.get("__interrupt__"):
        words = "; ".join(word_value(one.value, _ASKED_CHARS) for one in asked)
        return ReplaySide(worker=worker.name, asked=words)
    return _read(worker, results[-1])


def _build_graph(work: Any) -> Pregel[Any, Any, Any, Any]:  # noqa: ANN401 - a node
    graph = StateGraph(_Nothing)
    graph.add_node("work", work)
    graph.add_edge(START, "work")
    graph.add_edge("work", END)
    return graph.compile(checkpointer=InMemorySaver(), name="replay")


def _build_call(worker: Worker) -> CallAgent:
    agent = worker.agent
    if not isinstance(agent, Pregel):
        return build_function_call(worker)
    graph: Pregel[Any, Any, Any, Any] = agent

    async def call(brief: Brief, config: RunnableConfig) -> AgentResult:
        return read_graph_output(await graph.ainvoke(shape_graph_input(graph, brief), config))

    return call


def _read(worker: Worker, result: AgentResult) -> ReplaySide:
    if result.failure is not None:
        return _fail(worker, result.failure)
    try:
        return ReplaySide(worker=worker.name, value=parse_plain(result.value))
    except PlainValueError as exc:
        return _fail(worker, exc)


def _fail(worker: Worker, error: BaseException) -> ReplaySide:
    words = f"{type(error).__name__}: {word_error(error)}"
    return ReplaySide(worker=worker.name, error=words, accepted=False)


async def _judge(
    terms: ReplayTerms,
    side: ReplaySide,
    brief: Brief,
    *,
    recorded: Recording,
    worker: Worker | None,
) -> ReplaySide:
    step = recorded.step
    if terms.criteria is not None:
        step = step.model_copy(update={"criteria": tuple(terms.criteria)})
    if worker is None:
        worker = terms.team.spec.workers.get(WorkerName(recorded.output.worker))
    timeout = step.timeout or terms.team.spec.policy.timeout
    findings = await terms.team.criteria.review(
        side.value,
        brief,
        step=step,
        worker=worker,
        limit_seconds=None if timeout is None else timeout.total_seconds(),
    )
    accepted = all(finding.passed for finding in findings)
    return side.model_copy(update={"findings": findings, "accepted": accepted})


def _is_same(recorded: ReplaySide, replayed: ReplaySide) -> bool:
    if recorded.error is not None or replayed.error is not None or replayed.asked is not None:
        return recorded.error is not None and recorded.error == replayed.error
    one: Plain = recorded.value
    return is_same(one, replayed.value)


def _compare(recorded: ReplaySide, replayed: ReplaySide) -> ReplayChange:
    if recorded.accepted is None or replayed.accepted is None:
        return "not_comparable"
    if recorded.accepted == replayed.accepted:
        return "same"
    return "now_accepted" if replayed.accepted else "now_refused"
